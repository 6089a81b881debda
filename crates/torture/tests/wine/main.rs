//! The torture suite for the command for Windows: `everwatch.exe` under Wine, beside native Linux
//! writers and writers for Windows.
//!
//! Like the torture suite, whose writers, walk and replica these are: the lines that the command
//! writes are applied to a replica, and that is compared with a fresh walk of the disk. Wine tells
//! Windows' records of directories from inotify's, so what happens on Linux is seen below `Z:\`.
//!
//! | to do | run |
//! |---|---|
//! | everything that is needed, and this | `cargo xtask wine -p everwatch-torture` |
//! | the command and the writers for Windows | `cargo build --release -p everwatch-cli -p everwatch-torture --bin everwatch --example workload --target x86_64-pc-windows-gnu` |
//! | the suite | `EVERWATCH_WINE_EXE=target/…/everwatch.exe cargo test --release -p everwatch-torture --test wine` |
//! | the full matrix | `EVERWATCH_SOAK=1` with it |
//! | one run again | what a failing run printed |
//!
//! `WINEPREFIX` and what else Wine reads comes from the environment; `EVERWATCH_WINE_LOADER` is what
//! programs are started with where that is not `wine`. One test runs at a time: a prefix has one
//! server, which has one queue of inotify, and does not tell anybody when that overflows.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod command;
mod convergence;
mod ending;
mod entries;
mod models;
mod roots;
mod run;
mod wine;
