//! The oracle of the mirror: a map to which the same is done, and which must agree with it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Mirror, NodeId};
use crate::entry::{Birth, FileType, InodeNumber};

/// What is done. Numbers choose among what there is at that time.
#[derive(Clone, Debug)]
enum Deed {
    Insert {
        parent: usize,
        name: u8,
        is_dir: bool,
        inode: u64,
    },
    Remove {
        entry: usize,
    },
    Relocate {
        entry: usize,
        parent: usize,
        name: u8,
    },
    Identify {
        entry: usize,
        inode: u64,
    },
    Uproot {
        entry: usize,
    },
    Pin {
        entry: usize,
    },
    Unpin,
}

fn deed() -> impl Strategy<Value = Deed> {
    let number = any::<usize>;
    // Many names, so that directories become large enough to be indexed; few inodes, so that several
    // entries share one.
    let name = 0..60_u8;
    let inode = 0..20_u64;
    prop_oneof![
        8 => (number(), name.clone(), any::<bool>(), inode.clone())
            .prop_map(|(parent, name, is_dir, inode)| Deed::Insert { parent, name, is_dir, inode }),
        3 => number().prop_map(|entry| Deed::Remove { entry }),
        4 => (number(), number(), name)
            .prop_map(|(entry, parent, name)| Deed::Relocate { entry, parent, name }),
        2 => (number(), inode).prop_map(|(entry, inode)| Deed::Identify { entry, inode }),
        1 => number().prop_map(|entry| Deed::Uproot { entry }),
        1 => number().prop_map(|entry| Deed::Pin { entry }),
        1 => Just(Deed::Unpin),
    ]
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    parent: Option<NodeId>,
    name: Vec<u8>,
    kind: FileType,
    inode: Option<InodeNumber>,
}

#[derive(Default)]
struct Pair {
    mirror: Mirror,
    entries: BTreeMap<NodeId, Entry>,
    pinned: Vec<NodeId>,
}

fn long_name(name: u8) -> Vec<u8> {
    // Long enough that the buffer of names is compacted now and then.
    let mut bytes = vec![b'x'; 40];
    bytes.push(b'0' + name);
    bytes
}

impl Pair {
    fn new() -> Pair {
        let mut pair = Pair::default();
        pair.insert(None, b"/top", FileType::Dir, 1);
        pair
    }

    fn insert(&mut self, parent: Option<NodeId>, name: &[u8], kind: FileType, inode: u64) {
        let inode = InodeNumber::new(inode);
        let id = self.mirror.insert(parent, name, kind, inode);
        assert!(!self.pinned.contains(&id), "a pinned id is not reused");
        let name = name.to_vec();
        let before = self.entries.insert(
            id,
            Entry {
                parent,
                name,
                kind,
                inode,
            },
        );
        assert_eq!(before, None);
    }

    fn pick(&self, number: usize) -> NodeId {
        *self
            .entries
            .keys()
            .nth(number % self.entries.len())
            .expect("never empty")
    }

    fn pick_dir(&self, number: usize) -> NodeId {
        let dirs = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.kind == FileType::Dir);
        let dirs: Vec<NodeId> = dirs.map(|(&id, _)| id).collect();
        dirs[number % dirs.len()]
    }

    fn children(&self, dir: NodeId) -> BTreeSet<NodeId> {
        let within = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.parent == Some(dir));
        within.map(|(&id, _)| id).collect()
    }

    fn child(&self, dir: NodeId, name: &[u8]) -> Option<NodeId> {
        let mut entries = self.entries.iter();
        entries
            .find(|(_, entry)| entry.parent == Some(dir) && entry.name == name)
            .map(|(&id, _)| id)
    }

    fn is_within(&self, id: NodeId, ancestor: NodeId) -> bool {
        id == ancestor
            || self.entries[&id]
                .parent
                .is_some_and(|parent| self.is_within(parent, ancestor))
    }

    fn path(&self, id: NodeId) -> Vec<u8> {
        let entry = &self.entries[&id];
        match entry.parent {
            Some(parent) => [&self.path(parent)[..], b"/", &entry.name].concat(),
            None => entry.name.clone(),
        }
    }

    fn apply(&mut self, deed: &Deed) {
        match *deed {
            Deed::Insert {
                parent,
                name,
                is_dir,
                inode,
            } => {
                let (parent, name) = (self.pick_dir(parent), long_name(name));
                if self.child(parent, &name).is_none() {
                    let kind = if is_dir {
                        FileType::Dir
                    } else {
                        FileType::File
                    };
                    self.insert(Some(parent), &name, kind, inode);
                }
            }
            Deed::Remove { entry } => {
                let id = self.pick(entry);
                if self.children(id).is_empty() && self.entries.len() > 1 {
                    let has_other_dirs = self
                        .entries
                        .iter()
                        .any(|(&other, entry)| other != id && entry.kind == FileType::Dir);
                    if has_other_dirs {
                        self.mirror.remove(id);
                        self.entries.remove(&id);
                    }
                }
            }
            Deed::Relocate {
                entry,
                parent,
                name,
            } => {
                let (id, parent, name) = (self.pick(entry), self.pick_dir(parent), long_name(name));
                if !self.is_within(parent, id) && self.child(parent, &name).is_none() {
                    self.mirror.relocate(id, parent, &name);
                    let entry = self.entries.get_mut(&id).expect("it was picked");
                    (entry.parent, entry.name) = (Some(parent), name);
                }
            }
            Deed::Identify { entry, inode } => {
                let id = self.pick(entry);
                let entry = self.entries.get_mut(&id).expect("it was picked");
                entry.inode = InodeNumber::new(inode);
                let birth = Birth::At(7).fold();
                self.mirror.identify(id, entry.kind, entry.inode, birth);
            }
            Deed::Uproot { entry } => {
                let id = self.pick(entry);
                let path = self.path(id);
                self.mirror.uproot(id, &path);
                let entry = self.entries.get_mut(&id).expect("it was picked");
                (entry.parent, entry.name) = (None, path);
            }
            Deed::Pin { entry } => {
                let id = self.pick(entry);
                self.mirror.pin(id);
                self.pinned.push(id);
            }
            Deed::Unpin => {
                if let Some(id) = self.pinned.pop() {
                    self.mirror.unpin(id);
                }
            }
        }
    }

    fn compare(&mut self) {
        assert_eq!(self.mirror.len(), self.entries.len());
        let ids: Vec<NodeId> = self.entries.keys().copied().collect();
        for &id in &ids {
            let entry = self.entries[&id].clone();
            assert!(self.mirror.contains(id));
            assert_eq!(self.mirror.parent(id), entry.parent);
            assert_eq!(self.mirror.name(id), entry.name);
            assert_eq!(self.mirror.kind(id), entry.kind);
            assert_eq!(self.mirror.inode(id), entry.inode);
            if let Some(parent) = entry.parent {
                assert_eq!(self.mirror.child(parent, &entry.name), Some(id));
                assert_eq!(self.mirror.child(parent, b"missing"), None);
            }
            let mut path = Vec::new();
            self.mirror.write_path(id, &mut path);
            assert_eq!(path, self.path(id));
            let children: Vec<NodeId> = self.mirror.children(id).collect();
            assert_eq!(children.len(), self.children(id).len());
            assert_eq!(
                children.into_iter().collect::<BTreeSet<_>>(),
                self.children(id)
            );
            let subtree = self.mirror.subtree(id);
            let within = ids.iter().filter(|&&other| self.is_within(other, id));
            assert_eq!(
                subtree.iter().copied().collect::<BTreeSet<_>>(),
                within.copied().collect::<BTreeSet<_>>()
            );
            for (at, &below) in subtree.iter().enumerate().skip(1) {
                let parent = self.entries[&below].parent.expect("it is below");
                assert!(
                    subtree[..at].contains(&parent),
                    "parents come before children"
                );
            }
        }
        for inode in (1..20).filter_map(InodeNumber::new) {
            let found = self.mirror.by_inode(inode);
            let known = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.inode == Some(inode));
            assert_eq!(found, known.map(|(&id, _)| id).collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 64 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_mirror_says_what_a_map_says(deeds in vec(deed(), 0..if cfg!(miri) { 40 } else { 400 })) {
        let mut pair = Pair::new();
        for (at, deed) in deeds.iter().enumerate() {
            pair.apply(deed);
            if at % 64 == 63 {
                pair.compare();
            }
        }
        pair.compare();
    }
}

/// A tree as people have it: 30,000 directories with five files each, names of ten bytes.
#[test]
#[cfg_attr(miri, ignore = "180,000 entries")]
fn an_entry_takes_at_most_a_hundred_bytes_with_its_name() {
    let mut mirror = Mirror::default();
    let top = mirror.insert(
        None,
        b"/home/someone/a/tree",
        FileType::Dir,
        InodeNumber::new(1),
    );
    let (mut dir, mut inode) = (top, 1);
    for number in 0..30_000_u32 {
        inode += 1;
        // A chain of ten, then the next one from the top.
        let parent = if number % 10 == 0 { top } else { dir };
        dir = mirror.insert(
            Some(parent),
            format!("dir{number:07}").as_bytes(),
            FileType::Dir,
            InodeNumber::new(inode),
        );
        mirror.set_watch(dir, Some(crate::entry::Watch(number as i32)));
        for file in 0..5 {
            inode += 1;
            let name = format!("file{file}.txt");
            mirror.insert(
                Some(dir),
                name.as_bytes(),
                FileType::File,
                InodeNumber::new(inode),
            );
        }
    }
    let bytes = mirror.heap_bytes() as f64 / mirror.len() as f64;
    assert_eq!(mirror.len(), 180_001);
    assert!(bytes <= 100.0, "{bytes:.1} bytes");
    // Also when inode numbers are looked up, as they are after the first odd record.
    assert_eq!(
        mirror.by_inode(InodeNumber::MIN.saturating_add(16)).len(),
        1
    );
    let bytes = mirror.heap_bytes() as f64 / mirror.len() as f64;
    assert!(bytes <= 100.0, "{bytes:.1} bytes with inodes indexed");
}
