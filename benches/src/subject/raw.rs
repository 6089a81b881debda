//! The raw loop: the cost of the system calls alone, a floor for every subject.
//!
//! It adds a watch by path, opens and lists each directory, reads the queue and drops the records, except
//! that it watches and lists new directories. It has no mirror, verifies nothing, and ignores overflows and
//! renames.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, StatxFlags, openat, statx};
use rustix::io::Errno;

use super::{Intake, Reported, Subject, Taken};

const BUFFER: usize = 64 * 1024;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

const RECORDS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB);

/// The queue and the watches.
struct Loop {
    inotify: OwnedFd,
    /// The path of each watch. The index is the watch descriptor.
    paths: Vec<Box<[u8]>>,
    entries: Vec<MaybeUninit<u8>>,
}

impl Loop {
    fn new() -> Result<Loop> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        Ok(Loop {
            inotify,
            paths: Vec::new(),
            entries: vec![MaybeUninit::uninit(); BUFFER],
        })
    }

    /// Watches a directory and everything below it.
    fn watch(&mut self, top: Box<[u8]>) -> Result<()> {
        let mut pending = vec![top];
        while let Some(path) = pending.pop() {
            let watch = match inotify::add_watch(&self.inotify, &*path, RECORDS) {
                Ok(watch) => watch as usize,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let Ok(dir) = openat(CWD, &*path, DIRECTORY, Mode::empty()) else {
                continue;
            };
            let mut entries = RawDir::new(&dir, &mut self.entries);
            while let Some(entry) = entries.next() {
                let Ok(entry) = entry else { break };
                if entry.file_type() == FileType::Directory && !is_dots(entry.file_name()) {
                    pending.push(join(&path, entry.file_name().to_bytes()));
                }
            }
            if self.paths.len() <= watch {
                self.paths.resize(watch + 1, Box::default());
            }
            self.paths[watch] = path;
        }
        Ok(())
    }

    /// Reads the queue until the process ends.
    fn run(&mut self, taken: &Mutex<Taken<PathBuf>>) -> Result<()> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut made = Vec::new();
        loop {
            {
                let mut reader = Reader::new(&self.inotify, &mut buffer);
                let mut record = reader.next()?;
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    let name = record.file_name().map_or(&b""[..], CStr::to_bytes);
                    if taken.intake == Intake::Stamp {
                        taken.take(PathBuf::from(std::ffi::OsStr::from_bytes(name)));
                    } else {
                        taken.count += 1;
                    }
                    let arrived = ReadFlags::CREATE | ReadFlags::MOVED_TO;
                    if record.events().contains(ReadFlags::ISDIR)
                        && record.events().intersects(arrived)
                        && let Some(path) = self.paths.get(record.wd() as usize)
                    {
                        made.push(join(path, name));
                    }
                    if reader.is_buffer_empty() {
                        break;
                    }
                    record = reader.next()?;
                }
            }
            for path in made.drain(..) {
                self.watch(path)?;
            }
        }
    }
}

fn is_dots(name: &CStr) -> bool {
    name == c"." || name == c".."
}

fn join(path: &[u8], name: &[u8]) -> Box<[u8]> {
    [path, b"/", name].concat().into()
}

pub(super) struct Raw {
    taken: Arc<Mutex<Taken<PathBuf>>>,
}

impl Raw {
    pub(super) fn arm(root: &Path, intake: Intake) -> Result<Raw> {
        let mut raw = Loop::new()?;
        raw.watch(root.as_os_str().as_bytes().into())?;
        let taken = Arc::new(Mutex::new(Taken::new(intake)));
        let shared = Arc::clone(&taken);
        // Blocks in read(2) until the process ends.
        std::thread::spawn(move || {
            if let Err(error) = raw.run(&shared) {
                eprintln!("the raw loop ended: {error}");
            }
        });
        Ok(Raw { taken })
    }
}

impl Subject for Raw {
    fn finish(self: Box<Self>) -> Result<Reported> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let events = taken.count;
        Ok(Reported {
            events,
            arrivals: std::mem::take(&mut taken.kept),
            ..Reported::default()
        })
    }
}

pub(super) fn cycle(root: &Path) -> Result<()> {
    Loop::new()?.watch(root.as_os_str().as_bytes().into())
}

/// Opens and lists each directory of a tree. Returns the number of entries.
pub(crate) fn crawl(root: &Path) -> Result<u64> {
    crawl_with(root, |_, _| Ok(()))
}

/// Like [`crawl`], with a statx(2) of each file.
pub(crate) fn crawl_and_look(root: &Path) -> Result<u64> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    crawl_with(root, |dir, name| {
        statx(
            dir,
            name,
            AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC,
            wanted,
        )?;
        Ok(())
    })
}

fn crawl_with(
    root: &Path,
    mut each_file: impl FnMut(&OwnedFd, &CStr) -> Result<(), Errno>,
) -> Result<u64> {
    let mut entries = vec![MaybeUninit::uninit(); BUFFER];
    let mut pending: Vec<Box<[u8]>> = vec![root.as_os_str().as_bytes().into()];
    let mut count = 0;
    while let Some(path) = pending.pop() {
        let dir = openat(CWD, &*path, DIRECTORY, Mode::empty())?;
        let mut entries = RawDir::new(&dir, &mut entries);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if is_dots(entry.file_name()) {
                continue;
            }
            count += 1;
            if entry.file_type() == FileType::Directory {
                pending.push(join(&path, entry.file_name().to_bytes()));
            } else {
                each_file(&dir, entry.file_name())?;
            }
        }
    }
    Ok(count)
}
