//! The torture suite for the command for Windows: `everwatch.exe` under Wine, beside native Linux
//! writers and writers for Windows.
//!
//! As in the torture suite, the lines of the command are applied to a replica, and that is compared with a
//! walk of the disk. Wine makes the records of ReadDirectoryChangesW from those of inotify, so what happens
//! on Linux is reported below `Z:\`.
//!
//! | to do | run |
//! |---|---|
//! | build everything and run this suite | `cargo xtask wine -p everwatch-torture` |
//! | the command and the writers for Windows | `cargo build --release -p everwatch-cli -p everwatch-torture --bin everwatch --example workload --target x86_64-pc-windows-gnu` |
//! | the suite | `EVERWATCH_WINE_EXE=target/…/everwatch.exe cargo test --release -p everwatch-torture --test wine` |
//! | the full matrix | `EVERWATCH_SOAK=1` with it |
//! | one run again | what the failing run printed |
//!
//! `WINEPREFIX` and the other variables of Wine come from the environment; `EVERWATCH_WINE_LOADER` names the
//! program that starts others if that is not `wine`. One test runs at a time: a prefix has one server,
//! which has one queue of inotify and does not report when that overflows.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod command;
mod completion_models;
mod convergence;
mod ending;
mod entries;
mod roots;
mod run;
mod selftest;
mod wine;
