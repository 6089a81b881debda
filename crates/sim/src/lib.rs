//! A simulated kernel and file system, made of memory and bad habits, and the search for schedules
//! in which the engine is wrong.
//!
//! - `disk` is a file system and `paths` the way to its entries; `queue` is an inotify instance;
//!   `system` has both and the calls under way, `calls` and `mounts` are what processes do. All that
//!   does what Linux does, whatever the engine would like; `likeness` compares the two.
//! - `world` is all that happens around the engine, `kernel` the backend: it answers the engine, and lets
//!   other processes run meanwhile. `windows` is another system with its own backend; `flavour` says
//!   which one a schedule is about.
//! - `workload` is those processes, `scripts` the patterns of real programs, `mix` their frequency.
//! - `replica` is a consumer. `schedule` is one run from one integer, from `setup` to `rest`; `search`
//!   runs one or many; `outcome` is what comes of it. `rules` are ignore files, `trace` what happened.
//!
//! ```
//! let report = everwatch_sim::run(1).expect("a feed that never lies");
//! assert!(report.calls > 0);
//! ```

mod calls;
mod disk;
mod flavour;
mod kernel;
#[cfg(all(test, target_os = "linux"))]
mod likeness;
mod mix;
mod mounts;
mod outcome;
mod paths;
mod queue;
mod random;
mod replica;
mod rest;
#[cfg(test)]
mod root_scenarios;
mod rules;
#[cfg(test)]
mod scenarios;
mod schedule;
mod scripts;
mod search;
mod setup;
mod system;
mod trace;
mod windows;
mod workload;
mod world;

pub use flavour::Flavour;
pub use outcome::{Failure, Report};
pub use schedule::{NESTED, WILD};
pub use search::{run, search};
