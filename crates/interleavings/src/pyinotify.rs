//! The files of everwatch-pyinotify.

#[path = "../../pyinotify/src/dispatch.rs"]
mod dispatch;
#[path = "../../pyinotify/src/event.rs"]
mod event;
#[path = "../../pyinotify/src/fanout.rs"]
mod fanout;
#[path = "../../pyinotify/src/hub.rs"]
mod hub;
#[path = "../../pyinotify/src/manager.rs"]
mod manager;
#[path = "../../pyinotify/src/notice.rs"]
mod notice;
#[path = "../../pyinotify/src/parker.rs"]
mod parker;
#[path = "../../pyinotify/src/path_key.rs"]
mod path_key;
#[path = "../../pyinotify/src/registry.rs"]
mod registry;
#[path = "../../pyinotify/src/start_error.rs"]
mod start_error;
#[path = "../../pyinotify/src/subscription.rs"]
mod subscription;
#[path = "../../pyinotify/src/watch.rs"]
mod watch;

use crate::platform as sync;

pub use event::{Mask, RawEvent, Wd};
pub use manager::WatchManager;
pub use notice::Notice;
pub use registry::Overlap;
pub use start_error::{Stage, StartError};
pub use watch::Watch;
