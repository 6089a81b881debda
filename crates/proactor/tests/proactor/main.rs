//! The completion loop: operations that are awaited, cancelled, dropped, and closed over.
#![cfg(windows)]

mod directories;
mod files;
mod pipes;
mod submitting;
mod support;
