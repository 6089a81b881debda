//! Tests of the library on the real kernel and real file systems. Each module has one topic.
//!
//! Tests that measure the whole process are programs of their own, beside this directory.

#[cfg(feature = "globs")]
mod ancestor_rules;
mod arming;
mod awaiting;
mod backends;
mod barrier;
mod closing;
mod commands;
mod completion_models;
#[cfg(unix)]
mod coverage;
mod delivery;
mod ending;
#[cfg(feature = "globs")]
mod filters;
#[cfg(all(target_os = "linux", feature = "globs"))]
mod git_rules;
#[cfg(unix)]
mod mounts;
mod moves;
mod names;
#[cfg(unix)]
mod names_unix;
mod readiness;
mod reading;
mod roots;
mod spellings;
mod stalled;
mod support;
