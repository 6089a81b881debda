//! The platform: threads, locks and channels of the standard library, and the host of this system.
//!
//! Nothing else in this crate names them. The interleaving tests compile the other files of this
//! crate, unchanged, over a platform of their own, whose scheduler decides at each lock who runs next.

pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic, mpsc},
    thread,
};

pub(crate) use everwatch_backends::{Bell, Host, HostKernel};

/// How long the engine waits for what belongs together, where the options do not say.
pub(crate) fn pace() -> everwatch_core::engine::Pace {
    everwatch_core::engine::Pace::default()
}
