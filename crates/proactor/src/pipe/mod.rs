//! Named pipes: servers that always listen, clients that wait for their turn, and the connections.
//!
//! ```text
//!   PipeServer ── instances that listen ──▶ accepted, not yet asked for ──▶ accept() ──▶ PipeStream
//!                  ▲                 │
//!                  └── a fresh one ◀─┘ before a client is handed over
//! ```
//!
//! A name is that of all its instances, and each takes one client. Between the moment at which the last
//! instance that listens gets its client and the moment at which the next one is made, clients would find the
//! pipe busy, or no pipe at all. So the server makes the next one first, on the thread that polls, whether or
//! not anybody asks for clients.
//!
//! The accepts belong to the server and not to those who ask for clients: a dropped `accept` has no call to
//! cancel, and loses no client.

mod accept;
mod client;
mod name;
mod options;
mod pair;
mod server;
mod stream;

pub use accept::{AcceptPipe, PipeInstance};
pub use client::connect_pipe;
pub use options::{PipeAccess, PipeMode, PipeOptions};
pub(crate) use pair::{Direction, pair};
pub use server::PipeServer;
pub use stream::{MessagePart, PipeStream};
