//! Threads and locks of the standard library, in one place: the interleaving tests compile the other
//! files of this crate with locks and threads of their own.

pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};
