//! The engine over a disk that changes at any moment, and records that may be lost or untrue.
//!
//! Whatever the records say:
//!
//! - nothing panics, and the engine comes to rest once nothing happens any more;
//! - the feed, applied, is what the engine says the tree is ([`Engine::entries`]), also for a consumer
//!   that hardly ever has room;
//! - that is the tree on disk if all records were true, lost ones included; if some were not, it is
//!   after the next overflow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use everwatch_core::change::FileType;
use everwatch_core::engine::{Pace, RootSpec};
use everwatch_core::filter::Filter;
use everwatch_core::{Engine, OutletId};

use crate::bytes::Bytes;
use crate::disk::{Disk, OPERATIONS};
use crate::replica::Replica;

const ROOTS: [&str; 2] = ["/r", "/q"];

/// Steps after which an engine that is left alone has to rest.
const PATIENCE: usize = 2_000;

struct Run<'a> {
    engine: Engine<Disk<'a>>,
    now: Duration,
    /// A consumer that keeps up, and one that the bytes let take a little now and then.
    consumers: [(OutletId, Replica); 2],
}

/// The body of the target.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let roots = 1 + bytes.below(ROOTS.len());
    let mut engine = Engine::new(Disk::new(bytes), Filter::default(), Pace::default());
    let mut now = Duration::ZERO;
    for root in &ROOTS[..roots] {
        arm(&mut engine, &mut now, Path::new(root));
    }
    let consumers = [usize::MAX, 0].map(|room| {
        let mut replica = Replica::default();
        engine.entries(|path, file_type| {
            replica.tree.insert(path, file_type);
        });
        for root in ROOTS {
            replica.tree.insert(root.into(), FileType::Dir);
        }
        (engine.open_outlet(room, false), replica)
    });
    let mut run = Run {
        engine,
        now,
        consumers,
    };
    while !run.engine.kernel().bytes.is_empty() {
        let code = run.engine.kernel_mut().bytes.byte();
        match code % (OPERATIONS + 4) {
            code if code < OPERATIONS => run.engine.kernel_mut().operate(code),
            code if code == OPERATIONS => run.take(usize::from(code)),
            code if code == OPERATIONS + 1 => run.rest(),
            _ => run.step(),
        }
    }
    run.rest();
    if run.engine.kernel().has_lied || run.engine.kernel().has_denied {
        run.engine.kernel_mut().allow_all();
        run.engine.kernel_mut().overflow();
        run.rest();
    }
    run.check();
}

fn arm(engine: &mut Engine<Disk<'_>>, now: &mut Duration, root: &Path) {
    let spec = RootSpec {
        dir: root.to_owned(),
        only: None,
        recursive: true,
        outer: Vec::new(),
    };
    // The root may be gone again by now.
    if engine.add_root(spec).is_err() {
        return;
    }
    for _ in 0..PATIENCE {
        if engine.is_armed() {
            return;
        }
        *now += Duration::from_millis(2);
        engine.step(*now);
    }
    panic!("{} is not armed after {PATIENCE} steps", root.display());
}

impl Run<'_> {
    fn step(&mut self) {
        self.now += Duration::from_millis(2);
        self.engine.step(self.now);
        self.listen();
    }

    /// The consumer that keeps up takes what there is.
    fn listen(&mut self) {
        let (keen, replica) = &mut self.consumers[0];
        let events = self.engine.take(*keen);
        for event in &events {
            self.engine.kernel().trace(|| format!("  -> {event}"));
        }
        replica.apply(events);
    }

    /// Lets the slow consumer take a few events.
    fn take(&mut self, room: usize) {
        let (slow, replica) = &mut self.consumers[1];
        self.engine.set_room(*slow, room);
        self.engine.flush(*slow);
        replica.apply(self.engine.take(*slow));
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
        let mut known = BTreeMap::new();
        self.engine.entries(|path, file_type| {
            known.insert(path, file_type);
        });
        for (at, (_, replica)) in self.consumers.iter().enumerate() {
            let told = below_roots(&replica.tree);
            assert_eq!(
                told, known,
                "consumer {at} was told of another tree (left) than is known"
            );
        }
        let mut disk = BTreeMap::new();
        for root in self.engine.coverage() {
            disk.extend(self.engine.kernel().walk(&root.path));
        }
        assert_eq!(known, disk, "another tree is known (left) than is on disk");
    }
}

fn below_roots(tree: &BTreeMap<PathBuf, FileType>) -> BTreeMap<PathBuf, FileType> {
    let is_root = |path: &PathBuf| ROOTS.iter().any(|root| path == Path::new(root));
    tree.iter()
        .filter(|(path, _)| !is_root(path))
        .map(|(p, k)| (p.clone(), *k))
        .collect()
}
