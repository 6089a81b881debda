//! Directory reads on Windows: `ReadDirectoryChangesW` under five completion models, and a total
//! parser of its records.

mod completion;
mod error;
pub mod notify;
mod settings;
mod verdict;

#[cfg(windows)]
mod desk;
#[cfg(windows)]
mod handover;
#[cfg(windows)]
mod lane;
#[cfg(windows)]
mod models;
#[cfg(windows)]
pub mod native;
#[cfg(all(windows, not(feature = "seam")))]
mod no_seam;
#[cfg(windows)]
mod reading;
#[cfg(windows)]
mod reads;
#[cfg(all(windows, feature = "seam"))]
pub mod seam;

pub use completion::{Closed, Collected, Completion, Model};
pub use error::{Error, Stage};
pub use settings::{Filter, LARGEST_REMOTE_BUFFER, Layout, Settings, Tag};
pub use verdict::{Verdict, verdict};

#[cfg(windows)]
pub use models::isolated::serve_isolated;
#[cfg(windows)]
pub use reads::{DirectoryReads, Waker, reads};
