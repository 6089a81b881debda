//! Mounting and unmounting. Neither leaves a record for a watch of the directory that is covered;
//! that something changed shows in `/proc/self/mountinfo`.

use everwatch_core::coverage::Gap;
use everwatch_core::record::Action;

use crate::disk::{Errno, Ino, Mount};
use crate::system::System;

impl System {
    /// Mounts a new file system over a directory. Leaves no record.
    pub(crate) fn mount(&mut self, covered: Ino, gap: Option<Gap>) -> Result<Ino, Errno> {
        if !self.disk.is_dir(covered) || self.disk.is_mount_point(covered) {
            return Err(Errno::Busy);
        }
        let top = self.disk.new_device(gap);
        self.disk.mounts.push(Mount { covered, top });
        self.disk.history.mount(covered, top);
        Ok(top)
    }

    /// Unmounts the file system, now or, `lazily`, as soon as nothing on it is open.
    pub(crate) fn unmount(&mut self, covered: Ino, lazily: bool) -> Result<(), Errno> {
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

    /// Whether anything was mounted or unmounted since the engine last heard of it.
    pub(crate) fn have_mounts_changed(&self) -> bool {
        !self
            .known_mounts
            .iter()
            .map(|(top, _)| top)
            .eq(self.disk.mounts.iter().map(|m| &m.top))
    }

    /// The mount points that are new, gone, or called differently than before, as a reader of
    /// `/proc/self/mountinfo` finds them.
    pub(crate) fn changed_mounts(&mut self) -> Vec<Vec<u8>> {
        let paths = |mount: &Mount| (mount.top, self.disk.raw_path_of(mount.covered));
        let now: Vec<_> = self.disk.mounts.iter().map(paths).collect();
        let before = std::mem::replace(&mut self.known_mounts, now);
        let gone = before
            .iter()
            .filter(|mount| !self.known_mounts.contains(mount));
        let new = self
            .known_mounts
            .iter()
            .filter(|mount| !before.contains(mount));
        gone.chain(new)
            .filter_map(|(_, path)| path.clone())
            .collect()
    }

    /// Ends the watches on a file system that is unmounted, once nothing on it is open.
    pub(crate) fn end_device(&mut self, device: usize) {
        if self.disk.is_in_use(device) {
            self.detached.push(device);
            return;
        }
        for ino in self.queue.watched() {
            if self.disk.inode(ino).device == device {
                if let Some(reported) = self.queue.record(ino, Action::Unmounted, true, 0, b"") {
                    self.trace.note(|| format!("        queued {reported}"));
                }
                self.end_watch(ino);
            }
        }
    }
}
