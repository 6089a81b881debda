//! Reads of directories: the promises of all completion models, one read by itself, and the awaited read.
#![cfg(windows)]

mod changes;
mod conformance;
mod edge;
mod examples;
mod support;
