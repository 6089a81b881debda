//! One schedule and its shortest beginning that fails; many schedules, on several threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::schedule::Schedule;
use crate::schedule::outcome::{Failure, Report};
use crate::schedule::platform::Platform;
use crate::schedule::setup::MOST_CALLS;
use crate::world::SimulatedKernel;

/// Runs the schedule of this number.
///
/// # Errors
///
/// If a consumer's tree is not the tree on the disk when all is quiet. The failure is that of the
/// shortest beginning of the schedule that fails.
pub fn run(seed: u64) -> Result<Report, Failure> {
    match attempt(seed, usize::MAX, false) {
        Ok(report) => Ok(report),
        Err(_) => Err(shrink(seed)),
    }
}

/// Finds the shortest beginning that fails, and runs that again to write down what happens.
fn shrink(seed: u64) -> Failure {
    let fails = |calls: &usize| attempt(seed, *calls, false).is_err();
    let calls = (0..MOST_CALLS).find(fails).unwrap_or(usize::MAX);
    match attempt(seed, calls, true) {
        Err(failure) => failure,
        Ok(_) => Failure {
            seed,
            calls,
            differences: vec!["the schedule failed once and did not fail again".to_owned()],
            trace: Vec::new(),
        },
    }
}

/// Runs the schedule with at most `calls` operations.
fn attempt(seed: u64, calls: usize, traces: bool) -> Result<Report, Failure> {
    match Platform::of(seed).0 {
        Platform::Linux => carry_out(Schedule::linux(seed, calls, traces)),
        Platform::Windows | Platform::Wine | Platform::WindowsOn(_) => {
            carry_out(Schedule::windows(seed, calls, traces))
        }
    }
}

fn carry_out<K: SimulatedKernel>(mut schedule: Schedule<K>) -> Result<Report, Failure> {
    let (seed, calls) = (schedule.seed, schedule.calls);
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| schedule.run())) else {
        return schedule.judge();
    };
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("something that is no text");
    let differences = vec![format!("panicked: {what}")];
    let trace = schedule.take_trace();
    // What panicked may be in no state to be dropped.
    std::mem::forget(schedule);
    Err(Failure {
        seed,
        calls,
        differences,
        trace,
    })
}

/// Runs `count` schedules, the first of which has the number `from`. Calls `progress` now and then
/// with the number of schedules that are done.
///
/// Returns what all of them together were made of, and the failures with the smallest numbers, at
/// most ten; the search ends after that many failures.
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
