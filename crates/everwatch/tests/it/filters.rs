//! What is hidden is not there: no entry, no watch, no listing. Rules are git's, and may change.

use std::collections::BTreeSet;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use everwatch::{ErrorKind, Feed, Options, Watcher};
use tempfile::TempDir;

use crate::support::{Replica, eventually, structure, synced, temp};

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
            .iter()
            .map(|(path, _)| short(&path).display().to_string());
        let names = names.map(|name| match cfg!(windows) {
            true => name.replace('\\', "/"),
            false => name,
        });
        names.filter(|name| !name.ends_with(".gitignore")).collect()
    }
}

pub(crate) fn write(root: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a name")).expect("directories");
    fs::write(path, text).expect("a file");
}

pub(crate) fn tree(files: &[&str]) -> TempDir {
    let dir = temp();
    for name in files {
        write(dir.path(), name, "");
    }
    dir
}

pub(crate) fn git() -> Options {
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
    assert_eq!(
        crate::support::lines(scene.dir.path(), &events),
        ["modified text"]
    );
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
            .filter(|(_, entry)| entry.file_type == everwatch::FileType::File)
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
