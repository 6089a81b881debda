//! `everwatch.exe selftest` under Wine: the guarantees, and the answers to the questions about Windows.

use everwatch_torture::scratch::{Place, Scratch};

use crate::wine::{Wine, outside};

#[test]
fn the_self_test_holds_and_leaves_nothing_behind() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let directory = scratch.dir("selftest");
    let output = wine
        .everwatch()
        .args(["selftest", "--quick", "--seed", "5"])
        .arg(outside(&directory))
        .output()
        .expect("start Wine");
    let table = String::from_utf8_lossy(&output.stdout);
    let progress = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{table}{progress}");
    for id in ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"] {
        assert!(table.contains(&format!("  {id} ")), "{table}");
    }
    assert!(!table.contains(" broken "), "{table}");
    let left = std::fs::read_dir(&directory).expect("a directory").count();
    assert_eq!(left, 0, "{table}{progress}");
}
