//! The example programs, run as their readers would.

use everwatch_testing::example::Example;

use crate::support::tree;

#[test]
fn a_watcher_that_blocks_reports_changes_and_stops_without_one() {
    let tree = tree();
    let example = Example::start("blocking_watcher", [tree.path()]);
    example.until("watching");
    std::fs::create_dir(tree.path().join("letters")).expect("a directory");
    assert_eq!(example.until("letters"), "Added \"letters\"");
    let (rest, status) = example.finish();
    assert!(status.success());
    assert_eq!(rest.last().map(String::as_str), Some("stopped"));
    // No handle is left that would keep it.
    std::fs::remove_dir_all(tree.path()).expect("it can be removed");
}

#[test]
fn a_watcher_of_a_directory_that_is_not_there_says_so() {
    let tree = tree();
    let example = Example::start("blocking_watcher", [tree.path().join("missing")]);
    let (rest, status) = example.finish();
    assert!(!status.success());
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn reads_with_a_timeout_report_changes_and_quiet_in_both_versions() {
    for version in ["overlapped", "blocking"] {
        let tree = tree();
        let path = tree.path().to_str().expect("a path in UTF-8");
        let example = Example::start("read_with_a_timeout", [path, version, "200"]);
        example.until("watching");
        example.until("nothing in 200 ms");
        std::fs::write(tree.path().join("draft"), "text").expect("a file");
        assert_eq!(example.until("draft"), "Added \"draft\"", "{version}");
        example.until("nothing in 200 ms");
        let (rest, status) = example.finish();
        assert!(status.success(), "{version}");
        assert_eq!(rest.last().map(String::as_str), Some("closed"), "{version}");
    }
}

#[test]
fn servers_take_directories_and_give_them_back_while_they_run() {
    for version in ["routines", "port"] {
        let (one, other) = (tree(), tree());
        let paths = [one.path(), other.path()].map(|path| path.display().to_string());
        let mut example = Example::start("notification_server", [version, &paths[0]]);
        example.until("serving");
        example.type_line(&format!("add {}", paths[1]));
        example.until("done: add");
        std::fs::write(other.path().join("second"), "").expect("a file");
        let added = example.until("second");
        assert_eq!(added, format!("{}: Added \"second\"", paths[1]));
        example.type_line(&format!("remove {}", paths[1]));
        example.until("done: remove");
        std::fs::remove_dir_all(other.path()).expect("it can be removed");
        example.type_line(&format!("remove {}", paths[1]));
        example.until("is not read");
        std::fs::write(one.path().join("first"), "").expect("a file");
        let added = example.until("first");
        assert_eq!(added, format!("{}: Added \"first\"", paths[0]));
        let (rest, status) = example.finish();
        assert!(status.success(), "{version}");
        let last = rest.last().map(String::as_str);
        assert_eq!(last, Some("closed, 0 reads outstanding"), "{version}");
        assert!(
            !rest.iter().any(|line| line.contains(&paths[1])),
            "{rest:?}"
        );
    }
}

#[test]
fn a_server_without_directories_ends() {
    for version in ["routines", "port"] {
        let example = Example::start("notification_server", [version]);
        example.until("serving");
        let (rest, status) = example.finish();
        assert!(status.success(), "{version}");
        assert_eq!(rest, ["closed, 0 reads outstanding"], "{version}");
    }
}

#[test]
fn each_model_reports_what_happens() {
    let tree = tree();
    let example = Example::start("watch_with_each_model", [tree.path()]);
    example.until("watching");
    std::fs::write(tree.path().join("draft"), "").expect("a file");
    let mut missing = vec!["port", "apc", "event", "blocking", "isolated"];
    while !missing.is_empty() {
        let line = example.until("Added \"draft\"");
        missing.retain(|model| !line.starts_with(model));
    }
}
