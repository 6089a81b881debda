//! Windows, simulated: what is documented of ReadDirectoryChangesW and of the file systems under it,
//! below the very code that decides on Windows (`everwatch_backends::windows`).
//!
//! - `reads` is the queue that the kernel keeps for each open directory, `records` what is copied from
//!   it, byte by byte; `calls` is what processes do, with the records that NTFS makes of it; `machine` is
//!   all of that behind the calls of the backend.
//! - `wine` is the same for Wine, which reports by inotify and by paths that may be old.
//! - `habits` is what some systems and volumes do and others do not; `volume_sort` is which of it belongs to NTFS, FAT,
//!   a share and so on.
//! - `setup` makes a schedule of it.
//!
//! What is open matters here, as it does not on Linux: a directory is not renamed while something
//! below it is open, and what is deleted stays until it is closed.

pub(crate) mod calls;
pub(crate) mod habits;
pub(crate) mod machine;
pub(crate) mod reads;
pub(crate) mod records;
mod setup;
mod simulated_kernel;
pub(crate) mod volume_sort;
pub(crate) mod wine;

pub(crate) use calls::{Named, Nt};
