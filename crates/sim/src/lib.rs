//! The simulator: a file system in memory, kernels with bad habits on it, and the search for schedules
//! in which the engine is wrong.
//!
//! - `disk` is the file system, and `system` the calls of processes that are under way on it: what each
//!   does to the disk, and the records that follow.
//! - `linux` and `windows` are kernels on that disk, as the engine sees them. They do what the real ones do,
//!   no matter what would suit the engine; `linux::fidelity` compares the two.
//! - [`hostile`] is the simulated Linux driven by the bytes of a fuzzer, with records that need not be true.
//! - `world` is all that happens around the engine: while a kernel is asked something, other processes run.
//!   `workload` is those processes: the patterns of real programs, their frequency, the ignore files they
//!   write.
//! - `schedule` is one run from one integer, from its setup to the check that all trees converge.
//! - `scenarios` are single behaviours, each in a few calls.
//!
//! ```
//! let report = everwatch_sim::run(1).expect("a feed that never lies");
//! assert!(report.calls > 0);
//! ```

mod disk;
pub mod hostile;
mod linux;
mod random;
#[cfg(test)]
mod scenarios;
mod schedule;
mod system;
mod trace;
mod windows;
mod workload;
mod world;

pub use schedule::outcome::{Failure, Report};
pub use schedule::platform::Platform;
pub use schedule::search::{run, search};
pub use schedule::{NESTED, WILD};
pub use windows::volume_sort::VolumeSort;
