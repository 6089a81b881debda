//! Tests that run alone, each in a child process: those that count what their process holds, or end it.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::census::Census;

const ALONE: &str = "EVERWATCH_BASELINE_ALONE";

/// Runs the test of this name in a child process, where nothing else runs, or here if this is the child.
///
/// # Panics
/// If the child fails, or there is no test of this name.
pub fn alone(name: &str, body: impl FnOnce()) {
    if is_alone() {
        return body();
    }
    let output = child_test(name).output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(text.contains("1 passed"), "{name} is no test");
}

/// This program again, to run one test in it.
pub fn child_test(name: &str) -> Command {
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1");
    command
}

/// Whether this is a child of [`child_test`].
pub fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// How often a race is run.
pub fn rounds() -> u64 {
    cycles(2_000, 100_000)
}

/// `EVERWATCH_SOAK=1` asks for all.
pub fn cycles(few: u64, all: u64) -> u64 {
    if std::env::var_os("EVERWATCH_SOAK").is_some() {
        all
    } else {
        few
    }
}

/// The counts are at the baseline again, at the latest after a while: the system ends threads and
/// processes after it has reported their end.
pub fn settles(baseline: &Census, what: &str) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let now = Census::take();
        if now.is_no_more_than(baseline) {
            println!("{what}: from {baseline:?} to {now:?}");
            return;
        }
        assert!(Instant::now() < end, "{what}: from {baseline:?} to {now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
