//! Guards: watches on the path of each root.
//!
//! A root is a name, and its directory is the one that has it. The directory cannot be relied on to
//! report its own end: a shell that stands in it keeps it alive. So the parent of every root is watched
//! for the root's name, and the directories above, and symbolic links on the path, for being renamed or
//! replaced.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Engine;
use super::root_table::RootId;
use super::watches::Guard;
use crate::kernel::{Kernel, Purpose, Watched};
use crate::path::to_bytes;

/// How many roots whose path cannot be watched are looked at in each poll interval.
const CHECKED_PER_POLL: usize = 50;

/// Symbolic links followed on the path of a root; Linux follows the same number.
const MOST_LINKS: usize = 40;

/// A directory on the path of a root, and the entry in it that has to stay what it is.
type Guarded = (PathBuf, Option<Box<[u8]>>);

impl<K: Kernel> Engine<K> {
    /// Watches each directory in which a part of the root's path is looked up. Where that cannot be
    /// done, the root is looked at from time to time instead.
    pub(super) fn guard_root(&mut self, id: RootId) {
        let Some(root) = self.roots.get(id).filter(|root| root.outer.is_none()) else {
            return;
        };
        let dir = root.dir.clone();
        let mut guards = Vec::new();
        let (mut is_whole, mut is_stable) = (true, true);
        let mut volumes = Vec::new();
        let ancestors = self.ancestors_of(&dir).0;
        for (above, name) in ancestors.clone() {
            let purpose = match name {
                Some(_) => Purpose::Guard,
                None => Purpose::Ancestor,
            };
            match self.directories.guard(&above, purpose) {
                Ok((
                    Watched::New(watch) | Watched::Known(watch) | Watched::Above(watch),
                    device,
                )) => {
                    volumes.push(device);
                    guards.push((watch, Guard { root: id, name }));
                }
                Err(fault) => {
                    is_whole = false;
                    is_stable &= !fault.kind.is_absence();
                }
            }
        }
        is_whole = is_whole && self.are_held(&dir, &ancestors, &volumes);
        if self.ancestors_of(&dir).0 != ancestors {
            // A link on the path was pointed elsewhere before it was guarded.
            (is_whole, is_stable) = (false, false);
        }
        let node = self.roots.get(id).and_then(|root| root.node);
        if let Some(node) = node {
            let files = self.visibility.filter.outer_files(node);
            is_whole &= self.directories.guard_rules(files, id, &mut guards);
        }
        self.coverage
            .watches
            .set_guards(&mut self.directories.kernel, id, guards);
        // Only now: what is written from here on is reported.
        if let Some(node) = node {
            self.read_ancestor_rules(node);
        }
        // Looking at hundreds of roots takes long over a network, so it is rarer then.
        let crowd = 1 + u32::try_from(self.roots.len() / CHECKED_PER_POLL).unwrap_or(u32::MAX);
        // A part of the path that went meanwhile has most likely taken the root with it.
        let pause = if is_stable {
            self.time.pace.poll.saturating_mul(crowd)
        } else {
            Duration::ZERO
        };
        let next_check = self.time.now.checked_add(pause).filter(|_| !is_whole);
        if let Some(root) = self.roots.get_mut(id)
            && root.node.is_some()
        {
            root.next_check = next_check;
        }
    }

    /// Whether the directories on the path of a root stay where they are, or say so if they do not. Where open handles
    /// have to keep them there, these are on the root's volume, and no link leads from them to the root.
    fn are_held(&mut self, root: &Path, ancestors: &[Guarded], volumes: &[Option<u64>]) -> bool {
        let kernel = &mut self.directories.kernel;
        if !kernel.names_paths() || ancestors.is_empty() {
            return true;
        }
        // The last entry is the root's own.
        let mut entries = ancestors.iter().rev().skip(1).map(|(_, entry)| entry);
        if entries.any(Option::is_some) {
            return false;
        }
        let found = kernel.open_root(root).and_then(|dir| kernel.identity(&dir));
        let volume = found.ok().map(|identity| identity.device);
        volumes.iter().all(|&above| above == volume)
    }

    /// The directories that the system goes through to reach `dir`, through symbolic links as well,
    /// each with the entry that has to stay what it is: a link, or the root itself. The others only
    /// have to stay where they are. Returns the path without links as well.
    pub(super) fn ancestors_of(&mut self, dir: &Path) -> (Vec<Guarded>, PathBuf) {
        let mut ancestors = Vec::new();
        let mut at = PathBuf::new();
        let mut rest: Vec<OsString> = dir.iter().rev().map(OsString::from).collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            let next = at.join(&part);
            let link = match links {
                MOST_LINKS.. => None,
                _ => self.directories.kernel.read_link(&next),
            };
            let name = (link.is_some() || rest.is_empty())
                .then(|| to_bytes(Path::new(&part)).into_boxed_slice());
            // A drive alone is no directory: it names the process's current directory on it.
            if next != at && at.has_root() {
                ancestors.push((at.clone(), name));
            }
            match link {
                Some(target) => {
                    links += 1;
                    rest.extend(target.iter().rev().map(OsString::from));
                }
                None if part == ".." => {
                    at.pop();
                }
                None => at = next,
            }
        }
        (ancestors, at)
    }
}
