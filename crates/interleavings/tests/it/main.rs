//! Small programs whose threads are run in thousands of orders.
//!
//! A wake-up that is lost shows as a deadlock, which shuttle reports with the schedule that leads to it.

mod handover;
mod pyinotify;
mod watcher;

/// A path that exists on every system; the host under test never looks at it.
const ROOT: &str = "/";

/// Runs `program` in random schedules, and in schedules that interrupt few threads: 1,000 of each, or
/// `EVERWATCH_INTERLEAVINGS`.
fn explore(program: fn()) {
    let rounds = std::env::var("EVERWATCH_INTERLEAVINGS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000);
    shuttle::check_random(program, rounds);
    shuttle::check_pct(program, rounds, 3);
}
