//! The simulator: random schedules, and those that once found a bug. `cargo xtask sim` runs more.

// Its paths are those of Unix.
#![cfg(not(windows))]

use everwatch_sim::{self as sim, Platform, VolumeSort};

/// Schedules that failed, and why. What a number stands for changes with the simulator, so these
/// are worth no more than any other once it does; bugs that take a few calls to show are in
/// the simulator's `scenarios`.
const ONCE_FAILED: [(u64, &str); 7] = [
    (
        sim::WILD + 3934,
        "a single-file root went while it was armed: the barrier waited without end",
    ),
    (
        sim::WILD + 871,
        "a mount below a root behind a symbolic link was looked for under the wrong path",
    ),
    (
        4821,
        "an entry was identified as a later one of the same name, and moved as that",
    ),
    (
        13220,
        "a directory that moved out of an unreadable one was not tried again",
    ),
    (
        6460,
        "a directory that could be read again was still called unreadable",
    ),
    (
        4876,
        "after lost records a used-again inode number was believed to be watched",
    ),
    (
        18837,
        "a barrier was passed before what an old doubt led to was decided",
    ),
];

#[test]
fn schedules_that_once_failed_succeed() {
    for (seed, bug) in ONCE_FAILED {
        if let Err(failure) = sim::run(seed) {
            panic!("{bug}:\n{failure}");
        }
    }
}

/// The same on Windows.
const ONCE_FAILED_ON_WINDOWS: [(u64, &str); 10] = [
    (8, "a name was looked at and found by another case"),
    (
        117,
        "what was deleted by its short name was not reported as gone",
    ),
    (463, "completions that wait were taken for none"),
    (
        1616,
        "a root whose name had changed its case was not guarded",
    ),
    (
        5835,
        "what was made at a name that something had left was not looked for",
    ),
    (
        38212,
        "a short name in a directory that could not be opened was forgotten",
    ),
    (
        63414,
        "a directory that came back was not compared, though it was away",
    ),
    (85287, "a root that was being deleted was called unreadable"),
    (
        sim::WILD + 17_618,
        "a directory that moved to another root relied on the watch it had left",
    ),
    (
        348_230,
        "a file that moved past a comparison after lost records was not reported as modified",
    ),
];

#[test]
fn schedules_that_once_failed_on_windows_succeed() {
    for (seed, bug) in ONCE_FAILED_ON_WINDOWS {
        if let Err(failure) = sim::run(Platform::Windows.first() + seed) {
            panic!("{bug}:\n{failure}");
        }
    }
}

// A schedule on a system that looks by name fails if a look made a call of another process fail.
#[test]
fn few_renames_fail_because_directories_are_open_and_none_because_of_looks() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let from = Platform::Windows.first() + 2_000_000;
    let (report, failures) = sim::search(from, 2_000, threads, |_| ());
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
    // Those are of the systems that have to open what they look at.
    assert!(report.refused_by_looks > 0, "{report:?}");
    assert!(report.refused_by_directories > 0, "{report:?}");
    assert!(
        report.refused_by_directories * 200 < report.calls,
        "{report:?}"
    );
}

#[test]
fn two_thousand_random_schedules_of_windows_end_with_equal_trees() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let from = Platform::Windows.first() + 1_000_000;
    let (report, failures) = sim::search(from, 2_000, threads, |_| ());
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
    assert!(report.overflows > 0 && report.folds > 0, "{report:?}");
}

/// Runs plain schedules of Windows on one sort of volume.
fn converges_on(sort: VolumeSort) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let from = Platform::WindowsOn(sort).first();
    let (report, failures) = sim::search(from, 1_000, threads, |_| ());
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
    assert!(report.overflows > 0 && report.folds > 0, "{report:?}");
}

#[test]
fn schedules_on_ntfs_end_with_equal_trees() {
    converges_on(VolumeSort::Ntfs);
}

#[test]
fn schedules_on_refs_end_with_equal_trees() {
    converges_on(VolumeSort::Refs);
}

#[test]
fn schedules_on_fat_end_with_equal_trees() {
    converges_on(VolumeSort::Fat);
}

#[test]
fn schedules_on_a_share_of_windows_end_with_equal_trees() {
    converges_on(VolumeSort::WindowsShare);
}

#[test]
fn schedules_on_a_share_of_samba_end_with_equal_trees() {
    converges_on(VolumeSort::Samba);
}

#[test]
fn schedules_on_a_file_system_that_a_program_provides_end_with_equal_trees() {
    converges_on(VolumeSort::Program);
}

#[test]
fn two_thousand_random_schedules_end_with_equal_trees() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (report, failures) = sim::search(1_000_000, 2_000, threads, |_| ());
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
    assert!(report.overflows > 0 && report.folds > 0, "{report:?}");
}

#[test]
fn a_schedule_runs_the_same_way_every_time() {
    for seed in 0..20 {
        assert_eq!(sim::run(seed), sim::run(seed));
    }
}
