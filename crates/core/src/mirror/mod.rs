//! The mirror: what is known of the tree on disk, in one arena.
//!
//! Entries have `u32` ids and parent links, and a path is computed when it is needed. So moving
//! a directory is one pointer change however much is below it, and a watch that is bound to a directory
//! stays right while the directory moves. Directories have a second, smaller arena
//! for what only they need.
//!
//! Two hash tables hold nothing but ids (`mirror/index.rs`). One finds a child by name, in directories with
//! more than a handful of children; in the others, which are most, comparing the names one by one is as fast
//! and costs nothing while a large tree is read in. The other finds entries by inode number, and is made when
//! it is first needed.
//!
//! An entry takes 40 bytes and its name, a directory some 60 more, and neither has a heap block of its own: a
//! tree of a million entries must fit beside the program that watches it.
//!
//! The mirror checks nothing that it is given. Judging records is the engine's work.

mod index;
mod names;
pub(crate) mod path;
mod state;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::entry::{BirthHash, FileType, Identity, InodeNumber, Watch};
use names::{NameAt, Names};
use state::NodeState;

/// No entry: the links between entries are packed, and an `Option<u32>` takes eight bytes.
const NONE: u32 = u32::MAX;

/// Directories with more children than this have them in the hash table.
const SMALL: u32 = 12;

/// The id of an entry of the mirror. Ids of removed entries are reused, unless they are pinned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(u32);

impl NodeId {
    /// The id as a number, for [`NodeId::from_bits`].
    pub(crate) fn to_bits(self) -> u32 {
        self.0
    }

    /// The entry that had, or has, an id of these bits.
    pub(crate) fn from_bits(bits: u32) -> NodeId {
        NodeId(bits)
    }
}

/// One entry, in the order of fields that leaves no gaps.
#[derive(Debug)]
struct Node {
    /// The number that the listing of the parent shows; `None` while it is unknown.
    inode: Option<InodeNumber>,
    /// Id of the parent; `NONE` for a root.
    parent: u32,
    /// Siblings under the same parent, in the order in which they came, which is that of the
    /// listing. The first one's `previous` is the last one; the last one's `next` is `NONE`.
    previous: u32,
    next: u32,
    /// Where the name begins in `names`.
    name_start: u32,
    /// Index into `directories`, or `NONE`.
    directory: u32,
    /// Distinguishes a file from a later one with the same number; `None` while it is unknown.
    birth: Option<BirthHash>,
    /// Length of the name in bytes.
    name_len: u16,
    kind: FileType,
    state: NodeState,
}

/// What only directories have.
#[derive(Debug)]
struct Directory {
    /// First child or `NONE`.
    first: u32,
    /// Number of children.
    count: u32,
    /// The children are in `by_name`. Once they are, they stay.
    is_indexed: bool,
    /// The watch that reports on this directory.
    watch: Option<Watch>,
    /// The watch has been held since the directory was listed last.
    is_tracked: bool,
    /// Which directory was opened under this name when it was last listed.
    identity: Option<Identity>,
}

/// The trees of all roots, as they are known: names with parent links, types and numbers.
///
/// A tree that is no other tree's part has a top without a parent, whose name is its whole path. Ids stay
/// valid until their entry is removed, even if it moves.
#[derive(Debug, Default)]
pub struct Mirror {
    nodes: Vec<Node>,
    /// Slots of `nodes` that are not in use and not pinned.
    free: Vec<u32>,
    directories: Vec<Directory>,
    /// Slots of `directories` that are not in use.
    free_directories: Vec<u32>,
    names: Names,
    /// The children of directories that are indexed, by parent and name.
    by_name: HashTable<u32>,
    /// All entries whose number is known, by that.
    by_inode: HashTable<u32>,
    /// `by_inode` has been made, and is kept up to date.
    has_inodes: bool,
    hasher: DefaultHashBuilder,
    /// Entries whose id must not be reused, with the number of holders.
    pins: HashMap<u32, u32>,
    /// Number of entries.
    len: usize,
    /// How often a directory was put elsewhere.
    directory_moves: u64,
}

impl Mirror {
    /// Number of entries, roots included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap, as allocated.
    pub fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.directories.capacity() * size_of::<Directory>()
            + (self.free.capacity() + self.free_directories.capacity()) * size_of::<u32>()
            + self.names.heap_bytes()
            + (self.by_name.capacity() + self.by_inode.capacity()) * 8 / 7 * (size_of::<u32>() + 1)
    }

    /// Whether no more entries can be added: there are ids and offsets for four thousand million.
    pub(crate) fn is_full(&self) -> bool {
        self.names.is_full() || self.nodes.len() >= (NONE - 1) as usize
    }

    /// The slot of an entry.
    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// Whether there is an entry of this id.
    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.nodes
            .get(id.0 as usize)
            .is_some_and(|node| !node.state.is_free())
    }

    /// The type of an entry, as it was seen last.
    pub(crate) fn kind(&self, id: NodeId) -> FileType {
        self.node(id).kind
    }

    pub(crate) fn is_dir(&self, id: NodeId) -> bool {
        self.node(id).kind == FileType::Dir
    }

    /// The directory that an entry is in; `None` for the top of a tree.
    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        link(self.node(id).parent)
    }

    /// The name of an entry in its directory; of the top of a tree, its whole path.
    pub(crate) fn name(&self, id: NodeId) -> &[u8] {
        let node = self.node(id);
        debug_assert!(!node.state.is_free(), "{id:?} was removed");
        self.names.get(NameAt {
            start: node.name_start,
            len: node.name_len,
        })
    }

    /// The number of an entry on its file system, as the listing of its parent shows it.
    pub(crate) fn inode(&self, id: NodeId) -> Option<InodeNumber> {
        self.node(id).inode
    }

    /// What distinguishes an entry from an earlier or later one with the same number.
    pub(crate) fn birth(&self, id: NodeId) -> Option<BirthHash> {
        self.node(id).birth
    }

    /// Records what looking at the entry on disk showed. The kind never turns into or out of a
    /// directory: that is another entry.
    pub(crate) fn identify(
        &mut self,
        id: NodeId,
        kind: FileType,
        inode: Option<InodeNumber>,
        birth: Option<BirthHash>,
    ) {
        debug_assert_eq!(self.is_dir(id), kind == FileType::Dir);
        if self.node(id).inode != inode {
            self.unindex_inode(id);
            self.node_mut(id).inode = inode;
            self.index_inode(id);
        }
        let node = self.node_mut(id);
        node.kind = kind;
        node.birth = birth;
        self.make_sure(id);
    }

    /// The watch that reports on a directory.
    pub(crate) fn watch(&self, id: NodeId) -> Option<Watch> {
        self.directory(id).and_then(|directory| directory.watch)
    }

    /// Binds a directory to a watch, or to none. What happened since its last listing may be unknown then.
    pub(crate) fn set_watch(&mut self, id: NodeId, watch: Option<Watch>) {
        if let Some(directory) = self.directory_mut(id) {
            directory.watch = watch;
            directory.is_tracked = false;
        }
    }

    /// Whether every change of the directory since its last listing has left a record.
    pub(crate) fn is_tracked(&self, id: NodeId) -> bool {
        self.directory(id)
            .is_some_and(|directory| directory.is_tracked)
    }

    /// Notes that the directory was listed, with or without a watch.
    pub(crate) fn note_listed(&mut self, id: NodeId) {
        if let Some(directory) = self.directory_mut(id) {
            directory.is_tracked = directory.watch.is_some();
        }
    }

    /// The identity of a directory; `None` until it was opened and will be listed.
    pub(crate) fn identity(&self, id: NodeId) -> Option<Identity> {
        self.directory(id).and_then(|directory| directory.identity)
    }

    /// Notes which directory was opened at this place.
    pub(crate) fn set_identity(&mut self, id: NodeId, identity: Identity) {
        if let Some(directory) = self.directory_mut(id) {
            directory.identity = Some(identity);
        }
    }

    /// Forgets which directory was opened at this place.
    pub(crate) fn clear_identity(&mut self, id: NodeId) {
        if let Some(directory) = self.directory_mut(id) {
            directory.identity = None;
        }
    }

    /// What only directories have.
    fn directory(&self, id: NodeId) -> Option<&Directory> {
        self.directories.get(self.node(id).directory as usize)
    }

    fn directory_mut(&mut self, id: NodeId) -> Option<&mut Directory> {
        let index = self.node(id).directory as usize;
        self.directories.get_mut(index)
    }

    /// Adds an entry. The caller knows that `parent` has no child of that name.
    pub(crate) fn insert(
        &mut self,
        parent: Option<NodeId>,
        name: &[u8],
        kind: FileType,
        inode: Option<InodeNumber>,
    ) -> NodeId {
        debug_assert!(parent.is_none_or(|parent| self.child(parent, name).is_none()));
        let at = self.names.push(name);
        let directory = if kind == FileType::Dir {
            self.new_directory()
        } else {
            NONE
        };
        let node = Node {
            inode,
            parent: NONE,
            previous: NONE,
            next: NONE,
            name_start: at.start,
            directory,
            birth: None,
            name_len: at.len,
            kind,
            state: NodeState::default(),
        };
        let id = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                NodeId(index)
            }
            None => {
                self.nodes.push(node);
                NodeId(u32::try_from(self.nodes.len() - 1).unwrap_or(NONE))
            }
        };
        self.len += 1;
        self.index_inode(id);
        if let Some(parent) = parent {
            self.attach(id, parent);
        }
        id
    }

    /// A free slot of `directories`, emptied.
    fn new_directory(&mut self) -> u32 {
        let directory = Directory {
            first: NONE,
            count: 0,
            is_indexed: false,
            watch: None,
            is_tracked: false,
            identity: None,
        };
        match self.free_directories.pop() {
            Some(index) => {
                self.directories[index as usize] = directory;
                index
            }
            None => {
                self.directories.push(directory);
                u32::try_from(self.directories.len() - 1).unwrap_or(NONE)
            }
        }
    }

    /// Removes one entry that has no children.
    pub(crate) fn remove(&mut self, id: NodeId) {
        debug_assert!(self.first_child(id).is_none());
        self.detach(id);
        self.unindex_inode(id);
        let node = &mut self.nodes[id.0 as usize];
        node.state = NodeState::FREE;
        self.names.release(NameAt {
            start: node.name_start,
            len: node.name_len,
        });
        node.name_len = 0;
        let directory = std::mem::replace(&mut node.directory, NONE);
        if directory != NONE {
            self.free_directories.push(directory);
        }
        self.len -= 1;
        if !self.pins.contains_key(&id.0) {
            self.free.push(id.0);
        }
        self.compact_if_worthwhile();
    }

    /// How often a directory came to another path with all below it.
    pub(crate) fn directory_moves(&self) -> u64 {
        self.directory_moves
    }

    /// Puts an entry, with all below it, under another parent or name. The caller has vacated the
    /// place and knows that `parent` is not below `id`.
    pub(crate) fn relocate(&mut self, id: NodeId, parent: NodeId, name: &[u8]) {
        self.directory_moves += u64::from(self.is_dir(id));
        debug_assert!(!self.is_within(parent, id));
        self.detach(id);
        let node = &self.nodes[id.0 as usize];
        self.names.release(NameAt {
            start: node.name_start,
            len: node.name_len,
        });
        let at = self.names.push(name);
        let node = self.node_mut(id);
        node.name_start = at.start;
        node.name_len = at.len;
        self.attach(id, parent);
        self.compact_if_worthwhile();
    }

    /// Makes an entry, with all below it, the top of a tree of its own, named by its path.
    pub(crate) fn uproot(&mut self, id: NodeId, path: &[u8]) {
        self.detach(id);
        let node = &self.nodes[id.0 as usize];
        self.names.release(NameAt {
            start: node.name_start,
            len: node.name_len,
        });
        let at = self.names.push(path);
        let node = self.node_mut(id);
        node.name_start = at.start;
        node.name_len = at.len;
    }

    /// Makes an entry the last child of a directory.
    fn attach(&mut self, id: NodeId, parent: NodeId) {
        let index = self.node(parent).directory as usize;
        let directory = &mut self.directories[index];
        let first = directory.first;
        directory.count += 1;
        let becomes_indexed = !directory.is_indexed && directory.count > SMALL;
        let was_indexed = directory.is_indexed;
        directory.is_indexed |= becomes_indexed;
        let last = match link(first) {
            None => {
                directory.first = id.0;
                id.0
            }
            Some(first) => {
                let last = std::mem::replace(&mut self.node_mut(first).previous, id.0);
                self.nodes[last as usize].next = id.0;
                last
            }
        };
        let node = self.node_mut(id);
        node.parent = parent.0;
        node.previous = last;
        node.next = NONE;
        if was_indexed {
            self.index_name(id);
        } else if becomes_indexed {
            let mut next = self.first_child(parent);
            while let Some(child) = next {
                self.index_name(child);
                next = self.next_sibling(child);
            }
        }
    }

    /// Takes an entry from its directory. It keeps its name and its children.
    fn detach(&mut self, id: NodeId) {
        let Some(parent) = self.parent(id) else {
            return;
        };
        let index = self.node(parent).directory as usize;
        if self.directories[index].is_indexed {
            self.unindex_name(id, parent);
        }
        self.directories[index].count -= 1;
        let (previous, next) = (self.node(id).previous, self.node(id).next);
        let first = self.directories[index].first;
        if first == id.0 {
            self.directories[index].first = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        // The one behind gets a new predecessor; behind the last one, that is the first's.
        let behind = if next == NONE { first } else { next };
        if behind != id.0 {
            self.nodes[behind as usize].previous = previous;
        }
        let node = self.node_mut(id);
        node.parent = NONE;
        node.previous = NONE;
        node.next = NONE;
    }

    /// The child of a directory that came first.
    pub(crate) fn first_child(&self, id: NodeId) -> Option<NodeId> {
        self.directory(id)
            .and_then(|directory| link(directory.first))
    }

    /// The child of the same directory that came next.
    pub(crate) fn next_sibling(&self, id: NodeId) -> Option<NodeId> {
        link(self.node(id).next)
    }

    /// The children of a directory in the order in which they came.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.first_child(id), |&child| self.next_sibling(child))
    }

    /// The entry and all below it, parents before children.
    pub(crate) fn subtree(&self, id: NodeId) -> Vec<NodeId> {
        let mut all = vec![id];
        let mut next = 0;
        while let Some(&id) = all.get(next) {
            all.extend(self.children(id));
            next += 1;
        }
        all
    }

    /// The top of the tree that `id` is in.
    pub(crate) fn top(&self, id: NodeId) -> NodeId {
        let mut top = id;
        while let Some(parent) = self.parent(top) {
            top = parent;
        }
        top
    }

    /// The device that an entry's directory is on, if it was listed.
    pub(crate) fn device_of(&self, id: NodeId) -> Option<u64> {
        let parent = self.parent(id)?;
        self.identity(parent).map(|identity| identity.device)
    }

    /// Whether `id` is `ancestor` or below it.
    pub(crate) fn is_within(&self, id: NodeId, ancestor: NodeId) -> bool {
        std::iter::successors(Some(id), |&id| self.parent(id)).any(|id| id == ancestor)
    }

    /// Keeps an id from being reused until [`Mirror::unpin`], also after its entry is removed.
    pub(crate) fn pin(&mut self, id: NodeId) {
        *self.pins.entry(id.0).or_insert(0) += 1;
    }

    /// Ends one [`Mirror::pin`].
    pub(crate) fn unpin(&mut self, id: NodeId) {
        let Some(count) = self.pins.get_mut(&id.0) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.pins.remove(&id.0);
            if self.node(id).state.is_free() {
                self.free.push(id.0);
            }
        }
    }

    /// Moves the living names into a fresh buffer once most of the old one is garbage.
    fn compact_if_worthwhile(&mut self) {
        if !self.names.wants_compaction() {
            return;
        }
        let mut fresh = Names::with_capacity_for(&self.names);
        for node in self.nodes.iter_mut().filter(|node| !node.state.is_free()) {
            let at = NameAt {
                start: node.name_start,
                len: node.name_len,
            };
            node.name_start = fresh.push(self.names.get(at)).start;
        }
        self.names = fresh;
    }
}

/// The entry that a packed link leads to.
fn link(index: u32) -> Option<NodeId> {
    (index != NONE).then_some(NodeId(index))
}

#[cfg(test)]
mod oracle;
