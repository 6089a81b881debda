//! The system calls of other processes, one by one: what each does to the disk, and the records that
//! it leaves, in the order of fs/namei.c and `fsnotify.h`. On Windows they are those of `windows::calls`.

use everwatch_core::record::Action;
use everwatch_core::time::FileTime;

use crate::disk::{Content, Directory, Errno, Ino};
use crate::system::{Effect, System};

/// The permissions of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Permissions {
    pub(crate) readable: bool,
    pub(crate) searchable: bool,
}

impl Permissions {
    /// Everything is permitted.
    pub(crate) const ALL: Permissions = Permissions {
        readable: true,
        searchable: true,
    };
}

/// What a new entry becomes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    File,
    Dir,
    Symlink(&'a [u8]),
    Other,
}

impl System {
    /// Creates an entry: open(2), mkdir(2), symlink(2) or mknod(2).
    pub(crate) fn make(&mut self, dir: Ino, name: &[u8], kind: Kind<'_>) -> Result<Ino, Errno> {
        if self.nt.is_some() {
            return self.nt_make(dir, name, kind);
        }
        self.lock(&[dir]);
        if self.disk.entry(dir, name).is_some() {
            return Err(Errno::Exists);
        }
        let content = self.new_content(kind);
        let device = self.disk.inode(dir).device;
        let ino = self.disk.new_inode(device, content);
        self.disk.insert(dir, name, ino, None)?;
        let is_dir = matches!(kind, Kind::Dir);
        self.begin(
            &[dir],
            vec![Self::record(dir, Action::Created, is_dir, 0, name)],
        );
        Ok(ino)
    }

    /// What a new entry contains. Making a file counts as its first write.
    pub(crate) fn new_content(&mut self, kind: Kind<'_>) -> Content {
        match kind {
            Kind::File => Content::File(self.disk.next_version()),
            Kind::Dir => Content::Dir(Directory {
                entries: Vec::new(),
                parent: None,
            }),
            Kind::Symlink(target) => Content::Symlink(target.into()),
            Kind::Other => Content::Other,
        }
    }

    /// Gives a file another name, link(2).
    pub(crate) fn link(&mut self, ino: Ino, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        if self.nt.is_some() {
            return self.nt_link(ino, dir, name);
        }
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
            vec![Self::record(dir, Action::Created, false, 0, name)],
        );
        Ok(())
    }

    /// Opens the file of this name, writes to it, closes it.
    pub(crate) fn write(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        if self.nt.is_some() {
            return self.nt_write(dir, name);
        }
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
            vec![Self::record(dir, Action::Modified, false, 0, name)],
        );
        Ok(())
    }

    /// `utimensat`: sets the time of the last write, as archivers do.
    pub(crate) fn set_modified(
        &mut self,
        dir: Ino,
        name: &[u8],
        modified: FileTime,
    ) -> Result<(), Errno> {
        let ino = self.disk.entry(dir, name).ok_or(Errno::NoEntry)?;
        self.lock(&[ino]);
        let stamp = self.disk.stamp();
        let is_dir = self.disk.is_dir(ino);
        let inode = self.disk.inode_mut(ino);
        (inode.modified, inode.changed) = (modified, stamp);
        self.begin(
            &[ino],
            vec![Self::record(dir, Action::Metadata, is_dir, 0, name)],
        );
        Ok(())
    }

    /// Changes permissions.
    pub(crate) fn chmod(
        &mut self,
        dir: Ino,
        name: &[u8],
        permissions: Permissions,
    ) -> Result<(), Errno> {
        let Permissions {
            readable,
            searchable,
        } = permissions;
        if self.nt.is_some() {
            return self.nt_permit(dir, name, readable && searchable);
        }
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
            left.push(Self::record(dir, Action::Metadata, is_dir, 0, name));
        }
        left.push(Self::record(ino, Action::Metadata, is_dir, 0, b""));
        self.begin(&[ino], left);
        Ok(())
    }

    /// Removes the name of something that is no directory, unlink(2).
    pub(crate) fn unlink(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        if self.nt.is_some() {
            return self.nt_delete(dir, name);
        }
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
            vec![Self::record(dir, Action::Removed, false, 0, name), drop],
        );
        Ok(())
    }

    /// Removes an empty directory, rmdir(2).
    pub(crate) fn rmdir(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        if self.nt.is_some() {
            return self.nt_delete(dir, name);
        }
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
        // `d_delete_notify`: the watches end first, then the parent's record is queued, then the inode goes.
        let drop = self.hold(ino);
        let reported = Self::record(dir, Action::Removed, true, 0, name);
        let left = vec![Effect::EndWatch(ino), reported, drop];
        self.begin(&[dir, ino], left);
        Ok(())
    }

    /// `rename`, or the swap of two names.
    pub(crate) fn rename(
        &mut self,
        (from, name): (Ino, &[u8]),
        (to, to_name): (Ino, &[u8]),
        exchange: bool,
    ) -> Result<(), Errno> {
        if self.nt.is_some() {
            return match exchange {
                true => Err(Errno::Invalid),
                false => self.nt_rename((from, name), (to, to_name)),
            };
        }
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
        left.push(Self::record(from, Action::MovedFrom, is_dir, cookie, name));
        left.push(Self::record(to, Action::MovedTo, is_dir, cookie, to_name));
        match target {
            Some(target) if exchange => {
                let (_, to_position) = self.disk.take(to, to_name)?;
                self.disk.insert(to, to_name, source, Some(to_position))?;
                self.disk.insert(from, name, target, Some(position))?;
                let is_dir_too = self.disk.is_dir(target);
                let back = self.new_cookie();
                left.push(Self::record(source, Action::DirectoryMoved, is_dir, 0, b""));
                left.push(Self::record(
                    to,
                    Action::MovedFrom,
                    is_dir_too,
                    back,
                    to_name,
                ));
                left.push(Self::record(from, Action::MovedTo, is_dir_too, back, name));
                left.push(Self::record(
                    target,
                    Action::DirectoryMoved,
                    is_dir_too,
                    0,
                    b"",
                ));
            }
            Some(target) => {
                let (_, to_position) = self.disk.take(to, to_name)?;
                let in_place = self.disk.traits().replaces_in_place;
                self.disk
                    .insert(to, to_name, source, in_place.then_some(to_position))?;
                let links = &mut self.disk.inode_mut(target).links;
                *links = if is_dir { 0 } else { *links - 1 };
                left.push(Self::record(target, Action::Metadata, is_dir, 0, b""));
                left.push(Self::record(source, Action::DirectoryMoved, is_dir, 0, b""));
                left.push(self.hold(target));
            }
            None => {
                self.disk.insert(to, to_name, source, None)?;
                left.push(Self::record(source, Action::DirectoryMoved, is_dir, 0, b""));
            }
        }
        // The file itself is unlocked before the records are queued, so a write to it could come
        // first. That takes a preemption within a few instructions and is left out.
        self.begin(&locks, left);
        Ok(())
    }

    /// What renameat2(2) refuses: another file system, a mount point, a target below the source, and a target
    /// of another sort or that is not empty.
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
}
