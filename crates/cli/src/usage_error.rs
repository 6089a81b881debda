//! Usage errors: a mistake on the command line as one sentence with the flag, the value, and what to do.
//!
//! The parser's own message has several lines and repeats the typed words raw. The sentence here is
//! made of the facts in the parser's error, and quotes typed words so that no terminal obeys them.
//!
//! ```text
//! --format cannot be 'jsn'; did you mean 'json'? choose from: text, json, nul
//! there is no command 'src'; to watch that path, run 'everwatch watch PATH'
//! ```

use std::error::Error as _;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use everwatch::printable;

/// The sentence for `error`. `arguments` are those after the program's name; the first one decides
/// whose help is recommended.
pub(crate) fn sentence(error: &clap::Error, arguments: &[String]) -> String {
    let usage = UsageError { error };
    let command = arguments
        .first()
        .filter(|command| ["watch", "doctor", "selftest"].contains(&&***command));
    // The end of most sentences. It names the help that lists the right spellings.
    let help = match command {
        Some(command) => format!("run 'everwatch {command} --help' to see what there is"),
        None => "run 'everwatch --help' to see what there is".to_owned(),
    };
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            format!("say what to do: 'watch', 'doctor' or 'selftest'; {help}")
        }
        ErrorKind::InvalidSubcommand => usage.about_command(&help),
        ErrorKind::UnknownArgument => usage.about_flag(command, &help),
        ErrorKind::InvalidValue => usage.about_choice(&help),
        ErrorKind::ValueValidation => usage.about_value(),
        ErrorKind::ArgumentConflict => {
            format!("{} may be given once only; drop one", usage.flag())
        }
        // One flag has this kind.
        ErrorKind::MissingRequiredArgument => {
            "--settle-max bounds --settle; give --settle as well".to_owned()
        }
        ErrorKind::InvalidUtf8 => {
            format!("only paths may be other than UTF-8, and a flag or its value is; {help}")
        }
        // Kinds that the flags here do not lead to. The first line of the parser's message has the facts.
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let first = first.trim_start_matches("error: ");
            format!("{}; {help}", printable(Path::new(first)))
        }
    }
}

/// An error of the parser, with its facts by name.
struct UsageError<'a> {
    error: &'a clap::Error,
}

impl UsageError<'_> {
    /// There is no such subcommand.
    fn about_command(&self, help: &str) -> String {
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

    /// The subcommand has no such flag.
    fn about_flag(&self, command: Option<&String>, help: &str) -> String {
        let quoted = quoted(self.text(ContextKind::InvalidArg));
        let command = match command {
            Some(command) => format!("everwatch {command}"),
            None => "everwatch".to_owned(),
        };
        match self.suggested(ContextKind::SuggestedArg) {
            Some(meant) => {
                format!("'{command}' has no flag {quoted}; did you mean {meant}? {help}")
            }
            None => format!("'{command}' has no flag {quoted}; {help}"),
        }
    }

    /// A value is missing, or is none of those that the flag takes.
    fn about_choice(&self, help: &str) -> String {
        let flag = self.flag();
        let typed = self.text(ContextKind::InvalidValue);
        let choices = match self.error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(choices)) => choices.join(", "),
            _ => String::new(),
        };
        // A path is no flag: its usage is the name of the argument.
        if flag == "[PATH]..." {
            return "a path is empty; name a directory or a file, or '.' for this one".to_owned();
        }
        // The parser reports a missing value as an empty one.
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

    /// A value has the wrong form; the parser of the value says why.
    fn about_value(&self) -> String {
        let quoted = quoted(self.text(ContextKind::InvalidValue));
        let why = self.error.source().map(ToString::to_string);
        format!(
            "{} cannot be {quoted}: {}",
            self.flag(),
            why.unwrap_or_default()
        )
    }

    /// The flag in question, without the name of its value.
    fn flag(&self) -> &str {
        let usage = self.text(ContextKind::InvalidArg);
        usage.split(' ').next().unwrap_or(usage)
    }

    /// A fact of the error that is one string; empty if the error has none.
    fn text(&self, kind: ContextKind) -> &str {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => text,
            _ => "",
        }
    }

    /// The spelling that the parser suggests, quoted.
    fn suggested(&self, kind: ContextKind) -> Option<String> {
        // One suggestion is a string and several are a list, the best one first.
        match self.error.get(kind)? {
            ContextValue::String(meant) => Some(quoted(meant)),
            ContextValue::Strings(meant) => meant.first().map(|meant| quoted(meant)),
            _ => None,
        }
    }
}

/// The word in quotation marks, escaped.
fn quoted(typed: &str) -> String {
    format!("'{}'", printable(Path::new(typed)))
}
