//! The completion loop: operations that are awaited, cancelled, dropped, and closed over.
#![cfg(windows)]

#[path = "../baseline/census.rs"]
mod census;
mod console;
mod directories;
mod endings;
mod fake_packets;
mod processes;
mod submitting;
mod support;
mod waits;
mod wakers;
mod ways;

use support::{alone, settles};
