//! The notice about the limit of inotify watches: one line for all directories beyond it.
//!
//! A tree above the limit has thousands of directories without a watch. Each has a coverage event; a
//! person needs one line with the numbers and the command that raises the limit.

use everwatch::{Counters, Coverage, CoverageState, Gap};

/// Says once that the limit is reached, and once that it no longer is.
#[derive(Debug, Default)]
pub(crate) struct LimitNotice {
    /// Whether the limit was reported and its end was not.
    is_reported: bool,
}

impl LimitNotice {
    /// Whether the notice replaces the line for this subtree.
    pub(crate) fn is_about(subtree: &Coverage) -> bool {
        subtree.gap == Some(Gap::WatchLimit)
    }

    /// Takes a coverage event into account, and writes a notice to standard error if one is due.
    pub(crate) fn note(&mut self, subtree: &Coverage, counters: Counters) {
        if Self::is_about(subtree) && !self.is_reported {
            self.is_reported = true;
            let (have, name) = limit();
            // Known exactly, because directories without a watch are polled and so counted.
            let need = counters.watches + counters.unwatched;
            crate::say!(
                "everwatch: the limit of inotify watches is reached: have {have} ({name}, shared \
                 by all programs of this user), need {need} here; {} directories are polled \
                 instead and nothing is lost; to watch them, run 'sudo sysctl {name}={}'",
                counters.unwatched,
                (need + have).next_power_of_two(),
            );
        }
        if subtree.state == CoverageState::Live && self.is_reported && counters.unwatched == 0 {
            self.is_reported = false;
            crate::say!("everwatch: the limit of inotify watches suffices again; all is watched");
        }
    }
}

/// The limit that applies, with its sysctl name: the smaller of the user's and that of the user
/// namespace, namespaces(7). One that cannot be read does not count.
fn limit() -> (u64, &'static str) {
    // namespaces(7): a watch counts against both limits.
    let read = |name: &'static str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        (text.trim().parse().unwrap_or(u64::MAX), name)
    };
    read("fs.inotify.max_user_watches").min(read("user.max_inotify_watches"))
}
