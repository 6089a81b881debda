//! A file system and an inotify instance in memory, small enough to see that they are right.
//!
//! What happens on the disk is decided by the fuzzer's bytes, also between two calls of the engine's.
//! Besides the records that are true the fuzzer may queue any others: [`Disk::has_lied`] says so.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use everwatch_core::change::FileType;
use everwatch_core::coverage::Gap;
use everwatch_core::kernel::{
    Drained, Fault, FaultKind, FileTime, Identity, Kernel, Listing, Purpose, Stat, Watch, Watched,
};
use everwatch_core::record::{Action, Backlog, Record};

use crate::bytes::Bytes;

const NAMES: [&[u8]; 10] = [
    b"r",
    b"q",
    b"a",
    b"b",
    b"c",
    b".gitignore",
    b"\xff\xfe",
    b"a b\n",
    b"out",
    b".",
];

/// Codes of the operations on the disk; the engine's begin above.
pub(crate) const OPERATIONS: u8 = 11;

/// A byte from here on, read during a call of the engine's, stands for an operation at that moment.
const MEANWHILE: u8 = 0x80;

#[derive(Debug)]
struct Node {
    kind: FileType,
    inode: u64,
    born: FileTime,
    changed: FileTime,
    content: Vec<u8>,
    children: BTreeMap<Vec<u8>, usize>,
    /// Whether the node is in the tree.
    is_linked: bool,
    /// A directory that may not be opened.
    is_denied: bool,
    watch: Option<i32>,
}

#[derive(Debug)]
struct Queued {
    watch: i32,
    action: Action,
    is_dir: bool,
    cookie: u32,
    name: Vec<u8>,
}

/// See the module head.
#[derive(Debug)]
pub(crate) struct Disk<'a> {
    pub(crate) bytes: Bytes<'a>,
    nodes: Vec<Node>,
    queue: VecDeque<Queued>,
    raw: Vec<u8>,
    /// The queue is full until it is drained.
    is_full: bool,
    next_watch: i32,
    next_cookie: u32,
    now: FileTime,
    /// Records were queued that are not true.
    pub(crate) has_lied: bool,
    /// A directory could not be opened at some time.
    pub(crate) has_denied: bool,
    /// Print what happens: `EVERWATCH_FUZZ_INPUT` is set.
    is_traced: bool,
}

const TOP: usize = 0;

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

    /// Says what happens, if somebody wants to know.
    pub(crate) fn trace(&self, what: impl Fn() -> String) {
        if self.is_traced {
            eprintln!("{}", what());
        }
    }

    fn new_node(&mut self, kind: FileType) -> usize {
        self.now += 1_000_000;
        let node = Node {
            kind,
            inode: self.nodes.len() as u64 + 1,
            born: self.now,
            changed: self.now,
            content: Vec::new(),
            children: BTreeMap::new(),
            is_linked: true,
            is_denied: false,
            watch: None,
        };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Creates a file with this content, without a record.
    pub(crate) fn place(&mut self, dir: &Path, name: &[u8], kind: FileType, content: &[u8]) {
        let Some(dir) = self.resolve(dir) else { return };
        let is_free = !self.nodes[dir].children.contains_key(name);
        if is_free && self.nodes[dir].kind == FileType::Dir && is_name(name) {
            let node = self.new_node(kind);
            self.nodes[node].content = content.to_vec();
            self.nodes[dir].children.insert(name.to_vec(), node);
        }
    }

    /// All that is below `path`, or nothing if it is no directory.
    pub(crate) fn walk(&self, path: &Path) -> BTreeMap<PathBuf, FileType> {
        let mut found = BTreeMap::new();
        let mut open: Vec<(usize, PathBuf)> = self
            .resolve(path)
            .map(|node| (node, path.to_owned()))
            .into_iter()
            .collect();
        while let Some((dir, path)) = open.pop() {
            for (name, &child) in &self.nodes[dir].children {
                let path = path.join(everwatch_core::path::to_path(name.clone()));
                found.insert(path.clone(), self.nodes[child].kind);
                open.push((child, path));
            }
        }
        found
    }

    fn resolve(&self, path: &Path) -> Option<usize> {
        path.components().skip(1).try_fold(TOP, |dir, name| {
            let name = everwatch_core::path::to_bytes(Path::new(name.as_os_str()));
            self.nodes[dir].children.get(&name).copied()
        })
    }

    fn record(&mut self, dir: usize, action: Action, is_dir: bool, cookie: u32, name: &[u8]) {
        if let Some(watch) = self.nodes[dir].watch {
            self.push(Queued {
                watch,
                action,
                is_dir,
                cookie,
                name: name.to_vec(),
            });
        }
    }

    fn push(&mut self, record: Queued) {
        let fate = if self.is_full { "lost" } else { "queued" };
        self.trace(|| format!("    {fate}: {record:?}"));
        if !self.is_full {
            self.queue.push_back(record);
        }
    }

    /// Drops all records from now on until the queue is drained, and says so.
    pub(crate) fn overflow(&mut self) {
        self.push(Queued {
            watch: -1,
            action: Action::Overflow,
            is_dir: false,
            cookie: 0,
            name: Vec::new(),
        });
        self.is_full = true;
    }

    /// Does what the next bytes say.
    pub(crate) fn operate(&mut self, code: u8) {
        self.now += 1_000_000;
        match code % OPERATIONS {
            0 => self.create(FileType::Dir),
            1 | 2 => self.create(FileType::File),
            3 => self.write(),
            4 => {
                let (dir, name) = self.any_place();
                self.remove(dir, &name);
            }
            5 | 6 => self.rename(),
            7 => self.overflow(),
            8 => self.lie(),
            9 => self.change_mode(),
            _ => self.now += 30_000_000,
        }
    }

    /// A directory that is in the tree, and a name.
    fn any_place(&mut self) -> (usize, Vec<u8>) {
        let mut dir = TOP;
        for _ in 0..self.bytes.below(5) {
            let below: Vec<usize> = self.nodes[dir]
                .children
                .values()
                .copied()
                .filter(|&child| self.nodes[child].kind == FileType::Dir)
                .collect();
            let at = self.bytes.below(below.len());
            dir = below.get(at).copied().unwrap_or(dir);
        }
        (dir, NAMES[self.bytes.below(NAMES.len() - 1)].to_vec())
    }

    fn create(&mut self, kind: FileType) {
        let (dir, name) = self.any_place();
        if !self.nodes[dir].children.contains_key(&name) {
            let node = self.new_node(kind);
            self.nodes[dir].children.insert(name.clone(), node);
            self.trace(|| format!("create {kind} {} in {}", show(&name), self.inode(dir)));
            self.record(dir, Action::Created, kind == FileType::Dir, 0, &name);
        }
    }

    fn write(&mut self) {
        let (dir, name) = self.any_place();
        let Some(&file) = self.nodes[dir].children.get(&name) else {
            return;
        };
        if self.nodes[file].kind == FileType::File {
            self.nodes[file].changed = self.now;
            self.nodes[file].content.push(b'a');
            self.trace(|| format!("write {} in {}", show(&name), self.inode(dir)));
            self.record(dir, Action::Modified, false, 0, &name);
        }
    }

    /// Forbids or allows to open a directory.
    fn change_mode(&mut self) {
        let (dir, name) = self.any_place();
        let Some(&node) = self.nodes[dir].children.get(&name) else {
            return;
        };
        let is_denied = !self.nodes[node].is_denied;
        self.has_denied = true;
        self.trace(|| format!("{} in {} denied: {is_denied}", show(&name), self.inode(dir)));
        self.nodes[node].is_denied = is_denied;
        let is_dir = self.nodes[node].kind == FileType::Dir;
        self.record(dir, Action::Metadata, is_dir, 0, &name);
    }

    fn remove(&mut self, dir: usize, name: &[u8]) {
        let Some(&node) = self.nodes[dir].children.get(name) else {
            return;
        };
        let names: Vec<Vec<u8>> = self.nodes[node].children.keys().cloned().collect();
        for name in names {
            self.remove(node, &name);
        }
        let is_dir = self.nodes[node].kind == FileType::Dir;
        self.trace(|| format!("remove {} in {}", show(name), self.inode(dir)));
        self.nodes[dir].children.remove(name);
        self.unlink(node);
        self.record(dir, Action::Removed, is_dir, 0, name);
    }

    fn unlink(&mut self, node: usize) {
        self.nodes[node].is_linked = false;
        if let Some(watch) = self.nodes[node].watch.take() {
            self.push(Queued {
                watch,
                action: Action::WatchEnded,
                is_dir: false,
                cookie: 0,
                name: Vec::new(),
            });
        }
    }

    fn rename(&mut self) {
        let (from, name) = self.any_place();
        let (to, to_name) = self.any_place();
        let Some(&node) = self.nodes[from].children.get(&name) else {
            return;
        };
        let is_dir = self.nodes[node].kind == FileType::Dir;
        let victim = self.nodes[to].children.get(&to_name).copied();
        let is_allowed = match victim {
            Some(victim) => {
                victim != node
                    && (self.nodes[victim].kind == FileType::Dir) == is_dir
                    && self.nodes[victim].children.is_empty()
            }
            None => true,
        };
        if !is_allowed || self.is_within(to, node) {
            return;
        }
        self.trace(|| {
            let (from, to) = (self.inode(from), self.inode(to));
            format!(
                "rename {} in {from} to {} in {to}",
                show(&name),
                show(&to_name)
            )
        });
        self.nodes[from].children.remove(&name);
        self.nodes[to].children.insert(to_name.clone(), node);
        self.nodes[node].changed = self.now;
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        self.record(from, Action::MovedFrom, is_dir, cookie, &name);
        self.record(to, Action::MovedTo, is_dir, cookie, &to_name);
        if let Some(watch) = self.nodes[node].watch {
            self.push(Queued {
                watch,
                action: Action::DirectoryMoved,
                is_dir: true,
                cookie: 0,
                name: Vec::new(),
            });
        }
        if let Some(victim) = victim {
            self.unlink(victim);
        }
    }

    /// What directories are called in a trace.
    fn inode(&self, node: usize) -> String {
        format!("#{}", self.nodes[node].inode)
    }

    fn is_within(&self, node: usize, top: usize) -> bool {
        node == top
            || self.nodes[top]
                .children
                .values()
                .any(|&child| self.is_within(node, child))
    }

    /// Queues a record that is not true, or bytes that may be none.
    fn lie(&mut self) {
        self.has_lied = true;
        self.trace(|| "lie".to_owned());
        if self.bytes.below(4) == 0 {
            let bytes = self.bytes.run();
            self.raw.extend_from_slice(bytes);
            return;
        }
        const ACTIONS: [Action; 11] = [
            Action::Created,
            Action::Removed,
            Action::Modified,
            Action::Metadata,
            Action::MovedFrom,
            Action::MovedTo,
            Action::DirectoryRemoved,
            Action::DirectoryMoved,
            Action::Unmounted,
            Action::WatchEnded,
            Action::Overflow,
        ];
        let action = ACTIONS[self.bytes.below(ACTIONS.len())];
        let watch = self.bytes.below(self.next_watch as usize + 2) as i32 - 1;
        let name = match self.bytes.below(NAMES.len() + 3) {
            at if at < NAMES.len() => NAMES[at].to_vec(),
            at if at == NAMES.len() => b"a/b".to_vec(),
            at if at == NAMES.len() + 1 => Vec::new(),
            _ => self.bytes.run().to_vec(),
        };
        let is_dir = self.bytes.below(2) == 0;
        let cookie = self.bytes.byte() % 4;
        self.push(Queued {
            watch,
            action,
            is_dir,
            cookie: cookie.into(),
            name,
        });
    }

    fn open(&self, node: usize) -> Result<usize, Fault> {
        match self.nodes[node].kind {
            FileType::Dir if self.nodes[node].is_denied => Err(fault(FaultKind::Denied)),
            FileType::Dir => Ok(node),
            _ => Err(fault(FaultKind::NotDirectory)),
        }
    }

    /// Allows everything again.
    pub(crate) fn allow_all(&mut self) {
        for node in &mut self.nodes {
            node.is_denied = false;
        }
    }

    /// Other processes run while the engine is in a system call.
    fn meanwhile(&mut self) {
        if self.bytes.peek().is_some_and(|byte| byte >= MEANWHILE) {
            let code = self.bytes.byte();
            self.operate(code - MEANWHILE);
        }
    }
}

fn show(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|b| matches!(b, 0 | b'/'))
}

fn fault(kind: FaultKind) -> Fault {
    Fault { kind, code: 0 }
}

impl Kernel for Disk<'_> {
    type Dir = usize;

    fn open_root(&mut self, path: &Path) -> Result<usize, Fault> {
        self.meanwhile();
        let node = self.resolve(path).ok_or(fault(FaultKind::NotFound))?;
        self.open(node)
    }

    fn read_link(&mut self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn open_dir(&mut self, parent: &usize, name: &[u8]) -> Result<usize, Fault> {
        self.meanwhile();
        let node = self.nodes[*parent].children.get(name);
        let node = node.copied().ok_or(fault(FaultKind::NotFound))?;
        self.open(node)
    }

    fn identity(&mut self, dir: &usize) -> Result<Identity, Fault> {
        let node = &self.nodes[*dir];
        Ok(Identity {
            device: 1,
            inode: node.inode,
            born: node.born,
        })
    }

    fn gap_of_volume(&mut self, _: &usize) -> Option<Gap> {
        None
    }

    fn stat(&mut self, dir: &usize, name: &[u8]) -> Result<Stat, Fault> {
        self.meanwhile();
        let node = self.nodes[*dir]
            .children
            .get(name)
            .ok_or(fault(FaultKind::NotFound))?;
        let node = &self.nodes[*node];
        Ok(Stat {
            kind: node.kind,
            device: 1,
            inode: node.inode,
            born: node.born,
            modified: node.changed,
            changed: node.changed,
            size: node.content.len() as u64,
        })
    }

    fn list(&mut self, dir: &usize, listing: &mut Listing) -> Result<(), Fault> {
        self.meanwhile();
        if !self.nodes[*dir].is_linked {
            return Err(fault(FaultKind::NotFound));
        }
        self.trace(|| format!("  [engine lists {}]", self.inode(*dir)));
        for (name, &child) in &self.nodes[*dir].children {
            listing.push(name, self.nodes[child].inode, Some(self.nodes[child].kind));
        }
        self.meanwhile();
        Ok(())
    }

    fn read_file(&mut self, dir: &usize, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let node = self.nodes[*dir]
            .children
            .get(name)
            .ok_or(fault(FaultKind::NotFound))?;
        let mut content = self.nodes[*node].content.clone();
        content.truncate(limit);
        Ok(content)
    }

    fn watch(&mut self, dir: &usize, _: Purpose) -> Result<Watched, Fault> {
        self.meanwhile();
        if !self.nodes[*dir].is_linked {
            return Err(fault(FaultKind::NotFound));
        }
        if let Some(watch) = self.nodes[*dir].watch {
            return Ok(Watched::Known(Watch(watch)));
        }
        let watch = self.next_watch;
        self.next_watch += 1;
        self.nodes[*dir].watch = Some(watch);
        Ok(Watched::New(Watch(watch)))
    }

    fn unwatch(&mut self, watch: Watch) {
        if let Some(node) = self
            .nodes
            .iter_mut()
            .find(|node| node.watch == Some(watch.0))
        {
            node.watch = None;
            self.push(Queued {
                watch: watch.0,
                action: Action::WatchEnded,
                is_dir: false,
                cookie: 0,
                name: Vec::new(),
            });
        }
    }

    fn drain(&mut self, backlog: &mut Backlog) -> Result<Drained, Fault> {
        self.meanwhile();
        let is_empty = self.queue.is_empty() && self.raw.is_empty();
        everwatch_core::inotify::decode(&std::mem::take(&mut self.raw), backlog);
        for record in self.queue.drain(..) {
            backlog.push(Record {
                watch: Watch(record.watch),
                action: record.action,
                is_dir: record.is_dir,
                cookie: record.cookie,
                name: &record.name,
            });
        }
        self.is_full = false;
        Ok(match is_empty {
            true => Drained::Nothing,
            false => Drained::All,
        })
    }

    fn clock(&mut self) -> FileTime {
        self.now
    }
}
