//! The torture suite: the built command on real file systems under load.
//!
//! Each test starts `everwatch watch --format json` on a fresh directory, does something violent to
//! the directory, applies the command's lines to a replica as the documentation of the lines says,
//! and compares the replica with a fresh walk. Nothing of Everwatch is linked in: what is proved is
//! what a program that reads the lines gets.
//!
//! | to do | run |
//! |---|---|
//! | the suite | `cargo test --release -p everwatch-torture --test torture` |
//! | the full matrix | `EVERWATCH_SOAK=1 cargo test --release -p everwatch-torture --test torture soak -- --nocapture` |
//! | a copy of what the command wrote | `EVERWATCH_LINES=/tmp/lines` with any of these |
//! | one run again | what a failing run printed: `EVERWATCH_TORTURE='…' cargo test … replay` |

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
