//! Ignore rules that stand above a root, in the repository that it lies in.
//!
//! Their directories are watched like the rest of the way to the root, for the files alone, and what
//! is written there is read again whenever the root is looked at. So where no watch can be had, and
//! after lost records, changes of rules are found like changes of the root itself.

use super::merge::whole_lines;
use super::watches::Guard;
use super::{Engine, RootId};
use crate::filter::{RULES_LIMIT, RulesFile};
use crate::kernel::{Fault, Kernel, Purpose, Watched};
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Watches the directories that may have rules for the root. Returns whether all are watched.
    pub(super) fn guard_rules(&mut self, id: RootId) -> bool {
        let Some(node) = self.root(id).and_then(|root| root.node) else {
            return true;
        };
        let mut is_whole = true;
        for file in self.filter.outer_files(node) {
            match self.guard(&file.dir, Purpose::Rules) {
                Ok(Watched::New(watch) | Watched::Known(watch) | Watched::Above(watch)) => {
                    let name = Some(file.name.into_boxed_slice());
                    self.watches.guard(watch, Guard { root: id, name });
                }
                // Git makes this directory, or there is none for good.
                Err(fault) if fault.kind.is_absence() => {}
                Err(_) => is_whole = false,
            }
        }
        is_whole
    }

    /// Reads what is written above the root now, and compares its tree with the disk by that.
    pub(super) fn read_outer_rules(&mut self, node: NodeId) {
        let mut has_changed = false;
        for file in self.filter.outer_files(node) {
            let text = match self.read_rules(&file) {
                Ok(text) => Some(text),
                Err(fault) if fault.kind.is_absence() => None,
                // Whoever may not look at the moment goes by what is known.
                Err(_) => continue,
            };
            has_changed |= self.filter.set_outer_text(node, &file, text);
        }
        let is_begun = self.mirror.identity(node).is_some();
        if has_changed && is_begun {
            self.rules_changed(node);
        }
    }

    fn read_rules(&mut self, file: &RulesFile) -> Result<Vec<u8>, Fault> {
        let dir = self.kernel.open_root(&file.dir)?;
        let text = self.kernel.read_file(&dir, &file.name, RULES_LIMIT)?;
        Ok(whole_lines(text))
    }
}
