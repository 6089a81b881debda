//! What is hidden is not there: no entry, no watch, no listing. Rules are git's, and may change.

#![cfg(feature = "globs")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Replica, eventually, hands, structure, synced, temp, until};
use everwatch::{Backend, ErrorKind, Event, Feed, Options, ResyncPhase, Watcher};
use tempfile::TempDir;

/// A watched tree of which consumers see a part.
struct Scene {
    watcher: Watcher,
    feed: Feed,
    replica: Replica,
    /// Removed last, when nothing of it is watched any more.
    dir: TempDir,
}

impl Scene {
    fn new(options: Options, dir: TempDir) -> Scene {
        let watcher = options.build().expect("a watcher");
        watcher.watch(dir.path()).expect("watched");
        let snapshot = watcher.snapshot().expect("a snapshot");
        let mut replica = Replica::default();
        for entry in &snapshot.entries {
            replica.apply(&entry.as_created());
        }
        Scene {
            dir,
            watcher,
            feed: snapshot.feed,
            replica,
        }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        write(self.dir.path(), name, text);
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.dir.path().join(name)).expect("removed");
    }

    fn structure(&mut self) -> Vec<String> {
        let events = synced(&self.watcher, &mut self.feed);
        self.replica.apply_all(&events);
        structure(self.dir.path(), &events)
    }

    /// What a consumer knows of, in order, without what this crate's rules are written in.
    fn visible(&mut self) -> Vec<String> {
        self.replica
            .apply_all(&synced(&self.watcher, &mut self.feed));
        assert_eq!(self.replica.misfits, [""; 0]);
        let short = |path: &Path| {
            path.strip_prefix(self.dir.path())
                .expect("below")
                .to_owned()
        };
        let names = self
            .replica
            .tree
            .keys()
            .map(|path| short(path).display().to_string());
        let names = names.map(|name| match cfg!(windows) {
            true => name.replace('\\', "/"),
            false => name,
        });
        names.filter(|name| !name.ends_with(".gitignore")).collect()
    }
}

fn write(root: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a name")).expect("directories");
    fs::write(path, text).expect("a file");
}

fn tree(files: &[&str]) -> TempDir {
    let dir = temp();
    for name in files {
        write(dir.path(), name, "");
    }
    dir
}

fn git() -> Options {
    Options::new().gitignore(true)
}

#[test]
fn what_a_glob_matches_is_hidden_now_and_later() {
    let dir = tree(&["a.tmp", "a", "d/b.tmp", "d/b", "build/x/y"]);
    let mut scene = Scene::new(Options::new().ignore("*.tmp").ignore("/build/"), dir);
    assert_eq!(scene.visible(), ["a", "d", "d/b"]);
    for name in ["c.tmp", "d/c.tmp", "build/x/z", "d/build/f", "c"] {
        scene.write(name, "x");
    }
    assert_eq!(
        scene.structure(),
        ["created d/build/", "created d/build/f", "created c"]
    );
}

#[test]
fn the_last_glob_that_matches_decides() {
    let dir = tree(&["a.log", "keep.log", "b"]);
    let mut scene = Scene::new(Options::new().ignore("*.log").ignore("!keep.log"), dir);
    assert_eq!(scene.visible(), ["b", "keep.log"]);
}

#[test]
fn a_glob_that_makes_no_sense_is_an_error_that_quotes_it() {
    for glob in ["{a", "a{b", "[z-a]"] {
        match Options::new().ignore(glob).build() {
            Ok(_) => panic!("{glob:?} was accepted"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::BadOption, "{glob:?}");
                assert!(error.to_string().contains(&format!("{glob:?}")), "{error}");
            }
        }
    }
}

#[test]
fn hidden_directories_cost_no_watch_and_no_entry() {
    let dir = temp();
    for at in 0..200 {
        write(dir.path(), &format!("node_modules/{}/{at}/f", at % 20), "");
    }
    write(dir.path(), "src/main.rs", "");
    let plain = Scene::new(Options::new(), temp());
    let guards = plain.watcher.counters();
    let scene = Scene::new(Options::new().ignore("node_modules"), dir);
    scene.watcher.sync().expect("the barrier is passed");
    eventually("the counters are exact", || {
        scene.watcher.counters().entries == 3
    });
    let counters = scene.watcher.counters();
    // On Windows one read is for all that is below the root.
    let of_directories = usize::from(!cfg!(windows));
    assert_eq!(
        counters.watches,
        guards.watches.max(1) + of_directories as u64,
        "{counters:?} and {guards:?}"
    );
    assert!(counters.listings <= 4, "{counters:?}");
}

#[test]
fn what_moves_behind_a_glob_is_removed_and_what_comes_out_is_created() {
    let dir = tree(&["a", "d/e/f"]);
    let mut scene = Scene::new(Options::new().ignore("*.tmp"), dir);
    let path = |name: &str| scene.dir.path().join(name);
    fs::rename(path("a"), path("a.tmp")).expect("moved");
    fs::rename(path("d"), path("d.tmp")).expect("moved");
    assert_eq!(scene.structure(), ["removed a", "removed d/"]);
    let path = |name: &str| scene.dir.path().join(name);
    fs::rename(path("a.tmp"), path("b")).expect("moved");
    fs::rename(path("d.tmp"), path("g")).expect("moved");
    assert_eq!(
        scene.structure(),
        ["created b", "created g/", "created g/e/", "created g/e/f"]
    );
    scene.write("g/e/h", "");
    assert_eq!(scene.structure(), ["created g/e/h"]);
}

#[test]
fn an_atomic_replace_by_way_of_a_hidden_name_is_a_modification() {
    let dir = tree(&["text"]);
    let mut scene = Scene::new(Options::new().ignore("*.tmp"), dir);
    scene.write("text.tmp", "2");
    fs::rename(
        scene.dir.path().join("text.tmp"),
        scene.dir.path().join("text"),
    )
    .expect("moved");
    let events = synced(&scene.watcher, &mut scene.feed);
    assert_eq!(common::lines(scene.dir.path(), &events), ["modified text"]);
}

#[test]
fn the_directory_of_git_is_hidden_with_gitignore_and_only_then() {
    for (options, expected) in [
        (git(), &["a"][..]),
        (Options::new(), &[".git", ".git/HEAD", "a"]),
    ] {
        let mut scene = Scene::new(options, tree(&[".git/HEAD", "a"]));
        assert_eq!(scene.visible(), expected);
    }
}

#[test]
fn rules_below_override_rules_above() {
    let dir = tree(&["a.log", "d/a.log", "d/e/a.log", "d/e/b.log", "x/a.log"]);
    write(dir.path(), ".gitignore", "*.log\n");
    write(dir.path(), "d/.gitignore", "!*.log\n");
    write(dir.path(), "d/e/.gitignore", "/b.log\n");
    let mut scene = Scene::new(git(), dir);
    assert_eq!(scene.visible(), ["d", "d/a.log", "d/e", "d/e/a.log", "x"]);
}

#[test]
fn what_is_below_a_hidden_directory_cannot_be_taken_back() {
    let dir = tree(&["build/keep", "other/build/keep"]);
    write(dir.path(), ".gitignore", "build/\n!keep\n!build/keep\n");
    let mut scene = Scene::new(git(), dir);
    assert_eq!(scene.visible(), ["other"]);
}

#[test]
fn a_rule_that_is_added_hides_and_one_that_is_removed_shows() {
    let dir = tree(&["a.log", "d/b.log", "d/c", "logs/x/y"]);
    let mut scene = Scene::new(git(), dir);
    let all = ["a.log", "d", "d/b.log", "d/c", "logs", "logs/x", "logs/x/y"];
    assert_eq!(scene.visible(), all);
    scene.write(".gitignore", "*.log\nlogs/\n");
    assert_eq!(scene.visible(), ["d", "d/c"]);
    scene.write("logs/x/z", "");
    scene.write("d/e.log", "");
    assert_eq!(scene.visible(), ["d", "d/c"]);
    scene.write(".gitignore", "*.log\n");
    assert_eq!(
        scene.visible(),
        ["d", "d/c", "logs", "logs/x", "logs/x/y", "logs/x/z"]
    );
    scene.write("logs/x/later", "");
    assert_eq!(scene.structure(), ["created logs/x/later"]);
    scene.remove(".gitignore");
    let all = [
        "a.log",
        "d",
        "d/b.log",
        "d/c",
        "d/e.log",
        "logs",
        "logs/x",
        "logs/x/later",
        "logs/x/y",
        "logs/x/z",
    ];
    assert_eq!(scene.visible(), all);
}

#[test]
fn rules_that_are_replaced_by_a_rename_take_effect() {
    let mut scene = Scene::new(git(), tree(&["a", "b"]));
    scene.write("new-rules", "a\nnew-rules\n");
    fs::rename(
        scene.dir.path().join("new-rules"),
        scene.dir.path().join(".gitignore"),
    )
    .expect("moved");
    assert_eq!(scene.visible(), ["b"]);
    fs::rename(
        scene.dir.path().join(".gitignore"),
        scene.dir.path().join("old-rules"),
    )
    .expect("moved");
    assert_eq!(scene.visible(), ["a", "b", "old-rules"]);
}

#[test]
fn rules_move_with_their_directory() {
    let dir = tree(&["d/a.log", "d/a", "e/b.log"]);
    write(dir.path(), "d/.gitignore", "*.log\n");
    let mut scene = Scene::new(git(), dir);
    fs::rename(scene.dir.path().join("d"), scene.dir.path().join("e/d")).expect("moved");
    scene.write("e/d/new.log", "");
    scene.write("e/d/new", "");
    assert_eq!(scene.visible(), ["e", "e/b.log", "e/d", "e/d/a", "e/d/new"]);
}

#[test]
fn a_directory_that_moves_under_other_rules_is_judged_by_them() {
    let dir = tree(&["d/a.log", "d/a", "strict/b"]);
    write(dir.path(), "strict/.gitignore", "*.log\n");
    let mut scene = Scene::new(git(), dir);
    fs::rename(
        scene.dir.path().join("d"),
        scene.dir.path().join("strict/d"),
    )
    .expect("moved");
    assert_eq!(
        scene.visible(),
        ["strict", "strict/b", "strict/d", "strict/d/a"]
    );
    fs::rename(
        scene.dir.path().join("strict/d"),
        scene.dir.path().join("d"),
    )
    .expect("moved");
    assert_eq!(
        scene.visible(),
        ["d", "d/a", "d/a.log", "strict", "strict/b"]
    );
}

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
    hands::rename(&top.join("new"), &top.join(".gitignore")).expect("replaced");
    assert_eq!(repo.told(), ["created a.log"]);
    hands::remove_file(&top.join(".gitignore")).expect("removed");
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

#[cfg(unix)]
#[test]
fn a_symbolic_link_called_gitignore_is_not_followed() {
    let outside = tree(&[]);
    write(outside.path(), "rules", "a\n");
    let dir = tree(&["a", "b"]);
    symlink(outside.path().join("rules"), dir.path().join(".gitignore")).expect("a link");
    let mut scene = Scene::new(git(), dir);
    assert_eq!(scene.visible(), ["a", "b"]);
}

#[cfg(unix)]
#[test]
fn what_is_called_gitignore_and_is_no_file_has_no_rules() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let dir = tree(&["a", "d/.gitignore/b"]);
    mknodat(
        CWD,
        dir.path().join(".gitignore"),
        FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .expect("a pipe");
    let mut scene = Scene::new(git(), dir);
    assert_eq!(scene.visible(), ["a", "d", "d/.gitignore/b"]);
}

#[test]
fn a_file_of_rules_beyond_all_measure_does_no_harm() {
    let dir = tree(&["rule-number-1", "rule-number-90000", "rul", "r", "other"]);
    let rules: String = (0..200_000)
        .map(|at| format!("/rule-number-{at}\n"))
        .collect();
    write(dir.path(), ".gitignore", &rules);
    let mut scene = Scene::new(git(), dir);
    let visible = scene.visible();
    for name in ["rul", "r", "other"] {
        assert!(
            visible.contains(&name.to_owned()),
            "{name} is hidden, by half a rule: {visible:?}"
        );
    }
    assert!(!visible.contains(&"rule-number-1".to_owned()));
}

#[test]
fn half_a_rule_at_the_limit_hides_nothing() {
    let dir = tree(&["/keep", "other"].map(|name| name.trim_start_matches('/')));
    let mut rules = "# a comment that fills the file up to the limit\n".repeat(1 << 15);
    rules.truncate((1 << 20) - 5);
    rules.push_str("\nkeep-this-out\n");
    write(dir.path(), ".gitignore", &rules);
    let mut scene = Scene::new(git(), dir);
    assert_eq!(scene.visible(), ["keep", "other"]);
}

#[test]
fn a_file_of_rules_without_sense_does_no_harm() {
    let dir = tree(&["a", "b.log"]);
    let mut rules = b"[\n{{{\n\\\n\xff\xfe\x00\n***/**/***\n".to_vec();
    rules.extend_from_slice(b"*.log\r\n");
    write(dir.path(), ".gitignore", &rules);
    let mut scene = Scene::new(git(), dir);
    assert_eq!(scene.visible(), ["a"]);
}

/// Trees and rules on which git itself is asked.
const CASES: &[(&str, &str)] = &[
    ("a glob at any depth", "*.o\n"),
    ("an anchored name", "/top\n"),
    ("a directory only", "dir/\n"),
    ("two stars in the middle", "a/**/z\n"),
    ("two stars in front", "**/deep\n"),
    ("two stars behind", "a/**\n"),
    ("a slash in the middle anchors", "a/b\n"),
    ("negation", "*\n!*/\n!*.keep\n"),
    ("a comment and an escaped hash", "# top\n\\#hash\n"),
    ("an escaped exclamation mark", "\\!bang\n"),
    ("trailing spaces", "top   \nspace\\ \n"),
    ("a set", "[ab]x\n[!ab]y\n"),
    ("a question mark", "?x\n"),
    ("a star does not cross a slash", "a/*z\n"),
    ("a mark at the beginning", "\u{feff}top\n"),
    ("carriage returns", "top\r\n"),
    ("no newline at the end", "top"),
    ("an empty rule", "\n\n/\n"),
    ("a backslash at the end", "top\\\n"),
];

const FILES: &[&str] = &[
    "top",
    "d/top",
    "dir/f",
    "d/dir",
    "x.o",
    "d/x.o",
    "a/b",
    "d/a/b",
    "a/z",
    "a/q/z",
    "a/q/r/z",
    "a/xz",
    "deep/f",
    "d/e/deep",
    "#hash",
    "!bang",
    "space ",
    "ax",
    "by",
    "cy",
    "cx",
    "one.keep",
    "d/two.keep",
    "d/three",
];

#[test]
fn what_git_ignores_is_hidden_and_nothing_else() {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("SKIPPED what_git_ignores_is_hidden_and_nothing_else: there is no git here");
        return;
    }
    let mut wrong = Vec::new();
    for (what, rules) in CASES {
        let dir = tree(FILES);
        write(dir.path(), ".gitignore", rules);
        let git = |arguments: &[&str]| {
            let output = Command::new("git")
                .args(arguments)
                .current_dir(dir.path())
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_SYSTEM", "/dev/null")
                .output()
                .expect("git runs");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect("text")
        };
        git(&["init", "--quiet"]);
        let listed = git(&["ls-files", "-z", "--others", "--exclude-standard"]);
        let expected: BTreeSet<String> = listed
            .split('\0')
            .filter(|name| !name.is_empty() && !name.ends_with(".gitignore"))
            .map(str::to_owned)
            .collect();
        let options = Options::new().gitignore(true);
        let scene = Scene::new(options, dir);
        let seen: BTreeSet<String> = scene
            .replica
            .tree
            .iter()
            .filter(|(_, kind)| **kind == everwatch::FileType::File)
            .map(|(path, _)| {
                path.strip_prefix(scene.dir.path())
                    .expect("below")
                    .display()
                    .to_string()
            })
            .filter(|name| !name.ends_with(".gitignore"))
            .collect();
        let difference: Vec<_> = expected.symmetric_difference(&seen).collect();
        if !difference.is_empty() {
            wrong.push(format!("{what} ({rules:?}): git differs on {difference:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}
