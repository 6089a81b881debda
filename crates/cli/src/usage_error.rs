//! What is wrong with the command line, as one sentence: what, where, and what to do.
//!
//! The parser's own message has several lines and repeats what was typed as it is. This takes the
//! facts out of its error and quotes what was typed in a way that no terminal obeys.

use std::error::Error as _;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use everwatch::printable;

/// The sentence for `error`, given the arguments behind the command's own name.
pub(crate) fn sentence(error: &clap::Error, arguments: &[String]) -> String {
    let usage = UsageError { error };
    let order = arguments
        .first()
        .filter(|order| ["watch", "doctor"].contains(&&***order));
    let help = match order {
        Some(order) => format!("run 'everwatch {order} --help' to see what there is"),
        None => "run 'everwatch --help' to see what there is".to_owned(),
    };
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            format!("say what to do: 'watch' or 'doctor'; {help}")
        }
        ErrorKind::InvalidSubcommand => usage.about_order(&help),
        ErrorKind::UnknownArgument => usage.about_flag(order, &help),
        ErrorKind::InvalidValue => usage.about_choice(&help),
        ErrorKind::ValueValidation => usage.about_value(),
        ErrorKind::ArgumentConflict => {
            format!("{} may be given once only; drop one", usage.flag())
        }
        ErrorKind::InvalidUtf8 => {
            format!("only paths may be other than UTF-8, and a flag or its value is; {help}")
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let first = first.trim_start_matches("error: ");
            format!("{}; {help}", printable(Path::new(first)))
        }
    }
}

struct UsageError<'a> {
    error: &'a clap::Error,
}

impl UsageError<'_> {
    fn about_order(&self, help: &str) -> String {
        let typed = self.text(ContextKind::InvalidSubcommand);
        let quoted = quoted(typed);
        if let Some(meant) = self.suggested(ContextKind::SuggestedSubcommand) {
            format!("there is no command {quoted}; did you mean {meant}?")
        } else if Path::new(typed).exists() {
            format!("there is no command {quoted}; to watch that path, run 'everwatch watch PATH'")
        } else {
            format!("there is no command {quoted}; {help}")
        }
    }

    fn about_flag(&self, order: Option<&String>, help: &str) -> String {
        let quoted = quoted(self.text(ContextKind::InvalidArg));
        let command = match order {
            Some(order) => format!("everwatch {order}"),
            None => "everwatch".to_owned(),
        };
        match self.suggested(ContextKind::SuggestedArg) {
            Some(meant) => {
                format!("'{command}' has no flag {quoted}; did you mean {meant}? {help}")
            }
            None => format!("'{command}' has no flag {quoted}; {help}"),
        }
    }

    fn about_choice(&self, help: &str) -> String {
        let flag = self.flag();
        let typed = self.text(ContextKind::InvalidValue);
        let choices = match self.error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(choices)) => choices.join(", "),
            _ => String::new(),
        };
        if flag == "[PATH]..." {
            return "a path is empty; name a directory or a file, or '.' for this one".to_owned();
        }
        if typed.is_empty() && choices.is_empty() {
            return format!("{flag} needs a value behind it; {help}");
        }
        if typed.is_empty() {
            return format!("{flag} needs a value behind it; choose from: {choices}");
        }
        let quoted = quoted(typed);
        match self.suggested(ContextKind::SuggestedValue) {
            Some(meant) => {
                format!("{flag} cannot be {quoted}; did you mean {meant}? choose from: {choices}")
            }
            None => format!("{flag} cannot be {quoted}; choose from: {choices}"),
        }
    }

    fn about_value(&self) -> String {
        let quoted = quoted(self.text(ContextKind::InvalidValue));
        let why = self.error.source().map(ToString::to_string);
        format!(
            "{} cannot be {quoted}: {}",
            self.flag(),
            why.unwrap_or_default()
        )
    }

    /// The flag that it is about, without the name of its value.
    fn flag(&self) -> &str {
        let usage = self.text(ContextKind::InvalidArg);
        usage.split(' ').next().unwrap_or(usage)
    }

    fn text(&self, kind: ContextKind) -> &str {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => text,
            _ => "",
        }
    }

    /// What the parser takes for what was meant.
    fn suggested(&self, kind: ContextKind) -> Option<String> {
        match self.error.get(kind)? {
            ContextValue::String(meant) => Some(quoted(meant)),
            ContextValue::Strings(meant) => meant.first().map(|meant| quoted(meant)),
            _ => None,
        }
    }
}

fn quoted(typed: &str) -> String {
    format!("'{}'", printable(Path::new(typed)))
}
