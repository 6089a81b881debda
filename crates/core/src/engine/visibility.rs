//! Visibility: which entries exist as far as the engine is concerned.

use hashbrown::{HashMap, HashSet};

use crate::ignore::Filter;
use crate::mirror::{Mirror, NodeId};

/// The filter that callers gave, and the directories of which single entries were asked for.
#[derive(Debug)]
pub(super) struct Visibility {
    pub(super) filter: Filter,
    /// The directories of roots that stand for single entries, and the names of these.
    only: HashMap<NodeId, HashSet<Vec<u8>>>,
    /// Directories whose ignore rules could not be read.
    unread: HashSet<NodeId>,
}

impl Visibility {
    /// Shows all that the filter does not hide.
    pub(super) fn new(filter: Filter) -> Visibility {
        Visibility {
            filter,
            only: HashMap::new(),
            unread: HashSet::new(),
        }
    }

    /// Whether an entry is hidden by the filter, or by a root that stands for other entries.
    pub(super) fn hides(&self, mirror: &Mirror, dir: NodeId, name: &[u8], is_dir: bool) -> bool {
        if !self.only.is_empty()
            && let Some(only) = self.only.get(&dir)
        {
            return !only.contains(name);
        }
        self.filter.hides(mirror, dir, name, is_dir)
    }

    /// Notes whether a directory has ignore rules that could not be read.
    pub(super) fn note_unread_rules(&mut self, dir: NodeId, are_unread: bool) {
        match are_unread {
            true => self.unread.insert(dir),
            false => self.unread.remove(&dir),
        };
    }

    /// Whether the directory has ignore rules that could not be read.
    pub(super) fn has_unread_rules(&self, dir: NodeId) -> bool {
        self.unread.contains(&dir)
    }

    /// Whether only single entries of the directory are shown.
    pub(super) fn is_partial(&self, dir: NodeId) -> bool {
        self.only.contains_key(&dir)
    }

    /// Whether the directory is a root that consumers know as an entry.
    pub(super) fn is_reported_root(&self, mirror: &Mirror, node: NodeId) -> bool {
        mirror.is_root(node) && !self.is_partial(node)
    }

    /// The names that are shown of a partial directory.
    pub(super) fn shown_names(&self, dir: NodeId) -> Vec<Vec<u8>> {
        self.only.get(&dir).into_iter().flatten().cloned().collect()
    }

    /// Shows only these names of a directory, or, with `None`, all. Returns whether that is news.
    pub(super) fn show_only(&mut self, dir: NodeId, only: Option<HashSet<Vec<u8>>>) -> bool {
        let before = match only.clone() {
            Some(only) => self.only.insert(dir, only),
            None => self.only.remove(&dir),
        };
        before != only
    }

    /// Shows all of a directory. Returns whether it was partial.
    pub(super) fn show_all(&mut self, dir: NodeId) -> bool {
        self.only.remove(&dir).is_some()
    }

    /// Forgets the rules of a directory that goes.
    pub(super) fn forget(&mut self, dir: NodeId) {
        self.filter.forget(dir);
        self.only.remove(&dir);
        self.unread.remove(&dir);
    }
}
