//! Operations of other processes on the disk.

use everwatch_core::entry::FileType;
use everwatch_core::record::Action;

use crate::disk::{Disk, TOP};
use crate::queue::Queued;

pub(crate) const NAMES: [&[u8]; 9] = [
    b"r",
    b"q",
    b"a",
    b"b",
    b"c",
    b".gitignore",
    b"\xff\xfe",
    b"a b\n",
    b"out",
];

/// Number of the operations; what else a byte may mean has the codes above.
pub(crate) const OPERATIONS: u8 = 14;

impl Disk<'_> {
    /// Does what the next bytes say.
    pub(crate) fn operate(&mut self, code: u8) {
        self.now += 1_000_000;
        match code % OPERATIONS {
            0 => self.create(FileType::Dir),
            1 | 2 => self.create(FileType::File),
            3 => self.write(false),
            4 => {
                let (dir, name) = self.any_place();
                self.remove(dir, &name);
            }
            5 | 6 => self.rename(),
            7 => self.overflow(),
            8 => self.lie(),
            9 => self.change_mode(),
            10 => self.link(),
            11 => self.write(true),
            12 => self.is_out_of_watches = !self.is_out_of_watches,
            _ => self.now += 30_000_000,
        }
    }

    /// A directory that is in the tree, and a name.
    fn any_place(&mut self) -> (usize, Vec<u8>) {
        let mut dir = TOP;
        for _ in 0..self.bytes.below(5) {
            let children = self.nodes[dir].children.values().copied();
            let below: Vec<usize> = children.filter(|&child| self.is_dir(child)).collect();
            let at = self.bytes.below(below.len());
            dir = below.get(at).copied().unwrap_or(dir);
        }
        (dir, NAMES[self.bytes.below(NAMES.len())].to_vec())
    }

    fn any_entry(&mut self) -> Option<(usize, Vec<u8>, usize)> {
        let (dir, name) = self.any_place();
        let node = self.nodes[dir].children.get(&name).copied()?;
        Some((dir, name, node))
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

    /// Writes to a file, and may set its time back as archivers do.
    fn write(&mut self, sets_time_back: bool) {
        let Some((dir, name, file)) = self.any_entry() else {
            return;
        };
        if self.nodes[file].kind != FileType::File {
            return;
        }
        self.trace(|| format!("write {} in {}", show(&name), self.inode(dir)));
        self.nodes[file].content.push(b'a');
        self.nodes[file].changed = self.now;
        self.nodes[file].modified = self.now;
        self.record(dir, Action::Modified, false, 0, &name);
        if sets_time_back {
            self.nodes[file].modified = self.nodes[file].created_at;
            self.record(dir, Action::Metadata, false, 0, &name);
        }
    }

    /// Forbids or allows to open a directory.
    fn change_mode(&mut self) {
        let Some((dir, name, node)) = self.any_entry() else {
            return;
        };
        let is_denied = !self.nodes[node].is_denied;
        self.has_denied = true;
        self.trace(|| format!("{} in {} denied: {is_denied}", show(&name), self.inode(dir)));
        self.nodes[node].is_denied = is_denied;
        self.nodes[node].changed = self.now;
        self.record(dir, Action::Metadata, self.is_dir(node), 0, &name);
    }

    /// Gives a file another name.
    fn link(&mut self) {
        let Some((_, _, node)) = self.any_entry() else {
            return;
        };
        let (to, name) = self.any_place();
        if !self.is_dir(node) && !self.nodes[to].children.contains_key(&name) {
            self.trace(|| format!("link #{node} as {} in {}", show(&name), self.inode(to)));
            self.nodes[to].children.insert(name.clone(), node);
            self.nodes[node].links += 1;
            self.nodes[node].was_linked = true;
            self.nodes[node].changed = self.now;
            self.record(to, Action::Created, false, 0, &name);
        }
    }

    fn remove(&mut self, dir: usize, name: &[u8]) {
        let Some(&node) = self.nodes[dir].children.get(name) else {
            return;
        };
        let names: Vec<Vec<u8>> = self.nodes[node].children.keys().cloned().collect();
        for name in names {
            self.remove(node, &name);
        }
        self.trace(|| format!("remove {} in {}", show(name), self.inode(dir)));
        self.nodes[dir].children.remove(name);
        self.unlink(node);
        self.record(dir, Action::Removed, self.is_dir(node), 0, name);
    }

    fn unlink(&mut self, node: usize) {
        self.nodes[node].links -= 1;
        self.nodes[node].changed = self.now;
        if let Some(watch) = self.nodes[node].watch.take() {
            self.push(Queued::own(watch, Action::WatchEnded));
        }
    }

    fn rename(&mut self) {
        let Some((from, name, node)) = self.any_entry() else {
            return;
        };
        let (to, to_name) = self.any_place();
        let is_dir = self.is_dir(node);
        let victim = self.nodes[to].children.get(&to_name).copied();
        let is_allowed = victim.is_none_or(|victim| {
            victim != node
                && self.is_dir(victim) == is_dir
                && self.nodes[victim].children.is_empty()
        });
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
            self.push(Queued::own(watch, Action::DirectoryMoved));
        }
        if let Some(victim) = victim {
            self.unlink(victim);
        }
    }
}

fn show(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}
