//! The completion loop: operations that are awaited, cancelled, dropped, and closed over.
#![cfg(windows)]

#[path = "../baseline/alone.rs"]
#[allow(dead_code)]
mod alone;
#[path = "../baseline/census.rs"]
mod census;
mod console;
mod directories;
mod endings;
mod fake_packets;
mod files;
mod pipes;
mod processes;
mod submitting;
#[allow(dead_code)]
mod support;
mod waits;
mod wakers;
mod ways;

use alone::{alone, settles};
