//! The platform under test: threads, locks and channels whose scheduler is shuttle's, and a fake host.
//!
//! It stands in for `platform.rs` of everwatch and for `sync.rs` of everwatch-pyinotify.

pub(crate) use std::sync::PoisonError;

pub(crate) use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic, mpsc},
    thread,
};

pub(crate) use everwatch_backends::HostKernel;

pub(crate) use crate::fake::{Bell, Host};

/// No waiting for the second half of a move: the tests order threads, not time, and the fake host
/// returns from a wait with a deadline at once.
pub(crate) fn pace() -> everwatch_core::engine::Pace {
    let mut pace = everwatch_core::engine::Pace::default();
    pace.pairing = std::time::Duration::ZERO;
    pace
}
