//! One watch: what it is to report, from which change on, and the handle that callers have of it.
//!
//! A feed tells of what happened some time ago. So what a watch is to report is not a state but a short
//! history, by the numbers of changes: what happened before an `update` is judged by what held then,
//! whenever the handler gets to it. Hiding is the exception: it holds at once for all that is not
//! delivered yet, so that nothing of an ignored path is seen once `ignore_path` has returned.

use std::fmt;
use std::path::{Path, PathBuf};

use super::event::{Mask, Wd};
use super::notice::Notice;
use super::shared::Shared;
use super::spelling;
use super::start::StartError;
use super::sync::{Arc, Mutex, MutexGuard, PoisonError};
use everwatch::Root;
use everwatch::{Error, ErrorKind};

/// What a watch is asked to report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) mask: Mask,
    pub(super) recursive: bool,
}

/// What is not to be reported, with all below it.
#[derive(Debug)]
struct Hidden {
    key: PathBuf,
    /// The last change that it holds for; `None` while it is ignored.
    until: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Body {
    /// The latest that was asked for.
    pub(super) wish: Wish,
    /// What holds for the changes after a number. The numbers do not decrease; empty until armed.
    history: Vec<(u64, Wish)>,
    hidden: Vec<Hidden>,
    /// What the watcher has for it; `None` while it starts and after it was given back.
    pub(super) root: Option<Root>,
    /// Nothing of it is delivered any more.
    pub(super) is_over: bool,
}

impl Body {
    /// From the change after `seq` on, this holds.
    pub(super) fn hold(&mut self, seq: u64, wish: Wish) {
        self.history.push((seq, wish));
    }

    /// What holds for the change `seq`; nothing if that was before the watch was armed.
    pub(super) fn wish_at(&self, seq: u64) -> Option<Wish> {
        let mut latest_first = self.history.iter().rev();
        latest_first
            .find(|&&(from, _)| from < seq)
            .map(|&(_, wish)| wish)
    }

    pub(super) fn ignore(&mut self, key: &Path) {
        self.hidden.retain(|hidden| hidden.key != key);
        self.hidden.push(Hidden {
            key: key.to_owned(),
            until: None,
        });
    }

    /// Shows again what happens after the change `seq`.
    pub(super) fn unignore(&mut self, key: &Path, seq: u64) {
        let mut ignored = self.hidden.iter_mut();
        if let Some(hidden) = ignored.find(|hidden| hidden.key == key) {
            hidden.until.get_or_insert(seq);
        }
    }

    pub(super) fn is_ignored(&self, key: &Path) -> bool {
        let mut ignored = self.hidden.iter().filter(|hidden| hidden.until.is_none());
        ignored.any(|hidden| key.starts_with(&hidden.key))
    }

    /// Whether a watch of the path `top` reports on the path `key` below it.
    pub(super) fn reports(&self, top: &Path, key: &Path) -> bool {
        let reaches = self.wish.recursive || key.parent() == Some(top);
        reaches && !self.is_ignored(key)
    }

    /// Whether the path is ignored as such, and not with one above it.
    pub(super) fn is_ignored_alone(&self, key: &Path) -> bool {
        let ignored = self.hidden.iter().filter(|hidden| hidden.until.is_none());
        let mut hiding = ignored.filter(|hidden| key.starts_with(&hidden.key));
        hiding.next().is_some_and(|hidden| hidden.key == key) && hiding.next().is_none()
    }

    pub(super) fn hides(&self, key: &Path, seq: u64) -> bool {
        self.hidden
            .iter()
            .filter(|hidden| hidden.until.is_none_or(|until| seq <= until))
            .any(|hidden| key.starts_with(&hidden.key))
    }

    /// Forgets what held for changes before `seq` only.
    pub(super) fn forget_before(&mut self, seq: u64) {
        let newer = self.history.iter().filter(|(from, _)| *from >= seq).count();
        let old = self.history.len() - newer;
        self.history.drain(..old.saturating_sub(1));
        self.hidden
            .retain(|hidden| hidden.until.is_none_or(|until| until >= seq));
    }
}

/// What the handles of a watch and its manager share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) wd: Wd,
    pub(super) path: PathBuf,
    /// The path as it is compared.
    pub(super) key: PathBuf,
    pub(super) is_dir: bool,
    pub(super) started: Notice<Result<(), StartError>>,
    pub(super) stopped: Notice<()>,
    body: Mutex<Body>,
}

impl Inner {
    pub(super) fn new(path: PathBuf, is_dir: bool, wish: Wish) -> Inner {
        Inner {
            wd: Wd::next(),
            key: spelling::key(&path).into_owned(),
            path,
            is_dir,
            started: Notice::new(),
            stopped: Notice::new(),
            body: Mutex::new(Body {
                wish,
                history: Vec::new(),
                hidden: Vec::new(),
                root: None,
                is_over: false,
            }),
        }
    }

    pub(super) fn body(&self) -> MutexGuard<'_, Body> {
        // Each change of it is a single step.
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the change `seq` of an entry below the watched path is within what is watched.
    pub(super) fn shows(&self, key: &Path, seq: u64) -> bool {
        let body = self.body();
        let reaches = |wish: Wish| match wish.recursive {
            true => key != self.key && key.starts_with(&self.key),
            false => key.parent() == Some(&self.key),
        };
        body.wish_at(seq).is_some_and(reaches) && !body.hides(key, seq)
    }

    /// It has come to nothing, or to its end.
    pub(super) fn end(&self, why: StartError) {
        self.body().is_over = true;
        self.started.fire(Err(why));
        self.stopped.fire(());
    }
}

/// A watch of a [`WatchManager`](super::WatchManager).
///
/// This is a handle: clones are handles of the same watch, and dropping them does not end it.
#[derive(Clone)]
pub struct Watch {
    pub(super) inner: Arc<Inner>,
    pub(super) shared: Arc<Shared>,
}

impl Watch {
    /// The number of the watch.
    pub fn wd(&self) -> Wd {
        self.inner.wd
    }

    /// The watched path: absolute, otherwise as it was spelled.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The kinds of events that are delivered.
    pub fn mask(&self) -> Mask {
        self.inner.body().wish.mask
    }

    /// Whether all below the path is watched, and not only its own entries; pyinotify's `auto_add`.
    pub fn is_recursive(&self) -> bool {
        self.inner.body().wish.recursive
    }

    /// Whether the watch is armed, once that is decided. It is decided once.
    pub fn started(&self) -> Notice<Result<(), StartError>> {
        self.inner.started.clone()
    }

    /// That the watch has ended: nothing is delivered any more, and the system has back what it gave
    /// for it. A watch that could not start has ended, too.
    pub fn stopped(&self) -> Notice<()> {
        self.inner.stopped.clone()
    }

    /// Hides the path and all below it. It has to lie below the watched path, and need not exist.
    /// Paths are compared by their components: ignoring `child` does not hide `childX`.
    ///
    /// Nothing of it is delivered once this has returned, not even what happened before. Ignoring it
    /// twice is ignoring it once.
    ///
    /// What is moved from an ignored path to one that is not was not there before, and vice versa: it
    /// is reported by `IN_CREATE`, and by `IN_DELETE`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadPath`] if the path is not below the watched one.
    pub fn ignore_path(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let key = self.key_below(path.as_ref(), "ignore a path")?;
        self.inner.body().ignore(&key);
        self.shared.wait_for_handler(self.inner.wd);
        Ok(())
    }

    /// Undoes [`Watch::ignore_path`] for the same path, however often it was ignored. What happens
    /// after this returned is delivered; what happened while it was ignored is not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadPath`] if the path is not below the watched one.
    pub fn remove_ignored_path(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let key = self.key_below(path.as_ref(), "remove an ignored path")?;
        self.shared.unignore(&self.inner, &key);
        Ok(())
    }

    fn key_below(&self, path: &Path, operation: &'static str) -> Result<PathBuf, Error> {
        let key = spelling::key(&spelling::absolute(path, operation)?).into_owned();
        if key != self.inner.key && key.starts_with(&self.inner.key) {
            return Ok(key);
        }
        let detail = format!(
            "it is not below the watched {}",
            everwatch::printable(&self.inner.path)
        );
        Err(Error::new(ErrorKind::BadPath, operation)
            .with_path(path)
            .with_detail(detail))
    }

    /// Changes what is reported, while the watch goes on: what happened before the call is judged by
    /// what was asked for then, what happens after it returned by this. Nothing is missed or reported
    /// twice. If it fails, nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`WatchManager::add_watch`](super::WatchManager::add_watch). A path that is gone at present
    /// cannot change between recursive and not.
    pub fn update(&self, mask: Mask, recursive: bool) -> Result<(), StartError> {
        self.inner.started.wait()?;
        self.shared.update(&self.inner, Wish { mask, recursive })
    }

    /// Ends the watch, as [`WatchManager::rm_watch`](super::WatchManager::rm_watch).
    pub fn stop(&self) {
        self.shared.remove(&self.inner);
    }
}

impl PartialEq for Watch {
    /// Whether they are handles of the same watch.
    fn eq(&self, other: &Watch) -> bool {
        self.inner.wd == other.inner.wd
    }
}

impl Eq for Watch {}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("wd", &self.inner.wd)
            .field("path", &self.inner.path)
            .field("wish", &self.inner.body().wish)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(mask: Mask, recursive: bool) -> Wish {
        Wish { mask, recursive }
    }

    #[test]
    fn each_change_is_judged_by_what_held_when_it_happened() {
        let (first, second) = (wish(Mask::IN_CREATE, true), wish(Mask::IN_DELETE, false));
        let inner = Inner::new("/a".into(), true, first);
        let mut body = inner.body();
        assert_eq!(body.wish_at(1), None);
        body.hold(10, first);
        body.hold(20, second);
        let told = [10, 11, 20, 21].map(|seq| body.wish_at(seq));
        assert_eq!(told, [None, Some(first), Some(first), Some(second)]);
        body.forget_before(20);
        assert_eq!(body.wish_at(20), Some(first));
        body.forget_before(21);
        assert_eq!(body.history, [(20, second)]);
    }

    #[test]
    fn what_happened_while_a_path_was_ignored_stays_hidden_when_it_no_longer_is() {
        let inner = Inner::new("/a".into(), true, wish(Mask::IN_CREATE, true));
        let mut body = inner.body();
        let (child, sibling) = (Path::new("/a/child"), Path::new("/a/childX"));
        body.ignore(child);
        body.ignore(child);
        assert!(body.hides(&child.join("f"), 1) && !body.hides(sibling, 1));
        body.unignore(child, 10);
        body.unignore(child, 20);
        assert!(body.hides(child, 10) && !body.hides(child, 11));
        assert!(!body.is_ignored(child));
        body.forget_before(11);
        assert!(body.hidden.is_empty());
    }
}
