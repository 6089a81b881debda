//! The kernel that the engine runs on: the simulated system, and everything that gets in the way.
//!
//! Whenever the engine asks something, time passes, calls of other processes get on and new ones
//! begin, also in the middle of a listing. Records come in pieces. Things fail for no reason.

use std::path::{Path, PathBuf};

use everwatch_core::coverage::Gap;
use everwatch_core::entry::{Identity, InodeNumber, Stat, Watch};
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_core::kernel::{ChangedSince, Drained, Kernel, Purpose, Token, Watched};
use everwatch_core::listing::Listing;
use everwatch_core::path::{to_bytes, to_path};
use everwatch_core::queue::RecordQueue;
use everwatch_core::time::FileTime;

use crate::disk::{Content, Errno, Ino};
use crate::random::Random;
use crate::system::Handle;
use crate::system::listing::{ListingUnderWay, describe};
use crate::workload::Workload;
use crate::world::{Processes, SimulatedKernel, World};

#[derive(Debug)]
pub(crate) struct LinuxKernel<P = Workload> {
    world: World<P>,
    /// Where the engine's thread is: it goes into directories to watch them.
    place: Option<Handle>,
    /// Files that are looked at later.
    deferred: Vec<Deferred>,
    /// What was found of those that have been looked at since.
    found: Vec<Token>,
    lateness: Random,
    /// Whether looking at files is deferred, now and then.
    defers_stats: bool,
}

/// A file to look at, at any moment up to the next `finish_deferred_stats`.
#[derive(Debug)]
struct Deferred {
    dir: Handle,
    name: Box<[u8]>,
    since: FileTime,
    token: Token,
}

/// The errors of open(2), stat(2) and the others as the backend of Linux translates them.
fn fault(errno: Errno) -> Fault {
    let (kind, code) = match errno {
        Errno::NoEntry => (FaultKind::NotFound, 2),
        Errno::NotDirectory | Errno::Loop => (FaultKind::NotDirectory, 20),
        Errno::Denied => (FaultKind::Denied, 13),
        _ => (FaultKind::Other, 5),
    };
    Fault { kind, code }
}

const OPEN_FILES: Fault = Fault {
    kind: FaultKind::OpenFiles,
    code: 24,
};
const WATCH_LIMIT: Fault = Fault {
    kind: FaultKind::WatchLimit,
    code: 28,
};
const UNSUPPORTED: Fault = Fault {
    kind: FaultKind::Unsupported,
    code: 95,
};
const BROKEN: Fault = Fault {
    kind: FaultKind::Other,
    code: 5,
};

impl<P: Processes> LinuxKernel<P> {
    pub(crate) fn new(world: World<P>, mut lateness: Random) -> LinuxKernel<P> {
        LinuxKernel {
            world,
            deferred: Vec::new(),
            found: Vec::new(),
            defers_stats: lateness.chance(500),
            lateness,
            place: None,
        }
    }

    pub(crate) fn world(&self) -> &World<P> {
        &self.world
    }

    pub(crate) fn world_mut(&mut self) -> &mut World<P> {
        &mut self.world
    }

    /// What happens while the engine does not look.
    fn others_run(&mut self) {
        self.world.others_run();
        while !self.deferred.is_empty() && self.lateness.chance(100) {
            let at = self.lateness.below(self.deferred.len());
            self.look_at_deferred(at);
        }
    }

    /// Looks at one of the deferred files.
    fn look_at_deferred(&mut self, at: usize) {
        let file = self.deferred.swap_remove(at);
        let stat = self.look(&file.dir, &file.name);
        if ChangedSince::from_stat(&stat, file.since) == ChangedSince::Maybe {
            self.found.push(file.token);
        }
    }

    /// What fstatat(2) finds, or a failure for no reason.
    fn look(&mut self, dir: &Handle, name: &[u8]) -> Result<Stat, Fault> {
        let found = match self.world.fails() {
            true => Err(BROKEN),
            false => self.find(dir, name),
        };
        let stat = found.map(|ino| self.world.system.disk.stat(ino));
        self.world.note(|system| {
            let path = system.disk.path_of(dir.ino);
            let seen = stat.map(|stat| (stat.kind, stat.inode, stat.birth, stat.modified));
            format!("stat {path} \"{}\" = {seen:?}", name.escape_ascii())
        });
        stat
    }

    /// openat(2) of a directory: ENOTDIR for anything else, EACCES without permission to read it, and now and
    /// then EMFILE for no reason.
    fn open(&mut self, ino: Ino) -> Result<Handle, Fault> {
        if !self.world.system.disk.is_dir(ino) {
            return Err(fault(Errno::NotDirectory));
        }
        if !self.world.system.disk.inode(ino).is_readable {
            return Err(fault(Errno::Denied));
        }
        if self.world.fails() {
            return Err(self.world.reason(&[OPEN_FILES, BROKEN]));
        }
        Ok(self.world.system.open(ino))
    }

    /// Looks a name up, for which the directory must be searchable.
    fn find(&self, dir: &Handle, name: &[u8]) -> Result<Ino, Fault> {
        if !self.world.system.disk.inode(dir.ino).is_searchable {
            return Err(fault(Errno::Denied));
        }
        self.world.system.disk.lookup(dir.ino, name).map_err(fault)
    }
}

impl SimulatedKernel for LinuxKernel {
    fn world(&self) -> &World {
        &self.world
    }

    fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    fn others_run(&mut self) {
        LinuxKernel::others_run(self);
    }

    fn is_idle(&self) -> bool {
        self.world.system.queue.len() == 0
    }

    fn is_limited(&self) -> bool {
        self.world.system.queue.is_limited()
    }

    fn lift_limit(&mut self) {
        self.world.system.queue.set_watch_limit(usize::MAX);
    }

    fn check_what_is_held(&mut self, watches: u64, is_certain: bool) -> Vec<String> {
        let system = &mut self.world.system;
        let mut complaints = Vec::new();
        if system.disk.opens() > 0 {
            complaints.push(format!("{} handles are open", system.disk.opens()));
        }
        let held = system.queue.watched().len() as u64;
        if held > watches || (held < watches && is_certain) {
            complaints.push(format!(
                "{held} watches in the kernel, {watches} in the engine"
            ));
        }
        complaints
    }
}

impl<P: Processes> Kernel for LinuxKernel<P> {
    type Dir = Handle;

    fn open_root(&mut self, path: &Path) -> Result<Handle, Fault> {
        self.others_run();
        let found = self
            .world
            .system
            .disk
            .resolve_permitted(&to_bytes(path))
            .map_err(fault);
        let opened = found.and_then(|ino| self.open(ino));
        self.world
            .note(|_| format!("open_root {} = {}", path.display(), brief(&opened)));
        opened
    }

    fn read_link(&mut self, path: &Path) -> Option<PathBuf> {
        self.others_run();
        self.world.system.disk.link_at(&to_bytes(path)).map(to_path)
    }

    fn open_dir(&mut self, parent: &Handle, name: &[u8]) -> Result<Handle, Fault> {
        self.others_run();
        let opened = self.find(parent, name).and_then(|ino| self.open(ino));
        self.world.note(|system| {
            let dir = system.disk.path_of(parent.ino);
            format!(
                "open_dir {dir} \"{}\" = {}",
                name.escape_ascii(),
                brief(&opened)
            )
        });
        opened
    }

    fn identity(&mut self, dir: &Handle) -> Result<Identity, Fault> {
        self.others_run();
        if self.world.fails() {
            return Err(BROKEN);
        }
        let identity = self.world.system.disk.stat(dir.ino).identity();
        self.world.note(|_| {
            format!(
                "identity {} = {}",
                dir.ino.0,
                identity.inode.map_or(0, InodeNumber::get)
            )
        });
        Ok(identity)
    }

    fn gap_of_volume(&mut self, dir: &Handle) -> Option<Gap> {
        self.world.system.disk.gap(dir.ino)
    }

    fn stat(&mut self, dir: &Handle, name: &[u8]) -> Result<Stat, Fault> {
        self.others_run();
        self.look(dir, name)
    }

    fn changed_since(
        &mut self,
        dir: &Handle,
        name: &[u8],
        since: FileTime,
        token: Token,
    ) -> ChangedSince {
        if !self.defers_stats || self.lateness.chance(200) {
            return ChangedSince::from_stat(&self.stat(dir, name), since);
        }
        self.deferred.push(Deferred {
            dir: self.world.system.open(dir.ino),
            name: name.into(),
            since,
            token,
        });
        ChangedSince::Deferred
    }

    fn finish_deferred_stats(&mut self, changed: &mut Vec<Token>) {
        while !self.deferred.is_empty() {
            self.others_run();
            let at = self.lateness.below(self.deferred.len());
            if at < self.deferred.len() {
                self.look_at_deferred(at);
            }
        }
        changed.append(&mut self.found);
    }

    fn list(&mut self, dir: &Handle, listing: &mut Listing) -> Result<(), Fault> {
        self.others_run();
        if self.world.fails() {
            return Err(BROKEN);
        }
        let World {
            system,
            timing,
            temper,
            ..
        } = &mut self.world;
        let mut under_way = ListingUnderWay::begin(system, dir.ino, timing, temper.torn_listing);
        loop {
            if under_way.is_interrupted(&mut self.world.timing) {
                self.others_run();
            }
            let advanced = under_way.advance(&mut self.world.system, listing);
            if !advanced.map_err(fault)? {
                break;
            }
        }
        self.world.note(|system| describe(system, dir.ino, listing));
        Ok(())
    }

    fn read_file(&mut self, dir: &Handle, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        self.others_run();
        let ino = self.find(dir, name)?;
        let Content::File(version) = self.world.system.disk.inode(ino).content else {
            return Err(BROKEN);
        };
        if !self.world.system.disk.inode(ino).is_readable {
            return Err(fault(Errno::Denied));
        }
        let mut text = self.world.workload.text(version).to_vec();
        text.truncate(limit);
        self.world
            .note(|_| format!("read {} = {version}", name.escape_ascii()));
        Ok(text)
    }

    /// As inotify_add_watch(2): it needs permission to read, fails at the limit, and finds out whether the
    /// inode is watched already. The engine's thread is in the directory afterwards, which keeps it busy.
    fn watch(&mut self, dir: &Handle, purpose: Purpose) -> Result<Watched, Fault> {
        self.others_run();
        if self.world.system.disk.gap(self.world.system.disk.top()) == Some(Gap::Chosen) {
            return Err(UNSUPPORTED);
        }
        if !self.world.system.disk.inode(dir.ino).is_readable {
            return Err(fault(Errno::Denied));
        }
        self.place = Some(self.world.system.open(dir.ino));
        let watched = match self.world.system.queue.add(dir.ino, purpose) {
            Some((watch, true)) => Ok(Watched::New(watch)),
            Some((watch, false)) => Ok(Watched::Known(watch)),
            None => Err(WATCH_LIMIT),
        };
        self.world.note(|system| {
            format!(
                "watch {} {purpose:?} = {watched:?}",
                system.disk.path_of(dir.ino)
            )
        });
        watched
    }

    fn unwatch(&mut self, watch: Watch) {
        self.others_run();
        self.world.note(|_| format!("unwatch {}", watch.0));
        self.world.system.queue.remove(watch);
    }

    /// Gives all that is queued, or only the oldest records.
    fn drain(&mut self, records: &mut RecordQueue) -> Result<Drained, Fault> {
        self.others_run();
        if self.world.fails() {
            return Err(BROKEN);
        }
        let length = self.world.system.queue.len();
        let count = match self.world.timing.chance(self.world.temper.slices) {
            true => 1 + self.world.timing.below(length.min(8)),
            false => length,
        };
        let count = self.world.system.queue.read(count, records);
        if count > 0 {
            self.world.note(|_| format!("drain = {count} of {length}"));
        }
        Ok(match count {
            0 => Drained::Nothing,
            _ if count == length => Drained::All,
            _ => Drained::Part,
        })
    }

    fn clock(&mut self) -> FileTime {
        self.others_run();
        self.world.read_clock()
    }

    /// The engine's thread leaves the directory that it watched last.
    fn before_wait(&mut self) {
        self.place = None;
        self.world.system.reap();
    }
}

/// The result of an open, for the trace.
fn brief(opened: &Result<Handle, Fault>) -> String {
    match opened {
        Ok(handle) => format!("inode {}", handle.ino.0),
        Err(fault) => format!("{:?}", fault.kind),
    }
}
