//! The one notice about the limit of watches.

use everwatch::{Counters, Gap, State, Subtree};

/// Says once that the limit is reached, and once that it no longer is.
#[derive(Debug, Default)]
pub(crate) struct LimitNotice {
    was_told: bool,
}

impl LimitNotice {
    pub(crate) fn is_about(subtree: &Subtree) -> bool {
        subtree.gap == Some(Gap::WatchLimit)
    }

    pub(crate) fn note(&mut self, subtree: &Subtree, counters: Counters) {
        if Self::is_about(subtree) && !self.was_told {
            self.was_told = true;
            let (have, name) = limit();
            let need = counters.watches + counters.unwatched;
            crate::say!(
                "everwatch: the limit of inotify watches is reached: have {have} ({name}, shared \
                 by all programs of this user), need {need} here; {} directories are polled \
                 instead and nothing is lost; to watch them, run 'sudo sysctl {name}={}'",
                counters.unwatched,
                (need + have).next_power_of_two(),
            );
        }
        if subtree.state == State::Live && self.was_told && counters.unwatched == 0 {
            self.was_told = false;
            crate::say!("everwatch: the limit of inotify watches suffices again; all is watched");
        }
    }
}

/// The limit that counts, and its name: in a user namespace there may be a smaller one.
fn limit() -> (u64, &'static str) {
    let read = |name: &'static str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        (text.trim().parse().unwrap_or(u64::MAX), name)
    };
    read("fs.inotify.max_user_watches").min(read("user.max_inotify_watches"))
}
