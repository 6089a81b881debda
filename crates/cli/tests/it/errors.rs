//! Errors: one line that says what to do, with exit code 2.

#[cfg(unix)]
use std::ffi::{OsStr, OsString};
use std::fs;
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
#[cfg(unix)]
use std::process::Stdio;

use everwatch_testing::scratch::temp;
use insta::assert_snapshot;

#[cfg(unix)]
use crate::support::COMMAND;
use crate::support::{everwatch, said};

/// The line with which the command refuses.
fn complaint(command: &mut Command) -> String {
    let said = said(command);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(
        said.out, b"",
        "what is wrong goes to standard error: {said:?}"
    );
    let lines: Vec<&str> = said.err.lines().collect();
    let [line] = lines[..] else {
        panic!("one line is expected: {lines:#?}")
    };
    assert!(line.starts_with("everwatch: "), "{line}");
    assert!(
        !line.chars().any(char::is_control),
        "raw control characters: {line:?}"
    );
    line.to_owned()
}

#[test]
fn mistakes_in_flags_are_one_line_that_says_what_to_do() {
    let commands: &[&[&str]] = &[
        &[],
        &["wach"],
        &["."],
        &["status"],
        &["--watch"],
        &["watch", "--frobnicate"],
        &["watch", "--git-ignore"],
        &["watch", "--format", "xml"],
        &["watch", "--format", "jsn"],
        &["watch", "--format", "\u{1b}[31m"],
        &["watch", "--format"],
        &["watch", "--only", "created,renamed"],
        &["watch", "--only", ""],
        &["watch", "--backend", "kqueue"],
        &["watch", "--poll-interval", "soon"],
        &["watch", "--poll-interval", "-1s"],
        &["watch", "--poll-interval", "5 minutes"],
        &["watch", "--settle", ""],
        &["watch", "--settle-max", "1s"],
        &["watch", "--settle", "NaN"],
        &["watch", "--settle", "1e999s"],
        &["watch", "--settle", "100", "--settle", "200"],
        &["watch", "--settle", "--snapshot"],
        &["watch", "--ignore", "{a"],
        &["watch", "--ignore", "[z-a]"],
        &["watch", "--ignore"],
        &["doctor", "--format", "json"],
        &["watch", "--new\nline"],
        &["watch", "--\u{1b}[31m"],
    ];
    let lines: Vec<String> = commands
        .iter()
        .map(|arguments| {
            format!(
                "{arguments:?}\n    {}",
                complaint(&mut everwatch(*arguments))
            )
        })
        .collect();
    // Windows lists one more backend.
    let text = lines
        .join("\n")
        .replace("inotify, windows, poll", "inotify, poll");
    assert_snapshot!(text);
}

#[cfg(unix)]
#[test]
fn paths_that_cannot_be_watched_are_one_line_that_says_what_to_do() {
    let dir = temp();
    fs::write(dir.path().join("file"), "").expect("a file");
    symlink("loop", dir.path().join("loop")).expect("a link");
    symlink("nowhere", dir.path().join("dangling")).expect("a link");
    let mut lines = Vec::new();
    for order in ["watch", "doctor"] {
        for name in ["missing", "file/below", "loop", "dangling", ""] {
            let mut command = everwatch([order, name]);
            let line = complaint(command.current_dir(dir.path()));
            lines.push(format!("{order} {name:?}\n    {line}"));
        }
    }
    assert_snapshot!(
        lines
            .join("\n")
            .replace(&*dir.path().to_string_lossy(), "[DIR]")
    );
}

#[cfg(unix)]
#[test]
fn a_missing_path_with_odd_characters_is_still_one_harmless_line() {
    for order in ["watch", "doctor"] {
        for name in [
            &b"/missing\nroot"[..],
            b"/missing\x1b[31mroot",
            b"/missing\xffroot",
        ] {
            let arguments = [OsString::from(order), OsStr::from_bytes(name).to_owned()];
            complaint(&mut everwatch(arguments));
        }
    }
}

#[test]
fn one_bad_path_among_good_ones_is_named() {
    let dir = temp();
    let missing = dir.path().join("missing");
    let line = complaint(everwatch(["watch"]).arg(dir.path()).arg(&missing).arg("/"));
    assert!(line.contains(&*missing.to_string_lossy()), "{line}");
}

#[cfg(unix)]
#[test]
fn an_unreadable_path_is_one_line_that_says_what_to_do() {
    let dir = temp();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).expect("a directory");
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(&closed, mode(0o700)).expect("chmod");
    // Permissions do not bind root, so the command runs as another user, from a place that this user may enter.
    let copy = dir.path().join("everwatch");
    fs::copy(COMMAND, &copy).expect("a copy");
    for path in [dir.path(), &copy] {
        fs::set_permissions(path, mode(0o755)).expect("chmod");
    }
    let is_root = rustix::process::geteuid().is_root();
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copy);
        command
    } else {
        fs::set_permissions(&closed, mode(0o000)).expect("chmod");
        Command::new(&copy)
    };
    let line = complaint(command.arg("watch").arg(&closed).current_dir("/"));
    fs::set_permissions(&closed, mode(0o700)).expect("chmod");
    let line = line.replace(&*dir.path().to_string_lossy(), "[DIR]");
    assert_snapshot!(line);
}

#[cfg(unix)]
#[test]
fn a_working_directory_that_is_gone_is_one_line() {
    let dir = temp();
    let gone = dir.path().join("gone");
    fs::create_dir(&gone).expect("a directory");
    let script = "cd \"$1\" && rmdir \"$1\" && exec \"$2\" watch";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&gone).arg(COMMAND);
    complaint(&mut command);
}

#[cfg(unix)]
#[test]
fn output_that_cannot_be_written_is_one_line() {
    let dir = temp();
    let full = fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("a full device");
    let mut child = everwatch(["watch", "--format", "json"])
        .arg(dir.path())
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut err = String::new();
    let from = child.stderr.as_mut().expect("piped");
    std::io::Read::read_to_string(from, &mut err).expect("text");
    assert_eq!(child.wait().expect("the child is ours").code(), Some(2));
    let expected =
        "everwatch: cannot write to standard output: No space left on device (os error 28)\n";
    assert_eq!(err, expected);
}

#[cfg(unix)]
#[test]
fn the_exit_code_is_right_even_if_standard_error_is_closed() {
    let full = || {
        fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("a full device")
    };
    for arguments in [
        &["watch", "/missing/path"][..],
        &["watch", "--frobnicate"],
        &["doctor", "/missing/path"],
    ] {
        let status = everwatch(arguments)
            .stderr(full())
            .status()
            .expect("the command runs");
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_time_beyond_all_measure_is_refused_or_waited_for() {
    let dir = temp();
    for flag in ["--settle", "--poll-interval"] {
        for time in ["18446744073709551000s", "1e19", "0", "0s"] {
            let mut command =
                everwatch(["watch", "--backend", "poll", flag, time, "--format", "json"]);
            let mut session = crate::support::Session::bare(command.arg(dir.path()));
            let begin = std::time::Instant::now();
            while !session.has_ended() && session.out().is_empty() {
                assert!(
                    begin.elapsed() < crate::support::PATIENCE,
                    "{flag} {time}: neither ready nor over"
                );
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            fs::write(dir.path().join("f"), "x").expect("written");
            std::thread::sleep(std::time::Duration::from_millis(30));
            let said = if session.has_ended() {
                session.wait()
            } else {
                session.stop()
            };
            assert!(
                !said.err.contains("panicked"),
                "{flag} {time}: {}",
                said.err
            );
            let is_killed = cfg!(windows) && said.code.is_none();
            assert!(
                is_killed || matches!(said.code, Some(0 | 2)),
                "{flag} {time}: {said:?}"
            );
        }
    }
}

#[cfg(windows)]
#[test]
fn windows_paths_that_cannot_be_watched_are_one_line_that_says_what_to_do() {
    let dir = temp();
    fs::write(dir.path().join("file"), "").expect("a file");
    let mut lines = Vec::new();
    for order in ["watch", "doctor"] {
        for name in ["missing", "file/below", "", "new\nline", "Q:\\"] {
            let mut command = everwatch([order, name]);
            let line = complaint(command.current_dir(dir.path()));
            lines.push(format!("{order} {name:?}\n    {line}"));
        }
    }
    assert_snapshot!(
        lines
            .join("\n")
            .replace(&*dir.path().to_string_lossy(), "[DIR]")
    );
}
