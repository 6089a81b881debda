//! The torture suite: the built command on real file systems under load.
//!
//! Each test starts `everwatch watch --format json` on a new directory, does something violent to it,
//! applies the command's lines to a replica, and compares the replica with a walk of the disk. The lines are
//! applied by `everwatch::Tree`, the reference of what their documentation says; everything else of
//! Everwatch runs in the command, as a program that reads the lines gets it.
//!
//! | to do | run |
//! |---|---|
//! | the suite | `cargo test --release -p everwatch-torture --test torture` |
//! | the full matrix | `EVERWATCH_SOAK=1 cargo test --release -p everwatch-torture --test torture soak -- --nocapture` |
//! | a copy of what the command wrote | `EVERWATCH_LINES=/tmp/lines` with any of these |
//! | one run again | what the failing run printed: `EVERWATCH_TORTURE='…' cargo test …` |
//! | another command | `EVERWATCH_COMMAND=/path/to/everwatch` with any of these |

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod command;
mod convergence;
mod exactness;
mod extremes;
mod mounts;
mod options;
mod overflow;
mod roots;
mod run;
mod soak;
mod stopped;
mod volumes;
