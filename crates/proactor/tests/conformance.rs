//! The conformance suite.
#![cfg(windows)]

use everwatch_proactor::{Completion, Model, Settings, Tag, notify, reads};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsHandle;
use std::time::{Duration, Instant};

#[test]
fn a_file_created_after_arm_returns_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let handle = std::fs::OpenOptions::new()
        .access_mode(1)
        .share_mode(7)
        .custom_flags(0x0200_0000)
        .open(directory.path())
        .unwrap();
    let mut reads = reads(Model::Port).unwrap();
    reads
        .arm(
            Tag(1),
            handle.as_handle(),
            directory.path(),
            Settings::default(),
        )
        .unwrap();
    drop(handle);
    std::fs::write(directory.path().join("new"), b"").unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    let mut names = Vec::new();
    while names.is_empty() && Instant::now() < end {
        reads.wait(Some(Duration::from_millis(500)));
        reads.collect(&mut |tag, completion| match completion {
            Completion::Changes { bytes, layout } => {
                for change in notify::changes(bytes, layout) {
                    let change = change.unwrap();
                    println!("{tag:?} {change:?}");
                    let mut name = Vec::new();
                    change.name.push_wtf8(&mut name);
                    names.push(name);
                }
            }
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(names.first().map(Vec::as_slice), Some(b"new".as_slice()));
    println!("{:?}", reads.close());
}
