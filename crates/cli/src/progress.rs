//! A running count of entries on standard error while a large tree is scanned, if that is a terminal.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use everwatch::Watcher;

/// Runs `work` on this thread and shows the number of known entries every 300 ms meanwhile. The line is
/// erased at the end.
pub(crate) fn shown<T>(watcher: &Watcher, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    // Nothing is sent: dropping the sender ends the thread at once, in the middle of its pause.
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new();
        // Without the thread nothing is shown, and the tree is scanned all the same.
        let _ = thread.spawn_scoped(scope, move || {
            let mut was_shown = false;
            // Small trees are done before the first tick and show nothing.
            while is_done.recv_timeout(Duration::from_millis(300)) == Err(RecvTimeoutError::Timeout)
            {
                was_shown = true;
                crate::show!("\reverwatch: {} entries", watcher.counters().entries);
                // A terminal that is gone shows nothing; the watch goes on.
                let _ = std::io::stderr().flush();
            }
            if was_shown {
                clear();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Erases the line of the count.
pub(crate) fn clear() {
    if std::io::stderr().is_terminal() {
        crate::show!("\r\x1b[K");
    }
}
