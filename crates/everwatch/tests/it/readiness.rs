//! Waiting for a feed with what the operating system has for that.

use std::fs;
use std::time::Duration;

use everwatch::Readiness;

use crate::support::{PATIENCE, armed, structure, temp, waiting};

#[cfg(target_os = "linux")]
fn is_ready_within(readiness: &Readiness, time: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut descriptors = [PollFd::new(readiness, PollFlags::IN)];
    let time = Timespec::try_from(time).expect("a time");
    poll(&mut descriptors, Some(&time)).expect("waited") == 1
}

#[cfg(windows)]
fn is_ready_within(readiness: &Readiness, time: Duration) -> bool {
    use std::os::windows::io::AsRawHandle;
    use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
    use windows_sys::Win32::System::Threading::WaitForSingleObject;

    let time = u32::try_from(time.as_millis()).expect("a time");
    // SAFETY: the handle is open as long as `readiness` lives.
    unsafe { WaitForSingleObject(readiness.as_raw_handle(), time) == WAIT_OBJECT_0 }
}

// requirement: S3.11
#[test]
fn a_feed_is_ready_while_there_is_something_to_take_and_not_otherwise() {
    let dir = temp();
    let (_watcher, mut feed) = armed(dir.path());
    let readiness = feed.readiness().expect("a descriptor or handle");
    for round in 0..50 {
        waiting(&mut feed);
        assert!(
            !is_ready_within(&readiness, Duration::ZERO),
            "round {round}"
        );
        fs::create_dir(dir.path().join(format!("d{round}"))).expect("a directory");
        assert!(is_ready_within(&readiness, PATIENCE), "round {round}");
        let seen = structure(dir.path(), &waiting(&mut feed));
        assert_eq!(seen, [format!("created d{round}/")]);
    }
}

// requirement: S3.11
#[test]
fn a_feed_stays_ready_until_all_of_it_is_taken() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let readiness = feed.readiness().expect("a descriptor or handle");
    for at in 0..20 {
        fs::create_dir(dir.path().join(format!("d{at}"))).expect("a directory");
    }
    watcher.sync().expect("the barrier is passed");
    for _ in 0..20 {
        assert!(is_ready_within(&readiness, Duration::ZERO));
        assert!(feed.try_next().expect("the feed is open").is_some());
    }
    assert_eq!(feed.try_next().expect("the feed is open"), None);
    assert!(!is_ready_within(&readiness, Duration::ZERO));
}

// requirement: S3.11
#[test]
fn a_feed_that_is_behind_becomes_ready_again_and_again() {
    let dir = temp();
    let watcher = everwatch::Options::new()
        .capacity(2)
        .build()
        .expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    let readiness = feed.readiness().expect("a descriptor or handle");
    for at in 0..60 {
        fs::create_dir(dir.path().join(format!("d{at}"))).expect("a directory");
    }
    let mut seen = 0;
    while seen < 60 {
        assert!(is_ready_within(&readiness, PATIENCE), "after {seen}");
        seen += structure(dir.path(), &waiting(&mut feed)).len();
    }
    assert_eq!(seen, 60);
}

// requirement: S3.11
#[test]
fn a_feed_whose_watcher_is_closed_is_ready_for_good() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let readiness = feed.readiness().expect("a descriptor or handle");
    waiting(&mut feed);
    watcher.close();
    assert!(is_ready_within(&readiness, PATIENCE));
    assert!(feed.try_next().is_err());
    assert!(is_ready_within(&readiness, Duration::ZERO));
}
