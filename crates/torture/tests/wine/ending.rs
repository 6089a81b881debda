//! The end of the command, and its errors when it cannot begin.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use everwatch_torture::scratch::{Place, Scratch};

use crate::command::WineCommand;
use crate::run::check;
use crate::wine::{Wine, outside};

/// The longest time that the command may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn ctrl_c_prints_what_happened_and_ends_well() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    fs::write(root.join("file"), "").expect("write");
    check(everwatch, &[&root]);
}

fn wait_for_end(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("ask for its end") {
            return status;
        }
        assert!(Instant::now() < deadline, "the command does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_with_the_next_change() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    let mut command = wine.everwatch();
    command
        .args(["watch", "--format", "json"])
        .arg(outside(&root));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start Wine");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    let mut ready = String::new();
    lines.read_line(&mut ready).expect("read the first line");
    assert!(ready.contains("\"ready\""), "{ready}");
    drop(lines);
    fs::write(root.join("file"), "").expect("write");
    let status = wait_for_end(&mut child);
    let mut complaint = String::new();
    let mut err = child.stderr.take().expect("standard error is a pipe");
    err.read_to_string(&mut complaint)
        .expect("read the complaint");
    assert!(
        status.success() && complaint.is_empty(),
        "{status}: {complaint}"
    );
}

/// Runs the command to its end, and returns the exit code and its standard error.
fn fails(wine: &Wine, arguments: &[&str]) -> (Option<i32>, String) {
    let output = wine
        .everwatch()
        .args(arguments)
        .output()
        .expect("start Wine");
    assert!(output.stdout.is_empty(), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), complaint)
}

#[test]
fn a_path_that_is_not_there_is_one_line_and_exit_code_2() {
    let Some(wine) = Wine::here() else { return };
    let (code, complaint) = fails(&wine, &["watch", "Z:\\no\\such\\path"]);
    assert_eq!(code, Some(2), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.contains("Z:\\no\\such\\path"), "{complaint}");
}

#[test]
fn a_flag_that_there_is_not_is_one_line_and_exit_code_2() {
    let Some(wine) = Wine::here() else { return };
    let (code, complaint) = fails(&wine, &["watch", "--no-such-flag"]);
    assert_eq!(code, Some(2), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}
