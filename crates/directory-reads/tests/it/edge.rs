//! The bottom of the crate by itself: a port, a directory, and a read as a value with a state.

use std::ffi::OsString;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use everwatch_directory_reads::native::{Buffer, ChangeRead, DirHandle, leaked};
use everwatch_directory_reads::records::{Action, changes};
use everwatch_directory_reads::{Intent, Layout, Model, Settings, Tag, Verdict, verdict};
use everwatch_proactor::native::{CompletionPort, Packet};
use windows_sys::Win32::Foundation::{GetLastError, SetLastError};

use crate::support::{
    self, LONG, Reader, count_of, create, open, remove_and_make_again, text_of, tree,
};

fn verbatim(path: &Path) -> PathBuf {
    let mut verbatim = OsString::from(r"\\?\");
    verbatim.push(path);
    PathBuf::from(verbatim)
}

/// The next packet of a port.
fn packet(port: &CompletionPort) -> Packet {
    let mut packets = Vec::new();
    let end = Instant::now() + LONG;
    while packets.is_empty() {
        assert!(Instant::now() < end, "no packet");
        let wait = Some(Duration::from_millis(200));
        port.dequeue(wait, |packet| packets.push(packet))
            .expect("a port that works");
    }
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

fn names(bytes: &[u8]) -> Vec<String> {
    changes(bytes, Layout::Plain)
        .map(|change| text_of(change.expect("a record").name))
        .collect()
}

// requirement: S0.12 (wine)
#[test]
fn a_read_goes_from_idle_to_pending_to_ready_and_round_again() {
    let tree = tree();
    let port = CompletionPort::new().expect("a port");
    let directory = DirHandle::open(&verbatim(tree.path())).expect("a directory");
    port.associate(directory.as_handle(), 7)
        .expect("an association");
    assert!(
        port.associate(directory.as_handle(), 8).is_err(),
        "once per handle"
    );
    let settings = Settings::default();
    let mut read = ChangeRead::new(directory, settings, 7);
    let mut spare = Buffer::new(settings.bytes);
    for round in 0..20 {
        let pending = read
            .arm()
            .map_err(|(_, error)| error)
            .expect("an issued read");
        let name = format!("file-{round}");
        create(&tree.path().join(&name));
        let packet = packet(&port);
        assert_eq!(packet.key(), 7);
        let ready = pending.dequeued(packet).map_err(drop).expect("its packet");
        let verdict = verdict(ready.end(), settings.bytes, Intent::Continue);
        let Verdict::Changes { bytes } = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(names(ready.bytes(bytes)), [name.as_str()]);
        let (idle, filled) = ready.exchange(spare, bytes);
        assert_eq!(names(filled.bytes()), [name]);
        spare = filled.into_buffer();
        read = idle;
    }
    let pending = read
        .arm()
        .map_err(|(_, error)| error)
        .expect("an issued read");
    pending.cancel().expect("a cancel");
    let ready = pending
        .dequeued(packet(&port))
        .map_err(drop)
        .expect("its packet");
    let verdict = verdict(ready.end(), settings.bytes, Intent::Cancel);
    assert_eq!(verdict, Verdict::Cancelled);
    assert_eq!(ready.end().bytes, 0);
}

#[test]
fn a_packet_of_another_read_makes_no_read_ready() {
    let tree = tree();
    let port = CompletionPort::new().expect("a port");
    let mut pending = Vec::new();
    for key in [1, 2] {
        let directory = DirHandle::reopen(open(tree.path()).as_handle()).expect("a directory");
        port.associate(directory.as_handle(), key)
            .expect("an association");
        let read = ChangeRead::new(directory, Settings::default(), key).arm();
        pending.push(read.map_err(|(_, error)| error).expect("an issued read"));
    }
    port.post(9).expect("a packet");
    let [first, second] = <[_; 2]>::try_from(pending).expect("two reads");
    let (first, posted) = first.dequeued(packet(&port)).expect_err("a posted packet");
    assert_eq!(posted.key(), 9);
    second.cancel().expect("a cancel");
    let (first, of_second) = first
        .dequeued(packet(&port))
        .expect_err("the other's packet");
    assert!(second.dequeued(of_second).is_ok());
    first.cancel().expect("a cancel");
    assert!(first.dequeued(packet(&port)).is_ok());
}

#[test]
fn a_pending_read_that_is_dropped_is_leaked_and_counted() {
    let tree = tree();
    let directory = DirHandle::open(tree.path()).expect("a directory");
    let read = ChangeRead::new(directory, Settings::default(), 1).arm();
    let before = leaked();
    drop(read.map_err(|(_, error)| error).expect("an issued read"));
    assert_eq!(leaked(), before + 1);
    remove_and_make_again(tree.path());
}

// requirement: S3.8 (wine)
#[test]
fn packets_timeouts_and_failures_are_distinct() {
    let port = CompletionPort::new().expect("a port");
    let start = Instant::now();
    let none = |_| panic!("a packet");
    assert_eq!(port.dequeue(Some(Duration::ZERO), none), Ok(0));
    assert_eq!(port.dequeue(Some(Duration::from_millis(30)), none), Ok(0));
    assert!(start.elapsed() >= Duration::from_millis(29));
    for key in 1..=3 {
        port.post(key).expect("a packet");
    }
    let mut keys = Vec::new();
    while keys.len() < 3 {
        port.dequeue(None, |packet| keys.push(packet.key()))
            .expect("a port that works");
    }
    assert_eq!(keys, [1, 2, 3]);
}

// requirement: S3 bug 11 (wine)
#[test]
fn an_open_that_fails_is_noticed() {
    let tree = tree();
    let file = tree.path().join("file");
    create(&file);
    assert_eq!(
        DirHandle::open(&tree.path().join("missing")).map(drop),
        Err(2)
    );
    assert_eq!(DirHandle::open(Path::new("")).map(drop), Err(123));
    assert_eq!(DirHandle::open(Path::new("a\0b")).map(drop), Err(123));
    let mut reader = Reader::new(Model::Port);
    let not_a_directory = std::fs::File::open(&file).expect("a file");
    let armed = reader.reads.arm(
        Tag(1),
        not_a_directory.as_handle(),
        &file,
        Settings::default(),
    );
    assert!(armed.is_err(), "a file is no directory");
    reader.close();
}

// requirement: S3 bug 11, S1.6 (wine)
#[test]
fn a_path_may_be_longer_than_260_units() {
    let tree = tree();
    let mut path = verbatim(tree.path());
    for _ in 0..4 {
        path.push("d".repeat(120));
        std::fs::create_dir(&path).expect("a directory");
    }
    let directory = DirHandle::open(&path).expect("a directory far down");
    for model in [support::port(), support::isolated()] {
        let mut reader = Reader::new(model);
        reader
            .reads
            .arm(Tag(1), directory.as_handle(), &path, Settings::default())
            .expect("an armed directory");
        let name =
            format!("{:?}", Instant::now()).replace(|other: char| !other.is_alphanumeric(), "");
        create(&path.join(&name));
        reader.until_reported(Action::Added, &name);
        reader.close();
    }
}

// requirement: S3 bug 10 (wine)
#[test]
fn an_old_error_is_taken_for_no_new_one() {
    const STALE: u32 = 1022;
    let tree = tree();
    // SAFETY: no preconditions.
    let spoil = || unsafe { SetLastError(STALE) };
    for model in [
        support::port(),
        support::apc(),
        support::event(),
        support::blocking(),
    ] {
        spoil();
        let mut reader = Reader::new(model);
        spoil();
        reader.arm(1, tree.path(), Settings::default());
        spoil();
        let name =
            format!("{:?}", Instant::now()).replace(|other: char| !other.is_alphanumeric(), "");
        create(&tree.path().join(&name));
        spoil();
        reader.until(&name, |reported| {
            spoil();
            count_of(reported, Action::Added, &name) > 0
        });
        assert!(
            reader
                .reported
                .iter()
                .all(|reported| matches!(reported, support::Reported::Change(..)))
        );
        reader.close();
    }
    spoil();
    // SAFETY: no preconditions.
    assert_eq!(unsafe { GetLastError() }, STALE, "it was stale");
}

// requirement: S2.1 (wine)
#[test]
fn a_blocking_read_blocks_until_something_changes_or_it_is_cancelled() {
    let tree = tree();
    let mut reader = Reader::armed(support::blocking(), tree.path());
    let start = Instant::now();
    reader.reads.wait(Some(Duration::from_millis(100)));
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "nothing changed"
    );
    assert_eq!(reader.collect(), 0);
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    let start = Instant::now();
    reader.reads.retire(Tag(1));
    assert!(start.elapsed() < Duration::from_secs(1));
    reader.close();
}
