//! The engine over a disk that changes at any moment, and records that may be lost or untrue.
//!
//! Whatever the records say:
//!
//! - nothing panics, and the engine comes to rest once nothing happens any more;
//! - the feed, applied, is what the engine says the tree is ([`Engine::entries`]), also for a consumer
//!   that hardly ever has room;
//! - that is the tree on disk, and no file was written since it was last reported, if all records
//!   were true, lost ones included; if some were not, it is the tree after the next overflow.
//!
//! With `EVERWATCH_FUZZ_WILD` set roots lie in each other, come twice and go again as well. What is
//! known to be wrong then is among the known gaps in GUARANTEES.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use everwatch_core::engine::{Pace, RootId, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::ignore::Filter;
use everwatch_core::{Delivery, Engine, OutletId};

use crate::bytes::Bytes;
use crate::disk::Disk;
use crate::operations::OPERATIONS;
use crate::replica::Replica;

/// What may be watched. The first two have nothing to do with each other.
const ROOTS: [&str; 4] = ["/r", "/q", "/r/a", "/q/a/b"];

const TAME_ROOTS: usize = 2;

/// Steps after which an engine that is left alone has to rest.
const PATIENCE: usize = 2_000;

struct Run<'a> {
    engine: Engine<Disk<'a>>,
    now: Duration,
    roots: Vec<(&'static str, RootId)>,
    is_wild: bool,
    /// A consumer that keeps up, and one that the bytes let take a little now and then.
    consumers: [(OutletId, Replica); 2],
}

/// The body of the target.
pub fn run(data: &[u8]) {
    let disk = Disk::new(Bytes::new(data));
    let mut engine = Engine::new(disk, Filter::default(), Pace::default());
    let consumers = [usize::MAX, 0].map(|room| {
        (
            engine.open_outlet(room, Delivery::Prompt),
            Replica::default(),
        )
    });
    let mut run = Run {
        engine,
        now: Duration::ZERO,
        roots: Vec::new(),
        is_wild: std::env::var_os("EVERWATCH_FUZZ_WILD").is_some(),
        consumers,
    };
    run.add_root();
    while !run.engine.kernel().bytes.is_empty() {
        let code = run.engine.kernel_mut().bytes.byte();
        match (code % (OPERATIONS + 8)).checked_sub(OPERATIONS) {
            None => run.engine.kernel_mut().operate(code % (OPERATIONS + 8)),
            Some(0) => run.take(usize::from(code)),
            Some(1) => run.rest(),
            Some(2) => run.add_root(),
            Some(3) if run.is_wild => run.remove_root(),
            Some(_) => run.step(),
        }
    }
    run.rest();
    let disk = run.engine.kernel_mut();
    let is_odd = disk.has_lied || disk.has_denied;
    disk.allow_all();
    if is_odd {
        disk.overflow();
        run.rest();
    }
    run.check();
}

impl Run<'_> {
    /// Adds a root and arms it. Consumers begin again, each with a snapshot.
    fn add_root(&mut self) {
        let roots = if self.is_wild {
            ROOTS.len()
        } else {
            TAME_ROOTS
        };
        let root = ROOTS[self.engine.kernel_mut().bytes.below(roots)];
        if !self.is_wild && self.roots.iter().any(|(other, _)| *other == root) {
            return;
        }
        for _ in 0..PATIENCE {
            if self.engine.can_arm() {
                break;
            }
            self.step();
        }
        let spec = RootSpec {
            dir: root.into(),
            only: None,
            recursive: true,
            outer: Vec::new(),
        };
        // There may be no such directory.
        let Ok(id) = self.engine.add_root(spec) else {
            return;
        };
        self.engine.kernel().trace(|| format!("watch {root}"));
        self.roots.push((root, id));
        for _ in 0..PATIENCE {
            if self.engine.is_armed() {
                return self.begin();
            }
            self.step();
        }
        panic!("{root} is not armed after {PATIENCE} steps");
    }

    fn begin(&mut self) {
        let rooms = [usize::MAX, 0];
        for ((outlet, replica), room) in self.consumers.iter_mut().zip(rooms) {
            self.engine.close_outlet(*outlet);
            *outlet = self.engine.open_outlet(room, Delivery::Prompt);
            *replica = Replica::default();
            for (root, _) in &self.roots {
                replica.begin_with(root.into(), FileType::Dir, self.engine.kernel());
            }
            self.engine.entries(|path, kind| {
                replica.begin_with(path, kind, self.engine.kernel());
            });
        }
    }

    /// Ends watching a root. What no other root covers is of no interest any more.
    fn remove_root(&mut self) {
        let at = self.engine.kernel_mut().bytes.below(self.roots.len());
        if at >= self.roots.len() {
            return;
        }
        let (root, id) = self.roots.swap_remove(at);
        // What is in a feed already stays there.
        for (outlet, replica) in &mut self.consumers {
            let events = self.engine.take(*outlet);
            replica.apply(events, self.engine.kernel());
        }
        self.engine.kernel().trace(|| format!("unwatch {root}"));
        self.engine.remove_root(id);
        for (_, replica) in &mut self.consumers {
            replica
                .tree
                .retain(|path, _| self.roots.iter().any(|(root, _)| path.starts_with(root)));
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(2);
        self.engine.step(self.now);
        self.listen();
    }

    /// The consumer that keeps up takes what there is.
    fn listen(&mut self) {
        let (keen, replica) = &mut self.consumers[0];
        let events = self.engine.take(*keen);
        replica.apply(events, self.engine.kernel());
    }

    /// Lets the slow consumer take a few events.
    fn take(&mut self, room: usize) {
        let (slow, replica) = &mut self.consumers[1];
        self.engine.set_room(*slow, room);
        self.engine.flush(*slow);
        let events = self.engine.take(*slow);
        self.engine
            .kernel()
            .trace(|| "the slow consumer:".to_owned());
        replica.apply(events, self.engine.kernel());
    }

    /// Steps until a barrier is passed and a missing root would have been looked for.
    fn rest(&mut self) {
        let mut barrier = self.engine.barrier();
        let mut quiet = 0;
        for _ in 0..PATIENCE {
            self.now += Duration::from_millis(50);
            let progress = self.engine.step(self.now);
            self.listen();
            let rests = !progress.more && self.engine.is_passed(&mut barrier);
            quiet = if rests { quiet + 1 } else { 0 };
            if quiet == 8 {
                return;
            }
        }
        panic!("no rest after {PATIENCE} steps");
    }

    fn check(&mut self) {
        self.take(usize::MAX);
        let (mut known, mut disk) = (BTreeMap::new(), BTreeMap::new());
        self.engine.entries(|path, kind| {
            known.insert(path, kind);
        });
        for (root, _) in &self.roots {
            disk.extend(self.engine.kernel().walk(Path::new(root)));
        }
        let (known, disk) = (without_roots(known), without_roots(disk));
        for (at, (_, replica)) in self.consumers.iter().enumerate() {
            let told = replica
                .tree
                .iter()
                .map(|(path, known)| (path.clone(), known.kind));
            let told = without_roots(told.collect());
            assert_eq!(
                told, known,
                "consumer {at} was told of another tree (left) than is known"
            );
        }
        assert_eq!(known, disk, "another tree is known (left) than is on disk");
        if !self.engine.kernel().has_lied {
            self.check_contents();
        }
    }

    fn check_contents(&self) {
        for (at, (_, replica)) in self.consumers.iter().enumerate() {
            let files = replica
                .tree
                .iter()
                .filter(|(_, known)| known.kind == FileType::File);
            for (path, known) in files {
                let Some(content) = self.engine.kernel().read(path) else {
                    continue;
                };
                assert_eq!(
                    known.content.as_ref(),
                    Some(&content),
                    "consumer {at}, {}: an old state",
                    path.display()
                );
            }
        }
    }
}

/// Roots are entries of their own for their consumers, but not of every tree.
fn without_roots(mut tree: BTreeMap<PathBuf, FileType>) -> BTreeMap<PathBuf, FileType> {
    tree.retain(|path, _| !ROOTS.iter().any(|root| path == Path::new(root)));
    tree
}
