//! Ignore rules above a root, in the repository that it lies in.
//!
//! Their directories are watched like the rest of the path of the root, for the files alone, and what
//! is written there is read again whenever the root is checked. So where no watch can be had, and
//! after lost records, changes of rules are found like changes of the root itself.

use super::Engine;
use crate::event::ResyncReason;
use crate::kernel::Kernel;
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
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
