//! What is built for Windows and what of it runs under Wine: the one place to add a crate to.

use std::time::Duration;

/// The tests of a crate that run under Wine.
pub(super) struct Suite {
    pub(super) package: &'static str,
    /// Further words for `cargo test`.
    pub(super) arguments: &'static [&'static str],
    /// After this time the suite hangs. Several times what it takes on two slow cores.
    pub(super) limit: Duration,
}

/// In the order in which they run: a failure below is found before what stands on it fails as well.
pub(super) const SUITES: &[Suite] = &[Suite {
    package: "everwatch-core",
    arguments: &[],
    limit: Duration::from_secs(180),
}];

/// The crates that build for Windows, tests and all.
pub(super) const BUILT: &[&str] = &["everwatch-core"];

/// How long a crate may take to be compiled.
pub(super) const BUILDING: Duration = Duration::from_secs(600);
