//! The debouncing of deliveries: when a tree that changes has been quiet for long enough.
//!
//! Waiting for quiet alone starves a consumer for as long as one program appends to a log. A change is therefore
//! held back for a bounded time: from the first change that waits, however many follow it.

use std::time::Duration;

use everwatch_core::time::Moment;

/// Decides when changes are delivered. Moments come from the caller.
#[derive(Debug)]
pub(crate) struct Debounce {
    /// How long nothing must have changed.
    quiet: Duration,
    /// How long the first change that waits is held back at most.
    longest: Duration,
    /// The number of changes when it last rose, and when that was.
    last: (u64, Moment),
    /// When the first change came that was not delivered yet.
    first: Option<Moment>,
}

impl Debounce {
    pub(crate) fn new(quiet: Duration, longest: Duration) -> Debounce {
        Debounce {
            quiet,
            longest,
            last: (0, Moment::ZERO),
            first: None,
        }
    }

    /// Whether changes must be delivered now. `changes` is how many there were so far.
    pub(crate) fn is_over(&mut self, changes: u64, now: Moment) -> bool {
        if changes != self.last.0 {
            self.last = (changes, now);
            self.first.get_or_insert(now);
        }
        self.deadline().is_none_or(|deadline| now >= deadline)
    }

    /// No change waits any more.
    pub(crate) fn delivered(&mut self) {
        self.first = None;
    }

    /// When changes that wait are delivered if no further one comes. `None` if that is never.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let quiet = self.last.1.checked_add(self.quiet);
        let longest = self.first.and_then(|first| first.checked_add(self.longest));
        quiet.into_iter().chain(longest).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(200);

    fn at(milliseconds: u64) -> Moment {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn quiet_ends_the_wait() {
        let mut debounce = Debounce::new(QUIET, Duration::from_secs(2));
        assert!(!debounce.is_over(1, at(1000)));
        assert!(!debounce.is_over(2, at(1199)));
        assert_eq!(debounce.deadline(), Some(at(1399)));
        assert!(!debounce.is_over(2, at(1398)));
        assert!(debounce.is_over(2, at(1399)));
    }

    #[test]
    fn a_tree_that_never_rests_is_delivered_after_the_longest_wait() {
        let mut debounce = Debounce::new(QUIET, Duration::from_secs(2));
        let mut delivered = Vec::new();
        for (changes, now) in (1..).zip((1000..8000).step_by(50)) {
            if debounce.is_over(changes, at(now)) {
                delivered.push(now);
                debounce.delivered();
            }
        }
        // From the first change after each delivery.
        assert_eq!(delivered, [3000, 5050, 7100]);
    }

    #[test]
    fn what_does_not_fit_is_delivered_as_soon_as_it_does() {
        let mut debounce = Debounce::new(QUIET, Duration::from_secs(2));
        assert!(!debounce.is_over(1, at(1000)));
        // Delivered in part: `delivered` is not called, and further changes do not hold the rest back.
        assert!(debounce.is_over(2, at(3000)));
        assert!(debounce.is_over(3, at(3001)));
    }
}
