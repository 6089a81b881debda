//! Tests that this machine cannot run: a line that `cargo xtask test` repeats in its summary.

use std::io::Write;

/// What such a line begins with.
const MARK: &str = "SKIPPED ";

/// Prints that a test, or a part of one, was skipped, and why. The line is not captured with the output of
/// tests that pass.
pub fn skipped(test: &str, why: &str) {
    print(&format!("{MARK}{test}: {why}"));
}

/// Prints the lines of a child process that say what was skipped there.
#[cfg(unix)]
pub(crate) fn pass_on(printed: &str) {
    for line in printed.lines().filter(|line| line.starts_with(MARK)) {
        print(line);
    }
}

fn print(line: &str) {
    // The name of a test that is running may stand on the line already.
    let _ = std::io::stdout().write_all(format!("\n{line}\n").as_bytes());
}
