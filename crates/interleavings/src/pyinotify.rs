//! The files of everwatch-pyinotify.

#[path = "../../pyinotify/src/dispatch.rs"]
mod dispatch;
#[path = "../../pyinotify/src/event.rs"]
mod event;
#[path = "../../pyinotify/src/manager.rs"]
mod manager;
#[path = "../../pyinotify/src/notice.rs"]
mod notice;
#[path = "../../pyinotify/src/registry.rs"]
mod registry;
#[path = "../../pyinotify/src/shared.rs"]
mod shared;
#[path = "../../pyinotify/src/spelling.rs"]
mod spelling;
#[path = "../../pyinotify/src/start.rs"]
mod start;
#[path = "../../pyinotify/src/watch.rs"]
mod watch;

use crate::platform as sync;

pub use event::{Mask, RawEvent, Wd};
pub use manager::WatchManager;
pub use notice::Notice;
pub use registry::Overlap;
pub use start::{Stage, StartError};
pub use watch::Watch;
