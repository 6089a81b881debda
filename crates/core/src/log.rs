//! The log: what an operator needs to know, as events of the crate `tracing` with the target `everwatch`.
//!
//! | level | events |
//! |---|---|
//! | `WARN` | records were lost; a part of a tree is polled or lost against the caller's will |
//! | `INFO` | a part of a tree is compared with the disk, is live again, or is polled as the caller chose |
//! | `DEBUG` | a root is added or removed; a comparison is complete |
//!
//! Single changes are not logged: that is what feeds are for. Without the feature `tracing` the functions
//! here do nothing.

#![cfg_attr(not(feature = "tracing"), allow(unused_variables))]

use std::path::Path;

use crate::coverage::{CoverageState, Gap};
use crate::event::ResyncReason;

/// The target of all events, for filters.
#[cfg(feature = "tracing")]
const TARGET: &str = "everwatch";

/// The kernel's queue or the engine's was full; `times` is how often so far.
pub(crate) fn overflow(times: u64) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: TARGET, times, "records were lost; comparing with the disk");
}

/// A part of a tree is compared with the disk.
pub(crate) fn resync_begins(path: &Path, reason: ResyncReason) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: TARGET, path = %path.display(), reason = reason.as_str(), "resync begins");
}

/// The comparison is complete.
pub(crate) fn resync_ends(path: &Path, reason: ResyncReason) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: TARGET, path = %path.display(), reason = reason.as_str(), "resync ends");
}

/// A part of a tree is watched in another way from now on.
pub(crate) fn coverage(path: &Path, state: CoverageState, gap: Option<Gap>) {
    #[cfg(feature = "tracing")]
    match gap {
        None | Some(Gap::Chosen) => {
            tracing::info!(target: TARGET, path = %path.display(), state = state.as_str(), "coverage");
        }
        Some(gap) => tracing::warn!(
            target: TARGET,
            path = %path.display(),
            state = state.as_str(),
            gap = gap.as_str(),
            remedy = gap.remedy(),
            "coverage"
        ),
    }
}

/// A root is added, and not armed yet.
pub(crate) fn root_added(path: &Path) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: TARGET, path = %path.display(), "root added");
}

/// A root is removed.
pub(crate) fn root_removed(path: &Path) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: TARGET, path = %path.display(), "root removed");
}
