//! The `everwatch` command.

#![forbid(unsafe_code)]

mod args;
mod doctor;
mod json;
mod output;
mod own_output;
mod progress;
mod shutdown;
mod text;
mod usage_error;
mod watch;
mod watch_limit;

use std::process::ExitCode;

/// Writes to standard error; if nobody can read it, the command does its work all the same.
macro_rules! show {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($text)*);
    }};
}

/// Writes a line to standard error, like [`show`].
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) use {say, show};

use args::{Args, Order};
use clap::Parser;
use clap::error::ErrorKind;

/// Something that the caller has to change: a path, a flag, a limit.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    // Another process started this one to read directories for it.
    #[cfg(windows)]
    if std::env::args_os()
        .nth(1)
        .is_some_and(|order| order == "isolated-reads")
    {
        everwatch::serve_isolated_reads();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return explain(&error),
    };
    let result = match args.order {
        Order::Watch(args) => watch::run(&args),
        Order::Doctor(args) => doctor::run(&args.paths),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            crate::say!("everwatch: {message}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Help goes to standard output; what is wrong with a flag becomes one sentence.
fn explain(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // Nobody reads the help any more: nothing is lost.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    crate::say!("everwatch: {}", usage_error::sentence(error, &arguments));
    ExitCode::from(EXIT_USAGE)
}
