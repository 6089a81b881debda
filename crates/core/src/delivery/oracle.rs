//! The oracle of deliveries: random changes of a mirror, and consumers that apply the feed to a [`Tree`].
//!
//! However slowly a consumer takes the changes, applied in order they turn the tree that it began with into
//! the mirror's, and every file whose content changed was read after that.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::outlet::{Delivery, OutletId, Outlets, Report};
use crate::entry::FileType;
use crate::event::{Cause, ChangeKind, Event};
use crate::mirror::path::path_of;
use crate::mirror::{Mirror, NodeId};
use crate::tree::Tree;

/// What is done. Numbers choose among what there is at that time.
#[derive(Clone, Debug)]
enum Deed {
    Create {
        parent: usize,
        name: u8,
        kind: u8,
    },
    Modify {
        entry: usize,
    },
    Metadata {
        entry: usize,
    },
    Remove {
        entry: usize,
    },
    Move {
        entry: usize,
        parent: usize,
        name: u8,
    },
    /// The consumer gets room for `count` events, takes what was folded, and then has its own room again.
    Take {
        consumer: usize,
        count: usize,
    },
    Settle {
        consumer: usize,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let number = any::<usize>;
    let name = 0..5_u8;
    prop_oneof![
        6 => (number(), name.clone(), 0..4_u8)
            .prop_map(|(parent, name, kind)| Deed::Create { parent, name, kind }),
        3 => number().prop_map(|entry| Deed::Modify { entry }),
        1 => number().prop_map(|entry| Deed::Metadata { entry }),
        3 => number().prop_map(|entry| Deed::Remove { entry }),
        8 => (number(), number(), name)
            .prop_map(|(entry, parent, name)| Deed::Move { entry, parent, name }),
        4 => (number(), 0..6_usize).prop_map(|(consumer, count)| Deed::Take { consumer, count }),
        1 => number().prop_map(|consumer| Deed::Settle { consumer }),
    ]
}

struct Consumer {
    outlet: OutletId,
    room: usize,
    delivery: Delivery,
    /// The value is the number of the last write to any file when the entry was last read.
    tree: Tree<u64>,
    last_seq: u64,
}

struct World {
    mirror: Mirror,
    outlets: Outlets,
    /// All entries but the root, and the version of their content.
    versions: BTreeMap<NodeId, u64>,
    next_version: u64,
    top: NodeId,
    consumers: Vec<Consumer>,
}

impl World {
    fn new() -> World {
        let mut mirror = Mirror::default();
        let top = mirror.insert(None, b"/top", FileType::Dir, None);
        let mut outlets = Outlets::default();
        let kinds = [
            (usize::MAX, Delivery::Prompt),
            (3, Delivery::Prompt),
            (1, Delivery::Prompt),
            (0, Delivery::Prompt),
            (usize::MAX, Delivery::Settled),
        ];
        let mut beginning = Tree::default();
        beginning.insert("/top", FileType::Dir);
        let consumers = kinds.map(|(room, delivery)| Consumer {
            outlet: outlets.open(room, delivery),
            room,
            delivery,
            tree: beginning.clone(),
            last_seq: 0,
        });
        World {
            mirror,
            outlets,
            versions: BTreeMap::new(),
            next_version: 1,
            top,
            consumers: consumers.into(),
        }
    }

    fn pick(&self, number: usize) -> Option<NodeId> {
        let count = self.versions.len().max(1);
        self.versions.keys().nth(number % count).copied()
    }

    fn pick_dir(&self, number: usize) -> NodeId {
        let dirs = self
            .versions
            .keys()
            .copied()
            .filter(|&id| self.mirror.is_dir(id));
        let dirs: Vec<NodeId> = std::iter::once(self.top).chain(dirs).collect();
        dirs[number % dirs.len()]
    }

    fn remove(&mut self, id: NodeId, report: Report) {
        let subtree = self.mirror.subtree(id);
        self.outlets
            .removing(&mut self.mirror, id, &subtree, Cause::Notified, report);
        for &id in subtree.iter().rev() {
            self.mirror.remove(id);
            self.versions.remove(&id);
        }
    }

    fn apply(&mut self, deed: &Deed) {
        self.happen(deed);
        // A consumer that has room learns of it at once, and reads the file.
        for at in 0..self.consumers.len() {
            self.take_events(at);
        }
    }

    fn take_events(&mut self, at: usize) {
        for event in self.outlets.take(self.consumers[at].outlet) {
            self.deliver(at, &event);
        }
    }

    fn happen(&mut self, deed: &Deed) {
        match *deed {
            Deed::Create { parent, name, kind } => {
                let (parent, name) = (self.pick_dir(parent), [b'a' + name]);
                if self.mirror.child(parent, &name).is_none() {
                    let kinds = [
                        FileType::Dir,
                        FileType::Dir,
                        FileType::File,
                        FileType::Symlink,
                    ];
                    let kind = kinds[usize::from(kind)];
                    let id = self.mirror.insert(Some(parent), &name, kind, None);
                    self.versions.insert(id, self.next_version);
                    self.next_version += 1;
                    self.outlets.created(&mut self.mirror, id, Cause::Notified);
                }
            }
            Deed::Modify { entry } => {
                if let Some(id) = self.pick(entry).filter(|&id| !self.mirror.is_dir(id)) {
                    self.versions.insert(id, self.next_version);
                    self.next_version += 1;
                    self.outlets.modified(&mut self.mirror, id, Cause::Notified);
                }
            }
            Deed::Metadata { entry } => {
                if let Some(id) = self.pick(entry) {
                    self.outlets.metadata(&mut self.mirror, id, Cause::Notified);
                }
            }
            Deed::Remove { entry } => {
                if let Some(id) = self.pick(entry) {
                    self.remove(id, Report::Removed);
                }
            }
            Deed::Move {
                entry,
                parent,
                name,
            } => {
                let (Some(id), parent, name) =
                    (self.pick(entry), self.pick_dir(parent), [b'a' + name])
                else {
                    return;
                };
                let victim = self.mirror.child(parent, &name);
                let is_possible = !self.mirror.is_within(parent, id)
                    && victim
                        .is_none_or(|victim| victim != id && !self.mirror.is_within(id, victim));
                if is_possible {
                    if let Some(victim) = victim {
                        self.remove(victim, Report::ImpliedByMove);
                    }
                    let from = self.outlets.moving(&mut self.mirror, id, Cause::Notified);
                    self.mirror.relocate(id, parent, &name);
                    self.outlets.moved(&self.mirror, id, &from, Cause::Notified);
                }
            }
            Deed::Take { consumer, count } => {
                let at = consumer % self.consumers.len();
                if self.consumers[at].delivery == Delivery::Prompt {
                    self.take(at, count);
                }
            }
            Deed::Settle { consumer } => {
                let at = consumer % self.consumers.len();
                self.take(at, usize::MAX);
                self.compare(at);
            }
        }
    }

    /// The consumer makes room for `count` events and takes what was folded.
    fn take(&mut self, at: usize, count: usize) {
        let outlet = self.consumers[at].outlet;
        self.outlets.set_room(outlet, count);
        self.outlets.flush(outlet, &mut self.mirror);
        self.take_events(at);
        self.outlets.set_room(outlet, self.consumers[at].room);
    }

    fn deliver(&mut self, at: usize, event: &Event) {
        let Event::Change(change) = event else { return };
        // A consumer that learns of a file reads it: all that was written before is known then.
        let read = self.next_version - 1;
        let consumer = &mut self.consumers[at];
        assert!(change.seq > consumer.last_seq, "{change}");
        consumer.last_seq = change.seq;
        let tree = &mut consumer.tree;
        let is_new = tree.get(&change.path).is_none();
        assert!(
            is_new || change.kind != ChangeKind::Created,
            "created, but there: {change}"
        );
        let applied = tree.apply(event);
        applied.unwrap_or_else(|misfit| panic!("{misfit}: {change}"));
        if matches!(change.kind, ChangeKind::Created | ChangeKind::Modified) {
            *tree.value_mut(&change.path).expect("just reported") = read;
        }
    }

    fn compare(&self, at: usize) {
        let tree = &self.consumers[at].tree;
        let mut real = Tree::from_snapshot([("/top", FileType::Dir)]);
        for &id in self.versions.keys() {
            real.insert(path_of(&self.mirror, id), self.mirror.kind(id));
        }
        assert_eq!(tree.diff(&real), []);
        for (&id, &version) in &self.versions {
            let path = path_of(&self.mirror, id);
            let read = tree.get(&path).map(|entry| entry.value);
            assert!(
                self.mirror.is_dir(id) || read >= Some(version),
                "{} was written after it was last reported",
                path.display()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 800 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_consumer_ends_with_the_tree_of_the_mirror(
        deeds in vec(deed(), 0..if cfg!(miri) { 40 } else { 120 }),
    ) {
        let mut world = World::new();
        for deed in &deeds {
            world.apply(deed);
        }
        for at in 0..world.consumers.len() {
            world.take(at, usize::MAX);
            world.compare(at);
        }
    }
}
