//! `cargo xtask`: the commands that people and CI run on this repository.
//!
//! Each command is a file. They start other programs and read what these print; nothing of the
//! product is linked in, so that `cargo xtask` itself builds in a second.

#![forbid(unsafe_code)]

mod api;
mod arguments;
mod bench;
mod beside;
mod descendants;
mod features;
mod fuzz;
mod guarantees;
mod interleavings;
mod licences;

mod measure;
mod oldest;
mod packages;
mod prerequisites;
mod process;
mod quick;
mod requirements;
mod sim;
mod soak;
mod stages;
mod test;
mod windows;
mod wine;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

/// A command of `cargo xtask` with its line in the usage text.
struct Command {
    name: &'static str,
    takes: &'static str,
    does: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        takes: "",
        does: "run everything that CI checks",
        run: test::run,
    },
    Command {
        name: "quick",
        takes: "[REVISION]",
        does: "format, lint and test what changed since REVISION, while working",
        run: quick::run,
    },
    Command {
        name: "sim",
        takes: "[--seed N] [--count N] [--from N]",
        does: "run schedules of the simulator: one by its seed, or many",
        run: sim::run,
    },
    Command {
        name: "bench",
        takes: "[ARGS]",
        does: "measure Everwatch, its peers and a raw loop; writes BENCHMARKS.md",
        run: bench::run,
    },
    Command {
        name: "fuzz",
        takes: "[TARGET] [--seconds N]",
        does: "run one fuzz target, or each in turn",
        run: fuzz::run,
    },
    Command {
        name: "soak",
        takes: "",
        does: "run the long tests: torture, a million schedules, an hour of fuzzing",
        run: soak::run,
    },
    Command {
        name: "interleavings",
        takes: "[--rounds N]",
        does: "run the threads of the library in thousands of chosen orders",
        run: interleavings::run,
    },
    Command {
        name: "wine",
        takes: "[-p PACKAGE] [-- TESTS] | env | run PROGRAM",
        does: "run the Windows tests, or a program, under Wine; env prints its variables",
        run: wine::run,
    },
    Command {
        name: "requirements",
        takes: "",
        does: "list the tests of each requirement, and where they run",
        run: requirements::run,
    },
    Command {
        name: "measure",
        takes: "[--details] [--check]",
        does: "count walls, names, documentation and English of the sources",
        run: measure::run,
    },
    Command {
        name: "packages",
        takes: "",
        does: "check that every published crate can be published as it stands",
        run: packages::run,
    },
    Command {
        name: "api",
        takes: "[--accept]",
        does: "compare the public interface with its snapshot, or renew that",
        run: api::run,
    },
    Command {
        name: "beside",
        takes: "",
        does: "run the stages of test that only compile or compute",
        run: beside::run,
    },
    Command {
        name: "guarantees",
        takes: "",
        does: "check that the tests and files that the documents name exist",
        run: guarantees::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("xtask: there is no command {name:?}\n\n{}", usage());
        return ExitCode::from(2);
    };
    let done = std::env::set_current_dir(root())
        .map_err(|error| format!("cannot enter the repository: {error}"))
        .and_then(|()| (command.run)(rest));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("xtask: {message}");
            }
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = "usage: cargo xtask COMMAND\n\n".to_owned();
    for command in COMMANDS {
        let call = format!("{} {}", command.name, command.takes);
        text += &format!("  {call:<46} {}\n", command.does);
    }
    text
}

/// The top of the repository.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into())
        .join("..")
}
