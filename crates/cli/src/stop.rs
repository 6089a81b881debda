//! Ending: by signal, or because nobody reads any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use everwatch::Watcher;

/// How long the reader of standard output has to take what is left when the command is to end.
const GRACE: Duration = Duration::from_secs(2);

/// Sets up Ctrl-C and SIGTERM. The first one lets what has happened so far be printed; if the reader
/// does not take it, or a second one comes, the command ends without.
pub(crate) fn on_signal(watcher: &Arc<Watcher>) -> Result<(), String> {
    let watcher = Arc::clone(watcher);
    let was_asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if was_asked.swap(true, Ordering::AcqRel) {
            std::process::exit(0);
        }
        let watcher = Arc::clone(&watcher);
        std::thread::spawn(move || {
            std::thread::spawn(|| {
                std::thread::sleep(GRACE);
                std::process::exit(0);
            });
            watcher.finish();
        });
    })
    .map_err(|error| format!("cannot set up Ctrl-C: {error}"))
}

/// Ends the process when the other end of standard output is closed, even if nothing is written.
#[cfg(target_os = "linux")]
pub(crate) fn on_closed_output() {
    use rustix::event::{PollFd, PollFlags, poll};

    std::thread::spawn(|| {
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
