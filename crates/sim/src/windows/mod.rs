//! Windows, simulated: what is documented of ReadDirectoryChangesW and of the file systems under it,
//! below the very code that decides on Windows (`everwatch_backends::windows`).
//!
//! - `reads` is the queue that the kernel keeps for each open directory, `records` what is copied from
//!   it, byte by byte; `calls` is what processes do, with the records that NTFS makes of it; `names`
//!   is how names are compared, and `machine` all of that behind the seam.
//! - `wine` is the same for Wine, which reports by inotify and by paths that may be old.
//! - `setup` makes a schedule of it, `scenarios` are single behaviours.
//!
//! What is open matters here, as it does not on Linux: a directory is not renamed while something
//! below it is open, and what is deleted stays until it is closed.

mod calls;
mod machine;
pub(super) mod names;
mod reads;
mod records;
#[cfg(test)]
mod root_scenarios;
#[cfg(test)]
mod scenarios;
mod setup;
mod stage;
mod wine;

pub(super) use calls::{Named, Nt};
