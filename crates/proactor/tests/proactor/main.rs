//! The completion loop: operations that are awaited, cancelled, dropped, and closed over.
#![cfg(windows)]

mod directories;
mod submitting;
mod support;
