//! A simulated kernel and file system, made of memory and bad habits, and the search for schedules
//! in which the engine is wrong.
//!
//! - `disk` is a file system, `queue` an inotify instance, `calls` the system calls between them;
//!   these three do what Linux does, whatever the engine would like.
//! - `kernel` is the backend: it answers the engine, and lets other processes run meanwhile.
//! - `workload` is what they do.
//! - `replica` is a consumer, `schedule` one run from one integer, `search` many.
//!
//! ```
//! let report = everwatch::sys::sim::run(1).expect("a feed that never lies");
//! assert!(report.calls > 0);
//! ```

mod calls;
mod disk;
mod kernel;
#[cfg(all(test, target_os = "linux"))]
mod likeness;
mod queue;
mod random;
mod replica;
mod rules;
#[cfg(test)]
mod scenarios;
mod schedule;
mod search;
mod trace;
mod workload;

pub use schedule::{Failure, Report, WILD, run};
pub use search::search;
