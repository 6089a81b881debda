//! Ignore rules of the repository that the root lies in: above the root, and in `info/exclude`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use everwatch::{Backend, Event, Feed, Options, ResyncPhase, Watcher};
use tempfile::TempDir;

use crate::filters::{git, tree, write};
use crate::support::{structure, synced, until, writers};

#[test]
fn rules_of_the_same_repository_above_the_root_count() {
    let outer = tree(&["repo/.git/HEAD", "repo/sub/root/a.log", "repo/sub/root/a"]);
    write(outer.path(), ".gitignore", "a\n");
    write(outer.path(), "repo/.gitignore", "*.log\n");
    write(outer.path(), "repo/sub/.gitignore", "/root/only-here\n");
    write(outer.path(), "repo/.git/info/exclude", "excluded\n");
    let root = outer.path().join("repo/sub/root");
    for name in ["only-here", "d/only-here", "excluded"] {
        write(&root, name, "");
    }
    let watcher = git().build().expect("a watcher");
    watcher.watch(&root).expect("watched");
    let snapshot = watcher.snapshot().expect("a snapshot");
    let seen: BTreeSet<_> = snapshot
        .entries
        .iter()
        .map(|entry| entry.path.strip_prefix(&root).expect("below"))
        .collect();
    assert_eq!(
        seen,
        ["a", "d", "d/only-here"]
            .map(Path::new)
            .into_iter()
            .collect()
    );
}

/// A watched directory `repo/root` of a repository `repo`, and what its feed tells.
struct Repository {
    watcher: Watcher,
    feed: Feed,
    /// Removed last, when nothing of it is watched any more.
    dir: TempDir,
}

impl Repository {
    fn new(options: Options) -> Repository {
        let dir = tree(&["repo/.git/info/exclude", "repo/root/a.log", "repo/root/a"]);
        let watcher = options.build().expect("a watcher");
        let feed = watcher.feed().expect("a feed");
        watcher
            .watch(dir.path().join("repo/root"))
            .expect("watched");
        Repository { dir, watcher, feed }
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.dir.path().join("repo"), name, text);
    }

    fn told(&mut self) -> Vec<String> {
        let root = self.dir.path().join("repo/root");
        structure(&root, &synced(&self.watcher, &mut self.feed))
    }
}

#[test]
fn rules_above_the_root_that_change_take_effect() {
    let mut repo = Repository::new(git());
    repo.write(".gitignore", "*.log\n");
    assert_eq!(repo.told(), ["removed a.log"]);
    let top = repo.dir.path().join("repo");
    // In one step: a file that is truncated first has no rules for a moment.
    let mut rules = fs::OpenOptions::new()
        .append(true)
        .open(top.join(".gitignore"))
        .expect("opened");
    rules.write_all(b"a\n").expect("written");
    drop(rules);
    assert_eq!(repo.told(), ["removed a"]);
    fs::write(top.join("new"), "a\n").expect("a file");
    writers::rename(&top.join("new"), &top.join(".gitignore")).expect("replaced");
    assert_eq!(repo.told(), ["created a.log"]);
    writers::remove_file(&top.join(".gitignore")).expect("removed");
    assert_eq!(repo.told(), ["created a"]);
}

#[test]
fn what_the_repository_excludes_takes_effect_when_it_changes() {
    let mut repo = Repository::new(git());
    repo.write(".git/info/exclude", "*.log\n");
    assert_eq!(repo.told(), ["removed a.log"]);
    repo.write(".gitignore", "!*.log\n");
    assert_eq!(repo.told(), ["created a.log"]);
}

#[test]
fn rules_above_a_root_that_is_polled_take_effect() {
    let options = git()
        .backend(Backend::Poll)
        .poll_interval(Duration::from_millis(20));
    let mut repo = Repository::new(options);
    repo.write(".gitignore", "*.log\n");
    let root = repo.dir.path().join("repo/root");
    until(&mut repo.feed, "the rules take effect", |event| {
        structure(&root, std::slice::from_ref(event)) == ["removed a.log"]
    });
}

#[test]
fn rules_above_a_root_that_changed_while_it_was_gone_hold_when_it_is_back() {
    let mut repo = Repository::new(git());
    let top = repo.dir.path().join("repo");
    fs::rename(top.join("root"), top.join("away")).expect("moved away");
    assert_eq!(repo.told(), ["removed /"]);
    repo.write(".gitignore", "*.log\n");
    fs::rename(top.join("away"), top.join("root")).expect("moved back");
    let root = top.join("root");
    let mut names = Vec::new();
    until(&mut repo.feed, "the tree is back", |event| {
        names.extend(structure(&root, std::slice::from_ref(event)));
        matches!(event, Event::Resync(resync) if resync.phase == ResyncPhase::End)
    });
    assert!(names.contains(&"created a".to_owned()), "{names:?}");
    assert!(!names.contains(&"created a.log".to_owned()), "{names:?}");
}

#[cfg(unix)]
#[test]
fn a_fifo_where_rules_above_the_root_could_be_does_no_harm() {
    let dir = tree(&["repo/.git/HEAD", "repo/root/a"]);
    let fifo = dir.path().join("repo/.gitignore");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .expect("a FIFO");
    let watcher = git().build().expect("a watcher");
    watcher
        .watch(dir.path().join("repo/root"))
        .expect("watched");
    assert_eq!(watcher.snapshot().expect("a snapshot").entries.len(), 1);
}
