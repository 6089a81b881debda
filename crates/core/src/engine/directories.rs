//! Open directories, for as long as one step of the engine lasts.
//!
//! Directories are opened from their parent's handle, so that no path is resolved twice and no
//! symbolic link is followed. The handles of the directories opened last are kept, because a crawl
//! goes depth first and records come in runs; all are closed before the engine waits, because an
//! open directory keeps its file system busy.

use super::Engine;
use crate::coverage::Gap;
use crate::kernel::{Fault, FaultKind, Kernel, Stat};
use crate::mirror::{Mark, NodeId};
use crate::path::to_path;

/// Why a directory of the mirror could not be opened.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpenError {
    /// The path to it does not lead there at present. A record that explains why may be queued.
    Astray,
    /// The directory's own entry led to this.
    Fault(Fault),
}

impl OpenError {
    /// What becomes of a directory of whose entries one led to this.
    pub(super) fn gap(self) -> Gap {
        match self {
            OpenError::Astray => Gap::Failing,
            OpenError::Fault(fault) => fault.kind.gap(),
        }
    }

    /// Whether it says that there is no such entry.
    pub(super) fn is_absence(self) -> bool {
        matches!(self, OpenError::Fault(fault) if fault.kind.is_absence())
    }

    /// Whether it says that the process has no file descriptor left.
    fn is_shortage(self) -> bool {
        matches!(self, OpenError::Fault(fault) if fault.kind == FaultKind::OpenFiles)
    }
}

/// Handles that are kept open at most. Deeper trees reopen.
const KEPT: usize = 128;

impl<K: Kernel> Engine<K> {
    /// Makes sure that the directory, which was listed before, is open and is the last of
    /// `self.handles`.
    pub(super) fn open_known(&mut self, id: NodeId) -> Result<(), OpenError> {
        if let Some(at) = self.handles.iter().rposition(|&(open, _)| open == id) {
            let last = self.handles.len() - 1;
            self.handles.swap(at, last);
            return Ok(());
        }
        let dir = self.open_fresh(id)?;
        let identity = self.kernel.identity(&dir).map_err(OpenError::Fault)?;
        if self.mirror.identity(id) != Some(identity) {
            return Err(OpenError::Astray);
        }
        self.keep(id, dir);
        Ok(())
    }

    /// Opens whatever directory is under the name of `id` now. If the process has no descriptor left,
    /// those that are kept here are given up for it, first all but the parent's.
    pub(super) fn open_fresh(&mut self, id: NodeId) -> Result<K::Dir, OpenError> {
        let opened = self.open_from_parent(id);
        if !matches!(opened, Err(error) if error.is_shortage()) {
            return opened;
        }
        let kept = self.handles.len();
        let parent = self.mirror.parent(id);
        self.handles.retain(|&(open, _)| Some(open) == parent);
        let opened = match self.handles.len() {
            left if left < kept => self.open_from_parent(id),
            _ => opened,
        };
        if matches!(opened, Err(error) if error.is_shortage()) {
            // Nothing is left to give up, and whoever called is to see that.
            self.handles.clear();
        }
        opened
    }

    fn open_from_parent(&mut self, id: NodeId) -> Result<K::Dir, OpenError> {
        let Some(parent) = self.mirror.parent(id) else {
            let path = to_path(self.mirror.name(id).to_vec());
            return self.kernel.open_root(&path).map_err(OpenError::Fault);
        };
        self.open_known(parent).map_err(|error| match error {
            error if error.is_shortage() => error,
            _ => OpenError::Astray,
        })?;
        let Engine {
            handles,
            kernel,
            mirror,
            ..
        } = self;
        let Some((_, dir)) = handles.last() else {
            return Err(OpenError::Astray);
        };
        kernel
            .open_dir(dir, mirror.name(id))
            .map_err(OpenError::Fault)
    }

    pub(super) fn keep(&mut self, id: NodeId, dir: K::Dir) {
        if self.handles.len() >= KEPT {
            self.handles.remove(0);
        }
        self.handles.push((id, dir));
    }

    pub(super) fn close_handle(&mut self, id: NodeId) {
        self.handles.retain(|&(open, _)| open != id);
    }

    /// Closes handles that the crawl has left: those that are not an ancestor of `next`.
    pub(super) fn leave_for(&mut self, next: NodeId) {
        while let Some(&(open, _)) = self.handles.last() {
            if Some(open) == self.mirror.parent(next) || self.mirror.is_within(next, open) {
                break;
            }
            self.handles.pop();
        }
    }

    /// Looks at an entry of a directory that was listed before.
    pub(super) fn stat(&mut self, parent: NodeId, name: &[u8]) -> Result<Stat, OpenError> {
        // A directory that is not found says nothing of its entries.
        self.open_known(parent).map_err(|_| OpenError::Astray)?;
        let Engine {
            handles, kernel, ..
        } = self;
        let Some((_, dir)) = handles.last() else {
            return Err(OpenError::Astray);
        };
        kernel.stat(dir, name).map_err(OpenError::Fault)
    }

    /// Whether the entry is on disk where the mirror has it: `None` if that cannot be told now.
    pub(super) fn is_in_place(&mut self, id: NodeId) -> Option<bool> {
        let Some(parent) = self.mirror.parent(id) else {
            let path = to_path(self.mirror.name(id).to_vec());
            return match self.kernel.open_root(&path) {
                Ok(dir) => {
                    let identity = self.kernel.identity(&dir).ok()?;
                    Some(self.mirror.identity(id) == Some(identity))
                }
                Err(Fault {
                    kind: FaultKind::NotFound | FaultKind::NotDirectory,
                    ..
                }) => Some(false),
                Err(_) => None,
            };
        };
        if self.mirror.has(id, Mark::VANISHED) {
            return Some(false);
        }
        let name = self.mirror.name(id).to_vec();
        match self.stat(parent, &name) {
            Ok(stat) => match self.mirror.identity(id) {
                Some(identity) => Some(identity == stat.identity()),
                None => Some(stat.inode == self.mirror.inode(id)),
            },
            Err(OpenError::Fault(Fault {
                kind: FaultKind::NotFound | FaultKind::NotDirectory,
                ..
            })) => Some(false),
            Err(_) => None,
        }
    }
}
