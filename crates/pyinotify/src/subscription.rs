//! Subscriptions: what a watch reports, and from which change on.
//!
//! A feed reports what happened some time ago. So the interest of a watch is a short history, by the
//! numbers of changes: a change from before an `update` is judged by the interest of that time, even if
//! the handler gets to it later. Ignoring is the exception: it applies at once to everything that is not
//! delivered yet, so that the handler sees nothing of an ignored path after `ignore_path` has returned.

use std::path::{Path, PathBuf};

use everwatch::Root;

use super::event::{Mask, Wd};
use super::notice::Notice;
use super::path_key;
use super::start_error::StartError;
use super::sync::{Mutex, MutexGuard, PoisonError};

/// The events that a watch is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Interest {
    /// Their kinds.
    pub(super) mask: Mask,
    /// Whether events from the whole tree below the path count, or only those of its own entries.
    pub(super) recursive: bool,
}

/// A path that is or was ignored, with all below it.
#[derive(Debug)]
struct IgnoredPath {
    key: PathBuf,
    /// The last change that is ignored; `None` while the path is ignored.
    until: Option<u64>,
}

/// The part of a subscription that changes.
#[derive(Debug)]
pub(super) struct Terms {
    /// The latest interest.
    pub(super) interest: Interest,
    /// Interests, each with the number of the last change before it held. The numbers do not
    /// decrease. Empty until the watch is armed.
    history: Vec<(u64, Interest)>,
    ignored: Vec<IgnoredPath>,
    /// The root of the watcher for it; `None` until it is armed and after it was removed.
    pub(super) root: Option<Root>,
    /// Whether it is removed or has failed: nothing of it is delivered any more.
    pub(super) is_over: bool,
}

impl Terms {
    /// Makes `interest` hold from the change after `seq` on.
    pub(super) fn hold(&mut self, seq: u64, interest: Interest) {
        self.history.push((seq, interest));
    }

    /// The interest that holds for the change `seq`; `None` if the watch was not armed yet.
    pub(super) fn interest_at(&self, seq: u64) -> Option<Interest> {
        let mut latest_first = self.history.iter().rev();
        latest_first
            .find(|&&(from, _)| from < seq)
            .map(|&(_, interest)| interest)
    }

    /// Ignores a path from now on. Ignoring twice is ignoring once.
    pub(super) fn ignore(&mut self, key: &Path) {
        self.ignored.retain(|ignored| ignored.key != key);
        self.ignored.push(IgnoredPath {
            key: key.to_owned(),
            until: None,
        });
    }

    /// Stops ignoring a path for the changes after `seq`.
    pub(super) fn unignore(&mut self, key: &Path, seq: u64) {
        let mut ignored = self.ignored.iter_mut();
        if let Some(ignored) = ignored.find(|ignored| ignored.key == key) {
            ignored.until.get_or_insert(seq);
        }
    }

    /// The paths that are ignored now and cover `key`.
    fn ignored_above<'a>(&'a self, key: &'a Path) -> impl Iterator<Item = &'a IgnoredPath> {
        let ignored = self.ignored.iter();
        ignored.filter(|ignored| ignored.until.is_none() && key.starts_with(&ignored.key))
    }

    /// Whether a path is ignored now.
    pub(super) fn is_ignored(&self, key: &Path) -> bool {
        self.ignored_above(key).next().is_some()
    }

    /// Whether the path is ignored as such, and not with one above it.
    pub(super) fn is_ignored_alone(&self, key: &Path) -> bool {
        let mut above = self.ignored_above(key);
        above.next().is_some_and(|ignored| ignored.key == key) && above.next().is_none()
    }

    /// Whether the change `seq` at a path is ignored.
    fn ignores(&self, key: &Path, seq: u64) -> bool {
        self.ignored
            .iter()
            .filter(|ignored| ignored.until.is_none_or(|until| seq <= until))
            .any(|ignored| key.starts_with(&ignored.key))
    }

    /// Whether a watch of the path `top` reports on the path `key` below it.
    pub(super) fn reports(&self, top: &Path, key: &Path) -> bool {
        let reaches = self.interest.recursive || key.parent() == Some(top);
        reaches && !self.is_ignored(key)
    }

    /// Forgets what held only for changes before `seq`.
    pub(super) fn forget_before(&mut self, seq: u64) {
        let newer = self.history.iter().filter(|(from, _)| *from >= seq).count();
        let old = self.history.len() - newer;
        self.history.drain(..old.saturating_sub(1));
        self.ignored
            .retain(|ignored| ignored.until.is_none_or(|until| until >= seq));
    }
}

/// A watch, as its handles and its manager share it.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) wd: Wd,
    /// The watched path, absolute, otherwise as the caller spelled it.
    pub(super) path: PathBuf,
    /// The path as it is compared.
    pub(super) key: PathBuf,
    pub(super) is_dir: bool,
    /// Fires when it is armed or has failed.
    pub(super) started: Notice<Result<(), StartError>>,
    /// Fires when it has ended or failed.
    pub(super) stopped: Notice<()>,
    terms: Mutex<Terms>,
}

impl Subscription {
    /// A subscription that is not armed, with a number of its own.
    pub(super) fn new(path: PathBuf, is_dir: bool, interest: Interest) -> Subscription {
        Subscription {
            wd: Wd::next(),
            key: path_key::key(&path).into_owned(),
            path,
            is_dir,
            started: Notice::new(),
            stopped: Notice::new(),
            terms: Mutex::new(Terms {
                interest,
                history: Vec::new(),
                ignored: Vec::new(),
                root: None,
                is_over: false,
            }),
        }
    }

    /// Locks the part that changes. The lock is held for one step at a time.
    pub(super) fn terms(&self) -> MutexGuard<'_, Terms> {
        // Each step leaves it whole, so a panic leaves nothing half done.
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the change `seq` at an entry below the watched path is reported.
    pub(super) fn covers(&self, key: &Path, seq: u64) -> bool {
        let terms = self.terms();
        let reaches = |interest: Interest| match interest.recursive {
            true => key != self.key && key.starts_with(&self.key),
            false => key.parent() == Some(&self.key),
        };
        terms.interest_at(seq).is_some_and(reaches) && !terms.ignores(key, seq)
    }

    /// Ends it. If it has not started, `why` is the reason.
    pub(super) fn end(&self, why: StartError) {
        self.terms().is_over = true;
        self.started.fire(Err(why));
        self.stopped.fire(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest(mask: Mask, recursive: bool) -> Interest {
        Interest { mask, recursive }
    }

    #[test]
    fn each_change_is_judged_by_what_held_when_it_happened() {
        let (first, second) = (
            interest(Mask::IN_CREATE, true),
            interest(Mask::IN_DELETE, false),
        );
        let inner = Subscription::new("/a".into(), true, first);
        let mut terms = inner.terms();
        assert_eq!(terms.interest_at(1), None);
        terms.hold(10, first);
        terms.hold(20, second);
        let held = [10, 11, 20, 21].map(|seq| terms.interest_at(seq));
        assert_eq!(held, [None, Some(first), Some(first), Some(second)]);
        terms.forget_before(20);
        assert_eq!(terms.interest_at(20), Some(first));
        terms.forget_before(21);
        assert_eq!(terms.history, [(20, second)]);
    }

    #[test]
    fn what_happened_while_a_path_was_ignored_stays_hidden_when_it_no_longer_is() {
        let inner = Subscription::new("/a".into(), true, interest(Mask::IN_CREATE, true));
        let mut terms = inner.terms();
        let (child, sibling) = (Path::new("/a/child"), Path::new("/a/childX"));
        terms.ignore(child);
        terms.ignore(child);
        assert!(terms.ignores(&child.join("f"), 1) && !terms.ignores(sibling, 1));
        terms.unignore(child, 10);
        terms.unignore(child, 20);
        assert!(terms.ignores(child, 10) && !terms.ignores(child, 11));
        assert!(!terms.is_ignored(child));
        terms.forget_before(11);
        assert!(terms.ignored.is_empty());
    }
}
