//! `everwatch selftest`: its verdicts, its errors, and what it leaves behind.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use everwatch_testing::scratch::temp;

use crate::support::{Session, everwatch, said};

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory)
        .expect("a directory")
        .next()
        .is_none()
}

#[test]
fn every_guarantee_holds_here_and_nothing_is_left_behind() {
    let directory = temp();
    let mut command = everwatch(["selftest", "--quick", "--json", "--seed", "5"]);
    let said = said(command.arg(directory.path()));
    let text = String::from_utf8(said.out).expect("text");
    assert_eq!(said.code, Some(0), "{text}{}", said.err);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let guarantees = lines.iter().filter(|line| line["type"] == "guarantee");
    assert_eq!(guarantees.count(), 8, "{text}");
    for line in &lines {
        assert_ne!(line["verdict"], "broken", "{text}");
        assert_ne!(line["verdict"], "best-effort", "{text}");
    }
    assert!(is_empty(directory.path()));
}

#[test]
fn a_signal_ends_it_and_nothing_is_left_behind() {
    for signal in [crate::support::Signal::INT, crate::support::Signal::TERM] {
        let directory = temp();
        let mut command = everwatch(["selftest"]);
        command.arg(directory.path()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let mut child = command.spawn().expect("start the command");
        while is_empty(directory.path()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(300));
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal)
            .expect("signal the command");
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        assert!(is_empty(directory.path()));
    }
}

#[test]
fn a_directory_in_which_it_cannot_write_is_one_sentence() {
    let directory = temp();
    let file = directory.path().join("file");
    fs::write(&file, "").expect("a file");
    for (path, why) in [
        (
            directory.path().join("absent"),
            "there is no such file or directory",
        ),
        (file, "it is no directory"),
        ("/proc".into(), "there is no such file or directory"),
    ] {
        let said = said(everwatch(["selftest", "--quick"]).arg(&path));
        assert_eq!((said.code, said.out.len()), (Some(2), 0));
        let last = said.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("everwatch: cannot write below "), "{last}");
        assert!(last.contains(why), "{last}");
    }
}

#[test]
fn a_flag_that_it_does_not_have_is_one_sentence() {
    let said = Session::bare(&mut everwatch(["selftest", "--quik"])).wait();
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("'everwatch selftest' has no flag '--quik'"),
        "{}",
        said.err
    );
}
