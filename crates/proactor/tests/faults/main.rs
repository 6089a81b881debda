//! Which calls are made of sockets, in which order, and what becomes of it when they fail.
//!
//! Every test here holds a `Session` for all of its time, so they run one after another.
#![cfg(all(windows, feature = "sockets"))]

mod sockets;
