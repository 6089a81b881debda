//! Open directories: the kernel, and the handles that are kept for as long as one step lasts.
//!
//! Directories are opened from their parent's handle, so that no path is resolved twice and no
//! symbolic link is followed. The handles of the directories opened last are kept, because a crawl
//! goes depth first and records come in runs; all are closed before the engine waits, because an
//! open directory keeps its file system busy.

use std::fmt;
use std::path::Path;

use super::root_table::RootId;
use super::watches::Guard;
use super::world::World;
use crate::coverage::Gap;
use crate::entry::{FileType, Identity, Stat, Watch};
use crate::event::Cause;
use crate::fault::{Fault, FaultKind};
use crate::ignore::{RULES_LIMIT, RulesFile, whole_lines};
use crate::kernel::{Kernel, Purpose, Watched};
use crate::listing::Listing;
use crate::mirror::{Mirror, NodeId};
use crate::path::to_path;

/// Why a directory of the mirror could not be opened.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpenError {
    /// The path to it does not lead there at present. A queued record may explain why.
    Unreachable,
    /// The directory's own entry led to this.
    Fault(Fault),
}

impl OpenError {
    /// The gap of a directory one of whose entries failed like this.
    pub(super) fn gap(self) -> Gap {
        match self {
            OpenError::Unreachable => Gap::Failing,
            OpenError::Fault(fault) => fault.kind.gap(),
        }
    }

    /// Whether it proves that there is no such entry.
    pub(super) fn is_absence(self) -> bool {
        matches!(self, OpenError::Fault(fault) if fault.kind.is_absence())
    }

    /// Whether the process has no file descriptor left.
    fn is_shortage(self) -> bool {
        matches!(self, OpenError::Fault(fault) if fault.kind == FaultKind::OpenFiles)
    }
}

/// Handles kept open at most. Deeper trees reopen.
const KEPT: usize = 128;

/// The kernel with the directories that are open at present.
///
/// A directory that was listed before is opened by its id in the mirror. Opening it checks that the
/// directory found is the one that the mirror has, so a caller never acts on another directory.
pub(super) struct Directories<K: Kernel> {
    pub(super) kernel: K,
    /// The directories opened in this step, the one used last at the end.
    open: Vec<(NodeId, K::Dir)>,
    /// A buffer for listings; its memory is reused.
    pub(super) listing: Listing,
    /// The kernel has yet to say of some files whether they changed; see [`Kernel::changed_since`].
    pub(super) has_deferred: bool,
}

impl<K: Kernel + fmt::Debug> fmt::Debug for Directories<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directories")
            .field("kernel", &self.kernel)
            .field("open", &self.open.len())
            .finish_non_exhaustive()
    }
}

impl<K: Kernel> Directories<K> {
    /// A kernel without open directories.
    pub(super) fn new(kernel: K) -> Directories<K> {
        Directories {
            kernel,
            open: Vec::new(),
            listing: Listing::default(),
            has_deferred: false,
        }
    }

    /// Whether any directory is open.
    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Closes all handles.
    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }

    /// Closes all handles and has nothing left that keeps a file system busy.
    pub(super) fn release(&mut self) {
        self.close_all();
        self.kernel.before_wait();
    }

    /// Closes the handle of one directory, if it is open.
    pub(super) fn close(&mut self, id: NodeId) {
        self.open.retain(|&(open, _)| open != id);
    }

    /// Opens a directory that was listed before, unless it is open, and returns it with the kernel.
    pub(super) fn open_known(
        &mut self,
        mirror: &Mirror,
        id: NodeId,
    ) -> Result<(&mut K, &K::Dir), OpenError> {
        if let Some(at) = self.open.iter().rposition(|&(open, _)| open == id) {
            let last = self.open.len() - 1;
            self.open.swap(at, last);
        } else {
            let dir = self.open_fresh(mirror, id)?;
            let identity = self.kernel.identity(&dir).map_err(OpenError::Fault)?;
            if mirror.identity(id) != Some(identity) {
                return Err(OpenError::Unreachable);
            }
            self.keep(id, dir);
        }
        match self.open.last() {
            Some((_, dir)) => Ok((&mut self.kernel, dir)),
            None => Err(OpenError::Unreachable),
        }
    }

    /// Opens the directory that is under the name of `id` now, and says which it is.
    pub(super) fn open_and_identify(
        &mut self,
        mirror: &Mirror,
        id: NodeId,
    ) -> Result<(K::Dir, Identity), OpenError> {
        let dir = self.open_fresh(mirror, id)?;
        let identity = self.kernel.identity(&dir).map_err(OpenError::Fault)?;
        Ok((dir, identity))
    }

    /// Opens the directory that is under the name of `id` now. If the process has no descriptor left,
    /// kept handles are given up for it, first all but the parent's.
    fn open_fresh(&mut self, mirror: &Mirror, id: NodeId) -> Result<K::Dir, OpenError> {
        let opened = self.open_from_parent(mirror, id);
        if !matches!(opened, Err(error) if error.is_shortage()) {
            return opened;
        }
        let kept = self.open.len();
        let parent = mirror.parent(id);
        self.open.retain(|&(open, _)| Some(open) == parent);
        let opened = match self.open.len() {
            left if left < kept => self.open_from_parent(mirror, id),
            _ => opened,
        };
        if matches!(opened, Err(error) if error.is_shortage()) {
            // Nothing is left to give up, and the caller must see that.
            self.open.clear();
        }
        opened
    }

    /// Opens a directory by its name in its parent, which is opened first if need be, or a root by its path.
    fn open_from_parent(&mut self, mirror: &Mirror, id: NodeId) -> Result<K::Dir, OpenError> {
        let Some(parent) = mirror.parent(id) else {
            let path = to_path(mirror.name(id).to_vec());
            return self.kernel.open_root(&path).map_err(OpenError::Fault);
        };
        let (kernel, dir) = self
            .open_known(mirror, parent)
            .map_err(|error| match error {
                error if error.is_shortage() => error,
                _ => OpenError::Unreachable,
            })?;
        kernel
            .open_dir(dir, mirror.name(id))
            .map_err(OpenError::Fault)
    }

    /// Keeps the handle of a directory that was just opened.
    pub(super) fn keep(&mut self, id: NodeId, dir: K::Dir) {
        if self.open.len() >= KEPT {
            self.open.remove(0);
        }
        self.open.push((id, dir));
    }

    /// Closes handles that the crawl has left: those that are not an ancestor of `next`.
    pub(super) fn leave_for(&mut self, mirror: &Mirror, next: NodeId) {
        while let Some(&(open, _)) = self.open.last() {
            if Some(open) == mirror.parent(next) || mirror.is_within(next, open) {
                break;
            }
            self.open.pop();
        }
    }

    /// Looks at an entry of a directory that was listed before, under the very name that it is listed under.
    pub(super) fn stat(
        &mut self,
        mirror: &Mirror,
        parent: NodeId,
        name: &[u8],
    ) -> Result<Stat, OpenError> {
        // A directory that is not found proves nothing about its entries.
        let (kernel, dir) = self
            .open_known(mirror, parent)
            .map_err(|_| OpenError::Unreachable)?;
        kernel.stat_as_listed(dir, name).map_err(OpenError::Fault)
    }

    /// Looks at an entry that a record says has come to be under this name. Asks for the listed name only if that may
    /// be another one.
    pub(super) fn stat_arrived(
        &mut self,
        mirror: &mut Mirror,
        parent: NodeId,
        name: &[u8],
    ) -> Result<Stat, OpenError> {
        let (kernel, dir) = self
            .open_known(mirror, parent)
            .map_err(|_| OpenError::Unreachable)?;
        let stat = kernel.stat(dir, name).map_err(OpenError::Fault)?;
        match kernel.names_paths() && may_be_listed_otherwise(mirror, parent, name, &stat) {
            true => kernel.stat_as_listed(dir, name).map_err(OpenError::Fault),
            false => Ok(stat),
        }
    }

    /// Whether the entry is on disk where the mirror has it; `None` if the disk cannot be asked now.
    pub(super) fn is_in_place(&mut self, mirror: &Mirror, id: NodeId) -> Option<bool> {
        let Some(parent) = mirror.parent(id) else {
            let path = to_path(mirror.name(id).to_vec());
            return match self.kernel.open_root(&path) {
                Ok(dir) => {
                    let identity = self.kernel.identity(&dir).ok()?;
                    Some(mirror.identity(id) == Some(identity))
                }
                Err(fault) if fault.kind.is_absence() => Some(false),
                Err(_) => None,
            };
        };
        if mirror.has_vanished(id) {
            return Some(false);
        }
        match self.stat(mirror, parent, mirror.name(id)) {
            Ok(stat) => match mirror.identity(id) {
                Some(identity) => Some(identity == stat.identity()),
                None => Some(stat.inode == mirror.inode(id)),
            },
            Err(error) if error.is_absence() => Some(false),
            Err(_) => None,
        }
    }

    /// Reports the files that changed, of those whose answer the kernel deferred.
    pub(super) fn finish_deferred_stats(&mut self, world: &mut World) {
        if !std::mem::take(&mut self.has_deferred) {
            return;
        }
        let mut changed = Vec::new();
        self.kernel.finish_deferred_stats(&mut changed);
        for token in changed {
            let id = NodeId::from_bits(token.0 as u32);
            // It may be gone by now. If another entry has its id, that is reported once more.
            if world.mirror.contains(id) && world.mirror.kind(id) == FileType::File {
                world.modified(id, Cause::Scanned);
            }
        }
    }

    /// Watches a directory above a root. Fails where the volume cannot notify. Returns the volume as well, if the
    /// kernel relies on open handles to keep directories where they are: a handle does so on its own volume only.
    pub(super) fn guard(
        &mut self,
        dir: &Path,
        purpose: Purpose,
    ) -> Result<(Watched, Option<u64>), Fault> {
        let handle = self.kernel.open_root(dir)?;
        if self.kernel.gap_of_volume(&handle).is_some() {
            return Err(Fault {
                kind: FaultKind::Unsupported,
                code: 0,
            });
        }
        let device = match self.kernel.names_paths() {
            true => Some(self.kernel.identity(&handle)?.device),
            false => None,
        };
        // Last: a watch that is held when something else fails would never be given up.
        Ok((self.kernel.watch(&handle, purpose)?, device))
    }

    /// Reads a file of ignore rules above a root.
    pub(super) fn read_ancestor_rules(&mut self, file: &RulesFile) -> Result<Vec<u8>, Fault> {
        let dir = self.kernel.open_root(&file.dir)?;
        let text = self.kernel.read_file(&dir, &file.name, RULES_LIMIT)?;
        Ok(whole_lines(text))
    }

    /// Watches the directories above a root that may have ignore rules for it, and adds the guards. Returns
    /// whether all are watched.
    pub(super) fn guard_rules(
        &mut self,
        files: Vec<RulesFile>,
        root: RootId,
        guards: &mut Vec<(Watch, Guard)>,
    ) -> bool {
        let mut is_whole = true;
        for file in files {
            match self.guard(&file.dir, Purpose::Rules) {
                Ok((Watched::New(watch) | Watched::Known(watch) | Watched::Above(watch), _)) => {
                    let name = Some(file.name.into_boxed_slice());
                    guards.push((watch, Guard { root, name }));
                }
                // Git makes this directory, or there is none for good.
                Err(fault) if fault.kind.is_absence() => {}
                Err(_) => is_whole = false,
            }
        }
        is_whole
    }
}

/// Whether what was found under a name may be listed under another one. Records have the listed names, in the case that
/// they have on disk (git's t7527, "case insensitive+preserving"), or short ones. So what a record says has arrived is
/// listed under that name, unless the name may be a short one or the entry has gone on to another case of it: then the
/// mirror has that one as well, or doubts this one.
fn may_be_listed_otherwise(mirror: &mut Mirror, parent: NodeId, name: &[u8], stat: &Stat) -> bool {
    let Some(inode) = stat.inode else {
        return true;
    };
    let is_known = mirror.child(parent, name).is_none_or(|child| {
        !mirror.is_doubted(child)
            && !mirror.has_vanished(child)
            && mirror.inode(child) == Some(inode)
    });
    !is_known || name.contains(&b'~') || mirror.has_sibling(parent, name, inode)
}
