//! The simulated Windows, as the calls that the Windows backend makes.
//!
//! Whenever something is asked, time passes and other processes get on. Completions come late and in
//! pieces, though never out of order, and a fence has all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use everwatch_core::entry::Stat;
use everwatch_core::listing::Listing;
use everwatch_core::path::{to_bytes, to_path};
use everwatch_core::time::FileTime;
use everwatch_directory_reads::{Collected, Completion, Layout, Settings, Tag};

use crate::disk::{Content, Errno, Ino};
use crate::system::Handle;
use crate::system::listing::{ListingUnderWay, describe};
use crate::windows::Nt;
use crate::windows::reads::{Done, Reads};
use crate::windows::records::encode;
use crate::windows::wine::{Server, pair};
use crate::workload::ignore_files;
use crate::world::World;
use everwatch_backends::windows::{Code, Quirks, SystemCalls, Volume};

const FILE_NOT_FOUND: Code = Code(2);
const TOO_MANY_OPEN_FILES: Code = Code(4);
const ACCESS_DENIED: Code = Code(5);
const NOT_ENOUGH_MEMORY: Code = Code(8);
const SHARING_VIOLATION: Code = Code(32);
const UNEXP_NET_ERR: Code = Code(59);
const NETNAME_DELETED: Code = Code(64);
const DIRECTORY: Code = Code(267);
const DELETE_PENDING: Code = Code(303);
const IO_DEVICE: Code = Code(1117);
const NO_SYSTEM_RESOURCES: Code = Code(1450);

/// With what a read ends for no reason: ERROR_NETNAME_DELETED, ERROR_UNEXP_NET_ERR,
/// ERROR_INVALID_FUNCTION.
const READ_ENDS: [u32; 3] = [64, 59, 1];

/// How long a completion may wait where there are threads between the kernel and the code that collects.
const LATENESS: FileTime = 100_000_000;

/// How a machine differs from others. All chances are out of a thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) layout: Layout,
    pub(crate) volume: Volume,
    /// That a completion is not collected at once, and that there are more is not said.
    pub(crate) tardiness: u32,
    /// That a completion is not collected at once, and that there are more is said.
    pub(crate) shortness: u32,
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) world: World,
    model: Model,
    /// What is complete and was not collected, and since when.
    waiting: BTreeMap<u64, FileTime>,
    /// This is Wine.
    server: Option<Server>,
    /// When the server came by.
    served: FileTime,
}

/// The Win32 error of a call that failed.
fn code(errno: Errno) -> Code {
    match errno {
        Errno::NoEntry => FILE_NOT_FOUND,
        Errno::NotDirectory | Errno::Loop => DIRECTORY,
        Errno::Denied => ACCESS_DENIED,
        _ => IO_DEVICE,
    }
}

impl Machine {
    pub(crate) fn new(world: World, model: Model, server: Option<Server>) -> Machine {
        Machine {
            world,
            model,
            waiting: BTreeMap::new(),
            server,
            served: 0,
        }
    }

    pub(crate) fn reads(&self) -> &Reads {
        match &self.server {
            Some(server) => &server.reads,
            None => &self.world.system.nt().reads,
        }
    }

    pub(crate) fn reads_mut(&mut self) -> &mut Reads {
        match &mut self.server {
            Some(server) => &mut server.reads,
            None => &mut self.world.system.nt_mut().reads,
        }
    }

    /// What happens while the engine does not look. A completion waits from now on.
    fn pass(&mut self) {
        self.world.others_run();
        let now = self.world.system.disk.now;
        let may_wait = now - self.served < LATENESS && self.model.tardiness > 0;
        if self.server.is_some() && !(may_wait && self.world.timing.chance(self.model.tardiness)) {
            self.serve();
        }
        let done: Vec<Tag> = self.reads().done().collect();
        for tag in done {
            self.waiting.entry(tag.0).or_insert(now);
        }
    }

    /// Lets the server of Wine take its records now.
    fn serve(&mut self) {
        self.served = self.world.system.disk.now;
        if let Some(server) = &mut self.server {
            server.run(&mut self.world.system);
        }
    }

    /// Looks a name up. An entry with a pending delete cannot be opened: ERROR_DELETE_PENDING.
    fn find(&self, dir: Ino, name: &[u8]) -> Result<Ino, Code> {
        let system = &self.world.system;
        let inode = system.disk.inode(dir);
        if inode.links == 0 {
            return Err(FILE_NOT_FOUND);
        }
        if !inode.is_searchable {
            return Err(ACCESS_DENIED);
        }
        let found = system.disk.lookup(dir, name).map_err(code)?;
        match system.is_delete_pending(found) {
            true => Err(DELETE_PENDING),
            false => Ok(found),
        }
    }

    /// Keeps an entry open while others get on, where looking at it takes a handle.
    fn hold_to_look(&mut self, ino: Ino) {
        let opens = |nt: &mut Nt| nt.follows(|habits| habits.opens_to_look);
        if self.world.system.nt.as_mut().is_some_and(opens) {
            let handle = self.world.system.open(ino);
            self.world.system.nt_mut().looked_at = Some(ino);
            self.pass();
            drop(handle);
            self.world.system.nt_mut().looked_at = None;
        }
    }

    /// Opens a directory, which shows it to the server of Wine.
    fn open(&mut self, ino: Ino) -> Result<Rc<Handle>, Code> {
        let disk = &self.world.system.disk;
        if !disk.is_dir(ino) {
            return Err(DIRECTORY);
        }
        if self.world.system.is_delete_pending(ino) {
            return Err(DELETE_PENDING);
        }
        if !disk.inode(ino).is_readable {
            return Err(ACCESS_DENIED);
        }
        if self.world.fails() {
            let reasons = [
                TOO_MANY_OPEN_FILES,
                IO_DEVICE,
                SHARING_VIOLATION,
                NETNAME_DELETED,
            ];
            return Err(self.world.reason(&reasons));
        }
        let handle = self.world.system.open(ino);
        if let Some(server) = &mut self.server {
            server.opened(&mut self.world.system, ino);
        }
        Ok(Rc::new(handle))
    }

    /// Delivers what one read completed with. Returns whether there was anything.
    fn deliver(&mut self, tag: Tag, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> bool {
        let Some(done) = self.reads_mut().take(tag) else {
            return false;
        };
        self.world
            .note(|_| format!("completed {}: {done:?}", tag.0));
        match done {
            Done::Changes(mut notes) => {
                let layout = self.model.layout;
                if self.server.is_some() {
                    pair(&mut notes);
                }
                let bytes = encode(&notes, layout, self.server.is_none());
                deliver(
                    tag,
                    Completion::Changes {
                        bytes: &bytes,
                        layout,
                    },
                );
            }
            Done::Lost => deliver(tag, Completion::Lost),
            Done::Failed(code) => deliver(tag, Completion::Failed { code }),
        }
        true
    }
}

impl SystemCalls for Machine {
    type Dir = Rc<Handle>;

    fn quirks(&self) -> Quirks {
        Quirks {
            keeps_old_paths: self.server.is_some(),
        }
    }

    fn open_root(&mut self, path: &Path) -> Result<Rc<Handle>, Code> {
        self.pass();
        let found = self.world.system.disk.resolve(&to_bytes(path));
        let opened = found.map_err(code).and_then(|ino| self.open(ino));
        self.world
            .note(|_| format!("open_root {} = {}", path.display(), brief(&opened)));
        opened
    }

    fn read_link(&mut self, path: &Path) -> Option<PathBuf> {
        self.pass();
        self.world.system.disk.link_at(&to_bytes(path)).map(to_path)
    }

    fn open_dir(&mut self, parent: &Rc<Handle>, name: &[u8]) -> Result<Rc<Handle>, Code> {
        self.pass();
        let opened = self.find(parent.ino, name).and_then(|ino| self.open(ino));
        self.world.note(|system| {
            let dir = system.disk.path_of(parent.ino);
            let name = name.escape_ascii();
            format!("open_dir {dir} \"{name}\" = {}", brief(&opened))
        });
        opened
    }

    fn reopen(&mut self, dir: &Rc<Handle>) -> Result<Rc<Handle>, Code> {
        self.pass();
        self.open(dir.ino)
    }

    fn look(&mut self, dir: &Rc<Handle>) -> Result<Stat, Code> {
        self.pass();
        match self.world.fails() {
            true => Err(IO_DEVICE),
            false => Ok(self.world.system.disk.stat(dir.ino)),
        }
    }

    fn stat(&mut self, dir: &Rc<Handle>, name: &[u8]) -> Result<Stat, Code> {
        self.pass();
        let found = match self.world.fails() {
            true => Err(self.world.reason(&[IO_DEVICE, SHARING_VIOLATION])),
            false => self.find(dir.ino, name),
        };
        if let Ok(ino) = found {
            self.hold_to_look(ino);
        }
        let stat = found.map(|ino| self.world.system.disk.stat(ino));
        self.world.note(|system| {
            let path = system.disk.path_of(dir.ino);
            let seen = stat.map(|stat| (stat.kind, stat.inode, stat.modified));
            format!("stat {path} \"{}\" = {seen:?}", name.escape_ascii())
        });
        stat
    }

    fn spelling(&mut self, dir: &Rc<Handle>, name: &[u8]) -> Result<Vec<u8>, Code> {
        self.pass();
        let spelling = match self.world.fails() {
            true => Err(IO_DEVICE),
            false => self.find(dir.ino, name).and_then(|_| {
                let entry = self.world.system.disk.dirent(dir.ino, name);
                entry.map(|entry| entry.name.to_vec()).ok_or(FILE_NOT_FOUND)
            }),
        };
        self.world.note(|_| {
            let shown = spelling
                .as_ref()
                .map(|name| name.escape_ascii().to_string());
            format!("spelling of \"{}\" = {shown:?}", name.escape_ascii())
        });
        spelling
    }

    fn list(&mut self, dir: &Rc<Handle>, listing: &mut Listing) -> Result<(), Code> {
        self.pass();
        if self.world.fails() {
            return Err(self.world.reason(&[IO_DEVICE, UNEXP_NET_ERR]));
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
                self.pass();
            }
            let advanced = under_way.advance(&mut self.world.system, listing);
            if !advanced.map_err(code)? {
                break;
            }
        }
        self.world.note(|system| describe(system, dir.ino, listing));
        Ok(())
    }

    fn read_file(&mut self, dir: &Rc<Handle>, name: &[u8], limit: usize) -> Result<Vec<u8>, Code> {
        self.pass();
        let ino = self.find(dir.ino, name)?;
        let inode = self.world.system.disk.inode(ino);
        match inode.content {
            Content::File(_) if !inode.is_readable => Err(ACCESS_DENIED),
            Content::File(version) => {
                let text = ignore_files::text(version).as_bytes();
                Ok(text[..text.len().min(limit)].to_vec())
            }
            _ => Err(IO_DEVICE),
        }
    }

    fn volume(&mut self, _dir: &Rc<Handle>) -> Result<Volume, Code> {
        self.pass();
        match self.world.fails() {
            true => Err(IO_DEVICE),
            false => Ok(self.model.volume),
        }
    }

    fn clock(&mut self) -> FileTime {
        self.pass();
        self.world.read_clock()
    }

    /// As CreateFileW and the first read: it fails on a directory that is being deleted, without memory, and
    /// with settings that no kernel takes.
    fn arm(&mut self, tag: Tag, dir: &Rc<Handle>, settings: Settings) -> Result<(), Code> {
        self.pass();
        let system = &mut self.world.system;
        let is_gone = system.is_delete_pending(dir.ino) || system.disk.inode(dir.ino).links == 0;
        let armed = if is_gone {
            Err(ACCESS_DENIED)
        } else if self.reads().is_full() {
            Err(NO_SYSTEM_RESOURCES)
        } else if self.world.fails() {
            Err(self
                .world
                .reason(&[NOT_ENOUGH_MEMORY, Code(1), NETNAME_DELETED, IO_DEVICE]))
        } else if settings.validate(self.model.volume.is_remote).is_err() {
            Err(Code(87))
        } else {
            let handle = self.world.system.open(dir.ino);
            match &mut self.server {
                Some(server) => server.arm(&mut self.world.system, tag, settings, handle),
                None => self.reads_mut().arm(tag, settings, handle),
            }
            Ok(())
        };
        self.world.note(|system| {
            let path = system.disk.path_of(dir.ino);
            format!("arm {} {path} {settings:?} = {armed:?}", tag.0)
        });
        armed
    }

    fn retire(&mut self, tag: Tag) {
        self.pass();
        self.world.note(|_| format!("retire {}", tag.0));
        match &mut self.server {
            Some(server) => server.retire(&mut self.world.system, tag),
            None => self.reads_mut().retire(tag),
        }
    }

    /// Delivers what completed, read by read. A completion may stay behind while it is younger than the
    /// machine's lateness, and a call may end early.
    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        self.pass();
        if self.world.fails() {
            let code = self.world.reason(&READ_ENDS);
            if let Some(dir) = self.reads_mut().fail_any(code) {
                self.world.note(|_| format!("the read of {} fails", dir.0));
            }
        }
        let mut collected = Collected::default();
        for tag in self.reads_mut().completed() {
            let now = self.world.system.disk.now;
            let since = *self.waiting.entry(tag.0).or_insert(now);
            let may_wait = now - since < LATENESS;
            loop {
                let timing = &mut self.world.timing;
                if may_wait && timing.chance(self.model.tardiness) {
                    break;
                }
                if timing.chance(self.model.shortness) {
                    collected.more = true;
                    break;
                }
                if !self.deliver(tag, deliver) {
                    self.waiting.remove(&tag.0);
                    break;
                }
                collected.delivered += 1;
            }
        }
        collected
    }

    /// No bell rings here.
    fn wait(&mut self, timeout: Option<Duration>) {
        self.pass();
        match timeout {
            Some(timeout) => self.world.system.disk.now += timeout.as_nanos() as FileTime,
            None => assert!(!self.reads().is_idle(), "this waits without end"),
        }
    }

    fn lateness(&self) -> FileTime {
        // As the native system says of itself. A writer may be interrupted between the stamp of its file and
        // the record of the write, also where completions are collected at once.
        LATENESS
    }

    /// Delivers all that completed.
    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        self.pass();
        self.serve();
        for tag in self.reads_mut().completed() {
            while self.deliver(tag, deliver) {}
            self.waiting.remove(&tag.0);
        }
    }
}

/// The result of an open, for the trace.
fn brief(opened: &Result<Rc<Handle>, Code>) -> String {
    match opened {
        Ok(handle) => format!("inode {}", handle.ino.0),
        Err(code) => format!("{code:?}"),
    }
}
