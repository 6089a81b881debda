//! Suites that run under Wine: the list to extend for a new crate.

use std::time::Duration;

/// The programs of a suite that run under Wine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The test programs.
    Tests,
    /// The command and its writers, by tests on Linux, which are another writer beside them.
    Command,
}

/// Tests of a crate that run under Wine, or start programs there.
pub(super) struct Suite {
    pub(super) package: &'static str,
    pub(super) kind: Kind,
    /// Further arguments of `cargo test`.
    pub(super) arguments: &'static [&'static str],
    /// The time limit: several times what the suite takes on two slow cores.
    pub(super) limit: Duration,
}

/// The suites of every push, in the order in which they run: lower crates first.
pub(super) const SUITES: &[Suite] = &[
    Suite {
        package: "everwatch-core",
        kind: Kind::Tests,
        arguments: &[],
        limit: Duration::from_secs(180),
    },
    Suite {
        package: "everwatch-proactor",
        kind: Kind::Tests,
        arguments: &["--features", "seam,sockets,futures-io,tls-ring"],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-directory-reads",
        kind: Kind::Tests,
        arguments: &["--features", "seam"],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-backends",
        kind: Kind::Tests,
        arguments: &[],
        limit: Duration::from_secs(120),
    },
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &[
            "--lib",
            "--test",
            "awaiting",
            "--test",
            "requirements_s0",
            "--test",
            "requirements_s1",
            "--test",
            "requirements_s2",
            "--test",
            "requirements_s3",
            "--test",
            "requirements_bugs",
            "--test",
            "readiness",
            "--test",
            "filters",
            "--test",
            "names",
            "--test",
            "roots",
        ],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-pyinotify",
        kind: Kind::Tests,
        arguments: &[
            "--lib", "--test", "bugs", "--test", "events", "--test", "manager", "--test", "moves",
            "--test", "stop",
        ],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-torture",
        kind: Kind::Command,
        arguments: &["--release", "--test", "wine"],
        limit: Duration::from_secs(600),
    },
];

/// Suites that take too long for every push, and the last one, some of whose tests do not pass yet. They
/// are run if their package is named.
pub(super) const PENDING: &[Suite] = &[
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &[
            "--test", "arming", "--test", "closing", "--test", "moves", "--test", "stalled",
        ],
        limit: Duration::from_secs(1200),
    },
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &["--test", "models"],
        limit: Duration::from_secs(1200),
    },
    Suite {
        package: "everwatch-cli",
        kind: Kind::Tests,
        arguments: &["--test", "it"],
        limit: Duration::from_secs(300),
    },
    Suite {
        package: "everwatch-pyinotify",
        kind: Kind::Tests,
        arguments: &["--tests"],
        limit: Duration::from_secs(900),
    },
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &["--tests"],
        limit: Duration::from_secs(900),
    },
];

/// Arguments of `cargo build` for the command and its writers.
pub(super) const COMMAND: &str =
    "--release -p everwatch-cli -p everwatch-torture --bin everwatch --example workload";

/// The command, below the directory of the target.
pub(super) const EXECUTABLE: &str = "release/everwatch.exe";
