//! Finding entries of the mirror by name and by inode number.
//!
//! Two hash tables hold nothing but ids and hash what the ids point at, so an indexed entry costs five bytes in
//! each. The table of names has the children of large directories; the table of inode numbers is made when it is
//! first asked, which in most runs is never.

use std::hash::BuildHasher;

use super::names::NameAt;
use super::{Mirror, NodeId};
use crate::entry::InodeNumber;

impl Mirror {
    /// Adds an entry, which has its parent already, to the table of names.
    pub(super) fn index_name(&mut self, id: NodeId) {
        let hash = self.name_hash(self.node(id).parent, self.name(id));
        let Mirror {
            nodes,
            names,
            by_name,
            hasher,
            ..
        } = self;
        by_name.insert_unique(hash, id.0, |&other| {
            let node = &nodes[other as usize];
            let at = NameAt {
                start: node.name_start,
                len: node.name_len,
            };
            hasher.hash_one((node.parent, names.get(at)))
        });
    }

    /// Removes an entry from the table of names, before it leaves `parent` or changes its name.
    pub(super) fn unindex_name(&mut self, id: NodeId, parent: NodeId) {
        let hash = self.name_hash(parent.0, self.name(id));
        if let Ok(entry) = self.by_name.find_entry(hash, |&other| other == id.0) {
            entry.remove();
        }
    }

    /// The hash of a name in one directory.
    fn name_hash(&self, parent: u32, name: &[u8]) -> u64 {
        self.hasher.hash_one((parent, name))
    }

    /// The child of a directory that has this name. In a small directory the names are compared one by one.
    pub(crate) fn child(&self, parent: NodeId, name: &[u8]) -> Option<NodeId> {
        if !self.directory(parent)?.is_indexed {
            return self
                .children(parent)
                .find(|&child| self.name(child) == name);
        }
        let hash = self.name_hash(parent.0, name);
        self.by_name
            .find(hash, |&id| {
                self.nodes[id as usize].parent == parent.0 && self.name(NodeId(id)) == name
            })
            .map(|&id| NodeId(id))
    }

    /// Whether the directory has an entry with this inode number under another name.
    pub(crate) fn has_sibling(&mut self, dir: NodeId, name: &[u8], inode: InodeNumber) -> bool {
        self.index_inodes();
        self.by_inode
            .iter_hash(self.hasher.hash_one(inode))
            .map(|&id| NodeId(id))
            .filter(|&id| self.inode(id) == Some(inode) && self.parent(id) == Some(dir))
            .any(|id| self.name(id) != name)
    }

    /// Makes the table of inode numbers, if there is none yet.
    fn index_inodes(&mut self) {
        if !self.has_inodes {
            self.has_inodes = true;
            for index in 0..self.nodes.len() as u32 {
                if self.contains(NodeId(index)) {
                    self.index_inode(NodeId(index));
                }
            }
        }
    }

    /// Entries with this inode number, in order of their ids. Hard links give several, and inode numbers are
    /// unique per file system only.
    pub(crate) fn by_inode(&mut self, inode: InodeNumber) -> Vec<NodeId> {
        self.index_inodes();
        let mut found: Vec<NodeId> = self
            .by_inode
            .iter_hash(self.hasher.hash_one(inode))
            .filter(|&&id| self.nodes[id as usize].inode == Some(inode))
            .map(|&id| NodeId(id))
            .collect();
        found.sort_unstable();
        found
    }

    /// Adds an entry to the table of inode numbers, if there is one and the number is known.
    pub(super) fn index_inode(&mut self, id: NodeId) {
        let Some(inode) = self.node(id).inode.filter(|_| self.has_inodes) else {
            return;
        };
        let Mirror {
            nodes,
            by_inode,
            hasher,
            ..
        } = self;
        by_inode.insert_unique(hasher.hash_one(inode), id.0, |&other| {
            nodes[other as usize]
                .inode
                .map_or(0, |inode| hasher.hash_one(inode))
        });
    }

    /// Removes an entry from the table of inode numbers, before it goes or gets another number.
    pub(super) fn unindex_inode(&mut self, id: NodeId) {
        let Some(inode) = self.node(id).inode.filter(|_| self.has_inodes) else {
            return;
        };
        let hash = self.hasher.hash_one(inode);
        if let Ok(entry) = self.by_inode.find_entry(hash, |&other| other == id.0) {
            entry.remove();
        }
    }
}
