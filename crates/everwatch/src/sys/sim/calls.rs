//! System calls of other processes: an effect on the disk, and records that follow it.
//!
//! On a machine with several processors the two are not one moment. A call changes the directory
//! and then queues its records, one by one, before it returns; another process sees the change
//! meanwhile. What the kernel guarantees is made of locks: a call holds its directories from before
//! the effect until after the last record, so that nothing else changes them or lists them in
//! between (VFS: `i_rwsem` of the parents; `fsnotify_move`, `fsnotify_delete`, `fsnotify_create` run
//! below it). Looking at a single name takes no lock. Writes and permissions take none here either.
//!
//! A call is therefore a list of records still to be queued, and the directories it locks. Whatever
//! wants one of them waits, that is, makes the call finish first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use everwatch_core::coverage::Gap;
use everwatch_core::record::Action;

use super::disk::{Content, Directory, Disk, Errno, Ino, Mount};
use super::queue::Queue;
use super::random::Random;
use super::trace::Trace;

/// What a call still has to do.
#[derive(Debug)]
enum Left {
    Tell {
        about: Ino,
        action: Action,
        is_dir: bool,
        cookie: u32,
        name: Box<[u8]>,
    },
    /// Ends the watch of an inode that has lost its last name, if nobody has it open.
    Unwatch(Ino),
    /// Lets go of the inode itself.
    Drop(Ino),
}

#[derive(Debug)]
struct Call {
    locks: Vec<Ino>,
    left: VecDeque<Left>,
}

/// What a new entry is to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    File,
    Dir,
    Symlink(&'a [u8]),
    Other,
}

/// The disk, the queue, and the calls that are under way.
#[derive(Debug)]
pub(super) struct System {
    pub(super) disk: Disk,
    pub(super) queue: Queue,
    pub(super) trace: Trace,
    /// The mount points as they were when the engine was last told.
    told_mounts: Vec<(Ino, Option<Vec<u8>>)>,
    calls: Vec<Call>,
    /// Handles that were dropped.
    closed: Rc<RefCell<Vec<Ino>>>,
    /// File systems that were unmounted while something on them was open.
    detached: Vec<usize>,
    timing: Random,
    /// How often, out of a thousand, a call is not over at once.
    lag: u32,
    next_cookie: u32,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) ino: Ino,
    closed: Rc<RefCell<Vec<Ino>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.closed.borrow_mut().push(self.ino);
    }
}

impl System {
    pub(super) fn new(disk: Disk, queue: Queue, trace: Trace, timing: Random, lag: u32) -> System {
        System {
            disk,
            queue,
            trace,
            told_mounts: Vec::new(),
            calls: Vec::new(),
            closed: Rc::default(),
            detached: Vec::new(),
            timing,
            lag,
            next_cookie: 0,
        }
    }

    pub(super) fn open(&mut self, ino: Ino) -> Handle {
        self.disk.inode_mut(ino).opens += 1;
        Handle {
            ino,
            closed: Rc::clone(&self.closed),
        }
    }

    /// Does what the kernel does when handles are closed. Called before anything else happens.
    pub(super) fn reap(&mut self) {
        while let Some(ino) = { self.closed.borrow_mut().pop() } {
            self.disk.inode_mut(ino).opens -= 1;
            self.drop_inode(ino);
        }
        if !self.detached.is_empty() {
            for device in std::mem::take(&mut self.detached) {
                self.end_device(device);
            }
        }
    }

    fn drop_inode(&mut self, ino: Ino) {
        if self.disk.free_if_unused(ino) {
            self.end_watch(ino);
        }
    }

    fn end_watch(&mut self, ino: Ino) {
        if let Some(told) = self.queue.end(ino) {
            self.trace.note(|| format!("        queued {told}"));
        }
    }

    /// Lets calls under way get on, or not.
    pub(super) fn progress(&mut self) {
        while !self.calls.is_empty() && self.timing.chance(500) {
            let at = self.timing.below(self.calls.len());
            self.advance(at);
        }
    }

    fn advance(&mut self, at: usize) {
        match self.calls[at].left.pop_front() {
            Some(Left::Tell {
                about,
                action,
                is_dir,
                cookie,
                name,
            }) => {
                let told = self.queue.tell(about, action, is_dir, cookie, &name);
                if let Some(told) = told {
                    self.trace.note(|| format!("        queued {told}"));
                }
            }
            Some(Left::Unwatch(ino))
                if self.disk.inode(ino).links == 0 && self.disk.inode(ino).opens == 1 =>
            {
                self.end_watch(ino);
            }
            Some(Left::Unwatch(_)) => {}
            Some(Left::Drop(ino)) => {
                self.disk.inode_mut(ino).opens -= 1;
                self.drop_inode(ino);
            }
            None => {}
        }
        if self.calls[at].left.is_empty() {
            self.calls.remove(at);
        }
    }

    fn finish(&mut self, which: impl Fn(&Call) -> bool) {
        while let Some(at) = self.calls.iter().position(&which) {
            self.advance(at);
        }
    }

    /// Waits for whoever has locked the directory.
    pub(super) fn wait_for(&mut self, dir: Ino) {
        self.finish(|call| call.locks.contains(&dir));
    }

    pub(super) fn finish_all(&mut self) {
        self.finish(|_| true);
    }

    fn lock(&mut self, locks: &[Ino]) {
        self.finish(|call| call.locks.iter().any(|ino| locks.contains(ino)));
    }

    fn begin(&mut self, locks: &[Ino], left: Vec<Left>) {
        self.calls.push(Call {
            locks: locks.to_vec(),
            left: left.into(),
        });
        if !self.timing.chance(self.lag) {
            let last = self.calls.len() - 1;
            while self.calls.len() > last {
                self.advance(last);
            }
        }
    }

    fn tell(about: Ino, action: Action, is_dir: bool, cookie: u32, name: &[u8]) -> Left {
        Left::Tell {
            about,
            action,
            is_dir,
            cookie,
            name: name.into(),
        }
    }

    fn hold(&mut self, ino: Ino) -> Left {
        self.disk.inode_mut(ino).opens += 1;
        Left::Drop(ino)
    }

    pub(super) fn make(&mut self, dir: Ino, name: &[u8], kind: Kind<'_>) -> Result<Ino, Errno> {
        self.lock(&[dir]);
        if self.disk.entry(dir, name).is_some() {
            return Err(Errno::Exists);
        }
        let content = match kind {
            Kind::File => Content::File(self.disk.next_version()),
            Kind::Dir => Content::Dir(Directory {
                entries: Vec::new(),
                parent: None,
            }),
            Kind::Symlink(target) => Content::Symlink(target.into()),
            Kind::Other => Content::Other,
        };
        let device = self.disk.inode(dir).device;
        let ino = self.disk.new_inode(device, content);
        self.disk.insert(dir, name, ino, None)?;
        let is_dir = matches!(kind, Kind::Dir);
        self.begin(
            &[dir],
            vec![Self::tell(dir, Action::Created, is_dir, 0, name)],
        );
        Ok(ino)
    }

    pub(super) fn link(&mut self, ino: Ino, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        self.lock(&[dir, ino]);
        if self.disk.entry(dir, name).is_some() {
            return Err(Errno::Exists);
        }
        if self.disk.is_dir(ino) {
            return Err(Errno::Denied);
        }
        if self.disk.inode(ino).device != self.disk.inode(dir).device {
            return Err(Errno::CrossDevice);
        }
        let inode = self.disk.inode_mut(ino);
        inode.links += 1;
        inode.was_linked = true;
        self.disk.insert(dir, name, ino, None)?;
        self.begin(
            &[dir],
            vec![Self::tell(dir, Action::Created, false, 0, name)],
        );
        Ok(())
    }

    /// Opens the file of this name, writes to it, closes it.
    pub(super) fn write(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        let ino = self.disk.entry(dir, name).ok_or(Errno::NoEntry)?;
        self.lock(&[ino]);
        if !matches!(self.disk.inode(ino).content, Content::File(_)) {
            return Err(Errno::IsDirectory);
        }
        let (version, stamp) = (self.disk.next_version(), self.disk.stamp());
        let grows = self.timing.chance(500);
        let inode = self.disk.inode_mut(ino);
        inode.content = Content::File(version);
        (inode.modified, inode.changed) = (stamp, stamp);
        inode.size += u64::from(grows);
        // The record is about the name that the file was opened by, and no other that it has.
        self.begin(
            &[ino],
            vec![Self::tell(dir, Action::Modified, false, 0, name)],
        );
        Ok(())
    }

    /// Changes permissions.
    pub(super) fn chmod(
        &mut self,
        dir: Ino,
        name: &[u8],
        readable: bool,
        searchable: bool,
    ) -> Result<(), Errno> {
        let ino = self.disk.lookup(dir, name)?;
        self.lock(&[ino]);
        let is_dir = self.disk.is_dir(ino);
        let is_mounted = self.disk.entry(dir, name) != Some(ino);
        let stamp = self.disk.stamp();
        let inode = self.disk.inode_mut(ino);
        (inode.is_readable, inode.is_searchable) = (readable, searchable);
        inode.changed = stamp;
        let mut left = Vec::new();
        if !is_mounted {
            left.push(Self::tell(dir, Action::Metadata, is_dir, 0, name));
        }
        left.push(Self::tell(ino, Action::Metadata, is_dir, 0, b""));
        self.begin(&[ino], left);
        Ok(())
    }

    pub(super) fn unlink(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        let ino = self.disk.entry(dir, name).ok_or(Errno::NoEntry)?;
        if self.disk.is_dir(ino) {
            return Err(Errno::IsDirectory);
        }
        self.lock(&[dir, ino]);
        self.disk.take(dir, name)?;
        self.disk.inode_mut(ino).links -= 1;
        let drop = self.hold(ino);
        self.begin(
            &[dir],
            vec![Self::tell(dir, Action::Removed, false, 0, name), drop],
        );
        Ok(())
    }

    pub(super) fn rmdir(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        let ino = self.disk.entry(dir, name).ok_or(Errno::NoEntry)?;
        let directory = self.disk.directory(ino).ok_or(Errno::NotDirectory)?;
        if self.disk.is_mount_point(ino) {
            return Err(Errno::Busy);
        }
        if !directory.entries.is_empty() {
            return Err(Errno::NotEmpty);
        }
        self.lock(&[dir, ino]);
        self.disk.take(dir, name)?;
        self.disk.inode_mut(ino).links = 0;
        // `d_delete_notify`: the watches end first, then the parent is told, then the inode goes.
        let drop = self.hold(ino);
        let told = Self::tell(dir, Action::Removed, true, 0, name);
        let left = vec![Left::Unwatch(ino), told, drop];
        self.begin(&[dir, ino], left);
        Ok(())
    }

    /// `rename`, or the swap of two names.
    pub(super) fn rename(
        &mut self,
        (from, name): (Ino, &[u8]),
        (to, to_name): (Ino, &[u8]),
        exchange: bool,
    ) -> Result<(), Errno> {
        let source = self.disk.entry(from, name).ok_or(Errno::NoEntry)?;
        let target = self.disk.entry(to, to_name);
        if target == Some(source) {
            return Ok(());
        }
        self.check_rename(source, (from, to), target, exchange)?;
        let mut locks = vec![from, to, source];
        locks.extend(target);
        if from != to {
            // `s_vfs_rename_mutex`
            locks.push(self.disk.rename_mutex(from));
        }
        self.lock(&locks);
        let is_dir = self.disk.is_dir(source);
        let (_, position) = self.disk.take(from, name)?;
        let mut left = Vec::new();
        let cookie = self.new_cookie();
        left.push(Self::tell(from, Action::MovedFrom, is_dir, cookie, name));
        left.push(Self::tell(to, Action::MovedTo, is_dir, cookie, to_name));
        match target {
            Some(target) if exchange => {
                let (_, to_position) = self.disk.take(to, to_name)?;
                self.disk.insert(to, to_name, source, Some(to_position))?;
                self.disk.insert(from, name, target, Some(position))?;
                let is_dir_too = self.disk.is_dir(target);
                let back = self.new_cookie();
                left.push(Self::tell(source, Action::DirectoryMoved, is_dir, 0, b""));
                left.push(Self::tell(to, Action::MovedFrom, is_dir_too, back, to_name));
                left.push(Self::tell(from, Action::MovedTo, is_dir_too, back, name));
                left.push(Self::tell(
                    target,
                    Action::DirectoryMoved,
                    is_dir_too,
                    0,
                    b"",
                ));
            }
            Some(target) => {
                let (_, to_position) = self.disk.take(to, to_name)?;
                let in_place = self.disk.habits().replaces_in_place;
                self.disk
                    .insert(to, to_name, source, in_place.then_some(to_position))?;
                let links = &mut self.disk.inode_mut(target).links;
                *links = if is_dir { 0 } else { *links - 1 };
                left.push(Self::tell(target, Action::Metadata, is_dir, 0, b""));
                left.push(Self::tell(source, Action::DirectoryMoved, is_dir, 0, b""));
                left.push(self.hold(target));
            }
            None => {
                self.disk.insert(to, to_name, source, None)?;
                left.push(Self::tell(source, Action::DirectoryMoved, is_dir, 0, b""));
            }
        }
        // The file itself is unlocked before the records are queued, so a write to it could come
        // first. That takes a preemption within a few instructions and is left out.
        self.begin(&locks, left);
        Ok(())
    }

    fn check_rename(
        &self,
        source: Ino,
        (from, to): (Ino, Ino),
        target: Option<Ino>,
        exchange: bool,
    ) -> Result<(), Errno> {
        let disk = &self.disk;
        if disk.inode(from).device != disk.inode(to).device {
            return Err(Errno::CrossDevice);
        }
        if disk.is_mount_point(source) || target.is_some_and(|target| disk.is_mount_point(target)) {
            return Err(Errno::Busy);
        }
        if disk.is_within(to, source) {
            return Err(Errno::Invalid);
        }
        let Some(target) = target else {
            return if exchange {
                Err(Errno::NoEntry)
            } else {
                Ok(())
            };
        };
        if disk.is_within(from, target) {
            return Err(Errno::NotEmpty);
        }
        if exchange {
            return Ok(());
        }
        match (disk.is_dir(source), disk.directory(target)) {
            (true, None) => Err(Errno::NotDirectory),
            (false, Some(_)) => Err(Errno::IsDirectory),
            (true, Some(directory)) if !directory.entries.is_empty() => Err(Errno::NotEmpty),
            _ => Ok(()),
        }
    }

    fn new_cookie(&mut self) -> u32 {
        self.next_cookie += 1;
        self.next_cookie
    }

    /// Mounts a new file system over a directory. Leaves no record.
    pub(super) fn mount(&mut self, covered: Ino, gap: Option<Gap>) -> Result<Ino, Errno> {
        if !self.disk.is_dir(covered) || self.disk.is_mount_point(covered) {
            return Err(Errno::Busy);
        }
        let top = self.disk.new_device(gap);
        self.disk.mounts.push(Mount { covered, top });
        Ok(top)
    }

    /// Unmounts the file system, now or, `lazily`, as soon as nobody has anything open on it.
    pub(super) fn unmount(&mut self, covered: Ino, lazily: bool) -> Result<(), Errno> {
        let at = self
            .disk
            .mounts
            .iter()
            .position(|mount| mount.covered == covered);
        let at = at.ok_or(Errno::Invalid)?;
        let device = self.disk.inode(self.disk.mounts[at].top).device;
        let is_nested = self
            .disk
            .mounts
            .iter()
            .any(|mount| self.disk.inode(mount.covered).device == device);
        if is_nested || (self.disk.is_in_use(device) && !lazily) {
            return Err(Errno::Busy);
        }
        self.finish_all();
        self.disk.mounts.remove(at);
        self.end_device(device);
        Ok(())
    }

    /// Whether anything was mounted or unmounted since the engine was last told.
    pub(super) fn have_mounts_changed(&self) -> bool {
        !self
            .told_mounts
            .iter()
            .map(|(top, _)| top)
            .eq(self.disk.mounts.iter().map(|m| &m.top))
    }

    /// The mount points that are new, gone, or called differently than before, as a reader of
    /// `/proc/self/mountinfo` finds them.
    pub(super) fn changed_mounts(&mut self) -> Vec<Vec<u8>> {
        let paths = |mount: &Mount| (mount.top, self.disk.raw_path_of(mount.covered));
        let now: Vec<_> = self.disk.mounts.iter().map(paths).collect();
        let before = std::mem::replace(&mut self.told_mounts, now);
        let gone = before
            .iter()
            .filter(|mount| !self.told_mounts.contains(mount));
        let new = self
            .told_mounts
            .iter()
            .filter(|mount| !before.contains(mount));
        gone.chain(new)
            .filter_map(|(_, path)| path.clone())
            .collect()
    }

    fn end_device(&mut self, device: usize) {
        if self.disk.is_in_use(device) {
            self.detached.push(device);
            return;
        }
        for ino in self.queue.watched() {
            if self.disk.inode(ino).device == device {
                if let Some(told) = self.queue.tell(ino, Action::Unmounted, true, 0, b"") {
                    self.trace.note(|| format!("        queued {told}"));
                }
                self.end_watch(ino);
            }
        }
    }
}
