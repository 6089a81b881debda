//! Waiting for a condition: polling with a deadline that only a failing test reaches.
//!
//! Where a barrier exists (`Watcher::sync`), use that instead: it is exact and needs no polling.

use std::time::{Duration, Instant};

/// The deadline of every wait. Longer than anything in the tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(2);

/// Blocks until `is_true` returns true.
///
/// # Panics
///
/// If that takes longer than [`PATIENCE`]; the message names `what` was waited for.
#[track_caller]
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(
            begin.elapsed() < PATIENCE,
            "did not happen in {PATIENCE:?}: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}
