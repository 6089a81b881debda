//! A wait ends for a completion, a ring or the time, and for nothing that it forgets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use everwatch_directory_reads::Model;

use crate::support::{LONG, Reader, create, tree};

crate::conformance::over_all_models!(
    // requirement: S1.15 (wine)
    a_ring_before_or_during_a_wait_ends_it,
    a_ring_is_not_lost_in_collecting_or_fencing,
    no_ring_of_many_threads_is_lost,
    a_waker_outlives_its_reader,
    // requirement: S2.5 (wine)
    a_wait_is_never_over_early,
    a_completion_ends_a_wait,
);

/// Waits without a time; fails if that takes long.
fn ends(reader: &mut Reader) -> bool {
    let start = Instant::now();
    reader.reads.wait(Some(LONG));
    start.elapsed() < LONG / 2
}

fn a_ring_before_or_during_a_wait_ends_it(model: Model) {
    let mut reader = Reader::new(model);
    let waker = reader.reads.waker();
    for _ in 0..100 {
        waker.ring();
        assert!(ends(&mut reader), "rung before");
    }
    for _ in 0..20 {
        let waker = waker.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(2));
            waker.ring();
        });
        assert!(ends(&mut reader), "rung meanwhile");
        thread.join().expect("a thread that rings");
    }
    reader.close();
}

fn a_ring_is_not_lost_in_collecting_or_fencing(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    let waker = reader.reads.waker();
    waker.ring();
    reader.collect();
    assert!(ends(&mut reader), "collected");
    waker.ring();
    reader.fence();
    assert!(ends(&mut reader), "fenced");
    reader.close();
}

fn no_ring_of_many_threads_is_lost(model: Model) {
    let mut reader = Reader::new(model);
    let rung = AtomicU64::new(0);
    let seen = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let waker = reader.reads.waker();
            let (rung, seen) = (&rung, &seen);
            scope.spawn(move || {
                for _ in 0..500 {
                    let number = rung.fetch_add(1, Ordering::SeqCst) + 1;
                    waker.ring();
                    let end = Instant::now() + LONG;
                    while seen.load(Ordering::SeqCst) < number {
                        assert!(Instant::now() < end, "ring {number} was lost");
                        std::thread::yield_now();
                    }
                }
            });
        }
        let end = Instant::now() + 2 * LONG;
        while seen.load(Ordering::SeqCst) < 4 * 500 && Instant::now() < end {
            reader.reads.wait(Some(LONG));
            seen.store(rung.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    });
    assert_eq!(seen.into_inner(), 4 * 500);
    reader.close();
}

fn a_waker_outlives_its_reader(model: Model) {
    let reader = Reader::new(model);
    let waker = reader.reads.waker();
    reader.close();
    waker.ring();
    waker.ring();
}

fn a_wait_is_never_over_early(model: Model) {
    let mut reader = Reader::new(model);
    for time in [0, 1, 300, 1500, 20_700].map(Duration::from_micros) {
        let start = Instant::now();
        reader.reads.wait(Some(time));
        assert!(start.elapsed() >= time, "{time:?}: {:?}", start.elapsed());
    }
    reader.close();
}

fn a_completion_ends_a_wait(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    let path = tree.path().to_owned();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        create(&path.join("new"));
    });
    let start = Instant::now();
    while reader.collect() == 0 {
        reader.reads.wait(None);
    }
    assert!(start.elapsed() < LONG / 2);
    thread.join().expect("a thread that writes");
    reader.close();
}
