//! The session that the READMEs show: it is what the command prints.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The README of this package and that of the repository.
const READMES: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"),
];

#[test]
fn the_session_in_the_readme_is_what_the_command_prints() {
    for readme in READMES {
        shows_what_the_command_prints(readme);
    }
}

/// Runs the command of the README's session, does what the session is about, and compares.
fn shows_what_the_command_prints(readme: &str) {
    let readme = fs::read_to_string(readme).expect("a README");
    let session = readme
        .split_once("```console\n")
        .and_then(|(_, rest)| rest.split_once("\n```"))
        .map(|(session, _)| session)
        .expect("the README has a session");
    let (call, expected) = session.split_once('\n').expect("a call and what it prints");
    let place = tempfile::tempdir().expect("a directory");
    let demo = place.path().join("demo");
    fs::create_dir(&demo).expect("the directory of the session");
    let shown = demo.to_str().expect("a path in UTF-8");
    let arguments = call
        .strip_prefix("$ everwatch ")
        .expect("a call")
        .replace("/tmp/demo", shown);
    let mut command = Command::new(env!("CARGO_BIN_EXE_everwatch"))
        .args(arguments.split(' '))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let output = BufReader::new(command.stdout.take().expect("a pipe"));
    let mut lines = output.lines().map(|line| {
        let line = line.expect("a line that can be read");
        without_cursor(&line.replace(shown, "/tmp/demo"))
    });

    let mut printed: Vec<String> = lines.by_ref().take(1).collect();
    fs::write(demo.join("a"), "x\n").expect("a is written");
    fs::rename(demo.join("a"), demo.join("b")).expect("a is renamed");
    fs::remove_file(demo.join("b")).expect("b is removed");
    printed.extend(lines.by_ref().take(expected.lines().count() - 1));
    command.kill().expect("the command ends");
    command.wait().expect("the command has ended");
    assert_eq!(printed.join("\n"), expected);
}

/// The name of the watcher is another one each time.
fn without_cursor(line: &str) -> String {
    match line.split_once("\"cursor\":\"") {
        Some((before, _)) => format!("{before}\"cursor\":\"…\"}}"),
        None => line.to_owned(),
    }
}
