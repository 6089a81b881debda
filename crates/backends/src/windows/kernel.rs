//! The kernel as the engine sees it, over the calls to Windows.
//!
//! Each directory that is watched for itself has a read (`reads`): roots, and the directories in which their
//! names are looked up. A read begins with the entries of its directory alone. When the engine comes to
//! watch a directory below it, it is replaced by one that reaches all below.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use everwatch_core::coverage::Gap;
use everwatch_core::entry::{Birth, Identity, Stat, Watch};
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_core::kernel::{Drained, Kernel, Purpose, Watched};
use everwatch_core::listing::Listing;
use everwatch_core::queue::RecordQueue;
use everwatch_core::time::FileTime;
use everwatch_directory_reads::{Settings, Tag};

use super::decode::DecodeState;
use super::errors::{fault, fault_of_entry, forbids_spelling};
use super::read::{Read, deliver};
use super::system_calls::{Code, SystemCalls};
use super::volume::Volume;
use super::wine::seen_dirs::Place;

/// ERROR_FILE_NOT_FOUND.
const FILE_NOT_FOUND: Code = Code(2);
/// ERROR_NOT_SUPPORTED.
const NOT_SUPPORTED: Code = Code(50);

/// An open directory, and the root through which it was opened.
#[derive(Clone, Debug)]
pub struct Dir<D> {
    /// The handle.
    pub(super) dir: D,
    /// The root, whose read reports on everything below it.
    root: Identity,
    /// What it was opened as, where that matters.
    place: Option<Place>,
}

/// The kernel of Windows, over a [`SystemCalls`]: the real one or a simulated one. One thread uses it.
pub struct WindowsKernel<S: SystemCalls> {
    /// Windows, or a simulated one.
    pub(super) system: S,
    /// Why everything is polled, if it is.
    gap: Option<Gap>,
    /// The reads that are armed. While one is replaced, a directory has two for a moment.
    pub(super) reads: BTreeMap<Tag, Read<S::Dir>>,
    /// The read of each directory that has one.
    pub(super) tags: HashMap<Identity, Tag>,
    /// The last tag that was given out; none is reused.
    pub(super) last_tag: u64,
    /// The last watch that was given out. A read that takes the place of another one keeps its watch.
    last_watch: i32,
    /// What decoding remembers between two buffers.
    pub(super) decoding: DecodeState,
    /// What was taken from reads between two drains.
    pub(super) early: RecordQueue,
    /// Directories whose reads ended, when, and with what.
    pub(super) failures: HashMap<Identity, (FileTime, Code)>,
    /// By the number of the volume. Of one that cannot be asked, nothing is trusted.
    volumes: HashMap<u64, Volume>,
}

impl<S: SystemCalls> WindowsKernel<S> {
    /// `gap` says why everything is polled.
    pub fn new(system: S, gap: Option<Gap>) -> WindowsKernel<S> {
        WindowsKernel {
            system,
            gap,
            reads: BTreeMap::new(),
            tags: HashMap::new(),
            last_tag: 0,
            last_watch: 0,
            decoding: DecodeState::default(),
            early: RecordQueue::default(),
            failures: HashMap::new(),
            volumes: HashMap::new(),
        }
    }

    /// Whether everything is polled.
    #[cfg(windows)]
    pub(super) fn is_polling(&self) -> bool {
        self.gap.is_some()
    }

    /// Blocks until there is something to drain, or the bell rings, or for `timeout`. What was taken
    /// from a read that was replaced is there already, and nothing will wake for it.
    pub fn sleep(&mut self, timeout: Option<Duration>) {
        if self.early.is_empty() {
            self.system.wait(timeout);
        }
    }

    /// The system below.
    pub fn system(&self) -> &S {
        &self.system
    }

    /// The system below, to be changed.
    pub fn system_mut(&mut self) -> &mut S {
        &mut self.system
    }

    /// How many reads are armed.
    pub fn reads_held(&self) -> usize {
        self.reads.len()
    }

    /// A watch that was never given out.
    pub(super) fn new_watch(&mut self) -> Watch {
        self.last_watch += 1;
        Watch(self.last_watch)
    }

    /// A tag that was never given out.
    pub(super) fn new_tag(&mut self) -> Tag {
        self.last_tag += 1;
        Tag(self.last_tag)
    }

    /// Looks at what kind of volume this is, once for each.
    pub(super) fn volume(&mut self, dir: &S::Dir, number: u64) -> Volume {
        if let Some(&known) = self.volumes.get(&number) {
            return known;
        }
        let known = self.system.volume(dir).unwrap_or(Volume::UNKNOWN);
        self.volumes.insert(number, known);
        known
    }

    /// Replaces the time of creation, which Windows lets anybody set, by what the numbers of the volume prove.
    fn with_birth(&mut self, dir: &S::Dir, mut stat: Stat) -> Stat {
        stat.birth = match self.volume(dir, stat.device).has_unique_numbers() {
            true => Birth::Unique,
            false => Birth::Unknown,
        };
        stat
    }

    /// The identity of an open directory.
    pub(super) fn identify(&mut self, dir: &S::Dir) -> Result<Identity, Fault> {
        let stat = self.system.look(dir).map_err(fault)?;
        Ok(self.with_birth(dir, stat).identity())
    }

    /// Windows renames no directory below which one is open on the same volume: the root, or the directory above it. Others
    /// than Windows may, and not every volume is Windows' own. The engine compares the volumes.
    fn watch_ancestor(&mut self, dir: &S::Dir) -> Result<Watched, Fault> {
        let device = self.identify(dir)?.device;
        let is_held = self.volume(dir, device).holds_ancestors();
        match is_held && !self.system.quirks().keeps_old_paths {
            true => Ok(Watched::New(self.new_watch())),
            false => Err(fault(NOT_SUPPORTED)),
        }
    }

    /// Takes what has been read for the next drain, that of `last` after all else.
    pub(super) fn take_all(&mut self, last: Option<Tag>) {
        let (early, mut late) = (&mut self.early, RecordQueue::default());
        let (reads, state) = (&mut self.reads, &mut self.decoding);
        self.system.fence(&mut |tag, completion| {
            let records = match Some(tag) == last {
                true => &mut late,
                false => &mut *early,
            };
            deliver(reads, state, tag, &completion, records);
        });
        move_records(&mut late, early);
    }

    /// Moves what was taken between two drains into `records`. Returns whether there was anything.
    fn take_early(&mut self, records: &mut RecordQueue) -> bool {
        let came = !self.early.is_empty();
        move_records(&mut self.early, records);
        came
    }
}

/// Moves all records of one queue to the end of another.
fn move_records(from: &mut RecordQueue, to: &mut RecordQueue) {
    while let Some(record) = from.front() {
        to.push(record);
        from.pop();
    }
}

impl<S: SystemCalls> Kernel for WindowsKernel<S> {
    type Dir = Dir<S::Dir>;

    fn open_root(&mut self, path: &Path) -> Result<Self::Dir, Fault> {
        let dir = self.system.open_root(path).map_err(fault)?;
        let root = self.identify(&dir)?;
        Ok(Dir {
            dir,
            root,
            place: None,
        })
    }

    fn read_link(&mut self, path: &Path) -> Option<PathBuf> {
        self.system.read_link(path)
    }

    fn open_dir(&mut self, parent: &Self::Dir, name: &[u8]) -> Result<Self::Dir, Fault> {
        let opened = self.system.open_dir(&parent.dir, name);
        let dir = opened.map_err(fault_of_entry)?;
        let place = match self.system.quirks().keeps_old_paths {
            true => Some(Place {
                dir: self.identify(&parent.dir)?,
                name: name.into(),
            }),
            false => None,
        };
        Ok(Dir {
            dir,
            root: parent.root,
            place,
        })
    }

    fn identity(&mut self, dir: &Self::Dir) -> Result<Identity, Fault> {
        self.identify(&dir.dir)
    }

    fn gap_of_volume(&mut self, _dir: &Self::Dir) -> Option<Gap> {
        self.gap
    }

    fn stat(&mut self, dir: &Self::Dir, name: &[u8]) -> Result<Stat, Fault> {
        let stat = self.system.stat(&dir.dir, name).map_err(fault_of_entry)?;
        Ok(self.with_birth(&dir.dir, stat))
    }

    /// Names are found in any case, and by short names as well, but to the engine those are other names. Under Wine it
    /// takes as long as a listing to find out.
    fn stat_as_listed(&mut self, dir: &Self::Dir, name: &[u8]) -> Result<Stat, Fault> {
        let mut stat = self.stat(dir, name)?;
        if self.system.quirks().keeps_old_paths {
            return Ok(stat);
        }
        for _ in 0..2 {
            match self.system.spelling(&dir.dir, name) {
                Ok(spelling) if spelling == name => return Ok(stat),
                Ok(_) => return Err(fault(FILE_NOT_FOUND)),
                // It went in the meantime, and what came in its place may be spelled in another way. Or the directory
                // does not say.
                Err(code) if forbids_spelling(code) => stat = self.stat(dir, name)?,
                Err(code) => return Err(fault_of_entry(code)),
            }
        }
        Ok(stat)
    }

    fn list(&mut self, dir: &Self::Dir, listing: &mut Listing) -> Result<(), Fault> {
        self.system.list(&dir.dir, listing).map_err(fault)?;
        if self.volume(&dir.dir, dir.root.device).has_unique_numbers() {
            listing.set_birth(Birth::Unique);
        }
        Ok(())
    }

    fn read_file(&mut self, dir: &Self::Dir, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        self.system.read_file(&dir.dir, name, limit).map_err(fault)
    }

    /// Entries are watched by the read of their root, which the first of them makes deep. Everything else has a
    /// read of its own.
    fn watch(&mut self, dir: &Self::Dir, purpose: Purpose) -> Result<Watched, Fault> {
        let identity = match purpose {
            Purpose::Entries => dir.root,
            Purpose::Ancestor => return self.watch_ancestor(&dir.dir),
            _ => self.identify(&dir.dir)?,
        };
        let known = self.tags.get(&identity).copied();
        let read = known.and_then(|tag| Some((tag, self.reads.get(&tag)?)));
        match (read, purpose) {
            (Some((tag, read)), Purpose::Entries) => {
                let (watch, settings) = (read.decoder.watch(), read.settings);
                if !settings.deep {
                    self.renew(
                        tag,
                        Settings {
                            deep: true,
                            ..settings
                        },
                    )?;
                }
                if let Some(place) = &dir.place {
                    self.make_seen(&dir.dir, place.clone())?;
                }
                Ok(Watched::Above(watch))
            }
            (Some((_, read)), _) => Ok(Watched::Known(read.decoder.watch())),
            (None, Purpose::Entries) => Err(Fault {
                kind: FaultKind::Unsupported,
                code: self
                    .failures
                    .get(&identity)
                    .map_or(0, |failure| failure.1.0.cast_signed()),
            }),
            (None, _) => self.begin(&dir.dir, identity, purpose).map(Watched::New),
        }
    }

    fn unwatch(&mut self, watch: Watch) {
        let ended: Vec<Tag> = self
            .reads
            .iter()
            .filter(|(_, read)| read.decoder.watch() == watch)
            .map(|(&tag, _)| tag)
            .collect();
        for tag in ended {
            self.end(tag);
        }
    }

    /// Takes what was read, then renews reads that ended or lost records.
    fn drain(&mut self, records: &mut RecordQueue) -> Result<Drained, Fault> {
        let before = self.take_early(records);
        let (reads, state) = (&mut self.reads, &mut self.decoding);
        let collected = self.system.collect(&mut |tag, completion| {
            deliver(reads, state, tag, &completion, records);
        });
        self.maintain_reads(records);
        Ok(match (before || collected.delivered > 0, collected.more) {
            (_, true) => Drained::Part,
            (true, false) => Drained::All,
            (false, false) => Drained::Nothing,
        })
    }

    /// What was complete before the call waits for the next drain.
    fn fence(&mut self) {
        self.take_all(None);
    }

    fn lateness(&self) -> FileTime {
        self.system.lateness()
    }

    fn names_paths(&self) -> bool {
        true
    }

    /// Links are made of files and directories that have their record already, by FSCTL_SET_REPARSE_POINT, and what is
    /// renamed over a file may leave nothing but a modification of it (MS-FSA 2.1.5.15.12, FASTFAT). Wine makes
    /// both by a rename.
    fn modifies_kinds(&self) -> bool {
        !self.system.quirks().keeps_old_paths
    }

    /// NTFS records what is written when the handle is closed or flushed (MS-FSA 2.1.5.4, 2.1.5.5). Wine records it when
    /// it is made, as inotify does.
    fn records_closes(&self) -> bool {
        !self.system.quirks().keeps_old_paths
    }

    /// FAT and exFAT report what is renamed over a file as a modification of its new name (FASTFAT).
    fn replaces_in_any_case(&self) -> bool {
        self.volumes
            .values()
            .any(|volume| volume.replaces_in_any_case())
    }

    /// Wine forgets what is below a directory whose read is retired.
    fn hands_over(&self) -> bool {
        !self.system.quirks().keeps_old_paths
    }

    /// Under Wine, only while nothing is known to have moved.
    fn keeps_moved(&self) -> bool {
        !self.system.quirks().keeps_old_paths || !self.decoding.seen_dirs.is_moving()
    }

    fn spelling(&mut self, dir: &Self::Dir, name: &[u8]) -> Option<Vec<u8>> {
        self.system.spelling(&dir.dir, name).ok()
    }

    fn clock(&mut self) -> FileTime {
        self.system.clock()
    }
}
