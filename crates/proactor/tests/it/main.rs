//! The completion loop: operations that are awaited, cancelled, dropped, and closed over.
#![cfg(windows)]

#[cfg(feature = "sockets")]
mod cancelling_sockets;
mod connected_pipes;
mod console;
#[cfg(all(feature = "sockets", feature = "futures-io"))]
mod duplex;
mod endings;
mod examples;
#[cfg(feature = "sockets")]
mod executors;
mod fake_packets;
mod files;
mod pipes;
mod processes;
#[cfg(feature = "sockets")]
mod sockets;
mod submitting;
mod support;
#[cfg(all(feature = "sockets", feature = "tls-ring"))]
mod tls;
#[cfg(feature = "sockets")]
mod udp;
mod wait_methods;
mod waits;
mod wakers;
