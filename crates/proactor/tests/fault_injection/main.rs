//! Fault injection: which calls are made, in which order, and the consequences when they fail.
//!
//! A session sees the whole process, so these tests have a process of their own. Each holds a `Session` for all of
//! its time, so they run one after another.
#![cfg(windows)]

mod pipes;
#[cfg(feature = "sockets")]
mod sockets;
#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;
