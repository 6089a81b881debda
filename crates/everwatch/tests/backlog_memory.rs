//! The memory of a backlog. Alone in its process, because it measures what the process uses.

#[path = "it/support/mod.rs"]
mod support;

use std::fs;

use everwatch::Options;
use support::held::resident_kibibytes;
use support::{Replica, memory, waiting};

#[test]
fn a_stalled_consumer_costs_memory_for_the_difference_only() {
    let dir = memory();
    let watcher = Options::new().capacity(16).build().expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    let churn = |rounds: u32| {
        for round in 0..rounds {
            let path = dir.path().join(format!("{:0>200}", round % 100));
            fs::write(&path, "x").expect("a file");
            fs::remove_file(&path).expect("removed");
        }
        watcher.sync().expect("the barrier is passed");
    };
    churn(5_000);
    let before = resident_kibibytes();
    churn(60_000);
    let grown = resident_kibibytes().saturating_sub(before);
    // Kept one by one, 60,000 changes with paths of 200 bytes are 40 MB.
    assert!(grown < 8 << 10, "{grown} KiB");
    let mut replica = Replica::default();
    replica.apply_all(&waiting(&mut feed));
    assert_eq!((replica.misfits, replica.tree.len()), (Vec::new(), 0));
}
