//! Shutdown by a signal, or because the reader of standard output has gone.
//!
//! A pipe whose reader does not read blocks the main thread in a write, so a signal cannot count on
//! that thread. Threads of their own finish the watcher, observe progress, and exit the process if there is
//! none. The exit code is 0 if everything was printed that had happened, or if its reader has gone, and 1 if
//! the reader stood still: what it had not taken is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use everwatch::Watcher;

use crate::standard_output;

/// How long the engine and the output may both stand still after a signal. Then the process exits without
/// printing the rest.
const GRACE: Duration = Duration::from_secs(2);

/// Sets up Ctrl-C and SIGTERM. After the first one, the command prints what has happened so far and
/// ends; it ends without that if the reader does not take it, or if a second signal comes. Before the
/// roots are armed there is nothing to print, and the command ends at once.
pub(crate) fn on_signal(watcher: &Arc<Watcher>) -> Result<(), String> {
    let watcher = Arc::clone(watcher);
    let was_signalled = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if was_signalled.swap(true, Ordering::AcqRel) {
            exit_with_loss("a second signal came");
        }
        if !IS_ARMED.load(Ordering::Acquire) {
            crate::progress::clear();
            std::process::exit(0);
        }
        // `finish` blocks until the feed is empty, which takes a reader, so that it needs a thread, too.
        let witness = Arc::clone(&watcher);
        let guarding = std::thread::Builder::new().spawn(move || exit_when_stuck(&witness));
        let finisher = Arc::clone(&watcher);
        let finishing = std::thread::Builder::new().spawn(move || finisher.finish());
        // Without threads nothing can wait for the reader: the watcher drops what is not printed yet.
        if guarding.is_err() || finishing.is_err() {
            watcher.close();
        }
    })
    .map_err(|error| format!("cannot set up Ctrl-C: {error}"))
}

/// Exits the process once the counters of the engine, the output and its reader stand still for [`GRACE`].
fn exit_when_stuck(watcher: &Watcher) {
    let mut before = None;
    loop {
        let now = (
            watcher.counters(),
            PRINTED.load(Ordering::Relaxed),
            standard_output::progress(),
        );
        if before == Some(now) {
            exit_with_loss("the reader of standard output stands still");
        }
        before = Some(now);
        std::thread::sleep(GRACE);
    }
}

/// Exits before everything is printed, and says so.
fn exit_with_loss(why: &str) -> ! {
    crate::say!("everwatch: {why}; changes that were not printed yet are lost");
    std::process::exit(EXIT_LOSS)
}

/// Exit code for an end that lost lines.
const EXIT_LOSS: i32 = 1;

/// Whether the roots are armed. Set once, by the main thread.
pub(crate) static IS_ARMED: AtomicBool = AtomicBool::new(false);

/// Number of events printed so far: the progress that [`exit_when_stuck`] observes.
pub(crate) static PRINTED: AtomicU64 = AtomicU64::new(0);

/// Exits the process when the other end of standard output is closed, even if nothing is written:
/// poll(2) reports POLLERR for a pipe without a reader.
#[cfg(target_os = "linux")]
pub(crate) fn on_closed_output() {
    use rustix::event::{PollFd, PollFlags, poll};

    // Without the thread, the next write fails and ends the command.
    let _ = std::thread::Builder::new().spawn(|| {
        let stdout = std::io::stdout();
        loop {
            let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
            let ready = poll(&mut fds, None);
            let flags = fds[0].revents();
            if ready.is_ok() && flags.contains(PollFlags::ERR) {
                std::process::exit(0);
            }
            if ready.is_ok() {
                // A terminal that hung up, or a file: the next write fails.
                return;
            }
        }
    });
}

/// Elsewhere the next write fails and ends the command.
#[cfg(not(target_os = "linux"))]
pub(crate) fn on_closed_output() {}
