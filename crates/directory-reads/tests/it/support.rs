//! A directory to watch, and a reader whose deliveries are kept.

use std::fs::{File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use everwatch_directory_reads::records::{Action, Name, changes};
use everwatch_directory_reads::{
    Closed, Completion, DirectoryReads, Error, Model, Settings, Tag, reads,
};
use everwatch_testing::writers::Load;
use tempfile::TempDir;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

/// Nothing here takes longer, unless it is broken.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn port() -> Model {
    Model::Port
}

pub(crate) fn apc() -> Model {
    Model::Apc
}

pub(crate) fn event() -> Model {
    Model::Event
}

pub(crate) fn blocking() -> Model {
    Model::Blocking
}

pub(crate) fn isolated() -> Model {
    worker("serve")
}

/// The `isolated` model with a worker that behaves so.
pub(crate) fn worker(behaviour: &str) -> Model {
    Model::Isolated {
        worker: PathBuf::from(env!("CARGO_BIN_EXE_directory-reads-test-worker")),
        arguments: vec![behaviour.into()],
    }
}

/// Wine adds its inotify watch again whenever a directory is read again, and Linux drops a record that
/// is under way at that moment. Then a change must be reported before the next read comes.
pub(crate) fn wine_drops_what_races_with_a_new_read() -> bool {
    // SAFETY: the names end with a zero, and this library is never unloaded.
    unsafe {
        let library = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        GetProcAddress(library, c"wine_get_version".as_ptr().cast()).is_some()
    }
}

/// A short-lived tree. Its name is random, because Wine uses process ids again.
pub(crate) fn tree() -> TempDir {
    tempfile::Builder::new()
        .prefix("proactor-")
        .rand_bytes(12)
        .tempdir()
        .expect("a directory")
}

/// Opens a directory as a caller would.
pub(crate) fn open(path: &Path) -> File {
    const FILE_LIST_DIRECTORY: u32 = 1;
    const FILE_SHARE_ALL: u32 = 7;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    OpenOptions::new()
        .access_mode(FILE_LIST_DIRECTORY)
        .share_mode(FILE_SHARE_ALL)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)
        .expect("a directory to open")
}

/// The usual settings with buffers of this many bytes.
pub(crate) fn buffers_of(bytes: u32) -> Settings {
    Settings {
        bytes,
        ..Settings::default()
    }
}

/// What was delivered, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reported {
    Change(Tag, Action, String),
    Lost(Tag),
    Failed(Tag, u32),
}

impl Reported {
    pub(crate) fn tag(&self) -> Tag {
        match self {
            Reported::Change(tag, ..) | Reported::Lost(tag) | Reported::Failed(tag, _) => *tag,
        }
    }

    pub(crate) fn is(&self, action: Action, name: &str) -> bool {
        matches!(self, Reported::Change(_, reported, path) if *reported == action && path == name)
    }
}

/// How many of these are that change.
pub(crate) fn count_of(reported: &[Reported], action: Action, name: &str) -> usize {
    let is_it = |reported: &&Reported| reported.is(action, name);
    reported.iter().filter(is_it).count()
}

/// A reader and what it has reported.
pub(crate) struct Reader {
    pub(crate) reads: Box<dyn DirectoryReads>,
    pub(crate) reported: Vec<Reported>,
}

/// The text of a name that the test chose.
pub(crate) fn text_of(name: Name<'_>) -> String {
    let mut text = Vec::new();
    name.push_wtf8(&mut text);
    String::from_utf8(text).expect("a name that the test chose")
}

/// Keeps what was delivered.
fn note(reported: &mut Vec<Reported>, tag: Tag, completion: Completion<'_>) {
    match completion {
        Completion::Changes { bytes, layout } => {
            for change in changes(bytes, layout) {
                let change = change.expect("records as the kernel writes them");
                reported.push(Reported::Change(tag, change.action, text_of(change.name)));
            }
        }
        Completion::Lost => reported.push(Reported::Lost(tag)),
        Completion::Failed { code } => reported.push(Reported::Failed(tag, code)),
    }
}

impl Reader {
    pub(crate) fn new(model: Model) -> Reader {
        Reader {
            reads: reads(model).expect("a model"),
            reported: Vec::new(),
        }
    }

    /// A reader of one directory, whose tag is 1.
    pub(crate) fn armed(model: Model, path: &Path) -> Reader {
        let mut reader = Reader::new(model);
        reader.arm(1, path, Settings::default());
        reader
    }

    pub(crate) fn try_arm(
        &mut self,
        tag: u64,
        path: &Path,
        settings: Settings,
    ) -> Result<(), Error> {
        let directory = open(path);
        self.reads
            .arm(Tag(tag), directory.as_handle(), path, settings)
    }

    pub(crate) fn arm(&mut self, tag: u64, path: &Path, settings: Settings) {
        self.try_arm(tag, path, settings)
            .expect("an armed directory");
    }

    pub(crate) fn collect(&mut self) -> usize {
        let reported = &mut self.reported;
        let mut delivered = 0;
        loop {
            let collected = self
                .reads
                .collect(&mut |tag, completion| note(reported, tag, completion));
            delivered += collected.delivered;
            if !collected.more {
                return delivered;
            }
        }
    }

    pub(crate) fn fence(&mut self) {
        let reported = &mut self.reported;
        self.reads
            .fence(&mut |tag, completion| note(reported, tag, completion));
    }

    /// Collects until this is so.
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&[Reported]) -> bool) {
        let end = Instant::now() + LONG;
        self.collect();
        while !is_so(&self.reported) {
            let last = self.reported.len().saturating_sub(5);
            assert!(
                Instant::now() < end,
                "{what}: {} reported, at last {:?}",
                self.reported.len(),
                &self.reported[last..]
            );
            self.reads.wait(Some(Duration::from_millis(200)));
            self.collect();
        }
    }

    pub(crate) fn until_reported(&mut self, action: Action, name: &str) {
        self.until(name, |reported| count_of(reported, action, name) > 0);
    }

    /// Whether it has reported that change.
    pub(crate) fn has(&self, action: Action, name: &str) -> bool {
        count_of(&self.reported, action, name) > 0
    }

    /// The names that came to be.
    pub(crate) fn added(&self, tag: u64) -> Vec<&str> {
        let reported = self.reported.iter();
        reported
            .filter_map(|reported| match reported {
                Reported::Change(whose, Action::Added, name) if *whose == Tag(tag) => {
                    Some(name.as_str())
                }
                _ => None,
            })
            .collect()
    }

    /// Stops everything; nothing may have gone astray.
    pub(crate) fn close(self) -> Closed {
        let closed = self.reads.close();
        assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
        closed
    }
}

/// A file comes to be.
pub(crate) fn create(path: &Path) {
    File::create_new(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A subdirectory comes to be.
pub(crate) fn subdirectory(path: &Path, name: &str) -> PathBuf {
    let path = path.join(name);
    std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// Subdirectories that are named by their numbers.
pub(crate) fn subdirectories(path: &Path, count: usize) -> Vec<PathBuf> {
    (0..count)
        .map(|number| subdirectory(path, &number.to_string()))
        .collect()
}

/// Removes an empty directory and makes another of its name, which fails while a handle to the old one is open.
pub(crate) fn remove_and_make_again(path: &Path) {
    std::fs::remove_dir(path).expect("a directory to remove");
    std::fs::create_dir(path).expect("a directory of the same name");
}

/// A thread that makes a file and removes it, over and over, until this is dropped.
pub(crate) fn busy(path: PathBuf) -> Load {
    Load::new(1, move |_, _| {
        create(&path);
        std::fs::remove_file(&path).expect("a file to remove");
    })
}
