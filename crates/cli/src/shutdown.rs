//! Ending: by signal, or because nobody reads any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use everwatch::Watcher;

/// How long nothing may move, when the command is to end, before it ends without the rest.
const GRACE: Duration = Duration::from_secs(2);

/// Sets up Ctrl-C and SIGTERM. The first one lets what has happened so far be printed; if the reader
/// does not take it, or a second one comes, the command ends without. Before the roots are armed
/// there is nothing to print, and the command ends at once.
pub(crate) fn on_signal(watcher: &Arc<Watcher>) -> Result<(), String> {
    let watcher = Arc::clone(watcher);
    let was_asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if was_asked.swap(true, Ordering::AcqRel) {
            std::process::exit(0);
        }
        if !IS_ARMED.load(Ordering::Acquire) {
            crate::progress::clear();
            std::process::exit(0);
        }
        let witness = Arc::clone(&watcher);
        let guarded = std::thread::Builder::new().spawn(move || end_when_stuck(&witness));
        let finisher = Arc::clone(&watcher);
        let finishing = std::thread::Builder::new().spawn(move || finisher.finish());
        // Without threads there is nobody to wait for the reader: what is known goes, the rest not.
        if guarded.is_err() || finishing.is_err() {
            watcher.close();
        }
    })
    .map_err(|error| format!("cannot set up Ctrl-C: {error}"))
}

/// Ends the process once neither the engine nor the output has moved for a while.
fn end_when_stuck(watcher: &Watcher) {
    let mut before = None;
    loop {
        let now = (watcher.counters(), PRINTED.load(Ordering::Relaxed));
        if before == Some(now) {
            std::process::exit(0);
        }
        before = Some(now);
        std::thread::sleep(GRACE);
    }
}

/// Whether the roots are armed.
pub(crate) static IS_ARMED: AtomicBool = AtomicBool::new(false);

/// Events printed so far.
pub(crate) static PRINTED: AtomicU64 = AtomicU64::new(0);

/// Ends the process when the other end of standard output is closed, even if nothing is written.
#[cfg(target_os = "linux")]
pub(crate) fn on_closed_output() {
    use rustix::event::{PollFd, PollFlags, poll};

    // Without it, the end of the reader shows when something is written.
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
                // A terminal that hung up, or a file: writing will tell.
                return;
            }
        }
    });
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn on_closed_output() {}
