//! Rules of git, with git as the judge: what it ignores is hidden, and nothing else.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use everwatch_testing::random::Random;

use crate::filters::git;
use crate::support::{temp, walk};

/// Runs git in a directory, with the configuration of nobody. `None` if there is no git.
fn run(dir: &Path, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=n", "-c", "user.email=e"]);
    command.args(["-c", "protocol.file.allow=always"]);
    command.args(arguments).current_dir(dir);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut pipe = child.stdin.take()?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().expect("git ends");
    let _ = writer.join();
    Some(output.stdout)
}

/// Whether git is there. Says so where it is not.
fn has_git(dir: &Path) -> bool {
    let is_there = run(dir, &["--version"], b"").is_some();
    if !is_there {
        eprintln!("skipped: git is not installed");
    }
    is_there
}

/// What git shows below `root`: paths, without `.git`.
fn shown_by_git(root: &Path) -> BTreeSet<PathBuf> {
    let tree = walk(root);
    let relative = |path: PathBuf| path.strip_prefix(root).unwrap_or(&path).to_owned();
    let all: Vec<PathBuf> = tree
        .iter()
        .map(|(path, _)| relative(path))
        .filter(|path| !path.iter().any(|part| part == ".git"))
        .collect();
    let mut input = Vec::new();
    for path in &all {
        input.extend_from_slice(path.as_os_str().as_bytes());
        input.push(0);
    }
    let arguments = ["check-ignore", "-z", "--stdin", "--no-index"];
    let ignored = run(root, &arguments, &input).expect("git is there");
    let ignored: BTreeSet<&Path> = ignored
        .split(|&byte| byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| Path::new(OsStr::from_bytes(path)))
        .collect();
    // Nothing below an ignored directory is shown.
    let is_shown = |path: &PathBuf| !path.ancestors().any(|above| ignored.contains(above));
    all.iter().filter(|path| is_shown(path)).cloned().collect()
}

/// What a snapshot shows below `root`.
fn shown(root: &Path) -> BTreeSet<PathBuf> {
    let watcher = git().build().expect("a watcher");
    watcher.watch(root).expect("watched");
    let snapshot = watcher.snapshot().expect("a snapshot");
    let below = |path: &Path| path.strip_prefix(root).expect("below").to_owned();
    let paths = snapshot.entries.iter().map(|entry| below(&entry.path));
    paths.filter(|path| path != Path::new("")).collect()
}

/// Makes files; those that end with a slash are directories.
fn make(dir: &Path, names: &[&str]) {
    for name in names {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("below")).expect("directories");
        fs::write(path, "").expect("a file");
    }
}

const FILES: &[&str] = &["a.log", "b.c", "build/x", "src/c.log", "src/keep"];

#[track_caller]
fn assert_as_git(root: &Path, what: &str) {
    assert_eq!(shown(root), shown_by_git(root), "{what}");
}

#[test]
fn rules_count_wherever_the_repository_keeps_its_own_files() {
    let dir = temp();
    let dir = dir.path();
    if !has_git(dir) {
        return;
    }
    let git = |at: &str, arguments: &[&str]| run(&dir.join(at), arguments, b"").expect("git");
    let write = |path: &str, text: &str| {
        fs::write(dir.join(path), text).expect("a file");
    };

    git(".", &["init", "plain"]);
    write("plain/.gitignore", "*.log\n");
    git("plain", &["add", "."]);
    git("plain", &["commit", "-m", "x"]);
    write("plain/.git/info/exclude", "build/\n");
    make(&dir.join("plain"), FILES);
    assert_as_git(&dir.join("plain"), "a repository");

    git("plain", &["worktree", "add", "../worktree"]);
    make(&dir.join("worktree"), FILES);
    assert_as_git(&dir.join("worktree"), "a linked worktree");

    git(".", &["init", "outer"]);
    git("outer", &["submodule", "add", "../plain", "inner"]);
    write("outer/.git/modules/inner/info/exclude", "src/\n");
    write("outer/.gitignore", "b.c\n");
    make(&dir.join("outer/inner"), FILES);
    assert_as_git(&dir.join("outer/inner"), "a submodule");

    git(".", &["init", "--separate-git-dir=kept", "apart"]);
    write("kept/info/exclude", "build/\n");
    make(&dir.join("apart/sub"), FILES);
    assert_as_git(&dir.join("apart/sub"), "below a separate directory of git");

    git(".", &["init", "configured"]);
    write("rules", "*.log\n");
    git("configured", &["config", "core.excludesFile", "../rules"]);
    make(&dir.join("configured"), FILES);
    assert_as_git(&dir.join("configured"), "core.excludesFile");
    write("configured/.gitignore", "!a.log\n");
    assert_as_git(&dir.join("configured"), "a rule against core.excludesFile");
}

#[test]
fn lines_mean_what_git_makes_of_them() {
    let dir = temp();
    let root = dir.path();
    if !has_git(root) {
        return;
    }
    run(root, &["init", "."], b"").expect("git");
    let seed = 12;
    let mut random = Random::new(seed);
    const PARTS: &[&str] = &[
        "a",
        "b",
        "A",
        "1",
        "-",
        "]",
        "[",
        "!",
        "^",
        "*",
        "?",
        "\\",
        "{",
        "}",
        ",",
        " ",
        "\t",
        "/",
        "**",
        "[a-",
        "[!",
        "[^",
        "[[:upper:]",
        "[[:digit:]]",
        "[[:punct:]]",
        "[![:alpha:]]",
        ":",
        "]",
        "]",
        "#",
    ];
    const NAMES: &[&str] = &[
        "a", "b", "A", "1", "-", "]", "[", "!", "^", "{", "}", "a,b", "{a,b}", "a ", "a\t", " ",
        "#", "ab", "aa", "a]", "[a", "[ab]", "a-b", "d/a", "d/b", "d/1", "d/-", "d/e/a", "d/e/]",
        "a\\", ":", "**", "*",
    ];
    for at in 0..400 {
        let sub = root.join(at.to_string());
        make(&sub, NAMES);
        let mut rules = String::new();
        for _ in 0..random.pick(&[1, 1, 2]) {
            for _ in 0..random.pick(&[1, 2, 3, 4]) {
                rules += random.pick(PARTS);
            }
            rules.push('\n');
        }
        fs::write(sub.join(".gitignore"), rules).expect("a file");
    }
    let (ours, theirs) = (shown(root), shown_by_git(root));
    for path in ours.symmetric_difference(&theirs) {
        let of = path.iter().next().unwrap_or_default();
        let rules = fs::read_to_string(root.join(of).join(".gitignore")).expect("a file");
        let is_ours = ours.contains(path);
        eprintln!(
            "{path:?}: shown here {is_ours}, by git {}: {rules:?}",
            !is_ours
        );
    }
    assert_eq!(ours.symmetric_difference(&theirs).count(), 0, "seed {seed}");
}
