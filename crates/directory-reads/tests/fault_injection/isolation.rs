//! The model `isolated` with a worker that dies, hangs, lies, or is none.
//!
//! Every test that starts a worker holds a `Session` for all of its time, so that no worker of another test is
//! taken for its own.

use std::os::windows::io::AsHandle;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Error, Model, Settings, Stage, Tag, reads};
use everwatch_proactor::fault_injection::{Call, Session};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_PROCESS_ABORTED, ERROR_SEM_TIMEOUT, HANDLE, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_SUSPEND_RESUME, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess,
    WaitForSingleObject,
};

use crate::support::{
    LONG, Reader, Reported, buffers_of, count_of, create, isolated, open, remove_and_make_again,
    subdirectories, subdirectory, tree, worker,
};

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtSuspendProcess(process: HANDLE) -> i32;
}

/// A worker as others see it.
struct Other(HANDLE);

impl Other {
    fn of(id: usize) -> Other {
        let access = PROCESS_TERMINATE | PROCESS_SUSPEND_RESUME | PROCESS_SYNCHRONIZE;
        // SAFETY: no preconditions.
        let process = unsafe { OpenProcess(access, 0, id as u32) };
        assert!(!process.is_null(), "no process {id}");
        Other(process)
    }

    fn latest(session: &Session) -> Other {
        let spawned = session.records_of(Call::SpawnWorker);
        Other::of(spawned.last().expect("a worker").handle)
    }

    fn kill(&self) {
        // SAFETY: the handle is open, with the access that this takes.
        assert_ne!(unsafe { TerminateProcess(self.0, 3) }, 0);
    }

    fn suspend(&self) {
        // SAFETY: as above.
        assert_eq!(unsafe { NtSuspendProcess(self.0) }, 0);
    }

    fn ends_within(&self, time: Duration) -> bool {
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(self.0, time.as_millis() as u32) == WAIT_OBJECT_0 }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // SAFETY: it was opened here.
        unsafe { CloseHandle(self.0) };
    }
}

/// The step that failed, and the Win32 error.
fn parts(error: &Error) -> (Stage, u32) {
    (error.stage(), error.code())
}

fn lost(tag: u64) -> Reported {
    Reported::Lost(Tag(tag))
}

#[test]
fn a_worker_that_is_killed_costs_a_resync_and_nothing_else() {
    let session = Session::open();
    let tree = tree();
    let roots = subdirectories(tree.path(), 3);
    let mut reader = Reader::new(isolated());
    for (tag, root) in roots.iter().enumerate() {
        reader.arm(tag as u64, root, Settings::default());
    }
    for round in 0..3 {
        reader.reported.clear();
        let name = format!("before-{round}");
        create(&roots[1].join(&name));
        reader.until_reported(Action::Added, &name);
        Other::latest(&session).kill();
        reader.until("a resync of each", |reported| {
            (0..3).all(|tag| reported.contains(&lost(tag)))
        });
        // Reported as lost after it has been armed: what comes now is seen.
        for root in &roots {
            create(&root.join(format!("after-{round}")));
        }
        reader.until("one for each", |reported| {
            count_of(reported, Action::Added, &format!("after-{round}")) == 3
        });
        let resyncs = reader
            .reported
            .iter()
            .filter(|reported| matches!(reported, Reported::Lost(_)));
        assert_eq!(resyncs.count(), 3);
    }
    assert_eq!(reader.close().workers_lost, 3);
}

#[test]
fn a_hung_worker_is_ended_and_the_caller_goes_on() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(isolated(), tree.path());
    let hung = Other::latest(&session);
    hung.suspend();
    let start = Instant::now();
    let error = reader
        .try_arm(2, tree.path(), Settings::default())
        .unwrap_err();
    assert_eq!(error.stage(), Stage::Worker);
    assert!(start.elapsed() < Duration::from_secs(12));
    assert!(hung.ends_within(LONG), "the hung worker goes on");
    reader.until("a resync", |reported| reported.contains(&lost(1)));
    create(&tree.path().join("after"));
    reader.until_reported(Action::Added, "after");
    reader.arm(2, tree.path(), Settings::default());
    reader.close();
}

#[test]
fn a_worker_that_hangs_while_nothing_is_asked_is_noticed_in_a_wait() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(isolated(), tree.path());
    Other::latest(&session).suspend();
    reader.until("a resync", |reported| reported.contains(&lost(1)));
    create(&tree.path().join("after"));
    reader.until_reported(Action::Added, "after");
    assert_eq!(reader.close().workers_lost, 1);
}

// requirement: S0.2 (wine)
#[test]
fn a_hung_worker_does_not_keep_the_end_waiting() {
    let session = Session::open();
    let tree = tree();
    let reader = Reader::armed(isolated(), tree.path());
    let hung = Other::latest(&session);
    hung.suspend();
    let start = Instant::now();
    reader.close();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(hung.ends_within(LONG));
    remove_and_make_again(tree.path());
}

#[test]
fn a_directory_that_is_another_by_the_time_of_the_restart_has_failed() {
    let session = Session::open();
    let tree = tree();
    let root = subdirectory(tree.path(), "root");
    let mut reader = Reader::armed(isolated(), &root);
    reader.arm(2, tree.path(), Settings::default());
    std::fs::rename(&root, tree.path().join("aside")).expect("a directory to rename");
    subdirectory(tree.path(), "root");
    Other::latest(&session).kill();
    const ERROR_FILE_INVALID: u32 = 1006;
    let failed = Reported::Failed(Tag(1), ERROR_FILE_INVALID);
    reader.until("an end and a resync", |reported| {
        reported.contains(&failed) && reported.contains(&lost(2))
    });
    create(&root.join("of-another"));
    create(&tree.path().join("last"));
    reader.until_reported(Action::Added, "last");
    assert!(reader.added(1).is_empty());
    reader.reads.retire(Tag(1));
    reader.close();
}

// requirement: S0 bug f (wine)
#[test]
fn a_path_that_leads_to_another_directory_is_refused() {
    let _session = Session::open();
    let tree = tree();
    let one = subdirectory(tree.path(), "one");
    let other = subdirectory(tree.path(), "other");
    let mut reader = Reader::new(isolated());
    let directory = open(&one);
    let mut arm = |path: &Path| {
        let reads = &mut reader.reads;
        reads.arm(Tag(1), directory.as_handle(), path, Settings::default())
    };
    assert_eq!(arm(&other).unwrap_err().stage(), Stage::Identity);
    let missing = tree.path().join("missing");
    assert_eq!(arm(&missing).unwrap_err().stage(), Stage::Open);
    arm(&one).expect("the directory that is meant");
    create(&other.join("not-watched"));
    create(&one.join("watched"));
    reader.until("a record", |reported| !reported.is_empty());
    assert!(
        reader.reported[0].is(Action::Added, "watched"),
        "{:?}",
        reader.reported
    );
    reader.close();
}

#[test]
fn what_is_no_worker_is_refused_and_not_started_forever() {
    let session = Session::open();
    let tree = tree();
    for behaviour in ["gone", "noise"] {
        let mut reader = Reader::new(worker(behaviour));
        let error = reader
            .try_arm(1, tree.path(), Settings::default())
            .unwrap_err();
        let ended = (Stage::Worker, ERROR_PROCESS_ABORTED);
        assert_eq!(parts(&error), ended, "{behaviour}");
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            reader.reads.wait(Some(Duration::from_millis(100)));
            reader.collect();
        }
        let before = session.records_of(Call::SpawnWorker).len();
        assert!(before <= 12, "{before} workers were started");
        reader.close();
    }
    let missing = Model::Isolated {
        worker: tree.path().join("missing.exe"),
        arguments: Vec::new(),
    };
    assert!(reads(missing).is_err());
}

#[test]
fn a_worker_that_says_nothing_is_given_up() {
    let _session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(worker("silent"));
    let error = reader
        .try_arm(1, tree.path(), Settings::default())
        .unwrap_err();
    assert_eq!(parts(&error), (Stage::Worker, ERROR_SEM_TIMEOUT));
    let start = Instant::now();
    reader.close();
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_worker_that_answered_while_the_caller_was_away_is_not_ended() {
    let _session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(isolated());
    // Longer than a worker may take for its first answer.
    std::thread::sleep(Duration::from_secs(16));
    reader.reads.wait(Some(Duration::ZERO));
    reader.arm(1, tree.path(), Settings::default());
    assert_eq!(reader.close().workers_lost, 0);
}

#[test]
fn a_worker_that_cannot_be_started_again_is_why_a_directory_is_not_armed() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(isolated(), tree.path());
    session.break_down(Call::SpawnWorker, 8);
    Other::latest(&session).kill();
    let error = reader
        .try_arm(2, tree.path(), Settings::default())
        .unwrap_err();
    assert_eq!(parts(&error), (Stage::Start, 8));
    session.mend();
    reader.arm(2, tree.path(), Settings::default());
    reader.until("an end", |reported| {
        reported.contains(&Reported::Failed(Tag(1), 8))
    });
    reader.close();
}

#[test]
fn a_caller_who_collects_late_loses_nothing() {
    let _session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(isolated());
    reader.arm(1, tree.path(), buffers_of(4 * 1024 * 1024));
    let path = tree.path().join("x".repeat(200));
    for _ in 0..2000 {
        create(&path);
        std::fs::remove_file(&path).expect("a file to remove");
    }
    create(&tree.path().join("last"));
    reader.until_reported(Action::Added, "last");
    let (mut added, mut removed) = (0, 0);
    for reported in &reader.reported {
        match reported {
            Reported::Change(_, Action::Added, _) => added += 1,
            Reported::Change(_, Action::Removed, _) => removed += 1,
            _ => {}
        }
    }
    assert_eq!((added, removed), (2001, 2000));
    reader.close();
}

const PARENT: &str = "EVERWATCH_ISOLATION_PARENT";

/// Not a test: the parent in the one below, which ends without a word to its worker.
#[test]
fn parent_that_is_killed() {
    let Some(root) = std::env::var_os(PARENT) else {
        return;
    };
    let session = Session::open();
    let _reader = Reader::armed(isolated(), root.as_ref());
    let worker = session.records_of(Call::SpawnWorker)[0].handle;
    std::fs::write(Path::new(&root).join("worker"), worker.to_string()).expect("a file");
    loop {
        std::thread::park();
    }
}

// requirement: S0 bug b (wine)
#[test]
fn a_worker_dies_with_its_parent() {
    let tree = tree();
    let program = std::env::current_exe().expect("the path of this program");
    let mut parent = Command::new(program)
        .args(["isolation::parent_that_is_killed", "--exact", "--nocapture"])
        .env(PARENT, tree.path())
        .spawn()
        .expect("a parent");
    let note = tree.path().join("worker");
    let end = Instant::now() + LONG;
    let id = loop {
        match std::fs::read_to_string(&note).map(|text| text.parse::<usize>()) {
            Ok(Ok(id)) => break id,
            _ => assert!(Instant::now() < end, "no worker"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let worker = Other::of(id);
    // Suspended, so that the end of the pipe cannot be what ends it.
    worker.suspend();
    parent.kill().expect("a parent to kill");
    parent.wait().expect("an end");
    assert!(worker.ends_within(LONG), "the worker outlives its parent");
    std::fs::remove_file(note).expect("a file to remove");
    remove_and_make_again(tree.path());
}

// requirement: S0 bug e (wine)
#[test]
fn records_come_whole_however_many() {
    let _session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(isolated(), tree.path());
    let names: Vec<String> = (0..500).map(|number| format!("{number:0>40}")).collect();
    for name in &names {
        create(&tree.path().join(name));
    }
    reader.until("all", |reported| reported.len() >= names.len());
    assert_eq!(reader.added(1), names);
    assert_eq!(reader.reported.len(), names.len());
    reader.close();
}
