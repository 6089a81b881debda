//! Fault injection for sockets: the order of the calls, and the effect of each failure.
//!
//! Every test here holds a `Session` for all of its time, so they run one after another.
#![cfg(all(windows, feature = "sockets"))]

mod sockets;
