//! Adding and removing roots, and arming.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Engine;
use super::nested::Lookup;
use super::root_table::{Root, RootId, RootSpec};
use crate::coverage::{Coverage, CoverageState, Gap};
use crate::event::Cause;
use crate::fault::Fault;
use crate::kernel::Kernel;
use crate::log;

impl<K: Kernel> Engine<K> {
    /// Adds a root. It is armed once [`Engine::is_armed`] says so; what is found until then and was
    /// not in another root already is its beginning and is not reported. Call it only when
    /// [`Engine::can_arm`].
    ///
    /// # Errors
    ///
    /// That of opening the directory, or of asking which one it is.
    pub fn add_root(&mut self, spec: RootSpec) -> Result<RootId, Fault> {
        let kernel = &mut self.directories.kernel;
        let dir = kernel.open_root(&spec.dir)?;
        kernel.identity(&dir)?;
        drop(dir);
        if self.roots.is_empty() {
            let clock = kernel.clock();
            let moment = self.resyncs.clock.moment_of(clock);
            self.resyncs.begin_at(moment.unwrap_or(self.time.now));
            if self.directories.kernel.records_closes() {
                self.resyncs.expect_open_handles();
            }
        }
        // One that is back without being noticed yet is the outer root, or has what becomes nested.
        let missing: Vec<RootId> = self
            .roots
            .iter()
            .filter(|root| root.outer.is_none() && root.node.is_none())
            .filter(|root| spec.dir.starts_with(&root.dir))
            .map(|root| root.id)
            .collect();
        for root in missing {
            self.check_root(root);
        }
        log::root_added(&spec.dir);
        let id = self.roots.add(spec);
        let outer = self.find_outer(id, Lookup::Disk);
        self.roots.begin_arming(id);
        match outer {
            Some(outer) => self.attach(id, outer),
            None => {
                let top = self.plant(id);
                // Consumers know it as gone, for the sake of another root.
                if let Some(top) = top
                    && self.visibility.is_reported_root(&self.world.mirror, top)
                    && !self.roots.is_beginning(&self.world.mirror, top)
                {
                    self.world.created(top, Cause::Scanned);
                }
                self.guard_root(id);
            }
        }
        self.absorb_inner(outer.unwrap_or(id));
        Ok(id)
    }

    /// Whether a root can be added now: what is being listed for others is done.
    pub fn can_arm(&self) -> bool {
        self.work.is_empty() && !self.roots.is_arming()
    }

    /// Whether all roots are armed. Call [`Engine::step`] until they are.
    pub fn is_armed(&mut self) -> bool {
        if self.work.is_empty() {
            self.roots.end_arming(self.time.step);
        }
        !self.roots.is_arming()
    }

    /// The path of each root, as the caller gave it.
    pub fn root_paths(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.roots.iter().map(Root::asked_path)
    }

    /// The path of a root, as the caller gave it; `None` if there is no such root, or no longer.
    pub fn root_path(&self, id: RootId) -> Option<PathBuf> {
        self.roots.get(id).map(Root::asked_path)
    }

    /// Removes a root. Nothing is reported of it any more, not even that it is gone.
    pub fn remove_root(&mut self, id: RootId) {
        let Some(root) = self.roots.remove(id) else {
            return;
        };
        log::root_removed(&root.dir);
        self.coverage
            .watches
            .unguard(&mut self.directories.kernel, id);
        self.redistribute(root);
    }

    /// What is not live, and every root that is, in order of their paths.
    pub fn coverage(&self) -> Vec<Coverage> {
        let mirror = &self.world.mirror;
        let mut all: BTreeMap<PathBuf, Coverage> = self
            .coverage
            .gaps
            .ids()
            .filter_map(|id| {
                let gap = self.coverage.gaps.topmost(mirror, id)?;
                let path = self.world.path(id);
                Some((path.clone(), coverage_of(path, Some(gap))))
            })
            .collect();
        for root in self.roots.iter() {
            let path = root.asked_path();
            let gap = match self.roots.node_of(mirror, root) {
                None => Some(Gap::RootGone),
                Some(node) => std::iter::successors(Some(node), |&id| mirror.parent(id))
                    .find_map(|id| self.coverage.gaps.get(id)),
            };
            // Of an entry and a directory with one path, which are two roots, the one that is gone counts.
            if gap == Some(Gap::RootGone) || !all.contains_key(&path) {
                all.insert(path.clone(), coverage_of(path, gap));
            }
        }
        all.into_values().collect()
    }
}

/// The coverage of a path with this gap, or without one.
fn coverage_of(path: PathBuf, gap: Option<Gap>) -> Coverage {
    Coverage {
        path,
        state: gap.map_or(CoverageState::Live, Gap::state),
        gap,
    }
}
