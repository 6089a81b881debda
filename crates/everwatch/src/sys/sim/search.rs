//! Many schedules, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::schedule::{Failure, Report, run};

/// Runs `count` schedules, the first of which has the number `from`. Calls `progress` now and then
/// with the number of schedules that are done.
///
/// Returns what all of them together were made of, and the failures with the smallest numbers, at
/// most ten; after so many failures the search ends.
pub fn search(
    from: u64,
    count: u64,
    threads: usize,
    progress: impl Fn(u64) + Sync,
) -> (Report, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let sum = Mutex::new((Report::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    let ran = run(from.wrapping_add(at));
                    let mut sum = sum.lock().unwrap_or_else(|poison| poison.into_inner());
                    match ran {
                        Ok(report) => sum.0.add(&report),
                        Err(failure) => sum.1.push(failure),
                    }
                    if sum.1.len() >= MOST_FAILURES {
                        next.store(count, Ordering::Relaxed);
                    }
                    drop(sum);
                    if at % 256 == 255 {
                        progress(at + 1);
                    }
                }
            });
        }
    });
    let (report, mut failures) = sum
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    failures.sort_by_key(|failure| failure.seed);
    (report, failures)
}

const MOST_FAILURES: usize = 10;
