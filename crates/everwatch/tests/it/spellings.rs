//! Spellings of a path: relative, with dots, long, in another case, impossible.

use std::fs;
use std::path::{Component, Path, PathBuf};

use everwatch::{ChangeKind, Watcher};

use crate::support::{armed, changes, structure, synced, temp, until, waiting};

/// `path` from the working directory, by way of the top they share.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().expect("a working directory");
    let names = |path: &Path| {
        let names = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)));
        names
            .map(|part| PathBuf::from(part.as_os_str()))
            .collect::<Vec<_>>()
    };
    let up = names(&here)
        .iter()
        .map(|_| PathBuf::from(".."))
        .collect::<PathBuf>();
    up.join(names(path).iter().collect::<PathBuf>())
}

// requirement: S1.6
#[test]
fn a_relative_path_is_reported_as_an_absolute_one() {
    let dir = temp();
    let (watcher, mut feed) = armed(&relative(dir.path()));
    assert_eq!(watcher.roots().expect("the roots"), [dir.path()]);
    fs::write(dir.path().join("f"), "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created f"]
    );
}

// requirement: S1.6, S3.13
#[test]
fn dots_and_separators_at_the_end_are_no_part_of_the_path() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("a/b")).expect("directories");
    let name = dir.path().join("a");
    let name = name.to_str().expect("a name in Unicode");
    let separator = std::path::MAIN_SEPARATOR;
    for spelling in [
        format!("{name}{separator}"),
        format!("{name}{separator}{separator}"),
        format!("{name}{separator}."),
        format!("{name}{separator}.{separator}b{separator}.."),
        format!("{name}/"),
    ] {
        let (watcher, mut feed) = armed(Path::new(&spelling));
        assert_eq!(
            watcher.roots().expect("the roots"),
            [Path::new(name)],
            "{spelling}"
        );
        fs::write(dir.path().join("a/f"), "").expect("a file");
        let seen = structure(Path::new(name), &synced(&watcher, &mut feed));
        assert_eq!(seen, ["created f"], "{spelling}");
        drop(watcher);
        fs::remove_file(dir.path().join("a/f")).expect("removed");
    }
}

// requirement: S1.6
#[test]
fn paths_of_four_hundred_characters_are_watched_and_reported() {
    let dir = temp();
    let mut deep = dir.path().to_owned();
    while deep.as_os_str().len() < 400 {
        deep.push("a name of some length");
    }
    fs::create_dir_all(&deep).expect("directories");
    for root in [dir.path(), &deep] {
        let (watcher, mut feed) = armed(root);
        let path = deep.join("f");
        fs::write(&path, "").expect("a file");
        let events = synced(&watcher, &mut feed);
        let seen: Vec<&Path> = changes(&events)
            .filter(|change| change.kind == ChangeKind::Created)
            .map(|change| change.path.as_path())
            .collect();
        assert_eq!(seen, [path.as_path()]);
        drop(watcher);
        fs::remove_file(&path).expect("removed");
    }
}

/// No system has a file of such a name; some have more that are impossible.
fn impossible(dir: &Path) -> Vec<PathBuf> {
    let names: &[&str] = if cfg!(windows) {
        &["a\0b", "a*b", "a?b", "a|b", "a<b", "a>b", "a\"b"]
    } else {
        &["a\0b"]
    };
    let mut paths: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
    paths.push(PathBuf::new());
    paths
}

// requirement: S1.18, S0 bug f
#[test]
fn impossible_paths_are_refused_by_name_and_harm_nothing_else() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for path in impossible(dir.path()) {
        let error = watcher.watch(&path).expect_err("it is impossible");
        assert_eq!(error.path(), Some(path.as_path()), "{error}");
        assert_eq!(error.operation(), "watch");
    }
    let missing = dir.path().join("missing");
    assert!(watcher.watch(&missing).is_err());
    assert_eq!(watcher.roots().expect("the roots"), [dir.path()]);
    assert_eq!(waiting(&mut feed), []);
    fs::write(dir.path().join("f"), "").expect("a file");
    until(&mut feed, "the file", |event| event.change().is_some());
}

/// Other ways to write `path`, all of which end in the same absolute one.
fn spellings(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().expect("it has a name");
    let mut spellings = vec![
        path.to_owned(),
        path.join("."),
        path.join("inner").join(".."),
        path.join("..").join(name),
    ];
    if cfg!(windows) {
        let slashes = path.to_str().expect("a name in Unicode").replace('\\', "/");
        spellings.push(slashes.into());
    }
    spellings
}

// requirement: S3 bug 7
#[test]
fn spellings_of_one_directory_are_watched_once_until_all_are_removed() {
    let dir = temp();
    fs::create_dir(dir.path().join("inner")).expect("a directory");
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    let spellings = spellings(dir.path());
    let mut roots = Vec::new();
    for spelling in &spellings {
        let root = watcher.watch(spelling).expect("watched");
        let told = watcher.root_path(root).expect("it is watched");
        assert_eq!(told, dir.path(), "{}", spelling.display());
        roots.push(root);
    }
    waiting(&mut feed);
    for (round, root) in roots.into_iter().enumerate() {
        fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, [format!("created f{round}")]);
        watcher.unwatch(root).expect("unwatched");
    }
    waiting(&mut feed);
    fs::write(dir.path().join("late"), "").expect("a file");
    assert_eq!(synced(&watcher, &mut feed), []);
}

// requirement: S3 bug 7 (wine)
/// On Windows names that differ in case are one name: two roots of one directory, each told by its own
/// spelling.
#[test]
#[cfg(windows)]
fn a_spelling_in_another_case_is_watched_until_it_is_removed_itself() {
    let dir = temp();
    let path = dir.path().join("Some Name");
    fs::create_dir(&path).expect("a directory");
    let other = dir.path().join("sOME nAME");
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    let first = watcher.watch(&path).expect("watched");
    watcher.watch(&other).expect("watched");
    waiting(&mut feed);
    watcher.unwatch(first).expect("unwatched");
    waiting(&mut feed);
    fs::create_dir(path.join("d")).expect("a directory");
    let seen = structure(&other, &synced(&watcher, &mut feed));
    assert_eq!(seen, ["created d/"]);
}
