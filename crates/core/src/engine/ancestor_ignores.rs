//! Ignore rules above a root, in the repository that it lies in.
//!
//! Their directories are watched like the rest of the path of the root, for the files alone, and what
//! is written there is read again whenever the root is checked. So where no watch can be had, and
//! after lost records, changes of rules are found like changes of the root itself.

use super::Engine;
use super::root_table::RootId;
use super::watches::Guard;
use crate::entry::Watch;
use crate::event::ResyncReason;
use crate::kernel::{Kernel, Purpose, Watched};
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Watches the directories that may have rules for the root, and adds these watches to `guards`.
    /// Returns whether all are watched.
    pub(super) fn guard_rules(&mut self, id: RootId, guards: &mut Vec<(Watch, Guard)>) -> bool {
        let Some(node) = self.roots.get(id).and_then(|root| root.node) else {
            return true;
        };
        let mut is_whole = true;
        for file in self.visibility.filter.outer_files(node) {
            match self.directories.guard(&file.dir, Purpose::Rules) {
                Ok(Watched::New(watch) | Watched::Known(watch) | Watched::Above(watch)) => {
                    let name = Some(file.name.into_boxed_slice());
                    guards.push((watch, Guard { root: id, name }));
                }
                // Git makes this directory, or there is none for good.
                Err(fault) if fault.kind.is_absence() => {}
                Err(_) => is_whole = false,
            }
        }
        is_whole
    }

    /// Reads what is written above the root now, and compares its tree with the disk by that.
    pub(super) fn read_ancestor_rules(&mut self, node: NodeId) {
        let mut has_changed = false;
        for file in self.visibility.filter.outer_files(node) {
            let text = match self.directories.read_ancestor_rules(&file) {
                Ok(text) => Some(text),
                Err(fault) if fault.kind.is_absence() => None,
                // Rules that cannot be read at the moment stay as they are known.
                Err(_) => continue,
            };
            has_changed |= self.visibility.filter.set_outer_text(node, &file, text);
        }
        let is_begun = self.world.mirror.identity(node).is_some();
        if has_changed && is_begun {
            self.resyncs.begin(
                &mut self.world,
                &mut self.work,
                node,
                ResyncReason::IgnoreRules,
            );
        }
    }
}
