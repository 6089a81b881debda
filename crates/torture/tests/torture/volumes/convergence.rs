//! Convergence on each file system: the workloads, an overflow, moves between roots, roots that come and go,
//! and mounts below a root.

use everwatch_torture::scratch::Place;
use everwatch_torture::workload::Plan;

use super::{Mounted, Volume, on, on_prepared};
use crate::command::Everwatch;
use crate::convergence::workload;
use crate::run::{Layout, Outcome, Run, check};
use crate::{mounts, roots};

/// The amount of work for each workload.
struct Load {
    seeds: u64,
    operations: usize,
}

impl Load {
    /// Two seeds, or twenty in a soak.
    fn usual() -> Load {
        match std::env::var_os("EVERWATCH_SOAK").is_some() {
            true => Load {
                seeds: 20,
                operations: 5_000,
            },
            false => Load {
                seeds: 2,
                operations: 500,
            },
        }
    }
}

/// A run on the volume, as [`Place::Disk`].
fn run(plan: Plan, seed: u64, operations: usize) -> Run {
    Run::new(workload(plan, seed, operations), Place::Disk)
}

/// Makes sure that everything was reported by notification.
fn is_live(outcome: &Outcome) {
    let coverage = &outcome.verdict.replica.coverage;
    assert!(
        coverage.iter().all(|line| line.state == "live"),
        "{coverage:?}"
    );
}

/// The suite of a file system that notifies.
fn converges(_: &Mounted) {
    converges_with(&Plan::ALL);
}

/// The suite with some of the workloads.
fn converges_with(plans: &[Plan]) {
    let Load { seeds, operations } = Load::usual();
    let renames = match plans.contains(&Plan::RenameStorm) {
        true => Plan::RenameStorm,
        false => Plan::Mix,
    };
    for &plan in plans {
        for seed in 1..=seeds {
            is_live(&run(plan, seed, operations).check().expect("no limits"));
        }
    }
    for seed in 1..=seeds {
        let between = Run {
            layout: Layout::Beside(3),
            ..run(Plan::Mix, 100 + seed, operations)
        };
        between.check();
        let within = Run {
            layout: Layout::Within,
            ..run(renames, 200 + seed, operations)
        };
        within.check();
        let overflowing = Run {
            queue: Some(16),
            ..run(Plan::Mix, 300 + seed, operations)
        };
        if let Some(outcome) = overflowing.check() {
            assert!(
                outcome.verdict.replica.overflows > 0,
                "no overflow happened"
            );
        }
    }
    roots::goes_on_after_deletions(Place::Disk);
    mounts::mounts_below_a_root();
    mounts::binds_below_a_root();
}

#[test]
fn ext4_converges() {
    let test = "volumes::convergence::ext4_converges";
    on(Volume::Ext4, test, converges);
}

#[test]
fn xfs_converges() {
    let test = "volumes::convergence::xfs_converges";
    on(Volume::Xfs, test, converges);
}

#[test]
fn btrfs_converges() {
    let test = "volumes::convergence::btrfs_converges";
    on(Volume::Btrfs, test, |mounted| {
        if std::env::var_os("EVERWATCH_SOAK").is_some() {
            return converges(mounted);
        }
        // A storm of renames still loses entries now and then: GUARANTEES.md, "Known gaps".
        converges_with(&[Plan::Burst, Plan::Deep, Plan::Churn, Plan::Mix]);
    });
}

#[test]
fn tmpfs_converges() {
    let test = "volumes::convergence::tmpfs_converges";
    on(Volume::Tmpfs, test, converges);
}

#[test]
fn a_bind_mount_converges() {
    let test = "volumes::convergence::a_bind_mount_converges";
    on(Volume::Bind, test, converges);
}

#[test]
fn an_overlay_converges() {
    let test = "volumes::convergence::an_overlay_converges";
    on(Volume::Overlay, test, converges);
}

#[test]
fn an_overlay_of_two_file_systems_converges() {
    let test = "volumes::convergence::an_overlay_of_two_file_systems_converges";
    on(Volume::OverlayOfTwo, test, converges);
}

/// Works in a tree that the lower layer has: files are copied up, entries are whited out, directories that
/// are made again are opaque.
fn a_full_lower_layer_converges(volume: Volume, test: &str) {
    let Load { seeds, operations } = Load::usual();
    let plans = [Plan::Mix, Plan::RenameStorm, Plan::Churn];
    let name = |plan: Plan, seed: u64| format!("{}-{seed}", plan.name());
    let prepare = |mounted: &Mounted| {
        for plan in plans {
            for seed in 1..=seeds {
                let root = mounted.lower().join(name(plan, seed));
                std::fs::create_dir(&root).expect("make a directory");
                workload(plan, !seed, operations).run(&[root]);
            }
        }
    };
    on_prepared(volume, test, prepare, |mounted| {
        for plan in plans {
            for seed in 1..=seeds {
                let root = mounted.at.join(name(plan, seed));
                let everwatch = Everwatch::start(&[&root], &[]);
                workload(plan, seed, operations).run(std::slice::from_ref(&root));
                everwatch.pass(&root, "sentinel");
                check(everwatch, &[&root]);
            }
        }
    });
}

#[test]
fn a_full_lower_layer_of_an_overlay_converges() {
    let test = "volumes::convergence::a_full_lower_layer_of_an_overlay_converges";
    a_full_lower_layer_converges(Volume::Overlay, test);
}

#[test]
fn a_full_lower_layer_on_another_file_system_converges() {
    let test = "volumes::convergence::a_full_lower_layer_on_another_file_system_converges";
    a_full_lower_layer_converges(Volume::OverlayOfTwo, test);
}

#[test]
fn a_fuse_file_system_is_polled_and_converges() {
    let test = "volumes::convergence::a_fuse_file_system_is_polled_and_converges";
    on(Volume::Fuse, test, |_| {
        let Load { seeds, .. } = Load::usual();
        for plan in Plan::ALL {
            for seed in 1..=seeds {
                let polled = Run {
                    arguments: vec!["--poll-interval", "50ms"],
                    ..run(plan, seed, 200)
                };
                let outcome = polled.check().expect("no limits");
                let coverage = &outcome.verdict.replica.coverage;
                assert!(
                    coverage
                        .iter()
                        .any(|line| line.state == "polled" && line.reason == "remote-file-system"),
                    "{coverage:?}"
                );
            }
        }
    });
}
