//! How many threads a watcher takes.
//!
//! One test alone in its binary: it counts the threads of the whole process.

#[path = "it/support/mod.rs"]
mod support;

use std::fs;

use everwatch::Watcher;
use support::{eventually, temp};

#[cfg(target_os = "linux")]
fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .expect("/proc is there")
        .count()
}

#[cfg(windows)]
fn threads() -> usize {
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
    use windows_sys::Win32::System::Diagnostics::ToolHelp::{
        CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
    };

    // SAFETY: takes numbers, and returns a handle that is ours alone; none is made in vain here.
    let list =
        unsafe { OwnedHandle::from_raw_handle(CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0)) };
    let mut entry = THREADENTRY32 {
        dwSize: u32::try_from(size_of::<THREADENTRY32>()).expect("a small number"),
        ..THREADENTRY32::default()
    };
    let mut count = 0;
    // SAFETY: the handle is that of a snapshot, and the entry says how large it is.
    let mut is_there = unsafe { Thread32First(list.as_raw_handle(), &mut entry) };
    while is_there != 0 {
        count += usize::from(entry.th32OwnerProcessID == std::process::id());
        // SAFETY: as before.
        is_there = unsafe { Thread32Next(list.as_raw_handle(), &mut entry) };
    }
    count
}

// requirement: S2.4, S1 bug 11 (linux)
#[test]
fn five_hundred_roots_take_no_more_threads_than_one() {
    let dir = temp();
    let roots: Vec<_> = (0..500).map(|at| dir.path().join(at.to_string())).collect();
    for root in &roots {
        fs::create_dir(root).expect("a directory");
    }
    let without = threads();
    let watcher = Watcher::new().expect("a watcher");
    watcher.watch(&roots[0]).expect("watched");
    let with_one = threads();
    for root in &roots[1..] {
        watcher.watch(root).expect("watched");
    }
    assert_eq!(threads(), with_one);
    watcher.close();
    eventually("as many threads as before", || threads() == without);
}
