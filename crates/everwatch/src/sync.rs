//! Threads, locks and channels: the standard library's, or those of shuttle, which decides at each of
//! them who runs next, when the models are run (`cargo xtask models`).

#[cfg(not(everwatch_shuttle))]
pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic, mpsc},
    thread,
};

#[cfg(everwatch_shuttle)]
pub(crate) use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic, mpsc},
    thread,
};
#[cfg(everwatch_shuttle)]
pub(crate) use std::sync::PoisonError;
