//! A file system and an inotify instance in memory, small enough to see that they are right.
//!
//! What happens on the disk is decided by the fuzzer's bytes (`operations`), also during the engine's
//! calls (`kernel`). Besides the records that are true the fuzzer may queue any others (`queue`).

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use everwatch_core::entry::FileType;
use everwatch_core::path::{to_bytes, to_path};
use everwatch_core::time::FileTime;

use crate::bytes::Bytes;
use crate::queue::Queued;

/// The root directory of the file system.
pub(crate) const TOP: usize = 0;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: FileType,
    pub(crate) inode: u64,
    pub(crate) created_at: FileTime,
    pub(crate) modified: FileTime,
    pub(crate) changed: FileTime,
    pub(crate) content: Vec<u8>,
    pub(crate) children: BTreeMap<Vec<u8>, usize>,
    /// In how many places of the tree the node is.
    pub(crate) links: usize,
    /// The node has had two names at a time; writes through one are not told for the other.
    pub(crate) was_linked: bool,
    /// A directory that cannot be opened.
    pub(crate) is_denied: bool,
    pub(crate) watch: Option<i32>,
}

/// A disk whose contents and answers are drawn from the bytes of the fuzzer.
#[derive(Debug)]
pub(crate) struct Disk<'a> {
    pub(crate) bytes: Bytes<'a>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) queue: VecDeque<Queued>,
    /// Bytes that are decoded as if they came from the kernel.
    pub(crate) raw: Vec<u8>,
    /// The queue is full until it is drained.
    pub(crate) is_full: bool,
    pub(crate) next_watch: i32,
    pub(crate) next_cookie: u32,
    pub(crate) now: FileTime,
    /// No further directory can be watched.
    pub(crate) is_out_of_watches: bool,
    /// Records were queued that are not true.
    pub(crate) has_lied: bool,
    /// A directory could not be opened at some time.
    pub(crate) has_denied: bool,
    /// Print what happens: `EVERWATCH_FUZZ_INPUT` is set.
    is_traced: bool,
}

impl<'a> Disk<'a> {
    /// A disk with the directories `/r`, `/q` and `/out`.
    pub(crate) fn new(bytes: Bytes<'a>) -> Disk<'a> {
        let mut disk = Disk {
            bytes,
            nodes: Vec::new(),
            queue: VecDeque::new(),
            raw: Vec::new(),
            is_full: false,
            next_watch: 1,
            next_cookie: 1,
            now: 1_000_000_000,
            is_out_of_watches: false,
            has_lied: false,
            has_denied: false,
            is_traced: std::env::var_os("EVERWATCH_FUZZ_INPUT").is_some(),
        };
        disk.new_node(FileType::Dir);
        for name in [b"r".as_slice(), b"q", b"out"] {
            let node = disk.new_node(FileType::Dir);
            disk.nodes[TOP].children.insert(name.to_vec(), node);
        }
        disk
    }

    /// Says what happens, if tracing is on.
    pub(crate) fn trace(&self, what: impl Fn() -> String) {
        if self.is_traced {
            eprintln!("{}", what());
        }
    }

    /// What a directory is called in a trace.
    pub(crate) fn inode(&self, node: usize) -> String {
        format!("#{}", self.nodes[node].inode)
    }

    pub(crate) fn new_node(&mut self, kind: FileType) -> usize {
        self.now += 1_000_000;
        self.nodes.push(Node {
            kind,
            inode: self.nodes.len() as u64 + 1,
            created_at: self.now,
            modified: self.now,
            changed: self.now,
            content: Vec::new(),
            children: BTreeMap::new(),
            links: 1,
            was_linked: false,
            is_denied: false,
            watch: None,
        });
        self.nodes.len() - 1
    }

    /// Creates an entry with this content, without a record, if the name is free and can be one.
    pub(crate) fn place(&mut self, dir: &Path, name: &[u8], kind: FileType, content: &[u8]) {
        let is_name = !name.is_empty() && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
        let Some(dir) = self.resolve(dir) else { return };
        let is_free = !self.nodes[dir].children.contains_key(name);
        let is_dir = self.nodes[dir].kind == FileType::Dir;
        if is_dir && is_free && is_name && name != b"." && name != b".." {
            let node = self.new_node(kind);
            self.nodes[node].content = content.to_vec();
            self.nodes[dir].children.insert(name.to_vec(), node);
        }
    }

    /// All that is below `path`, or nothing if it is no directory.
    pub(crate) fn walk(&self, path: &Path) -> BTreeMap<PathBuf, FileType> {
        let mut found = BTreeMap::new();
        let top = self.resolve(path).map(|node| (node, path.to_owned()));
        let mut open: Vec<(usize, PathBuf)> = top.into_iter().collect();
        while let Some((dir, path)) = open.pop() {
            for (name, &child) in &self.nodes[dir].children {
                let path = path.join(to_path(name.clone()));
                found.insert(path.clone(), self.nodes[child].kind);
                open.push((child, path));
            }
        }
        found
    }

    /// What a reader of the file gets: which file it is, and its content. Nothing of hard links, see
    /// the limits in the README.
    pub(crate) fn read(&self, path: &Path) -> Option<(usize, Vec<u8>)> {
        let file = self.resolve(path)?;
        let node = &self.nodes[file];
        (node.kind == FileType::File && !node.was_linked).then(|| (file, node.content.clone()))
    }

    pub(crate) fn resolve(&self, path: &Path) -> Option<usize> {
        path.components().skip(1).try_fold(TOP, |dir, name| {
            let name = to_bytes(Path::new(name.as_os_str()));
            self.nodes[dir].children.get(&name).copied()
        })
    }

    pub(crate) fn is_within(&self, node: usize, top: usize) -> bool {
        let mut below = self.nodes[top].children.values();
        node == top || below.any(|&child| self.is_within(node, child))
    }

    pub(crate) fn is_dir(&self, node: usize) -> bool {
        self.nodes[node].kind == FileType::Dir
    }

    /// Lets everything be opened and watched again.
    pub(crate) fn allow_all(&mut self) {
        self.is_out_of_watches = false;
        for node in &mut self.nodes {
            node.is_denied = false;
        }
    }
}
