//! Support for the tests: watchers that are armed, readers of feeds, and a replica of the tree.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test program uses its own part"
)]

pub(crate) mod capabilities;
pub(crate) mod completion_models;
pub(crate) mod held;

use std::fs;
use std::path::Path;
use std::time::Instant;

use everwatch::{Change, ChangeKind, Event, Feed, FileType, Tree, Watcher};

pub(crate) use everwatch_testing::patience::{PATIENCE, eventually};
#[cfg(unix)]
pub(crate) use everwatch_testing::role;
pub(crate) use everwatch_testing::scratch::{disk, memory, temp};
pub(crate) use everwatch_testing::walk::walk;
pub(crate) use everwatch_testing::writers::{self, Load};

/// A watcher of `root` with the default options, and a feed that begins once it is armed.
pub(crate) fn armed(root: &Path) -> (Watcher, Feed) {
    let watcher = Watcher::new().expect("a watcher");
    watcher.watch(root).expect("the root is watched");
    let feed = watcher.feed().expect("a feed");
    (watcher, feed)
}

/// Everything in the feed up to a barrier.
pub(crate) fn synced(watcher: &Watcher, feed: &mut Feed) -> Vec<Event> {
    watcher.sync().expect("the barrier is passed");
    waiting(feed)
}

/// Everything that is in the feed already.
pub(crate) fn waiting(feed: &mut Feed) -> Vec<Event> {
    std::iter::from_fn(|| feed.try_next().expect("the feed is open")).collect()
}

/// The changes of `events` as short lines below `root`, without those of content and metadata:
/// `created a`, `removed d/`, `moved d/ -> e/`.
pub(crate) fn structure(root: &Path, events: &[Event]) -> Vec<String> {
    changes(events)
        .filter(|change| !matches!(change.kind, ChangeKind::Modified | ChangeKind::Metadata))
        .map(|change| line(root, change))
        .collect()
}

/// All changes of `events` as short lines below `root`. Writing a file truncates it first, and the
/// kernel may report that separately: repetitions of `modified` are left out. Left out as well are
/// modified files below a directory that has just moved, where the system loses sight of them.
pub(crate) fn lines(root: &Path, events: &[Event]) -> Vec<String> {
    let mut lines: Vec<String> = changes(events).map(|change| line(root, change)).collect();
    lines.dedup_by(|next, line| next == line && line.starts_with("modified"));
    if !capabilities::follows_moved_directories() {
        let mut moved: Vec<String> = Vec::new();
        lines.retain(|line| {
            if let Some((_, to)) = line.split_once(" -> ") {
                moved.push(format!("modified {to}"));
            }
            !moved.iter().any(|below| line.starts_with(below))
        });
    }
    lines
}

/// Asserts that the lines are the expected ones, in this order if this system reports removals in order.
#[track_caller]
pub(crate) fn assert_lines(mut seen: Vec<String>, expected: &[&str]) {
    let mut expected = expected.to_vec();
    if !capabilities::reports_removals_in_order() {
        seen.sort();
        expected.sort_unstable();
    }
    assert_eq!(seen, expected);
}

/// The changes among `events`.
pub(crate) fn changes(events: &[Event]) -> impl Iterator<Item = &Change> {
    events.iter().filter_map(Event::change)
}

fn line(root: &Path, change: &Change) -> String {
    let slash = match change.file_type {
        FileType::Dir => "/",
        _ => "",
    };
    let short = |path: &Path| {
        let path = path.strip_prefix(root).unwrap_or(path);
        let path = path.to_string_lossy();
        let path = match cfg!(windows) {
            true => path.replace('\\', "/"),
            false => path.into_owned(),
        };
        format!("{path}{slash}")
    };
    match &change.kind {
        ChangeKind::Moved { from } => format!("moved {} -> {}", short(from), short(&change.path)),
        kind => format!("{} {}", kind.as_str(), short(&change.path)),
    }
}

/// Reads the feed until an event satisfies `is_it`; returns all events read, that one included.
pub(crate) fn until(
    feed: &mut Feed,
    what: &str,
    mut is_it: impl FnMut(&Event) -> bool,
) -> Vec<Event> {
    let begin = Instant::now();
    let mut events = Vec::new();
    loop {
        let left = PATIENCE.saturating_sub(begin.elapsed());
        match feed.next_timeout(left).expect("the feed is open") {
            Some(event) => {
                let is_last = is_it(&event);
                events.push(event);
                if is_last {
                    return events;
                }
            }
            None => panic!("did not come in {PATIENCE:?}: {what}; instead came {events:#?}"),
        }
    }
}

/// Removes the directory, or renames it where nothing reports the removal of a watched directory.
pub(crate) fn take_away(path: &Path, away: &Path) {
    match capabilities::frees_names_of_removed_directories() {
        true => fs::remove_dir_all(path).expect("removed"),
        false => writers::rename(path, away).expect("moved"),
    }
}

/// The differences between a consumer's tree and the disk; empty if the consumer is right.
pub(crate) fn differences(believed: &Tree, real: &Tree) -> Vec<String> {
    let differences = believed.diff(real);
    differences.iter().map(ToString::to_string).collect()
}

/// The tree without the root itself, which has changes of its own and is not in a [`walk`].
pub(crate) fn without(root: &Path, tree: &Tree) -> Tree {
    let below = tree.iter().filter(|(path, _)| path != root);
    Tree::from_snapshot(below.map(|(path, entry)| (path, entry.file_type)))
}

/// A consumer that knows nothing but the feed. It is stricter than [`Tree`] by itself: a change must
/// create what is not there yet, and be about what is there otherwise, also at the top of the tree.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) tree: Tree,
    /// The changes that did not fit the tree when they came.
    pub(crate) misfits: Vec<String>,
}

impl Replica {
    pub(crate) fn of(tree: Tree) -> Replica {
        Replica {
            tree,
            misfits: Vec::new(),
        }
    }

    pub(crate) fn apply_all(&mut self, events: &[Event]) {
        changes(events).for_each(|change| self.apply(change));
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        let is_known = |path: &Path| self.tree.get(path).is_some();
        let fits = match &change.kind {
            ChangeKind::Created => !is_known(&change.path),
            ChangeKind::Moved { from } => is_known(from),
            _ => is_known(&change.path),
        };
        if !fits {
            self.misfits.push(format!("does not fit: {change}"));
        }
        if let Err(misfit) = self.tree.apply_change(change) {
            self.misfits.push(misfit.to_string());
        }
    }
}
