//! The handle of a watch, which callers have.

use std::fmt;
use std::path::{Path, PathBuf};

use everwatch::{Error, ErrorKind};

use super::event::{Mask, Wd};
use super::hub::Hub;
use super::notice::Notice;
use super::path_key;
use super::start_error::StartError;
use super::subscription::{Interest, Subscription};
use super::sync::Arc;

/// A watch of a [`WatchManager`](super::WatchManager).
///
/// This is a handle: clones are handles of the same watch, and dropping them does not end it.
#[derive(Clone)]
pub struct Watch {
    subscription: Arc<Subscription>,
    hub: Arc<Hub>,
}

impl Watch {
    pub(super) fn new(subscription: Arc<Subscription>, hub: Arc<Hub>) -> Watch {
        Watch { subscription, hub }
    }

    /// The number of the watch.
    pub fn wd(&self) -> Wd {
        self.subscription.wd
    }

    /// The watched path: absolute, otherwise as it was spelled.
    pub fn path(&self) -> &Path {
        &self.subscription.path
    }

    /// The kinds of events that are delivered.
    pub fn mask(&self) -> Mask {
        self.subscription.terms().interest.mask
    }

    /// Whether all below the path is watched, and not only its own entries; pyinotify's `auto_add`.
    pub fn is_recursive(&self) -> bool {
        self.subscription.terms().interest.recursive
    }

    /// The notice that the watch is armed, or why it could not be. It fires once.
    pub fn started(&self) -> Notice<Result<(), StartError>> {
        self.subscription.started.clone()
    }

    /// The notice that the watch has ended: nothing is delivered any more, and the system has its
    /// resources back. It also fires for a watch that could not start.
    pub fn stopped(&self) -> Notice<()> {
        self.subscription.stopped.clone()
    }

    /// Ignores the path and all below it. It has to lie below the watched path, and need not exist.
    /// Paths are compared by their components: ignoring `child` does not hide `childX`.
    ///
    /// Nothing of it is delivered once this has returned, not even what happened before. Blocks until the
    /// handler has returned, if it has an event of this watch and is not the caller. Ignoring a path
    /// twice is ignoring it once.
    ///
    /// A move from an ignored path to one that is not is an `IN_CREATE`, the opposite an `IN_DELETE`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadPath`] if the path is not below the watched one.
    pub fn ignore_path(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let key = self.key_below(path.as_ref(), "ignore a path")?;
        self.subscription.terms().ignore(&key);
        self.hub.wait_for_handler(self.subscription.wd);
        Ok(())
    }

    /// Undoes [`Watch::ignore_path`] for the same path, no matter how often it was ignored. Everything
    /// that happens after this has returned is delivered; what happened while it was ignored is not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadPath`] if the path is not below the watched one.
    pub fn remove_ignored_path(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let key = self.key_below(path.as_ref(), "remove an ignored path")?;
        self.hub.unignore(&self.subscription, &key);
        Ok(())
    }

    /// The key of a path that must lie below the watched one.
    fn key_below(&self, path: &Path, operation: &'static str) -> Result<PathBuf, Error> {
        let key = path_key::key(&path_key::absolute(path, operation)?).into_owned();
        if key != self.subscription.key && key.starts_with(&self.subscription.key) {
            return Ok(key);
        }
        let detail = format!(
            "it is not below the watched {}",
            everwatch::printable(&self.subscription.path)
        );
        Err(Error::new(ErrorKind::BadPath, operation)
            .with_path(path)
            .with_detail(detail))
    }

    /// Changes what is reported while the watch goes on. What happened before the call is judged by the
    /// mask of that time, what happens after it has returned by this one; nothing is missed or reported
    /// twice. Blocks until the watch has started and, if `recursive` changes, until the tree is armed
    /// again. If it fails, nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`WatchManager::add_watch`](super::WatchManager::add_watch). A path that is gone at present
    /// cannot change between recursive and not.
    pub fn update(&self, mask: Mask, recursive: bool) -> Result<(), StartError> {
        self.subscription.started.wait()?;
        self.hub
            .update(&self.subscription, Interest { mask, recursive })
    }

    /// Ends the watch, as [`WatchManager::rm_watch`](super::WatchManager::rm_watch).
    pub fn stop(&self) {
        self.hub.remove(&self.subscription);
    }
}

impl PartialEq for Watch {
    /// Whether they are handles of the same watch.
    fn eq(&self, other: &Watch) -> bool {
        self.subscription.wd == other.subscription.wd
    }
}

impl Eq for Watch {}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("wd", &self.subscription.wd)
            .field("path", &self.subscription.path)
            .field("interest", &self.subscription.terms().interest)
            .finish_non_exhaustive()
    }
}
