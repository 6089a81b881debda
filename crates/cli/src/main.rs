//! The `everwatch` command: the feed of the library on standard output, for people and for programs.
//!
//! [`watch`] arms the paths and prints the feed; [`output`] chooses between [`text`], [`json`] and fields
//! that end in NUL; [`standard_output`] waits for its reader; [`shutdown`] ends it. [`doctor`] describes a machine, [`selftest`] tests one. Everything that goes to
//! standard error is one line that starts with `everwatch: `. Exit codes: 0 for an end that was asked
//! for, 1 for an end that lost lines because their reader stood still and for a guarantee that does not hold, 2 for something that the caller has to
//! change.

#![forbid(unsafe_code)]

mod args;
mod doctor;
mod json;
mod output;
mod own_output;
mod progress;
mod selftest;
mod shutdown;
mod standard_output;
mod text;
mod usage_error;
mod watch;
mod watch_limit;

use std::process::ExitCode;

/// Writes to standard error. A failed write is ignored: the changes on standard output matter more.
macro_rules! show {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($text)*);
    }};
}

/// Writes a line to standard error, like `show!`.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) use {say, show};

use args::{Args, Command};
use clap::Parser;
use clap::error::ErrorKind;

/// Exit code for something that the caller has to change: a path, a flag, a limit.
const EXIT_USAGE: u8 = 2;

/// Parses the command line and runs the subcommand. Writes any error to standard error, as one line.
fn main() -> ExitCode {
    // The isolated completion model of the library starts this program again, as its worker process.
    #[cfg(windows)]
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "isolated-reads")
    {
        everwatch::serve_isolated_reads();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return explain(&error),
    };
    let result = match args.command {
        Command::Watch(args) => watch::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(&args.paths).map(|()| ExitCode::SUCCESS),
        Command::Selftest(args) => selftest::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            crate::say!("everwatch: {message}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Prints the help or the version to standard output, or a usage error to standard error.
fn explain(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A reader that has gone needs no help.
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
