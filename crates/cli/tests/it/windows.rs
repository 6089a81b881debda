//! The command on Windows: `everwatch.exe watch` in each format and under each completion model, and
//! its end by an event of the console.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use everwatch_testing::scratch::temp;
use everwatch_testing::walk::walk;

use crate::support::replica::Replica;
use crate::support::{COMMAND, Said, Session, contains, everwatch, said};

/// The arguments that choose each model.
const MODELS: &[&[&str]] = &[
    &["--completion", "port"],
    &["--completion", "apc"],
    &["--completion", "event"],
    &["--completion", "blocking"],
    &["--completion", "isolated"],
];

/// Whether it ended with code 0, or was killed because there is no console.
fn ended_well(said: &Said) -> bool {
    said.code.is_none_or(|code| code == 0) && said.err.is_empty()
}

/// Does one thing of each kind below `root`.
fn perform(root: &Path) {
    let path = |name: &str| root.join(name);
    fs::create_dir(path("dir")).expect("a directory");
    fs::write(path("dir/file"), "text").expect("a file");
    fs::rename(path("dir/file"), path("moved")).expect("moved");
    fs::write(path("other"), "text").expect("a file");
    fs::remove_file(path("other")).expect("removed");
    fs::create_dir_all(path("a/b/c")).expect("directories");
    fs::write(path("a/b/c/\u{4e16}\u{1f680}"), "").expect("a file");
    fs::write(path("last"), "").expect("a file");
}

#[test]
fn json_lines_lead_to_the_tree_that_is_on_disk_under_each_completion_model() {
    for model in MODELS {
        let dir = temp();
        fs::create_dir(dir.path().join("old")).expect("a directory");
        let arguments = [*model, &["--format", "json", "--snapshot"]].concat();
        let session = Session::watch(&arguments, dir.path());
        perform(dir.path());
        session.expect("last");
        let probe = session.probe();
        let said = session.stop();
        assert!(ended_well(&said), "{model:?}: {said:?}");
        let mut replica = Replica::read(&said.out);
        replica.tree.remove(probe);
        assert_eq!(replica.lies(&walk(dir.path())), [""; 0], "{model:?}");
        assert_eq!(replica.tree.len(), 8, "{model:?}: {:#?}", replica.tree);
    }
}

#[test]
fn lines_for_people_have_paths_as_windows_writes_them() {
    let dir = temp();
    fs::write(dir.path().join("old"), "").expect("a file");
    let session = Session::watch(&["--format", "text"], dir.path());
    fs::rename(dir.path().join("old"), dir.path().join("new")).expect("moved");
    session.expect("new");
    let said = session.stop();
    let text = String::from_utf8(said.out).expect("text");
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    // Lines about the probe may be among them.
    let is_reported = |line: &str| {
        line.starts_with("moved")
            && line.contains(&*old.to_string_lossy())
            && line.contains(&*new.to_string_lossy())
    };
    assert!(text.lines().any(is_reported), "{text}");
    assert!(!contains(text.as_bytes(), b"\x1b"), "no colours in a pipe");
}

#[test]
fn ctrl_break_ends_it_after_everything_before_is_printed() {
    let dir = temp();
    let session = Session::watch(&["--format", "json"], dir.path());
    for at in 0..500 {
        fs::write(dir.path().join(format!("f{at}")), "").expect("a file");
    }
    let begin = Instant::now();
    let said = session.stop();
    if said.code.is_none() {
        eprintln!("SKIPPED ctrl_break_ends_it_well…: no console sends events here");
        return;
    }
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let replica = Replica::read(&said.out);
    let entries = replica.tree.iter();
    let below = entries.filter(|(path, _)| path.starts_with(dir.path()));
    assert_eq!(below.count(), 500);
    assert!(said.out.ends_with(b"\n"), "the last line is whole");
}

#[test]
fn the_isolated_model_names_the_worker_that_is_not_there() {
    let watcher = everwatch::Options::new()
        .completion(everwatch::CompletionModel::Isolated)
        .worker(Path::new(COMMAND).with_file_name("missing.exe"));
    let complaint = watcher.build().expect_err("there is no worker").to_string();
    assert!(
        complaint.starts_with("cannot start the worker "),
        "{complaint}"
    );
    assert!(complaint.contains("missing.exe"), "{complaint}");
}

#[test]
fn a_root_with_a_trailing_separator_and_dots_is_reported_without() {
    for behind in ["\\", "/", "\\.\\", "\\sub\\.."] {
        let dir = temp();
        fs::create_dir(dir.path().join("sub")).expect("a directory");
        let root = format!("{}{behind}", dir.path().display());
        let session = Session::watch(&["--format", "json"], &root);
        fs::write(dir.path().join("new"), "").expect("a file");
        session.expect("new");
        let said = session.stop();
        let replica = Replica::read(&said.out);
        assert!(
            replica.tree.get(dir.path().join("new")).is_some(),
            "{behind}: {:#?}",
            replica.tree
        );
    }
}

#[test]
fn asking_for_inotify_is_an_error_that_says_what_there_is() {
    let dir = temp();
    let said = said(everwatch(["watch", "--backend", "inotify"]).arg(dir.path()));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
    assert!(said.err.starts_with("everwatch: "), "{said:?}");
}
