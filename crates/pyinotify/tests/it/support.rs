//! Support for the tests: a watched directory, and a handler that keeps its events. Nothing here or in the
//! tests is for one operating system, unless it says so.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses its own part"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use everwatch_pyinotify::{Mask, RawEvent, Watch, WatchManager};
use everwatch_testing::system::is_wine;
use tempfile::TempDir;

pub(crate) use everwatch_testing::patience::{PATIENCE, eventually};
pub(crate) use everwatch_testing::scratch::temp;
pub(crate) use everwatch_testing::writers::Load;

/// Whether removing or renaming a watched directory takes effect at once. Wine says that the directory is
/// removed, and keeps it until the watch ends.
pub(crate) fn watched_directories_can_go(test: &str) -> bool {
    if is_wine() {
        eprintln!("SKIPPED {test}: Wine keeps a watched directory until the watch ends");
    }
    !is_wine()
}

/// Whether an entry that goes in one watched tree and comes in another is known to be the same. Wine has no
/// reliable file numbers.
pub(crate) fn identities_are_known() -> bool {
    !is_wine()
}

/// Threads that make and remove files until this is dropped. Each file has a name of its own, because
/// Windows keeps a name until the last handle of the removed file is closed. Each file exists for a while,
/// because an entry that comes and goes at once is sometimes not reported.
pub(crate) fn load(threads: usize, dir: &Path) -> Load {
    let dir = dir.to_owned();
    Load::new(threads, move |thread, round| {
        let path = |round: usize| dir.join(format!("{thread}-{round}"));
        fs::write(path(round), "x").expect("a file");
        if let Some(old) = round.checked_sub(50) {
            fs::remove_file(path(old)).expect("removed");
        }
    })
}

/// What the handler was given, and on which thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(ThreadId, RawEvent)>>>);

impl Log {
    pub(crate) fn push(&self, event: RawEvent) {
        let thread = std::thread::current().id();
        self.0.lock().expect("not poisoned").push((thread, event));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().expect("not poisoned").len()
    }

    /// Takes what has come so far.
    pub(crate) fn take(&self) -> Vec<(ThreadId, RawEvent)> {
        std::mem::take(&mut *self.0.lock().expect("not poisoned"))
    }
}

/// A manager whose handler keeps what it is given.
pub(crate) fn logging() -> (WatchManager, Log) {
    let log = Log::default();
    let kept = log.clone();
    let manager = WatchManager::new(move |_, event| kept.push(event)).expect("a manager");
    (manager, log)
}

/// All kinds of events, but for those of metadata: writing may change times.
pub(crate) fn contents() -> Mask {
    Mask::ALL_EVENTS & !Mask::IN_ATTRIB
}

/// Names come, go and move.
pub(crate) fn names() -> Mask {
    contents() & !Mask::IN_MODIFY
}

/// A watched directory.
pub(crate) struct Scene {
    pub(crate) manager: WatchManager,
    pub(crate) watch: Watch,
    pub(crate) log: Log,
    pub(crate) root: PathBuf,
    /// Removed last, when nothing of it is watched any more.
    pub(crate) dir: TempDir,
}

impl Scene {
    /// A watched tree with these directories and then these files in it.
    pub(crate) fn with(dirs: &[&str], files: &[&str]) -> Scene {
        Scene::of(contents(), true, dirs, files)
    }

    pub(crate) fn of(mask: Mask, recursive: bool, dirs: &[&str], files: &[&str]) -> Scene {
        let dir = temp();
        let root = dir.path().join("root");
        fs::create_dir(&root).expect("a directory");
        for name in dirs {
            fs::create_dir_all(root.join(name)).expect("directories");
        }
        for name in files {
            fs::write(root.join(name), name).expect("a file");
        }
        let (manager, log) = logging();
        let watch = manager
            .add_watch(&root, mask, recursive)
            .expect("the root is watched");
        Scene {
            dir,
            root,
            manager,
            watch,
            log,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A path beside the root.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str) {
        fs::write(self.path(name), name).expect("a file");
    }

    pub(crate) fn mkdir(&self, name: &str) {
        fs::create_dir(self.path(name)).expect("a directory");
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("moved");
    }

    /// The events of everything that happened so far and was not asked for before.
    pub(crate) fn events(&self) -> Vec<RawEvent> {
        self.manager.sync().expect("the barrier is passed");
        let taken = self.log.take();
        taken.into_iter().map(|(_, event)| event).collect()
    }

    /// The same as short lines below the root.
    pub(crate) fn lines(&self) -> Vec<String> {
        lines(&self.root, &self.events())
    }
}

/// Events as short lines below `root`, with a slash behind directories: `IN_CREATE d/`,
/// `IN_MOVED_TO a -> b`. The system decides how often a write is reported: repetitions of `IN_MODIFY` are
/// left out.
pub(crate) fn lines(root: &Path, events: &[RawEvent]) -> Vec<String> {
    let mut lines: Vec<String> = events.iter().map(|event| line(root, event)).collect();
    lines.dedup_by(|next, line| next == line && line.starts_with("IN_MODIFY"));
    lines
}

fn line(root: &Path, event: &RawEvent) -> String {
    assert_eq!(event.dir, event.mask.contains(Mask::IN_ISDIR), "{event:?}");
    let kind = (event.mask & !Mask::IN_ISDIR).to_string();
    let slash = if event.dir { "/" } else { "" };
    let short = |path: &Path| {
        let path = path.strip_prefix(root).unwrap_or(path);
        format!("{}{slash}", path.to_string_lossy().replace('\\', "/"))
    };
    let to = short(&event.pathname);
    match &event.src_pathname {
        Some(from) => format!("{kind} {} -> {to}", short(from)),
        None => format!("{kind} {to}"),
    }
}
