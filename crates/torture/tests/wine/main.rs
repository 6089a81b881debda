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

// Each of these has more in it than this suite needs.
#[path = "../torture/line.rs"]
mod line;
#[path = "../torture/names.rs"]
#[allow(dead_code)]
mod names;
#[path = "../torture/random.rs"]
mod random;
#[path = "../torture/reading.rs"]
#[allow(dead_code)]
mod reading;
#[path = "../torture/replica.rs"]
#[allow(dead_code)]
mod replica;
#[path = "../torture/scratch.rs"]
#[allow(dead_code)]
mod scratch;
#[path = "../torture/tree.rs"]
#[allow(dead_code)]
mod tree;
#[path = "../torture/unix.rs"]
#[allow(dead_code)]
mod unix;
#[path = "../torture/walk.rs"]
#[allow(dead_code)]
mod walk;
#[path = "../torture/workload.rs"]
#[allow(dead_code)]
mod workload;
#[path = "../torture/writer.rs"]
#[allow(dead_code)]
mod writer;

mod command;
mod convergence;
mod ending;
mod entries;
mod models;
mod roots;
mod run;
mod wine;
