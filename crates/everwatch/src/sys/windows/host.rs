//! The kernel as the engine sees it, over the seam.
//!
//! Each directory that is watched for itself has a read: roots, and the directories in which their names
//! are looked up. A read begins with the entries of its directory alone. When the engine comes to
//! watch a directory below it, it is replaced by one that reaches all below: the new one is armed, what
//! the old one has is taken, and only then is the old one retired, so that nothing falls between. In
//! the same way a read that lost records gets a larger buffer, because the size of the first call is
//! that of the kernel's own buffer for as long as the handle lives.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
#[cfg(any(windows, test))]
use std::time::Duration;

use everwatch_core::coverage::Gap;
use everwatch_core::kernel::{
    BORN_ONCE, Drained, Fault, FaultKind, FileTime, Identity, Kernel, Listing, Purpose, Stat,
    Watch, Watched,
};
use everwatch_core::record::{Action, Backlog, Record};
use everwatch_proactor::{Completion, Filter, Settings, Tag};

use super::faults::{fault, fault_of_entry, unarmed};
use super::sights::Place;
use super::system::{Code, Numbers, System};
use super::tail::{Ledger, Tail};

/// The size of the first buffer, and the largest that works over a network.
const FIRST_BUFFER: u32 = 64 * 1024;

/// The largest buffer that a read grows to: some 10,000 records. The memory is the kernel's, and is not
/// paged.
const LARGEST_BUFFER: u32 = 1024 * 1024;

/// The buffer of a read that will not grow.
const FINAL_BUFFER: u32 = 256 * 1024;

/// The buffer of a read whose records nobody wants.
const SMALLEST_BUFFER: u32 = 4096;

/// A read that ends by itself so soon after it began is not begun again at once, in nanoseconds.
const TOO_SOON: FileTime = 1_000_000_000;

const FILE_NOT_FOUND: Code = Code(2);
const NOT_SUPPORTED: Code = Code(50);

/// An open directory, and the root through which it was opened.
#[derive(Clone, Debug)]
pub(crate) struct Dir<D> {
    pub(super) dir: D,
    root: Identity,
    /// What it was opened as, where that matters.
    place: Option<Place>,
}

#[derive(Debug)]
struct Read<D> {
    tail: Tail,
    dir: D,
    identity: Identity,
    settings: Settings,
    is_remote: bool,
    /// A buffer was not enough since the last drain.
    is_short: bool,
    /// The read ended with this code.
    ended: Option<Code>,
}

/// See the module head.
pub(crate) struct Kernel32<S: System> {
    pub(super) system: S,
    /// Why everything is polled, if it is.
    gap: Option<Gap>,
    reads: BTreeMap<Tag, Read<S::Dir>>,
    /// The read of each directory that has one.
    tags: HashMap<Identity, Tag>,
    next_tag: u64,
    next_watch: i32,
    ledger: Ledger,
    /// What was taken from reads between two drains.
    early: Backlog,
    /// Directories whose reads ended, when, and with what.
    failures: HashMap<Identity, (FileTime, Code)>,
    volumes: HashMap<u64, (bool, Numbers)>,
}

impl<S: System> Kernel32<S> {
    /// `gap` says why everything is to be polled.
    pub(crate) fn new(system: S, gap: Option<Gap>) -> Kernel32<S> {
        Kernel32 {
            system,
            gap,
            reads: BTreeMap::new(),
            tags: HashMap::new(),
            next_tag: 0,
            next_watch: 0,
            ledger: Ledger::default(),
            early: Backlog::default(),
            failures: HashMap::new(),
            volumes: HashMap::new(),
        }
    }

    /// Whether everything is polled.
    #[cfg(windows)]
    pub(super) fn is_polling(&self) -> bool {
        self.gap.is_some()
    }

    /// Blocks until there is something to drain, or somebody rings, or for `timeout`. What was taken
    /// from a read that was replaced is there already, and nobody will be woken for it.
    #[cfg(any(windows, test))]
    pub(crate) fn sleep(&mut self, timeout: Option<Duration>) {
        if self.early.is_empty() {
            self.system.wait(timeout);
        }
    }

    #[cfg(all(any(test, feature = "sim"), not(windows)))]
    pub(crate) fn system(&self) -> &S {
        &self.system
    }

    #[cfg(all(any(test, feature = "sim"), not(windows)))]
    pub(crate) fn system_mut(&mut self) -> &mut S {
        &mut self.system
    }

    /// How many reads are armed.
    #[cfg(all(any(test, feature = "sim"), not(windows)))]
    pub(crate) fn reads_held(&self) -> usize {
        self.reads.len()
    }

    fn watch_number(&mut self) -> Watch {
        self.next_watch += 1;
        Watch(self.next_watch)
    }

    fn tag(&mut self) -> Tag {
        self.next_tag += 1;
        Tag(self.next_tag)
    }

    /// Looks at what kind of volume this is, once for each.
    fn volume(&mut self, dir: &S::Dir, number: u64) -> (bool, Numbers) {
        if let Some(&known) = self.volumes.get(&number) {
            return known;
        }
        let known = match self.system.volume(dir) {
            Ok(volume) => (volume.is_remote, volume.numbers),
            Err(_) => (true, Numbers::Reused),
        };
        self.volumes.insert(number, known);
        known
    }

    fn told(&mut self, dir: &S::Dir, mut stat: Stat) -> Stat {
        stat.born = match self.volume(dir, stat.device).1.are_unique() {
            true => BORN_ONCE,
            false => 0,
        };
        stat
    }

    fn identify(&mut self, dir: &S::Dir) -> Result<Identity, Fault> {
        let stat = self.system.look(dir).map_err(fault)?;
        Ok(self.told(dir, stat).identity())
    }

    /// Arms the first read of a directory.
    fn begin(
        &mut self,
        dir: &S::Dir,
        identity: Identity,
        purpose: Purpose,
    ) -> Result<Watch, Fault> {
        let now = self.system.clock();
        if let Some(&(when, code)) = self.failures.get(&identity)
            && now.saturating_sub(when) < TOO_SOON
        {
            return Err(Fault {
                kind: FaultKind::Unsupported,
                code: code.0.cast_signed(),
            });
        }
        // Paths that have to be translated must not be told twice, so such a read is never replaced.
        let is_final = self.system.quirks().keeps_old_paths && purpose == Purpose::Root;
        let settings = Settings {
            deep: is_final,
            filter: Filter::CHANGES,
            bytes: if is_final { FINAL_BUFFER } else { FIRST_BUFFER },
        };
        let (tag, watch) = (self.tag(), self.watch_number());
        self.system.arm(tag, dir, settings).map_err(unarmed)?;
        if is_final {
            self.ledger.keep_paths(watch);
        }
        let (is_remote, numbers) = self.volume(dir, identity.device);
        self.tags.insert(identity, tag);
        self.reads.insert(
            tag,
            Read {
                tail: Tail::new(watch, numbers),
                dir: dir.clone(),
                identity,
                settings,
                is_remote,
                is_short: false,
                ended: None,
            },
        );
        Ok(watch)
    }

    /// Windows renames no directory below which one is open, and the root is. Others than Windows may.
    fn watch_ancestor(&mut self, dir: &S::Dir) -> Result<Watched, Fault> {
        let device = self.identify(dir)?.device;
        match self.volume(dir, device).0 || self.system.quirks().keeps_old_paths {
            true => Err(fault(NOT_SUPPORTED)),
            false => Ok(Watched::New(self.watch_number())),
        }
    }

    /// Replaces a read by one with other settings. What the old one has is taken before it is retired.
    fn renew(&mut self, tag: Tag, settings: Settings) -> Result<(), Fault> {
        let Some(read) = self.reads.get(&tag) else {
            return Ok(());
        };
        let dir = read.dir.clone();
        let successor = Read {
            tail: read.tail.successor(),
            dir: dir.clone(),
            settings,
            is_short: false,
            ended: None,
            ..*read
        };
        let next = self.tag();
        self.system.arm(next, &dir, settings).map_err(unarmed)?;
        // Both report on what happens now. To tell a change twice does no harm.
        self.tags.insert(successor.identity, next);
        self.reads.insert(next, successor);
        self.fence();
        self.system.retire(tag);
        self.reads.remove(&tag);
        Ok(())
    }

    /// What is to be done about reads after their completions were taken.
    fn look_after_reads(&mut self, backlog: &mut Backlog) {
        // Among what was lost may be renames, without which no later path can be translated.
        let keeps_old_paths = self.system.quirks().keeps_old_paths;
        let is_due = |read: &Read<S::Dir>| read.is_short || read.ended.is_some();
        let due: Vec<Tag> = self
            .reads
            .iter()
            .filter(|(_, read)| is_due(read))
            .map(|(&tag, _)| tag)
            .collect();
        for tag in due {
            let Some(read) = self.reads.get_mut(&tag) else {
                continue;
            };
            read.is_short = false;
            let ended = read.ended;
            if ended.is_some() || keeps_old_paths {
                let (watch, identity) = (read.tail.watch(), read.identity);
                self.end(tag);
                if let Some(code) = ended {
                    self.failures.insert(identity, (self.system.clock(), code));
                }
                backlog.push(Record {
                    watch,
                    action: Action::WatchEnded,
                    ..Record::LOST
                });
                backlog.push(Record::LOST);
            } else if !read.is_remote && read.settings.bytes < LARGEST_BUFFER {
                let settings = Settings {
                    bytes: (read.settings.bytes * 4).min(LARGEST_BUFFER),
                    ..read.settings
                };
                // Without more room it goes on as it is; what it loses is found by comparison.
                let _ = self.renew(tag, settings);
            }
        }
    }

    /// Makes a system that keeps old paths see the directory where it is now. If it has seen it
    /// elsewhere, or forgotten that it is in the directory above, it has to forget it first.
    fn sight(&mut self, dir: &S::Dir, place: Place) -> Result<(), Fault> {
        let identity = self.identify(dir)?;
        let is_stale = self.ledger.sights.is_stale(identity, &place);
        if is_stale {
            let tag = self.tag();
            let settings = Settings {
                deep: false,
                filter: Filter::CHANGES,
                bytes: SMALLEST_BUFFER,
            };
            self.system.arm(tag, dir, settings).map_err(fault)?;
            self.system.retire(tag);
            self.system.reopen(dir).map_err(fault)?;
        }
        self.ledger.sights.saw(identity, place, is_stale);
        Ok(())
    }

    fn end(&mut self, tag: Tag) {
        self.system.retire(tag);
        if let Some(read) = self.reads.remove(&tag) {
            self.ledger.forget(read.tail.watch());
            if self.tags.get(&read.identity) == Some(&tag) {
                self.tags.remove(&read.identity);
            }
            if !self.system.quirks().keeps_old_paths {
                return;
            }
            let is_below = self.ledger.sights.contains(read.identity);
            let is_deep = |read: &Read<S::Dir>| read.settings.deep;
            if is_below || is_deep(&read) || !self.reads.values().any(is_deep) {
                self.ledger.sights.lost();
            }
            if is_below && !self.reads.is_empty() {
                // To reads of what is above it, all below it is lost now.
                self.early.push(Record::LOST);
            }
        }
    }

    fn take_early(&mut self, backlog: &mut Backlog) -> bool {
        let came = !self.early.is_empty();
        while let Some(record) = self.early.front() {
            backlog.push(record);
            self.early.pop();
        }
        came
    }
}

/// Turns a completion into records.
fn deliver<D>(
    reads: &mut BTreeMap<Tag, Read<D>>,
    ledger: &mut Ledger,
    tag: Tag,
    completion: &Completion<'_>,
    backlog: &mut Backlog,
) {
    let Some(read) = reads.get_mut(&tag) else {
        return;
    };
    match *completion {
        Completion::Changes { bytes, layout } => read.tail.decode(bytes, layout, ledger, backlog),
        Completion::Failed { code } => read.ended = Some(Code(code)),
        _ => {
            read.is_short = true;
            read.tail.lose(backlog);
        }
    }
}

impl<S: System> Kernel for Kernel32<S> {
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
        let mut stat = self.system.stat(&dir.dir, name).map_err(fault_of_entry)?;
        // Names are found whatever their case, and by short names as well, but to the engine those are
        // other names. Under Wine it takes as long as a listing to find out.
        if !self.system.quirks().keeps_old_paths {
            match self.system.spelling(&dir.dir, name) {
                Some(spelling) if spelling == name => {}
                Some(_) => return Err(fault(FILE_NOT_FOUND)),
                None => stat = self.system.stat(&dir.dir, name).map_err(fault_of_entry)?,
            }
        }
        Ok(self.told(&dir.dir, stat))
    }

    fn list(&mut self, dir: &Self::Dir, listing: &mut Listing) -> Result<(), Fault> {
        self.system.list(&dir.dir, listing).map_err(fault)?;
        if self.volume(&dir.dir, dir.root.device).1.are_unique() {
            listing.set_born(BORN_ONCE);
        }
        Ok(())
    }

    fn read_file(&mut self, dir: &Self::Dir, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        self.system.read_file(&dir.dir, name, limit).map_err(fault)
    }

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
                let (watch, settings) = (read.tail.watch(), read.settings);
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
                    self.sight(&dir.dir, place.clone())?;
                }
                Ok(Watched::Above(watch))
            }
            (Some((_, read)), _) => Ok(Watched::Known(read.tail.watch())),
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
            .filter(|(_, read)| read.tail.watch() == watch)
            .map(|(&tag, _)| tag)
            .collect();
        for tag in ended {
            self.end(tag);
        }
    }

    fn drain(&mut self, backlog: &mut Backlog) -> Result<Drained, Fault> {
        let before = self.take_early(backlog);
        let (reads, ledger) = (&mut self.reads, &mut self.ledger);
        let collected = self.system.collect(&mut |tag, completion| {
            deliver(reads, ledger, tag, &completion, backlog);
        });
        self.look_after_reads(backlog);
        Ok(match (before || collected.delivered > 0, collected.more) {
            (_, true) => Drained::Part,
            (true, false) => Drained::All,
            (false, false) => Drained::Nothing,
        })
    }

    fn fence(&mut self) {
        let mut early = std::mem::take(&mut self.early);
        let (reads, ledger) = (&mut self.reads, &mut self.ledger);
        self.system.fence(&mut |tag, completion| {
            deliver(reads, ledger, tag, &completion, &mut early);
        });
        self.early = early;
    }

    fn lateness(&self) -> FileTime {
        self.system.lateness()
    }

    fn names_paths(&self) -> bool {
        true
    }

    fn keeps_moved(&self) -> bool {
        !self.system.quirks().keeps_old_paths || !self.ledger.sights.is_moving()
    }

    fn spelling(&mut self, dir: &Self::Dir, name: &[u8]) -> Option<Vec<u8>> {
        self.system.spelling(&dir.dir, name)
    }

    fn clock(&mut self) -> FileTime {
        self.system.clock()
    }
}
