//! Tests of the manager and its watches, on every system that everwatch runs on.
//!
//! The tests that count threads and handles are a program of their own, beside this directory.

mod bugs;
mod events;
mod examples;
mod ignore;
mod manager;
mod moves;
mod start;
mod stop;
mod support;
mod update;
