//! What the tests of this directory share: a tree to play in, a reader of feeds, and a replica that
//! applies changes by the letter of the contract and remembers every change that does not fit.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test binary uses its own part"
)]

pub(crate) mod capabilities;
pub(crate) mod hands;
pub(crate) mod held;
pub(crate) mod models;
#[cfg(unix)]
pub(crate) mod role;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use everwatch::{Change, ChangeKind, Event, Feed, FileType, Watcher};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine; only a failing test waits as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A directory on the disk of the machine, which is where inode numbers are used again at once.
pub(crate) fn disk() -> TempDir {
    fresh("/var/tmp")
}

/// A directory of the default place for temporary files.
pub(crate) fn temp() -> TempDir {
    tempfile::Builder::new()
        .prefix("everwatch-")
        .tempdir()
        .expect("a directory")
}

/// A directory in memory where there is one, for large trees: a busy disk takes its time.
pub(crate) fn memory() -> TempDir {
    fresh("/dev/shm")
}

/// A directory in `place` of Unix, also as Wine shows it, or else where temporary files are.
fn fresh(place: &str) -> TempDir {
    let place = match cfg!(windows) {
        true => format!("Z:{}", place.replace('/', "\\")),
        false => place.to_owned(),
    };
    tempfile::Builder::new()
        .prefix("everwatch-")
        .tempdir_in(place)
        .unwrap_or_else(|_| temp())
}

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

/// All changes of `events` as short lines below `root`. Writing a file truncates it first, which the
/// kernel may tell of separately: repetitions of `modified` are left out. So is that files below a
/// directory that has just moved may be modified, where the system loses sight of them.
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

/// Asserts that these lines were told, in this order if this system tells removals in order.
#[track_caller]
pub(crate) fn assert_told(mut seen: Vec<String>, expected: &[&str]) {
    let mut expected = expected.to_vec();
    if !capabilities::tells_removals_in_order() {
        seen.sort();
        expected.sort_unstable();
    }
    assert_eq!(seen, expected);
}

pub(crate) fn changes(events: &[Event]) -> impl Iterator<Item = &Change> {
    events.iter().filter_map(Event::change)
}

fn line(root: &Path, change: &Change) -> String {
    let slash = if change.file_type == FileType::Dir {
        "/"
    } else {
        ""
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

/// Waits until `is_true`, and fails with `what` if it does not come to that.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(
            begin.elapsed() < PATIENCE,
            "did not happen in {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads the feed until an event satisfies `is_it`; returns all read, that one included.
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

/// Threads that repeat their work until this is dropped, also by a failing test.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Runs `work` on `threads` threads; it gets the number of the thread and of the round.
    pub(crate) fn new(threads: usize, work: impl Fn(usize, usize) + Send + Sync + 'static) -> Load {
        let (is_over, work) = (Arc::new(AtomicBool::new(false)), Arc::new(work));
        let start = |thread| {
            let (is_over, work) = (Arc::clone(&is_over), Arc::clone(&work));
            std::thread::spawn(move || {
                for round in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    work(thread, round);
                }
            })
        };
        Load {
            threads: (0..threads).map(start).collect(),
            is_over,
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let result = thread.join();
            assert!(
                result.is_ok() || std::thread::panicking(),
                "the load did its work"
            );
        }
    }
}

/// Paths and kinds, as on disk or as a consumer believes them.
pub(crate) type Tree = BTreeMap<PathBuf, FileType>;

/// What is below `root` on disk now.
pub(crate) fn walk(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory is listed") {
            let entry = entry.expect("an entry is read");
            let kind = entry.file_type().expect("the kind of an entry is known");
            let file_type = match kind {
                kind if kind.is_dir() => FileType::Dir,
                kind if kind.is_symlink() => FileType::Symlink,
                kind if kind.is_file() => FileType::File,
                _ => FileType::Other,
            };
            if file_type == FileType::Dir {
                open.push(entry.path());
            }
            tree.insert(entry.path(), file_type);
        }
    }
    tree
}

/// What a consumer got wrong: `missing a`, `ghost b/`, `other kind c`.
pub(crate) fn differences(believed: &Tree, real: &Tree) -> Vec<String> {
    let gone = believed
        .iter()
        .filter(|(path, _)| !real.contains_key(*path));
    let found = real
        .iter()
        .filter_map(|(path, kind)| match believed.get(path) {
            None => Some(format!("missing {}", path.display())),
            Some(other) if other != kind => {
                Some(format!("{other}, not {kind}: {}", path.display()))
            }
            Some(_) => None,
        });
    found
        .chain(gone.map(|(path, _)| format!("ghost {}", path.display())))
        .collect()
}

/// A consumer that knows nothing but the feed.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) tree: Tree,
    /// Changes that made no sense when they came: created twice, gone before it was there.
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
        let path = &change.path;
        match &change.kind {
            ChangeKind::Created => {
                if self.tree.insert(path.clone(), change.file_type).is_some() {
                    self.misfits.push(format!("{change}: was there"));
                }
            }
            ChangeKind::Removed => {
                if self.take(path).is_empty() {
                    self.misfits.push(format!("{change}: was not there"));
                }
            }
            ChangeKind::Moved { from } => {
                let moved = self.take(from);
                if moved.is_empty() {
                    self.misfits.push(format!("{change}: was not there"));
                }
                self.take(path);
                for (old, file_type) in moved {
                    let below = old.strip_prefix(from).expect("taken from there");
                    let new = if below.as_os_str().is_empty() {
                        path.clone()
                    } else {
                        path.join(below)
                    };
                    self.tree.insert(new, file_type);
                }
            }
            _ => {
                if self.tree.insert(path.clone(), change.file_type).is_none() {
                    self.misfits.push(format!("{change}: was not there"));
                }
            }
        }
    }

    fn take(&mut self, top: &Path) -> Tree {
        let taken: Tree = self
            .tree
            .range(top.to_owned()..)
            .take_while(|(path, _)| path.starts_with(top))
            .map(|(path, file_type)| (path.clone(), *file_type))
            .collect();
        for path in taken.keys() {
            self.tree.remove(path);
        }
        taken
    }
}
