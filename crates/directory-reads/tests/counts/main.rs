//! The counts of a process after many starts and stops: no handle, no thread and no memory is left behind.
//!
//! The counts are those of a process, so each test runs in a child process of its own. `EVERWATCH_SOAK=1` runs
//! all 10,000 cycles instead of a few.
#![cfg(windows)]

#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;

use std::time::{Duration, Instant};

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Model, Settings, Tag};

use everwatch_testing::alone::{alone, cycles, settles};
use everwatch_testing::census::Census;
use support::{Reader, count_of, create, remove_and_make_again, subdirectories, tree};

fn starts_and_stops(model: &Model, count: u64) {
    let tree = tree();
    let cycle = || {
        Reader::armed(model.clone(), tree.path()).close();
    };
    (0..20.min(count)).for_each(|_| cycle());
    let baseline = Census::take();
    (0..count).for_each(|_| cycle());
    settles(&baseline, &format!("{count} starts and stops"));
}

fn arms_and_retires(model: &Model, count: u64) {
    let tree = tree();
    let mut reader = Reader::new(model.clone());
    let mut cycle = |tag| {
        reader.arm(tag, tree.path(), Settings::default());
        if tag % 16 == 0 {
            create(&tree.path().join("file"));
        }
        reader.reads.retire(Tag(tag));
        if tag % 16 == 0 {
            std::fs::remove_file(tree.path().join("file")).expect("a file to remove");
        }
    };
    (0..20).for_each(&mut cycle);
    let baseline = Census::take();
    (20..20 + count).for_each(&mut cycle);
    settles(&baseline, &format!("{count} directories armed and retired"));
    reader.close();
}

fn many_roots(model: &Model, count: usize, most_threads: usize) {
    let tree = tree();
    let roots = subdirectories(tree.path(), count);
    let round = || {
        let before = Census::take();
        let mut reader = Reader::new(model.clone());
        for (number, root) in roots.iter().enumerate() {
            reader.arm(number as u64, root, Settings::default());
        }
        let threads = Census::take().threads - before.threads;
        assert!(
            threads <= most_threads,
            "{threads} threads for {count} roots"
        );
        for root in roots.iter().step_by(50) {
            create(&root.join("new"));
        }
        reader.until("one for each that was touched", |reported| {
            count_of(reported, Action::Added, "new") == count.div_ceil(50)
        });
        let start = Instant::now();
        reader.close();
        let time = start.elapsed();
        for root in roots.iter().step_by(50) {
            std::fs::remove_file(root.join("new")).expect("a file to remove");
        }
        time
    };
    round();
    let baseline = Census::take();
    // Others may be busy on this machine, so the best of a few is what the model can do.
    let times: Vec<Duration> = (0..5).map(|_| round()).collect();
    println!("{count} roots closed in {times:?}");
    let best = times.iter().min().expect("a time");
    assert!(*best < Duration::from_millis(200), "closing took {times:?}");
    settles(&baseline, &format!("{count} roots"));
    for root in &roots {
        remove_and_make_again(root);
    }
}

macro_rules! over_all_models {
    ($($model:ident: $starts:expr, $roots:expr, $threads:expr;)*) => {$(
        mod $model {
            use super::*;

            // requirement: S1.16 (wine)
            #[test]
            fn starting_and_stopping_leaves_nothing_behind() {
                let name = concat!(stringify!($model), "::starting_and_stopping_leaves_nothing_behind");
                alone(name, || starts_and_stops(&support::$model(), $starts));
            }

            // requirement: S3.7 (wine)
            #[test]
            fn arming_and_retiring_leaves_nothing_behind() {
                let name = concat!(stringify!($model), "::arming_and_retiring_leaves_nothing_behind");
                alone(name, || arms_and_retires(&support::$model(), cycles(500, 10_000)));
            }

            // requirement: S2.4, S1 bug 11 (wine)
            #[test]
            fn many_roots_take_few_threads_and_leave_nothing_behind() {
                let name = concat!(stringify!($model), "::many_roots_take_few_threads_and_leave_nothing_behind");
                alone(name, || many_roots(&support::$model(), $roots, $threads));
            }
        }
    )*};
}

over_all_models! {
    port: cycles(200, 10_000), 500, 0;
    apc: cycles(200, 10_000), 500, 1;
    event: cycles(200, 10_000), 500, 8;
    blocking: cycles(200, 10_000), 64, 64;
    isolated: cycles(10, 500), 500, 2;
}
