//! The report of `everwatch doctor` about this machine.

use std::fs;
use std::path::Path;

use everwatch_testing::scratch::temp;

use crate::support::{everwatch, said};

fn report(path: &Path) -> String {
    let said = said(everwatch(["doctor"]).arg(path));
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    String::from_utf8(said.out).expect("text")
}

fn line<'a>(report: &'a str, name: &str) -> &'a str {
    let found = report
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name));
    found
        .unwrap_or_else(|| panic!("{name:?} is not in the report:\n{report}"))
        .trim()
}

#[cfg(unix)]
#[test]
fn it_reports_the_file_system_the_backend_and_each_limit() {
    let dir = temp();
    let report = report(dir.path());
    assert_eq!(line(&report, "path"), &*dir.path().to_string_lossy());
    assert_ne!(line(&report, "file system"), "");
    assert_eq!(line(&report, "backend"), "inotify");
    for limit in [
        "max_user_watches",
        "max_user_instances",
        "max_queued_events",
    ] {
        let value = fs::read_to_string(format!("/proc/sys/fs/inotify/{limit}")).expect("a limit");
        let shown = line(&report, limit);
        assert!(shown.starts_with(value.trim()), "{shown}");
        assert!(
            shown.ends_with(&format!("sysctl fs.inotify.{limit}")),
            "{shown}"
        );
    }
}

#[test]
fn it_reports_what_arming_the_path_took() {
    let dir = temp();
    for at in 0..30 {
        fs::create_dir_all(dir.path().join(format!("d{at}"))).expect("directories");
        fs::write(dir.path().join(format!("d{at}/f")), "").expect("a file");
    }
    for _ in 0..10 {
        let report = report(dir.path());
        let armed = line(&report, "armed");
        assert!(armed.starts_with("61 entries, "), "{armed}");
        let words: Vec<&str> = armed.split(' ').collect();
        let watches: u64 = words[2].parse().expect("a number");
        let least = if cfg!(windows) { 1 } else { 31 };
        assert!(watches >= least, "{armed}");
    }
}

#[cfg(unix)]
#[test]
fn it_reports_what_would_be_polled_and_why() {
    let report = report(Path::new("/sys/kernel/mm"));
    assert_eq!(line(&report, "file system"), "sysfs");
    assert!(line(&report, "backend").starts_with("poll, because of: pseudo-file-system. "));
    assert!(line(&report, "polled").starts_with("/sys/kernel/mm, because of: pseudo-file-system"));
}

#[test]
fn it_reports_on_a_single_file() {
    let dir = temp();
    let path = dir.path().join("file");
    fs::write(&path, "").expect("a file");
    assert!(line(&report(&path), "armed").contains(" entries"));
}

#[test]
fn it_reports_on_each_path() {
    let (one, two) = (temp(), temp());
    let said = said(everwatch(["doctor"]).arg(one.path()).arg(two.path()));
    let text = String::from_utf8(said.out).expect("text");
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("  path "))
            .count(),
        2,
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn a_path_that_would_break_a_line_is_escaped() {
    let dir = temp();
    let path = dir.path().join("new\nline\x1b[31m");
    fs::create_dir(&path).expect("a directory");
    let report = report(&path);
    assert!(
        report.lines().all(|line| line.starts_with("  ")),
        "{report}"
    );
    assert!(!report.contains('\x1b'));
}

#[cfg(windows)]
#[test]
fn it_reports_the_file_system_the_backend_and_the_purpose_of_each_completion_model() {
    let dir = temp();
    let report = report(dir.path());
    assert_eq!(line(&report, "path"), &*dir.path().to_string_lossy());
    assert_eq!(line(&report, "file system"), "NTFS");
    assert_eq!(line(&report, "backend"), "windows");
    for model in ["port", "apc", "event", "blocking", "isolated"] {
        let purpose = line(&report, &format!("completion {model}"));
        assert!(
            purpose.starts_with("for ") || purpose.starts_with("where "),
            "{purpose}"
        );
    }
}
