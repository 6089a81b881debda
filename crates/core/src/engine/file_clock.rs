//! The clock of files: which time stamps a file can have that was changed since a moment.
//!
//! Files are stamped by a clock on the wall, which people, time servers and resumed virtual machines set forward
//! and back. The engine counts in moments of a clock that does neither. It notes with each step what the clock of
//! files says, so that a moment can be turned into the earliest time stamp of anything that came after it, however
//! often the clock was set in between. A clock that was set back and forward again between two steps is not noticed.

use std::time::Duration;

use crate::time::{FileTime, Moment};

/// The clock of files is set forward by less without being noticed: it counts as slower than it is, which is the
/// safe side. A reading that comes late, because the thread was interrupted, looks the same.
const UNNOTICED: FileTime = 1_000_000_000;

/// How many settings are told apart. Beyond that the oldest two count as one.
const MOST: usize = 16;

/// What the clock of files said, by moments.
#[derive(Debug, Default)]
pub(super) struct FileClock {
    /// How it was set, from each moment on. Ascending.
    settings: Vec<Setting>,
    /// When it was read last.
    read: Moment,
}

/// One way the clock was set.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// The earliest moment at which it may have been set so.
    from: Moment,
    /// What it is ahead of the moments, in nanoseconds.
    ahead: FileTime,
}

impl Setting {
    /// What the clock says at a moment.
    fn at(self, moment: Moment) -> FileTime {
        nanoseconds(moment).saturating_add(self.ahead)
    }
}

impl FileClock {
    /// Notes that the clock of files says `clock` now.
    pub(super) fn note(&mut self, now: Moment, clock: FileTime) {
        let ahead = clock.saturating_sub(nanoseconds(now));
        let read = std::mem::replace(&mut self.read, now);
        match self.settings.last_mut() {
            None => self.settings.push(Setting { from: now, ahead }),
            // It was set back at any moment since it was last read.
            Some(last) if ahead < last.ahead.saturating_sub(UNNOTICED) => {
                self.settings.push(Setting { from: read, ahead });
            }
            Some(last) if ahead > last.ahead.saturating_add(UNNOTICED) => {
                self.settings.push(Setting { from: now, ahead });
            }
            Some(last) => last.ahead = last.ahead.min(ahead),
        }
        if self.settings.len() > MOST {
            let oldest = self.settings.remove(0);
            if let Some(next) = self.settings.first_mut() {
                next.from = oldest.from;
                next.ahead = next.ahead.min(oldest.ahead);
            }
        }
    }

    /// The earliest time stamp that anything can have that happened at the moment or after it.
    pub(super) fn earliest_since(&self, moment: Moment) -> FileTime {
        let ends = self.settings.iter().skip(1).map(|next| Some(next.from));
        let settings = self.settings.iter().zip(ends.chain([None]));
        let since = settings.filter(|(_, end)| end.is_none_or(|end| end >= moment));
        let earliest = since.map(|(setting, _)| setting.at(moment.max(setting.from)));
        earliest.min().unwrap_or(FileTime::MIN)
    }

    /// The moment at which the clock of files says `clock`, as it is set now. `None` before it was read.
    pub(super) fn moment_of(&self, clock: FileTime) -> Option<Moment> {
        let nanoseconds = clock.saturating_sub(self.settings.last()?.ahead);
        Some(Duration::from_nanos(
            u64::try_from(nanoseconds).unwrap_or(0),
        ))
    }
}

/// A moment as a number.
fn nanoseconds(moment: Moment) -> FileTime {
    FileTime::try_from(moment.as_nanos()).unwrap_or(FileTime::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: FileTime = 1_000_000_000;

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_is_never_set_says_when_it_was() {
        let mut clock = FileClock::default();
        for second in 0..5 {
            clock.note(at(second), 1_000 * SECOND + nanoseconds(at(second)));
        }
        assert_eq!(clock.earliest_since(at(3)), 1_003 * SECOND);
        assert_eq!(clock.moment_of(1_004 * SECOND), Some(at(4)));
    }

    #[test]
    fn what_comes_after_a_moment_can_be_stamped_earlier_once_the_clock_is_set_back() {
        let mut clock = FileClock::default();
        clock.note(at(0), 5_000 * SECOND);
        clock.note(at(10), 5_010 * SECOND);
        clock.note(at(20), 1_020 * SECOND);
        // Set back right after it was read at 10.
        assert_eq!(clock.earliest_since(at(10)), 1_010 * SECOND);
        assert_eq!(clock.earliest_since(at(3)), 1_010 * SECOND);
        assert_eq!(clock.earliest_since(at(20)), 1_020 * SECOND);
    }

    #[test]
    fn what_comes_after_a_moment_is_not_older_because_the_clock_is_set_forward_later() {
        let mut clock = FileClock::default();
        clock.note(at(0), 1_000 * SECOND);
        clock.note(at(10), 9_010 * SECOND);
        assert_eq!(clock.earliest_since(at(5)), 1_005 * SECOND);
        assert_eq!(clock.earliest_since(at(11)), 9_011 * SECOND);
        clock.note(at(20), 1_020 * SECOND);
        assert_eq!(clock.earliest_since(at(11)), 1_011 * SECOND);
    }

    #[test]
    fn a_late_reading_changes_nothing() {
        let mut clock = FileClock::default();
        clock.note(at(0), 1_000 * SECOND + SECOND / 2);
        clock.note(at(1), 1_001 * SECOND);
        clock.note(at(2), 1_002 * SECOND + SECOND / 2);
        assert_eq!(clock.earliest_since(at(2)), 1_002 * SECOND);
    }

    #[test]
    fn however_often_it_is_set_the_memory_is_bounded() {
        let mut clock = FileClock::default();
        for round in 0..1_000 {
            let ahead = if round % 2 == 0 { 0 } else { 50 * SECOND };
            clock.note(at(round), nanoseconds(at(round)) + ahead);
        }
        assert!(clock.settings.len() <= MOST);
        assert_eq!(clock.earliest_since(at(0)), 0);
    }
}
