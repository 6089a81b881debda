//! Windows itself, and all of its unsafe code: `calls` has the system calls, `directory` opens, looks and lists,
//! `look_by_name` looks and opens nothing, `entries` reads listings, `resolved_name` knows Wine, `volume` distinguishes file systems, `wait` blocks. Reads are `everwatch-directory-reads`'s.

mod calls;
mod directory;
mod entries;
mod host;
mod look_by_name;
mod resolved_name;
mod signal;
mod volume;

use std::ffi::OsString;
use std::os::windows::io::AsHandle;
use std::path::{Component, Path, PathBuf, Prefix};
use std::sync::Arc;
use std::time::Duration;

use everwatch_core::entry::Stat;
use everwatch_core::listing::Listing;
use everwatch_core::time::FileTime;
use everwatch_directory_reads::{Collected, Completion, DirectoryReads, Settings, Tag};

use super::system_calls::{Code, Quirks, SystemCalls};
use crate::windows::volume::Volume;
use directory::Directory;
pub use host::{NativeKernel, PortBell};
use look_by_name::LookByName;
pub use signal::EventSignal;
pub use volume::{describe as describe_volume, limits};

/// Room for some hundreds of entries, in units of eight bytes.
const LIST_BUFFER: usize = 64 * 1024 / 8;

/// How late a completion may be handed over, in nanoseconds. It makes more files reported than changed
/// when records are lost, and nothing else.
const LATENESS: FileTime = 1_000_000_000;

/// The real system, with the reads of its directories. One thread uses it.
pub struct Native {
    /// Under the completion model that was chosen.
    reads: Box<dyn DirectoryReads>,
    /// The buffer of listings; of numbers, because entries are aligned to eight bytes.
    entries: Vec<u64>,
    /// Asked once, at the start.
    is_wine: bool,
    /// The same.
    by_name: Option<LookByName>,
}

impl Native {
    /// Windows with these reads.
    fn new(reads: Box<dyn DirectoryReads>) -> Native {
        let is_wine = calls::is_wine();
        Native {
            reads,
            entries: vec![0; LIST_BUFFER],
            is_wine,
            by_name: LookByName::find(is_wine),
        }
    }
}

/// Wine is taken to have heard of everything once it had nothing this many times in a row.
const QUIET_ROUNDS: u32 = 8;

/// The pause between two of these rounds.
const ROUND: Duration = Duration::from_millis(1);

/// The most rounds of one fence: a writer that never stops must not hold it up for longer than 0.2 seconds.
const MOST_ROUNDS: u32 = 200;

impl Native {
    /// Wine hears of changes from the system below it, in its own time. There is no way to ask whether
    /// it has heard of all, so this makes a fence likely to be right and not sure.
    fn let_wine_hear(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        let mut quiet = 0;
        for _ in 0..MOST_ROUNDS {
            if quiet == QUIET_ROUNDS {
                return;
            }
            std::thread::sleep(ROUND);
            let collected = self.reads.collect(deliver);
            quiet = match collected.delivered {
                0 => quiet + 1,
                _ => 0,
            };
        }
    }
}

/// The absolute path with the prefix `\\?\`, which makes calls take it as it is: of any length, and no name
/// means a device or loses its last dot ("Naming Files, Paths, and Namespaces" on MSDN).
fn verbatim(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(Component::Prefix(prefix)) = path.components().next() else {
        return path;
    };
    let mut verbatim = OsString::from(r"\\?\");
    let rest = match prefix.kind() {
        Prefix::Disk(_) => path.as_os_str(),
        Prefix::UNC(server, share) => {
            verbatim.push("UNC\\");
            verbatim.push(server);
            verbatim.push("\\");
            verbatim.push(share);
            let mut rest = path.components();
            rest.next();
            verbatim.push(rest.as_path());
            return verbatim.into();
        }
        _ => return path,
    };
    verbatim.push(rest);
    verbatim.into()
}

impl SystemCalls for Native {
    type Dir = Arc<Directory>;

    fn quirks(&self) -> Quirks {
        Quirks {
            keeps_old_paths: self.is_wine,
        }
    }

    fn open_root(&mut self, path: &Path) -> Result<Arc<Directory>, Code> {
        directory::open_root(path).map(Arc::new)
    }

    fn read_link(&mut self, path: &Path) -> Option<PathBuf> {
        let target = std::fs::read_link(path).ok()?;
        (!volume::is_volume_name(&target)).then_some(target)
    }

    fn open_dir(&mut self, parent: &Arc<Directory>, name: &[u8]) -> Result<Arc<Directory>, Code> {
        directory::open_below(parent, name, self.is_wine).map(Arc::new)
    }

    fn reopen(&mut self, dir: &Arc<Directory>) -> Result<Arc<Directory>, Code> {
        directory::reopen(dir).map(Arc::new)
    }

    fn look(&mut self, dir: &Arc<Directory>) -> Result<Stat, Code> {
        Ok(dir.seen)
    }

    fn stat(&mut self, dir: &Arc<Directory>, name: &[u8]) -> Result<Stat, Code> {
        directory::stat(dir, name, self.by_name, self.is_wine)
    }

    fn spelling(&mut self, dir: &Arc<Directory>, name: &[u8]) -> Result<Vec<u8>, Code> {
        directory::spelling(dir, name, &mut self.entries)
    }

    fn list(&mut self, dir: &Arc<Directory>, listing: &mut Listing) -> Result<(), Code> {
        directory::list(dir, self.is_wine, &mut self.entries, listing)
    }

    fn read_file(
        &mut self,
        dir: &Arc<Directory>,
        name: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, Code> {
        directory::read_file(dir, name, limit)
    }

    fn volume(&mut self, dir: &Arc<Directory>) -> Result<Volume, Code> {
        volume::of(dir, self.is_wine)
    }

    fn clock(&mut self) -> FileTime {
        directory::time_of(calls::clock())
    }

    fn arm(&mut self, tag: Tag, dir: &Arc<Directory>, settings: Settings) -> Result<(), Code> {
        self.reads
            .arm(tag, dir.handle.as_handle(), &dir.path, settings)
            .map_err(|error| Code(error.code()))
    }

    fn retire(&mut self, tag: Tag) {
        self.reads.retire(tag);
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        self.reads.collect(deliver)
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        self.reads.wait(timeout);
    }

    fn lateness(&self) -> FileTime {
        // A completion is handed over by the thread that issued the read, which may have to wait for a
        // processor; under Wine, by way of other processes.
        LATENESS
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        if self.is_wine {
            self.let_wine_hear(deliver);
        }
        self.reads.fence(deliver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_that_is_opened_is_verbatim() {
        for (path, expected) in [
            (r"C:\a\b", r"\\?\C:\a\b"),
            (r"C:\", r"\\?\C:\"),
            (r"C:/a/./b/../c/", r"\\?\C:\a\c\"),
            (r"\\server\share\a", r"\\?\UNC\server\share\a"),
            (r"\\?\C:\a. ", r"\\?\C:\a. "),
        ] {
            assert_eq!(verbatim(Path::new(path)), Path::new(expected));
        }
    }
}
