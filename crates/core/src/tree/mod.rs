//! The reference consumer: a tree of paths to which the events of a feed are applied.
//!
//! [`Tree::apply`] does what the promise of a feed says, to the letter:
//!
//! | kind | what it does to the tree |
//! |---|---|
//! | `created` | the path exists now, as an entry of this type |
//! | `modified`, `metadata` | the path exists already; its type is what the event says |
//! | `removed` | the path and everything below it are dropped |
//! | `moved` | what is at the path is dropped; what is at `from`, with everything below it, is put there |
//!
//! An event that makes no sense in the tree is a [`Misfit`], and the tree stays as it was. A feed whose
//! consumer begins with the right tree and applies every event in order never has one.
//!
//! The tree keeps one node for each name, so a lookup costs as much as the path has names, and the move of
//! a directory costs the same however much is below it.

mod misfit;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

pub use self::misfit::{Misfit, MisfitKind};
use crate::entry::FileType;
use crate::event::{Change, ChangeKind, Event};

/// The tree of files as a consumer knows it: paths, their types, and a value of the consumer's own at each.
///
/// Begin with the entries of a snapshot and with the watched directories themselves, which a snapshot does
/// not list, then apply the events of its feed:
///
/// ```
/// use everwatch_core::entry::FileType;
/// use everwatch_core::event::{Cause, Change, ChangeKind, Event};
/// use everwatch_core::tree::Tree;
///
/// let mut tree = Tree::from_snapshot([("/demo/notes", FileType::File)]);
/// tree.insert("/demo", FileType::Dir);
///
/// let from = "/demo/notes".into();
/// let change = Change::new(1, ChangeKind::Moved { from }, "/demo/old", FileType::File, Cause::Notified);
/// tree.apply(&Event::Change(change))?;
///
/// assert!(tree.get("/demo/old").is_some());
/// assert!(tree.get("/demo/notes").is_none());
/// # Ok::<(), everwatch_core::tree::Misfit>(())
/// ```
///
/// # Roots
///
/// A tree judges an event by the entries above its path. A path with no entry above it is a top: the tree
/// knows nothing of the directory that it is in, so anything may be created, removed or moved there. If each
/// watched directory is [inserted](Tree::insert), every event below it is judged. A root that goes is
/// `removed` like any entry, and is `created` when it returns.
///
/// # Values
///
/// `V` is what a consumer keeps for an entry, such as a hash of its content. It travels with the entry
/// when that moves, is dropped with it, and is `V::default()` in an entry that was just created.
#[derive(Clone)]
pub struct Tree<V = ()> {
    /// The first one is the place from which all paths start. Nodes that `free` names are not in use.
    nodes: Vec<TreeNode<V>>,
    free: Vec<usize>,
    /// Number of nodes that have an entry.
    len: usize,
}

/// What a [`Tree`] knows of one path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TreeEntry<V = ()> {
    /// What the entry is.
    pub file_type: FileType,
    /// The consumer's own.
    pub value: V,
}

#[derive(Clone)]
struct TreeNode<V> {
    /// `None` if the tree knows only that the path leads to something that it knows: `/home` in the tree of
    /// a consumer that watches `/home/me`.
    entry: Option<TreeEntry<V>>,
    /// What is directly below, in the order of the names.
    children: BTreeMap<Box<OsStr>, usize>,
}

impl<V> TreeNode<V> {
    /// Whether the path is an entry, or leads to one: the directory of a root inside another root, which
    /// need not have been inserted.
    fn is_known(&self) -> bool {
        self.entry.is_some() || !self.children.is_empty()
    }
}

/// The index of the node from which all paths start.
const START: usize = 0;

impl<V> Default for TreeNode<V> {
    fn default() -> TreeNode<V> {
        TreeNode {
            entry: None,
            children: BTreeMap::new(),
        }
    }
}

/// Where a path leads in a tree.
struct Position {
    /// The node at the path.
    node: Option<usize>,
    /// What is known of the directory that the path is in.
    parent: Parent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Parent {
    /// There is no entry anywhere above: the path is a top.
    Unknown,
    /// A directory of the tree.
    Dir,
    /// Something above is in the tree; the parent is not, or is no directory.
    Missing,
}

impl Tree {
    /// A tree without entries.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// A tree with these entries, in any order.
    pub fn from_snapshot<P: AsRef<Path>>(entries: impl IntoIterator<Item = (P, FileType)>) -> Tree {
        let mut tree = Tree::new();
        for (path, file_type) in entries {
            tree.insert(path, file_type);
        }
        tree
    }
}

impl<V: Default> Tree<V> {
    /// Applies one event.
    ///
    /// `created` may come for a path that the tree has. It sets the type, and the value to its default.
    /// Events that are no changes need no action.
    ///
    /// # Errors
    ///
    /// A [`Misfit`] if the change makes no sense in this tree, which then is as it was.
    pub fn apply(&mut self, event: &Event) -> Result<(), Misfit> {
        match event {
            Event::Change(change) => self.apply_change(change),
            Event::Resync(_) | Event::Coverage(_) => Ok(()),
        }
    }

    /// Applies one change, as [`Tree::apply`] does.
    ///
    /// # Errors
    ///
    /// As [`Tree::apply`].
    pub fn apply_change(&mut self, change: &Change) -> Result<(), Misfit> {
        let (path, file_type) = (&*change.path, change.file_type);
        let position = self.locate(path);
        match &change.kind {
            ChangeKind::Created => {
                position.check_parent(path)?;
                self.check_childless(position.node, path, file_type)?;
                self.insert(path, file_type);
            }
            ChangeKind::Modified | ChangeKind::Metadata => {
                if !self.has_entry(&position, path)? {
                    return Ok(());
                }
                self.check_childless(position.node, path, file_type)?;
                let entry = position.node.and_then(|id| self.nodes[id].entry.as_mut());
                if let Some(entry) = entry {
                    entry.file_type = file_type;
                }
            }
            ChangeKind::Removed => {
                self.has_entry(&position, path)?;
                self.remove(path);
            }
            ChangeKind::Moved { from } => {
                let source = self.locate(from);
                self.has_entry(&source, from)?;
                self.check_childless(source.node, path, file_type)?;
                if path != from && path.starts_with(from) {
                    return Err(Misfit::new(MisfitKind::IntoItself, path));
                }
                position.check_parent(path)?;
                // In this order, because what moves may come from below what it replaces.
                let moved = self.detach(from);
                self.remove(path);
                self.attach(path, moved, file_type);
            }
        }
        Ok(())
    }

    /// Adds an entry, or replaces the type and the value of one: for what a consumer begins with.
    pub fn insert(&mut self, path: impl AsRef<Path>, file_type: FileType) {
        let id = self.node(path.as_ref());
        let entry = TreeEntry {
            file_type,
            value: V::default(),
        };
        self.len += usize::from(self.nodes[id].entry.replace(entry).is_none());
    }

    /// Puts the node `moved`, which has been detached, at a path where nothing is.
    fn attach(&mut self, path: &Path, moved: Option<usize>, file_type: FileType) {
        let id = self.node(path);
        if let Some(moved) = moved {
            self.nodes[id] = std::mem::take(&mut self.nodes[moved]);
            self.free.push(moved);
        }
        match &mut self.nodes[id].entry {
            Some(entry) => entry.file_type = file_type,
            None => self.insert(path, file_type),
        }
    }
}

impl<V> Tree<V> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry at a path.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&TreeEntry<V>> {
        let id = self.locate(path.as_ref()).node?;
        self.nodes[id].entry.as_ref()
    }

    /// The value at a path.
    pub fn value_mut(&mut self, path: impl AsRef<Path>) -> Option<&mut V> {
        let id = self.locate(path.as_ref()).node?;
        let entry = self.nodes[id].entry.as_mut()?;
        Some(&mut entry.value)
    }

    /// Drops the entry at `path` and all below it: for a root that is no longer watched.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let mut dropped: Vec<usize> = self.detach(path.as_ref()).into_iter().collect();
        while let Some(id) = dropped.pop() {
            let node = std::mem::take(&mut self.nodes[id]);
            self.len -= usize::from(node.entry.is_some());
            dropped.extend(node.children.into_values());
            self.free.push(id);
        }
    }

    /// All entries in the order of their paths, so that everything below a directory follows it.
    pub fn iter(&self) -> impl Iterator<Item = (PathBuf, &TreeEntry<V>)> {
        self.walk(PathBuf::new(), START)
    }

    /// The entries directly in a directory, by name.
    pub fn children(
        &self,
        path: impl AsRef<Path>,
    ) -> impl Iterator<Item = (&OsStr, &TreeEntry<V>)> {
        let node = self.locate(path.as_ref()).node.map(|id| &self.nodes[id]);
        let children = node.into_iter().flat_map(|node| &node.children);
        children.filter_map(|(name, &id)| Some((&**name, self.nodes[id].entry.as_ref()?)))
    }

    /// What differs between the two, in the order of the paths; values are not compared.
    pub fn diff<W>(&self, other: &Tree<W>) -> Vec<Difference> {
        let mut here = self.iter().peekable();
        let mut there = other.iter().peekable();
        let mut differences = Vec::new();
        loop {
            let order = match (here.peek(), there.peek()) {
                (None, None) => return differences,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((here, _)), Some((there, _))) => here.cmp(there),
            };
            let here = here.next_if(|_| order.is_le());
            let there = there.next_if(|_| order.is_ge());
            let types = [
                here.as_ref().map(|(_, entry)| entry.file_type),
                there.as_ref().map(|(_, entry)| entry.file_type),
            ];
            let path = here.map(|(path, _)| path).or(there.map(|(path, _)| path));
            if let Some(path) = path.filter(|_| types[0] != types[1]) {
                let [here, there] = types;
                differences.push(Difference { path, here, there });
            }
        }
    }

    /// The entries at and below the node `id`, whose path is `path`.
    fn walk(&self, path: PathBuf, id: usize) -> impl Iterator<Item = (PathBuf, &TreeEntry<V>)> {
        let mut levels = vec![(path, self.nodes[id].children.iter())];
        std::iter::from_fn(move || {
            loop {
                let (above, children) = levels.last_mut()?;
                let Some((name, &id)) = children.next() else {
                    levels.pop();
                    continue;
                };
                let path = above.join(&**name);
                let node = &self.nodes[id];
                if !node.children.is_empty() {
                    levels.push((path.clone(), node.children.iter()));
                }
                if let Some(entry) = &node.entry {
                    return Some((path, entry));
                }
            }
        })
    }

    /// Where `path` leads.
    fn locate(&self, path: &Path) -> Position {
        let mut position = Position {
            node: Some(START),
            parent: Parent::Unknown,
        };
        for name in path {
            let node = position.node.map(|id| &self.nodes[id]);
            position.parent = match node.and_then(|node| node.entry.as_ref()) {
                Some(entry) if entry.file_type == FileType::Dir => Parent::Dir,
                None if position.parent == Parent::Unknown => Parent::Unknown,
                _ => Parent::Missing,
            };
            position.node = node.and_then(|node| node.children.get(name).copied());
        }
        position
    }

    /// Whether there is something at the position, or below it: `false` if it is a top that was not inserted.
    fn has_entry(&self, position: &Position, path: &Path) -> Result<bool, Misfit> {
        match (position.node, position.parent) {
            (Some(id), _) if self.nodes[id].is_known() => Ok(true),
            (_, Parent::Unknown) => Ok(false),
            _ => Err(Misfit::new(MisfitKind::Unknown, path)),
        }
    }

    /// Nothing but a directory has entries below it.
    fn check_childless(
        &self,
        node: Option<usize>,
        path: &Path,
        file_type: FileType,
    ) -> Result<(), Misfit> {
        let is_empty = node.is_none_or(|id| self.nodes[id].children.is_empty());
        match file_type {
            FileType::Dir => Ok(()),
            _ if is_empty => Ok(()),
            _ => Err(Misfit::new(MisfitKind::HasEntries, path)),
        }
    }

    /// The node at `path`, which is made if there is none.
    fn node(&mut self, path: &Path) -> usize {
        let mut at = START;
        for name in path {
            at = match self.nodes[at].children.get(name) {
                Some(&child) => child,
                None => {
                    let child = self.free.pop().unwrap_or_else(|| {
                        self.nodes.push(TreeNode::default());
                        self.nodes.len() - 1
                    });
                    self.nodes[at].children.insert(name.into(), child);
                    child
                }
            };
        }
        at
    }

    /// Takes the node at `path` from its parent and leaves all below it as it is.
    fn detach(&mut self, path: &Path) -> Option<usize> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        let parent = self.locate(parent).node?;
        self.nodes[parent].children.remove(name)
    }
}

impl Position {
    /// The entry at this position must be in a directory.
    fn check_parent(&self, path: &Path) -> Result<(), Misfit> {
        match self.parent {
            Parent::Unknown | Parent::Dir => Ok(()),
            Parent::Missing => Err(Misfit::new(MisfitKind::NoParent, path)),
        }
    }
}

impl<V> Default for Tree<V> {
    fn default() -> Tree<V> {
        Tree {
            nodes: vec![TreeNode::default()],
            free: Vec::new(),
            len: 0,
        }
    }
}

/// Trees are equal if they have the same paths with the same types and values.
impl<V: PartialEq> PartialEq for Tree<V> {
    fn eq(&self, other: &Tree<V>) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for Tree<V> {}

impl<V: fmt::Debug> fmt::Debug for Tree<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A path at which two trees differ.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Difference {
    /// The path.
    pub path: PathBuf,
    /// What the tree has there whose [`Tree::diff`] was called.
    pub here: Option<FileType>,
    /// What the other one has there.
    pub there: Option<FileType>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match (self.here, self.there) {
            (Some(here), Some(there)) => write!(f, "{path}: {here} here, {there} there"),
            (Some(here), None) => write!(f, "{path}: {here} here, nothing there"),
            (None, Some(there)) => write!(f, "{path}: nothing here, {there} there"),
            (None, None) => write!(f, "{path}: nothing here, nothing there"),
        }
    }
}

#[cfg(test)]
mod tests;
