//! Watches in the shape of pyinotify: a manager, numbered watches, masks and raw events.
//!
//! This crate is for programs, and people, that come from pyinotify or watchdog. It runs on every
//! operating system that Everwatch runs on, as a thin layer over [`Watcher`](everwatch::Watcher) and
//! [`Feed`](everwatch::Feed). New programs are better served by those: a rename is one change there, and
//! nothing has to be paired.
//!
//! ```
//! use everwatch_pyinotify::{Mask, WatchManager};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path();
//! let (sender, events) = std::sync::mpsc::channel();
//! let manager = WatchManager::new(move |_, event| {
//!     // The receiver may be gone.
//!     let _ = sender.send(event);
//! })?;
//! let watch = manager.add_watch(path, Mask::IN_CREATE | Mask::IN_MOVE, true)?;
//!
//! std::fs::write(path.join("a"), "")?;
//! std::fs::rename(path.join("a"), path.join("b"))?;
//! manager.sync()?;
//! manager.stop();
//!
//! let [created, from, to] = events.iter().collect::<Vec<_>>().try_into().unwrap();
//! assert_eq!((created.wd, created.mask), (watch.wd(), Mask::IN_CREATE));
//! assert_eq!((from.mask, to.mask), (Mask::IN_MOVED_FROM, Mask::IN_MOVED_TO));
//! assert_eq!(from.cookie, to.cookie);
//! assert_eq!(to.pathname, path.join("b"));
//! assert_eq!(to.src_pathname, Some(path.join("a")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Promises
//!
//! - Everything that happens after [`add_watch`](WatchManager::add_watch) has returned is delivered, in
//!   order, on one thread. Overflows of the kernel's queue are repaired, and are not the handler's concern.
//! - Nothing of a watch is delivered after [`rm_watch`](WatchManager::rm_watch) or
//!   [`stop`](WatchManager::stop) has returned. Both may be called from any thread, and by the handler.
//! - Both halves of a move have the same cookie, which no other event of the process has or had. The second
//!   half has the full path that the entry came from, also across two watches of one manager. An entry that
//!   comes from outside is an [`IN_CREATE`](Mask::IN_CREATE), one that leaves an
//!   [`IN_DELETE`](Mask::IN_DELETE): no half comes without the other, unless the mask of a watch has only one
//!   of the two.
//! - [`IN_ISDIR`](Mask::IN_ISDIR) is set for directories, also when they are gone.
//! - A watched path is a name. When it is gone, [`IN_DELETE_SELF`](Mask::IN_DELETE_SELF) is delivered;
//!   when a new entry has its name, the watch goes on with that.
//!
//! # From pyinotify
//!
//! | pyinotify | here |
//! |---|---|
//! | `WatchManager()`, `Notifier(wm, handler)`, `ThreadedNotifier` | [`WatchManager::new(handler)`](WatchManager::new); the thread is the manager's |
//! | `ProcessEvent.process_IN_CREATE(event)` | one closure; `event.mask.contains(Mask::IN_CREATE)` |
//! | `wm.add_watch(path, mask, rec=True, auto_add=True)` → `{path: wd}` | [`add_watch(path, mask, true)`](WatchManager::add_watch) → one [`Watch`] for the whole tree; an error is an `Err`, not `-1` |
//! | `wm.update_watch(wd, mask)` | [`Watch::update`] |
//! | `wm.rm_watch(wd, rec=True)` | [`WatchManager::rm_watch`] |
//! | `wm.get_wd(path)`, `wm.get_path(wd)`, `wm.get_watch(wd)` | the same names; `get_wd` finds the watch of the tree |
//! | `exclude_filter` | [`Watch::ignore_path`], [`Options::ignore`](everwatch::Options::ignore) |
//! | `notifier.stop()` | [`WatchManager::stop`] |
//! | `event.wd`, `mask`, `cookie`, `dir`, `name`, `path`, `pathname`, `src_pathname` | the same names; `cookie` is 0 where there is none |
//! | `event.maskname` | `event.mask.to_string()` |
//! | `IN_CLOSE_WRITE` | [`IN_MODIFY`](Mask::IN_MODIFY): opening and closing is not seen |
//! | `IN_MOVE_SELF`, `IN_UNMOUNT`, `IN_IGNORED` | [`IN_DELETE_SELF`](Mask::IN_DELETE_SELF) |
//! | `IN_Q_OVERFLOW` | nothing to do: the difference is delivered |
//! | `IN_ACCESS`, `IN_OPEN`, `IN_CLOSE_NOWRITE` | not seen |
//! | a wait for the first event after `add_watch` | none needed |
//!
//! A program that keeps a copy of the tree should know that `IN_DELETE` and `IN_MOVED_FROM` of a directory
//! stand for everything below it, and so does `IN_CREATE` of a directory that comes from an ignored path. An
//! entry that comes and goes at once is sometimes not reported at all.
//!
//! # From watchdog
//!
//! | watchdog | here |
//! |---|---|
//! | `Observer()`, `observer.start()` | [`WatchManager::new(handler)`](WatchManager::new) |
//! | `observer.schedule(handler, path, recursive=True)` | [`add_watch(path, Mask::ALL_EVENTS, true)`](WatchManager::add_watch); one handler, `event.wd` says which watch |
//! | `observer.unschedule(watch)` | [`Watch::stop`] |
//! | `observer.stop()`, `observer.join()` | [`WatchManager::stop`] |
//! | `FileCreatedEvent`, `DirCreatedEvent` | [`IN_CREATE`](Mask::IN_CREATE), `event.dir` |
//! | `FileModifiedEvent` | [`IN_MODIFY`](Mask::IN_MODIFY), [`IN_ATTRIB`](Mask::IN_ATTRIB) |
//! | `DirModifiedEvent` | none: the changes in the directory are events of their own |
//! | `FileDeletedEvent`, `DirDeletedEvent` | [`IN_DELETE`](Mask::IN_DELETE), `event.dir` |
//! | `FileMovedEvent(src, dest)` | [`IN_MOVED_TO`](Mask::IN_MOVED_TO) with `src_pathname` and `pathname`; the [`IN_MOVED_FROM`](Mask::IN_MOVED_FROM) before it can be left out of the mask |
//! | moved events for everything in a moved directory | one move, of the directory |
//! | `PatternMatchingEventHandler(ignore_patterns=…)` | [`Options::ignore`](everwatch::Options::ignore) |

#![forbid(unsafe_code)]

mod dispatch;
mod event;
mod fanout;
mod hub;
mod manager;
mod notice;
mod parker;
mod path_key;
mod registry;
mod start_error;
mod subscription;
mod sync;
mod watch;

pub use event::{Mask, RawEvent, Wd};
pub use manager::WatchManager;
pub use notice::Notice;
pub use registry::Overlap;
pub use start_error::{Stage, StartError};
pub use watch::Watch;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
