//! The calls of processes on Windows: what each does to the disk, and what NTFS reports of it.
//!
//! - What moves to another directory is reported as removed there and added here, and of a directory nothing that
//!   is below it. What it replaces is reported as [`Replacement`] says.
//! - Directories are reported as modified when their entries change, now or later.
//! - A directory is not renamed while anything below it on its own volume is open. What is deleted while it is open goes
//!   at once, or stays under its name until it is closed and cannot be opened any more; the reads of a
//!   directory end then.
//! - A call holds its directories until its records are written, and waits for the call that holds one on its
//!   way; the rename of a directory holds everything.

use std::collections::BTreeSet;

use crate::disk::{Content, Directory, Dirent, Errno, Ino};
use crate::random::Random;
use crate::system::calls::Kind;
use crate::system::{Effect, System};
use crate::windows::habits::Habits;
use crate::windows::reads::Reads;
use crate::windows::records::{Entry, Note};
use everwatch_backends::windows::{DIRECTORY, REPARSE_POINT};

/// ERROR_ACCESS_DENIED.
const ACCESS_DENIED: u32 = 5;

/// IO_REPARSE_TAG_SYMLINK.
const SYMBOLIC_LINK: u32 = 0xa000_000c;

/// What Windows has in place of an inotify instance.
#[derive(Debug)]
pub(crate) struct Nt {
    pub(crate) reads: Reads,
    /// Entries that go when they are closed: the directory, and what is in it.
    pub(crate) delete_pending: Vec<(Ino, Ino)>,
    /// How many of them have gone.
    pub(crate) deletes_finished: u64,
    pub(crate) random: Random,
    pub(crate) traits: WindowsTraits,
    pub(crate) habits: Habits,
    /// Decides when the system follows its habits.
    pub(crate) whims: Random,
    /// What the engine looks at through a handle, at present.
    pub(crate) looked_at: Option<Ino>,
    /// What other processes could not do because of the engine.
    pub(crate) refusals: Refusals,
}

/// Renames of other processes that the engine's handles made fail.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Refusals {
    /// It was looking at the entry, or at one below it.
    pub(crate) by_looks: u64,
    /// It held a directory open, to watch it, to list it or to find what is in it.
    pub(crate) by_directories: u64,
}

impl Nt {
    /// Whether the system follows a habit this time.
    pub(crate) fn follows(&mut self, habit: impl Fn(&Habits) -> u32) -> bool {
        self.whims.chance(habit(&self.habits))
    }
}

/// The traits in which Windows systems differ. All chances are out of a thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowsTraits {
    /// That what is deleted while it is open stays until it is closed.
    pub(crate) defers_deletes: u32,
    /// That a record has a short name where there is one.
    pub(crate) shortens: u32,
    /// That a directory is reported when its entries change.
    pub(crate) touches: u32,
    /// That an extended record says what its entry is.
    pub(crate) describes: u32,
    /// The numbers in records are not those of listings: ReFS has numbers of 128 bits, and records have 64.
    pub(crate) renumbers: bool,
}

/// How a rename replaces what has the new name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Replacing {
    /// As MoveFileEx does.
    Plain,
    /// With FILE_RENAME_POSIX_SEMANTICS.
    Posix,
}

/// How a file that is replaced by a rename is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Replacement {
    /// As removed, before the rename: NTFS of today.
    Removed,
    /// As modified, in place of what came: MS-FSA, FAT and exFAT.
    Modified,
    /// Not at all: Samba.
    Unreported,
}

/// An entry as records name it, whether it is still there or not.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    dir: Ino,
    name: Box<[u8]>,
    alias: Option<Box<[u8]>>,
    ino: Ino,
}

impl Named {
    fn of(dir: Ino, entry: &Dirent) -> Named {
        Named {
            dir,
            name: entry.name.clone(),
            alias: entry.alias.clone(),
            ino: entry.inode,
        }
    }
}

impl System {
    pub(crate) fn nt(&self) -> &Nt {
        self.nt.as_ref().expect("this is Windows")
    }

    pub(crate) fn nt_mut(&mut self) -> &mut Nt {
        self.nt.as_mut().expect("this is Windows")
    }

    /// Whether the entry goes once it is closed. It cannot be opened until then.
    pub(crate) fn is_delete_pending(&self, ino: Ino) -> bool {
        let nt = self.nt.as_ref();
        nt.is_some_and(|nt| nt.delete_pending.iter().any(|&(_, pending)| pending == ino))
    }

    /// Waits for the call that holds one of these, or a directory above one.
    fn nt_lock(&mut self, inodes: &[Ino]) {
        let above = |&ino: &Ino| self.disk.directory(ino)?.parent;
        let mut locks: BTreeSet<Ino> = inodes
            .iter()
            .flat_map(|&ino| std::iter::successors(Some(ino), above))
            .collect();
        locks.insert(self.disk.rename_mutex(self.disk.top()));
        let locks: Vec<Ino> = locks.into_iter().collect();
        self.lock(&locks);
    }

    /// The entry under which a name is found.
    fn named(&self, dir: Ino, name: &[u8]) -> Result<Named, Errno> {
        let entry = self.disk.dirent(dir, name).ok_or(Errno::NoEntry)?;
        Ok(Named::of(dir, entry))
    }

    /// Whether something can come into the directory, or be changed in it.
    fn check_alive(&self, dir: Ino) -> Result<(), Errno> {
        if !self.disk.is_dir(dir) {
            // It has become a link.
            return Err(Errno::NotDirectory);
        }
        match self.is_delete_pending(dir) || self.disk.inode(dir).links == 0 {
            true => Err(Errno::Denied),
            false => Ok(()),
        }
    }

    /// Begins a call whose effects are `left`. The directories whose entries it changes may be reported as
    /// well: before the call is over, or later, as NTFS does.
    fn begin_reported(&mut self, locks: &[Ino], mut left: Vec<Effect>, touched: &[Ino]) {
        let mut later = Vec::new();
        for &dir in touched {
            let nt = self.nt_mut();
            if nt.random.chance(nt.traits.touches) {
                match nt.random.chance(500) {
                    true => left.push(Effect::Touch(dir)),
                    false => later.push(Effect::Touch(dir)),
                }
            }
        }
        self.begin(locks, left);
        if !later.is_empty() {
            self.begin(&[], later);
        }
    }

    /// Creates an entry, NtCreateFile. What is written to a new file may have a record of its own.
    pub(crate) fn nt_make(&mut self, dir: Ino, name: &[u8], kind: Kind<'_>) -> Result<Ino, Errno> {
        self.nt_lock(&[dir]);
        self.check_alive(dir)?;
        if self.disk.entry(dir, name).is_some() {
            return Err(Errno::Exists);
        }
        let first = match kind {
            Kind::Symlink(_) if self.nt_mut().follows(|habits| habits.makes_directory_links) => {
                Kind::Dir
            }
            Kind::Symlink(_) => Kind::File,
            _ => kind,
        };
        let content = self.new_content(first);
        let ino = self.disk.new_inode(self.disk.inode(dir).device, content);
        self.disk.insert(dir, name, ino, None)?;
        let named = self.named(dir, name)?;
        let mut left = vec![Effect::Report(Note::ADDED, named.clone())];
        if matches!(kind, Kind::File) && self.nt_mut().random.chance(500) {
            left.push(Effect::Report(Note::MODIFIED, named));
        }
        if let Kind::Symlink(target) = kind {
            left.extend(self.link_steps(ino, target));
        }
        self.begin_reported(&[dir], left, &[dir]);
        Ok(ino)
    }

    /// What a process does with a file or directory that it has just made and holds open, to make a link of it:
    /// FSCTL_SET_REPARSE_POINT (MS-FSA 2.1.5.10.37), whose record comes when the handle is closed (2.1.5.5).
    fn link_steps(&mut self, ino: Ino, target: &[u8]) -> Vec<Effect> {
        let mut left = Vec::new();
        let returns = |system: &mut System, left: &mut Vec<Effect>| {
            if system.nt_mut().follows(|habits| habits.pauses_links) {
                left.push(Effect::Return);
            }
        };
        returns(self, &mut left);
        left.push(Effect::BecomeLink(ino, target.into()));
        returns(self, &mut left);
        left.push(Effect::ReportClosed(ino));
        left.push(self.hold(ino));
        left
    }

    /// A file or directory becomes a link. A directory that has entries by now stays what it is.
    pub(crate) fn become_link(&mut self, ino: Ino, target: Box<[u8]>) {
        let is_empty = |directory: &Directory| directory.entries.is_empty();
        if self.disk.directory(ino).is_none_or(is_empty) {
            let stamp = self.disk.stamp();
            let inode = self.disk.inode_mut(ino);
            inode.content = Content::Symlink(target);
            inode.changed = stamp;
        }
    }

    /// Reports what was done through a handle, now that it is closed: under the name that the entry has now.
    pub(crate) fn report_closed(&mut self, ino: Ino) {
        let top = self.disk.top();
        let found = self.disk.walk(top);
        if let Some(found) = found.into_iter().find(|found| found.inode == ino)
            && let Ok(named) = self.named(found.dir, &found.name)
        {
            self.report(Note::MODIFIED, &named);
        }
    }

    /// Gives a file another name in a directory (FileLinkInformation).
    pub(crate) fn nt_link(&mut self, ino: Ino, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        self.nt_lock(&[dir, ino]);
        self.check_alive(dir)?;
        if self.disk.entry(dir, name).is_some() {
            return Err(Errno::Exists);
        }
        // What is being made a link has no second name yet. If it had one outside the tree, no record would say what
        // becomes of the one inside.
        self.finish_link(ino);
        if !matches!(self.disk.inode(ino).content, Content::File(_)) || self.is_delete_pending(ino)
        {
            return Err(Errno::Denied);
        }
        let inode = self.disk.inode_mut(ino);
        inode.links += 1;
        inode.was_linked = true;
        self.disk.insert(dir, name, ino, None)?;
        let left = vec![Effect::Report(Note::ADDED, self.named(dir, name)?)];
        self.begin_reported(&[dir], left, &[dir]);
        Ok(())
    }

    /// Writes to a file. The record comes when the handle is closed (MS-FSA 2.1.5.5), which is a call of its own:
    /// MS-FSA 2.1.5.4 reports nothing, nor do Windows servers in Samba's `smb2.notify`, `mask`.
    pub(crate) fn nt_write(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        let ino = self.disk.entry(dir, name).ok_or(Errno::NoEntry)?;
        self.nt_lock(&[dir, ino]);
        let named = self.named(dir, name)?;
        if !matches!(self.disk.inode(ino).content, Content::File(_)) || self.is_delete_pending(ino)
        {
            return Err(Errno::IsDirectory);
        }
        let (version, stamp) = (self.disk.next_version(), self.disk.stamp());
        let grows = self.timing.chance(500);
        // A file with several names would be reported under any of them at the close, not under the one it was opened by.
        let has_one_name = self.disk.inode(ino).links == 1;
        let stays_open = has_one_name && self.nt_mut().follows(|habits| habits.keeps_open);
        let is_stamped_late = stays_open && self.nt_mut().follows(|habits| habits.stamps_closed);
        let inode = self.disk.inode_mut(ino);
        inode.content = Content::File(version);
        inode.size += u64::from(grows);
        if !is_stamped_late {
            (inode.modified, inode.changed) = (stamp, stamp);
        }
        if stays_open {
            let mut left = vec![Effect::Return];
            if is_stamped_late {
                left.push(Effect::Stamp(ino));
            }
            left.extend([Effect::ReportClosed(ino), self.hold(ino)]);
            self.begin(&[dir, ino], left);
            return Ok(());
        }
        let mut left = vec![Effect::Report(Note::MODIFIED, named.clone())];
        if self.nt_mut().random.chance(300) {
            left.push(Effect::Report(Note::MODIFIED, named));
        }
        // The directory as well: the name that is reported has to be that of the file.
        self.begin(&[dir, ino], left);
        Ok(())
    }

    /// Changes permissions. Without the right to read a directory there is no right to look for names in it either.
    pub(crate) fn nt_permit(&mut self, dir: Ino, name: &[u8], permits: bool) -> Result<(), Errno> {
        let ino = self.disk.entry(dir, name).ok_or(Errno::NoEntry)?;
        self.nt_lock(&[dir, ino]);
        let named = self.named(dir, name)?;
        let stamp = self.disk.stamp();
        let inode = self.disk.inode_mut(ino);
        (inode.is_readable, inode.is_searchable) = (permits, permits);
        inode.changed = stamp;
        self.begin(&[dir, ino], vec![Effect::Report(Note::MODIFIED, named)]);
        Ok(())
    }

    /// Deletes a file, or an empty directory.
    pub(crate) fn nt_delete(&mut self, dir: Ino, name: &[u8]) -> Result<(), Errno> {
        self.reap();
        let ino = self.disk.entry(dir, name).ok_or(Errno::NoEntry)?;
        self.nt_lock(&[dir, ino]);
        let named = self.named(dir, name)?;
        if self.is_delete_pending(ino) {
            return Err(Errno::Denied);
        }
        let is_empty = |directory: &Directory| directory.entries.is_empty();
        if !self.disk.directory(ino).is_none_or(is_empty) {
            return Err(Errno::NotEmpty);
        }
        let is_open = self.disk.inode(ino).opens > 0;
        let nt = self.nt_mut();
        let is_delete_pending = is_open && nt.random.chance(nt.traits.defers_deletes);
        if self.disk.is_dir(ino) {
            self.nt_mut().reads.fail_all(ino, ACCESS_DENIED);
        }
        if is_delete_pending {
            self.nt_mut().delete_pending.push((dir, ino));
            return Ok(());
        }
        self.drop_name(named, ino)
    }

    /// Takes the name of an entry away, and reports that it was removed.
    fn drop_name(&mut self, named: Named, ino: Ino) -> Result<(), Errno> {
        let dir = named.dir;
        self.disk.take(dir, &named.name)?;
        let is_dir = self.disk.is_dir(ino);
        let links = &mut self.disk.inode_mut(ino).links;
        *links = if is_dir { 0 } else { *links - 1 };
        let drop = self.hold(ino);
        let mut left = vec![Effect::Report(Note::REMOVED, named.clone()), drop];
        if self.nt_mut().follows(|habits| habits.modifies_removed) {
            left.insert(0, Effect::Report(Note::MODIFIED, named));
        }
        self.begin_reported(&[dir, ino], left, &[dir]);
        Ok(())
    }

    /// What was deleted while it was open goes once it is closed.
    pub(crate) fn finish_deletes(&mut self) {
        loop {
            let Some(nt) = &self.nt else { return };
            let is_closed = |&&(_, ino): &&(Ino, Ino)| self.disk.inode(ino).opens == 0;
            let Some(&(dir, ino)) = nt.delete_pending.iter().find(is_closed) else {
                return;
            };
            let nt = self.nt_mut();
            nt.delete_pending.retain(|&(_, pending)| pending != ino);
            nt.deletes_finished += 1;
            self.nt_lock(&[dir, ino]);
            let entries = self.disk.directory(dir).map(|dir| &dir.entries);
            let entry = entries.and_then(|all| all.iter().find(|entry| entry.inode == ino));
            if let Some(named) = entry.map(|entry| Named::of(dir, entry)) {
                let _ = self.drop_name(named, ino);
            }
        }
    }

    /// Renames an entry (FileRenameInformation). Within one directory the records are those of the old and of
    /// the new name; between two, a removal and a creation. A file that is replaced is reported first.
    /// Directories are renamed only when no other call is under way.
    pub(crate) fn nt_rename(
        &mut self,
        (from, name): (Ino, &[u8]),
        (to, to_name): (Ino, &[u8]),
    ) -> Result<(), Errno> {
        self.reap();
        let source = self.disk.entry(from, name).ok_or(Errno::NoEntry)?;
        let is_dir = self.disk.is_dir(source);
        if is_dir {
            self.finish_all();
        } else {
            self.nt_lock(&[from, to, source]);
        }
        let named = self.named(from, name)?;
        let there = self.named(to, to_name).ok();
        // A name that differs in case alone is the entry's own.
        let is_own = from == to && there.as_ref().is_some_and(|own| own.name == named.name);
        let target = self.disk.entry(to, to_name).filter(|_| !is_own);
        if is_own && *named.name == *to_name {
            return Ok(());
        }
        // Another name of the same file: the old one goes, and that is all (MS-FSA 2.1.5.15.12, TargetExistsSameFile).
        if target == Some(source) && !self.is_delete_pending(source) {
            return self.drop_name(named, source);
        }
        self.check_alive(to)?;
        let way = match self.nt_mut().follows(|habits| habits.replaces_open) {
            true => Replacing::Posix,
            false => Replacing::Plain,
        };
        self.check_nt_rename(source, target, to, way)?;
        self.disk.take(from, &named.name)?;
        let mut left = Vec::new();
        let (mut went, mut came) = match from == to {
            true => (Note::OLD_NAME, Note::NEW_NAME),
            false => (Note::REMOVED, Note::ADDED),
        };
        if let (Some(target), Some(there)) = (target, there) {
            self.disk.take(to, &there.name)?;
            if self.disk.is_dir(target) {
                self.disk.inode_mut(target).links = 0;
                self.nt_mut().reads.fail_all(target, ACCESS_DENIED);
            } else {
                self.disk.inode_mut(target).links -= 1;
            }
            left.push(self.hold(target));
            match self.replacement(*there.name == *to_name) {
                Replacement::Removed => left.insert(0, Effect::Report(Note::REMOVED, there)),
                Replacement::Modified => (went, came) = (Note::REMOVED, Note::MODIFIED),
                Replacement::Unreported => {}
            }
        }
        self.disk.insert(to, to_name, source, None)?;
        if is_own && self.nt_mut().follows(|habits| habits.removes_recased) {
            left.push(Effect::Report(Note::REMOVED, named.clone()));
        }
        left.push(Effect::Report(went, named));
        let renamed = self.named(to, to_name)?;
        left.push(Effect::Report(came, renamed.clone()));
        if self.nt_mut().follows(|habits| habits.modifies_renamed) {
            left.push(Effect::Report(Note::MODIFIED, renamed));
        }
        let mut locks = vec![from, to, source];
        if is_dir {
            locks.push(self.disk.rename_mutex(from));
        }
        let touched = [from, to];
        self.begin_reported(&locks, left, &touched[..1 + usize::from(from != to)]);
        Ok(())
    }

    /// How a file that is replaced is reported. `has_same_case` is whether what replaces it has the very same name.
    fn replacement(&mut self, has_same_case: bool) -> Replacement {
        let nt = self.nt_mut();
        let modifies = |habits: &Habits| match has_same_case {
            true => habits.modifies_replaced,
            false => habits.modifies_any_case,
        };
        if nt.follows(modifies) {
            Replacement::Modified
        } else if nt.follows(|habits| habits.omits_replaced) && has_same_case {
            Replacement::Unreported
        } else {
            Replacement::Removed
        }
    }

    /// What keeps an entry from being renamed: a target below it, open handles on it or on anything below it, and what
    /// [`check_target`](Self::check_target) says.
    fn check_nt_rename(
        &mut self,
        source: Ino,
        target: Option<Ino>,
        to: Ino,
        way: Replacing,
    ) -> Result<(), Errno> {
        let ignores_handles = self.nt_mut().follows(|habits| habits.renames_held);
        let disk = &self.disk;
        if disk.is_within(to, source) {
            return Err(Errno::Invalid);
        }
        let device = disk.inode(source).device;
        if disk.inode(to).device != device {
            return Err(Errno::CrossDevice);
        }
        if self.is_delete_pending(source) {
            return Err(Errno::Denied);
        }
        if let Some(target) = target {
            self.check_target(source, target, way)?;
        }
        let disk = &self.disk;
        // Only its own volume counts (MS-FSA 2.1.4.2): not what is mounted below.
        let below = disk.walk(source).into_iter().map(|found| found.inode);
        let held: Vec<Ino> = below
            .filter(|&ino| disk.inode(ino).opens > 0 && disk.inode(ino).device == device)
            .collect();
        if held.is_empty() || ignores_handles {
            return Ok(());
        }
        self.refuse(&held)
    }

    /// What keeps an entry from being replaced. A plain rename replaces no directory, and no file that is open;
    /// one by POSIX rules replaces both, a directory only by a directory and if it is empty (WinBtrfs' `rename.cpp`,
    /// lines 1304, 1419, 1615, 1636 and 1660, checked on NTFS; MS-FSA 2.1.5.15.12).
    fn check_target(&mut self, source: Ino, target: Ino, way: Replacing) -> Result<(), Errno> {
        let are_directories = (self.disk.is_dir(source), self.disk.is_dir(target));
        if self.is_delete_pending(target) {
            return Err(Errno::Denied);
        }
        match way {
            Replacing::Plain if are_directories != (false, false) => Err(Errno::Denied),
            Replacing::Plain if self.disk.inode(target).opens > 0 => self.refuse(&[target]),
            Replacing::Plain => Ok(()),
            Replacing::Posix if are_directories.0 != are_directories.1 => Err(Errno::Denied),
            Replacing::Posix => match self.disk.directory(target) {
                Some(directory) if !directory.entries.is_empty() => Err(Errno::NotEmpty),
                _ => Ok(()),
            },
        }
    }

    /// Refuses a rename because these are open, and counts it if only the engine holds them open.
    fn refuse(&mut self, held: &[Ino]) -> Result<(), Errno> {
        let opens: usize = held
            .iter()
            .map(|&ino| self.disk.inode(ino).opens as usize)
            .sum();
        let own = self.engines.iter().filter(|ino| held.contains(ino));
        if own.count() == opens {
            let nt = self.nt_mut();
            match nt.looked_at.is_some_and(|ino| held == [ino]) {
                true => nt.refusals.by_looks += 1,
                false => nt.refusals.by_directories += 1,
            }
        }
        Err(Errno::Denied)
    }

    /// Gives a record to every read that reaches the entry.
    pub(crate) fn report(&mut self, action: u32, named: &Named) {
        for (tag, top, is_deep) in self.nt().reads.dirs() {
            if named.dir != top && !is_deep {
                continue;
            }
            if let Some(path) = self.path_below(top, named) {
                let note = Note {
                    action,
                    cookie: 0,
                    path,
                    entry: self.described(named.ino),
                };
                let text = format!("{} {action} {}", tag.0, note.path.escape_ascii());
                let fate = self.nt_mut().reads.note(tag, note);
                self.trace
                    .note(|| format!("        reported {text} {fate}"));
            }
        }
    }

    /// What an extended record says of an entry. Of some it says nothing.
    fn described(&mut self, ino: Ino) -> Entry {
        let (attributes, tag) = match self.disk.inode(ino).content {
            Content::File(_) => (0, 0),
            Content::Dir(_) => (DIRECTORY, 0),
            Content::Symlink(_) => (REPARSE_POINT, SYMBOLIC_LINK),
            Content::Other => return Entry::default(),
        };
        let number = self.disk.inode(ino).number;
        let nt = self.nt_mut();
        let number = if nt.traits.renumbers { !number } else { number };
        match nt.random.chance(nt.traits.describes) {
            true => Entry {
                attributes,
                tag,
                number,
            },
            false => Entry::default(),
        }
    }

    /// The path of an entry below `top`, each name as it is or short.
    fn path_below(&mut self, top: Ino, named: &Named) -> Option<Vec<u8>> {
        let mut ancestors = vec![named.clone()];
        let mut at = named.dir;
        while at != top {
            let above = self.disk.directory(at)?.parent?;
            let entries = &self.disk.directory(above)?.entries;
            let entry = entries.iter().find(|entry| entry.inode == at)?;
            ancestors.push(Named::of(above, entry));
            at = above;
        }
        let nt = self.nt_mut();
        let (random, shortens) = (&mut nt.random, nt.traits.shortens);
        let mut path = Vec::new();
        for named in ancestors.into_iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            match named.alias.filter(|_| random.chance(shortens)) {
                Some(alias) => path.extend_from_slice(&alias),
                None => path.extend_from_slice(&named.name),
            }
        }
        Some(path)
    }

    /// Reports on a directory whose entries changed, if it is still there.
    pub(crate) fn touch(&mut self, dir: Ino) {
        if self.nt_mut().follows(|habits| habits.names_roots) {
            self.report_top(dir);
        }
        let Some(above) = self.disk.directory(dir).and_then(|dir| dir.parent) else {
            return;
        };
        let entries = self.disk.directory(above).map(|above| &above.entries);
        let entry = entries.and_then(|all| all.iter().find(|entry| entry.inode == dir));
        if let Some(named) = entry.map(|entry| Named::of(above, entry)) {
            self.report(Note::MODIFIED, &named);
        }
    }

    /// Reports a directory to those that read it, under no name.
    fn report_top(&mut self, dir: Ino) {
        for (tag, top, _) in self.nt().reads.dirs() {
            if top == dir {
                let note = Note {
                    action: Note::MODIFIED,
                    cookie: 0,
                    path: Vec::new(),
                    entry: self.described(dir),
                };
                let fate = self.nt_mut().reads.note(tag, note);
                self.trace
                    .note(|| format!("        reported {} 3 without a name {fate}", tag.0));
            }
        }
    }
}
