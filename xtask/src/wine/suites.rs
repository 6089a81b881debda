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
    /// The tests to run, by parts of their names; all if there are none.
    pub(super) tests: &'static [&'static str],
    /// The time limit: several times what the suite takes on two slow cores.
    pub(super) limit: Duration,
}

/// The suites of every push, in the order in which they run: lower crates first.
pub(super) const SUITES: &[Suite] = &[
    Suite {
        package: "everwatch-core",
        kind: Kind::Tests,
        arguments: &[],
        tests: &[],
        limit: Duration::from_secs(180),
    },
    Suite {
        package: "everwatch-proactor",
        kind: Kind::Tests,
        arguments: &["--features", "fault-injection,sockets,futures-io,tls-ring"],
        tests: &[],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-directory-reads",
        kind: Kind::Tests,
        arguments: &["--features", "fault-injection"],
        tests: &[],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-backends",
        kind: Kind::Tests,
        arguments: &[],
        tests: &[],
        limit: Duration::from_secs(120),
    },
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &["--all-features", "--lib", "--test", "it"],
        tests: &[
            "ancestor_rules::",
            "awaiting::",
            "backends::",
            "commands::",
            "delivery::",
            "ending::",
            "filters::",
            "names::",
            "readiness::",
            "reading::",
            "roots::",
            "spellings::",
        ],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-pyinotify",
        kind: Kind::Tests,
        // All programs, because examples are built with them.
        arguments: &[],
        tests: &[
            "bugs::",
            "events::",
            "examples::",
            "manager::",
            "moves::",
            "stop::",
            "tests::",
        ],
        limit: Duration::from_secs(600),
    },
    Suite {
        package: "everwatch-torture",
        kind: Kind::Command,
        arguments: &["--release", "--test", "wine"],
        tests: &[],
        limit: Duration::from_secs(720),
    },
];

/// Suites that take too long for every push, and the last one, some of whose tests do not pass yet. They
/// run if their package is named. The last suite of a package must have all its tests: names of tests are looked
/// for in it alone.
pub(super) const PENDING: &[Suite] = &[
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &["--test", "it"],
        tests: &["arming::", "closing::", "moves::", "stalled::"],
        limit: Duration::from_secs(1200),
    },
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &["--test", "it"],
        tests: &["completion_models::"],
        limit: Duration::from_secs(1200),
    },
    Suite {
        package: "everwatch-cli",
        kind: Kind::Tests,
        arguments: &["--test", "it"],
        tests: &[],
        limit: Duration::from_secs(300),
    },
    Suite {
        package: "everwatch-pyinotify",
        kind: Kind::Tests,
        arguments: &[],
        tests: &[],
        limit: Duration::from_secs(900),
    },
    Suite {
        package: "everwatch",
        kind: Kind::Tests,
        arguments: &["--all-features", "--tests"],
        tests: &[],
        limit: Duration::from_secs(900),
    },
];

/// Arguments of `cargo build` for the command and its writers.
pub(super) const COMMAND: &str =
    "--release -p everwatch-cli -p everwatch-torture --bin everwatch --example workload";

/// The command, below the directory of the target.
pub(super) const EXECUTABLE: &str = "release/everwatch.exe";
