//! A file system in memory: inodes, names, mounts, times.
//!
//! Keys ([`Ino`]) are never reused, so the simulation itself cannot confuse two files. Inode
//! *numbers* are reused at once, lowest first, as ext4 does; and births are stamped by a clock
//! that ticks slowly, so that two files can have both in common. All that a process can learn is
//! made of names, numbers and times.
//!
//! Nothing here makes a record: see `calls`.

pub(crate) mod history;
pub(crate) mod names;
pub(crate) mod paths;

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use everwatch_core::coverage::Gap;
use everwatch_core::entry::{Birth, FileType, InodeNumber, Stat};
use everwatch_core::time::FileTime;

use crate::disk::history::History;
use crate::disk::names::{is_named, short_name};

/// Which inode, beyond doubt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Ino(pub(crate) u32);

/// Why a system call was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Errno {
    NoEntry,
    NotDirectory,
    IsDirectory,
    Exists,
    NotEmpty,
    Busy,
    CrossDevice,
    Invalid,
    Loop,
    Denied,
}

/// The traits in which file systems differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileSystemTraits {
    /// A freed inode number goes to the next new file.
    pub(crate) reuses_numbers: bool,
    /// Birth times are kept.
    pub(crate) has_births: bool,
    /// Listings say what the entries are.
    pub(crate) lists_kinds: bool,
    /// Listings come in the order of a hash of the names, not of their making.
    pub(crate) lists_by_hash: bool,
    /// A file that replaces another takes over its position in the listing.
    pub(crate) replaces_in_place: bool,
    /// How far apart two file times are at least.
    pub(crate) tick: FileTime,
    /// Names are found in any case, and long ones by a short name as well.
    pub(crate) folds_names: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Dirent {
    /// Where listings have the entry.
    position: u64,
    pub(crate) name: Box<[u8]>,
    /// The short name that a long one has where the file system gives any.
    pub(crate) alias: Option<Box<[u8]>>,
    pub(crate) inode: Ino,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// The number of its last write, larger than that of any earlier write to any file.
    File(u64),
    Dir(Directory),
    /// Where it points.
    Symlink(Box<[u8]>),
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// Sorted by position.
    pub(crate) entries: Vec<Dirent>,
    /// `None` for the top of a file system.
    pub(crate) parent: Option<Ino>,
}

#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) device: usize,
    /// 0 once it is freed.
    pub(crate) number: u64,
    /// When it was created; `None` if the file system keeps no such time.
    pub(crate) created_at: Option<FileTime>,
    pub(crate) modified: FileTime,
    pub(crate) changed: FileTime,
    pub(crate) size: u64,
    pub(crate) links: u32,
    /// It had more than one name at some time.
    pub(crate) was_linked: bool,
    /// Handles and calls under way that keep it alive.
    pub(crate) opens: u32,
    pub(crate) is_readable: bool,
    pub(crate) is_searchable: bool,
    pub(crate) content: Content,
}

#[derive(Debug, Default)]
struct Device {
    free: BTreeSet<u64>,
    next: u64,
    /// Why changes on it are not notified.
    gap: Option<Gap>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Mount {
    pub(crate) covered: Ino,
    pub(crate) top: Ino,
}

#[derive(Debug)]
pub(crate) struct Disk {
    traits: FileSystemTraits,
    inodes: Vec<Inode>,
    devices: Vec<Device>,
    pub(crate) mounts: Vec<Mount>,
    top: Ino,
    /// The time, in nanoseconds since 1970. It never goes back.
    pub(crate) now: FileTime,
    /// What the clock on the wall is ahead of the time. People and time servers set it.
    pub(crate) ahead: FileTime,
    next_position: u64,
    /// The number of the last write.
    pub(crate) version: u64,
    pub(crate) history: History,
}

impl Disk {
    pub(crate) fn new(traits: FileSystemTraits, now: FileTime, gap: Option<Gap>) -> Disk {
        let mut disk = Disk {
            traits,
            inodes: Vec::new(),
            devices: Vec::new(),
            mounts: Vec::new(),
            top: Ino(0),
            now,
            ahead: 0,
            next_position: 0,
            version: 0,
            history: History::default(),
        };
        disk.top = disk.new_device(gap);
        disk
    }

    /// Makes an empty file system and returns its top directory.
    pub(crate) fn new_device(&mut self, gap: Option<Gap>) -> Ino {
        self.devices.push(Device {
            free: BTreeSet::new(),
            next: 2,
            gap,
        });
        let device = self.devices.len() - 1;
        self.new_inode(
            device,
            Content::Dir(Directory {
                entries: Vec::new(),
                parent: None,
            }),
        )
    }

    pub(crate) fn gap(&self, ino: Ino) -> Option<Gap> {
        self.devices[self.inode(ino).device].gap
    }

    pub(crate) fn top(&self) -> Ino {
        self.top
    }

    pub(crate) fn traits(&self) -> FileSystemTraits {
        self.traits
    }

    pub(crate) fn inode(&self, ino: Ino) -> &Inode {
        &self.inodes[ino.0 as usize]
    }

    pub(crate) fn inode_mut(&mut self, ino: Ino) -> &mut Inode {
        &mut self.inodes[ino.0 as usize]
    }

    pub(crate) fn directory(&self, ino: Ino) -> Option<&Directory> {
        match &self.inode(ino).content {
            Content::Dir(directory) => Some(directory),
            _ => None,
        }
    }

    fn directory_mut(&mut self, ino: Ino) -> Result<&mut Directory, Errno> {
        match &mut self.inode_mut(ino).content {
            Content::Dir(directory) => Ok(directory),
            _ => Err(Errno::NotDirectory),
        }
    }

    pub(crate) fn is_dir(&self, ino: Ino) -> bool {
        self.directory(ino).is_some()
    }

    /// What the inode is.
    pub(crate) fn kind(&self, ino: Ino) -> FileType {
        match self.inode(ino).content {
            Content::File(_) => FileType::File,
            Content::Dir(_) => FileType::Dir,
            Content::Symlink(_) => FileType::Symlink,
            Content::Other => FileType::Other,
        }
    }

    /// The time as files carry it.
    pub(crate) fn stamp(&self) -> FileTime {
        let clock = self.clock();
        clock - clock.rem_euclid(self.traits.tick)
    }

    /// What the clock on the wall says, with which files are stamped.
    pub(crate) fn clock(&self) -> FileTime {
        self.now + self.ahead
    }

    pub(crate) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Makes an inode. Its number is new, or the lowest of those that were freed.
    pub(crate) fn new_inode(&mut self, device: usize, content: Content) -> Ino {
        let stamp = self.stamp();
        let reuses = self.traits.reuses_numbers;
        let table = &mut self.devices[device];
        let number = match table.free.pop_first().filter(|_| reuses) {
            Some(number) => number,
            None => {
                table.next += 1;
                table.next - 1
            }
        };
        let inode = Inode {
            device,
            number,
            created_at: self.traits.has_births.then_some(stamp),
            modified: stamp,
            changed: stamp,
            size: 0,
            links: 1,
            was_linked: false,
            opens: 0,
            is_readable: true,
            is_searchable: true,
            content,
        };
        self.history.born(&inode);
        self.inodes.push(inode);
        Ino((self.inodes.len() - 1) as u32)
    }

    /// What renames between directories of one file system lock, besides the directories.
    pub(crate) fn rename_mutex(&self, dir: Ino) -> Ino {
        Ino(u32::MAX - self.inode(dir).device as u32)
    }

    /// Frees an inode if nothing holds it any more. Returns whether it did.
    pub(crate) fn free_if_unused(&mut self, ino: Ino) -> bool {
        let inode = self.inode_mut(ino);
        if inode.links > 0 || inode.opens > 0 || inode.number == 0 {
            return false;
        }
        let (device, number) = (inode.device, std::mem::take(&mut inode.number));
        self.devices[device].free.insert(number);
        true
    }

    /// What stat(2) returns of the inode. Devices count from 1.
    pub(crate) fn stat(&self, ino: Ino) -> Stat {
        let inode = self.inode(ino);
        Stat {
            kind: self.kind(ino),
            device: inode.device as u64 + 1,
            inode: InodeNumber::new(inode.number),
            birth: inode.created_at.map_or(Birth::Unknown, Birth::At),
            modified: inode.modified,
            changed: inode.changed,
            size: inode.size,
            links: NonZeroU32::new(inode.links),
        }
    }

    /// The first entry of a listing behind `position`.
    pub(crate) fn entry_behind(&self, dir: Ino, position: Option<u64>) -> Option<(u64, &Dirent)> {
        let entries = &self.directory(dir)?.entries;
        entries
            .iter()
            .find(|entry| position.is_none_or(|position| entry.position > position))
            .map(|entry| (entry.position, entry))
    }

    /// The position behind which nothing was when the listing began.
    pub(crate) fn end_of_listing(&self) -> u64 {
        if self.traits.lists_by_hash {
            u64::MAX
        } else {
            self.next_position
        }
    }

    /// Gives a name to an inode. The name is free.
    pub(crate) fn insert(
        &mut self,
        dir: Ino,
        name: &[u8],
        inode: Ino,
        position: Option<u64>,
    ) -> Result<(), Errno> {
        self.next_position += 1;
        let position = match position {
            Some(position) => position,
            None if self.traits.lists_by_hash => hash(name),
            None => self.next_position,
        };
        let folds_names = self.traits.folds_names;
        let directory = self.directory_mut(dir)?;
        let alias = folds_names.then(|| short_name(name, &directory.entries));
        let at = directory
            .entries
            .partition_point(|entry| entry.position < position);
        directory.entries.insert(
            at,
            Dirent {
                position,
                name: name.into(),
                alias: alias.flatten(),
                inode,
            },
        );
        self.history.name(dir, name, inode);
        let stamp = self.stamp();
        let directory = self.inode_mut(dir);
        (directory.modified, directory.changed) = (stamp, stamp);
        if let Content::Dir(child) = &mut self.inode_mut(inode).content {
            child.parent = Some(dir);
        }
        self.inode_mut(inode).changed = stamp;
        Ok(())
    }

    /// Takes a name away. Returns what had it and its position in listings.
    pub(crate) fn take(&mut self, dir: Ino, name: &[u8]) -> Result<(Ino, u64), Errno> {
        let folds_names = self.traits.folds_names;
        let directory = self.directory_mut(dir)?;
        let at = directory
            .entries
            .iter()
            .position(|entry| is_named(entry, name, folds_names));
        let entry = directory.entries.remove(at.ok_or(Errno::NoEntry)?);
        let stamp = self.stamp();
        let directory = self.inode_mut(dir);
        (directory.modified, directory.changed) = (stamp, stamp);
        self.inode_mut(entry.inode).changed = stamp;
        Ok((entry.inode, entry.position))
    }

    /// Number of open handles.
    pub(crate) fn opens(&self) -> u32 {
        self.inodes.iter().map(|inode| inode.opens).sum()
    }

    /// Whether anything on the file system is open.
    pub(crate) fn is_in_use(&self, device: usize) -> bool {
        self.inodes
            .iter()
            .any(|inode| inode.device == device && inode.opens > 0)
    }
}

/// FNV-1a.
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
