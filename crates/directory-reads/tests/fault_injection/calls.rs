//! The calls of a reader for which nothing goes wrong.

use std::collections::{HashMap, HashSet};
use std::ptr::null;

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Completion, Model, Settings, Tag};
use everwatch_proactor::fault_injection::{Call, Record, Session};
use windows_sys::Win32::System::IO::{OVERLAPPED, PostQueuedCompletionStatus};
use windows_sys::Win32::System::Threading::GetCurrentThreadId;

use crate::support::{self, Reader, buffers_of, create, tree};

crate::over_own_models!(
    // requirement: S3.2, S0 bug g (wine)
    a_directory_is_opened_to_be_listed_and_shared_in_all_three_ways,
    // requirement: S0 bug a (wine)
    a_directory_is_opened_once_however_much_is_read,
    // requirement: S3.9 (wine)
    a_read_is_cancelled_and_taken_back_before_its_handle_is_closed,
    // requirement: S3.6 (wine)
    each_read_is_issued_again_before_its_records_are_delivered,
    // requirement: S3.6 (wine)
    one_read_is_outstanding_and_two_buffers_take_turns,
    a_fence_cancels_each_read_and_issues_another,
    // requirement: S3.4, S2.8 (wine)
    an_event_is_given_only_where_it_is_a_real_one,
);

const OVERLAPPED_AT: usize = 3;
const BUFFER_AT: usize = 4;

fn a_directory_is_opened_to_be_listed_and_shared_in_all_three_ways(model: Model) {
    let session = Session::open();
    let tree = tree();
    let reader = Reader::armed(model.clone(), tree.path());
    let opened = session.records_of(Call::NtOpenFile);
    assert_eq!(opened.len(), 1);
    let [access, share, options, ..] = opened[0].arguments;
    const LIST_DIRECTORY_AND_SYNCHRONIZE: usize = 0x0010_0001;
    const READ_WRITE_DELETE: usize = 7;
    const DIRECTORY_FOR_BACKUP_NO_REPARSE: usize = 0x0000_0001 | 0x0000_4000 | 0x0020_0000;
    const SYNCHRONOUS: usize = 0x0000_0020;
    assert_eq!(access, LIST_DIRECTORY_AND_SYNCHRONIZE);
    assert_eq!(share, READ_WRITE_DELETE);
    let expected = match model {
        Model::Blocking => DIRECTORY_FOR_BACKUP_NO_REPARSE | SYNCHRONOUS,
        _ => DIRECTORY_FOR_BACKUP_NO_REPARSE,
    };
    assert_eq!(options, expected);
    reader.close();
}

fn a_directory_is_opened_once_however_much_is_read(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    for number in 0..30 {
        let name = number.to_string();
        create(&tree.path().join(&name));
        reader.until_reported(Action::Added, &name);
    }
    assert_eq!(session.records_of(Call::NtOpenFile).len(), 1);
    assert!(session.records_of(Call::ReadDirectoryChanges).len() > 1);
    reader.close();
}

fn a_read_is_cancelled_and_taken_back_before_its_handle_is_closed(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model.clone(), tree.path());
    reader.arm(2, tree.path(), Settings::default());
    reader.reads.retire(Tag(1));
    reader.close();
    let records = session.records();
    let opened = session.records_of(Call::NtOpenFile);
    assert_eq!(opened.len(), 2);
    for Record { handle, .. } in opened {
        let at = |is_it: &dyn Fn(&Record) -> bool| records.iter().position(is_it);
        let closed: Vec<usize> = (0..records.len())
            .filter(|at| records[*at].call == Call::CloseHandle && records[*at].handle == handle)
            .collect();
        assert_eq!(closed.len(), 1, "closed once");
        let is_cancel = |record: &Record| match model {
            Model::Blocking => record.call == Call::CancelSynchronousIo,
            Model::Apc => record.call == Call::CancelIo && record.handle == handle,
            _ => record.call == Call::CancelIoEx && record.handle == handle,
        };
        let cancelled = at(&is_cancel).expect("a cancel");
        assert!(cancelled < closed[0], "cancelled before it was closed");
        if model != Model::Blocking {
            let taken = at(&|record| record.call == Call::Completion && record.handle == handle);
            let taken = taken.expect("a completion");
            let issued = records.iter().find(|record| {
                record.call == Call::ReadDirectoryChanges && record.handle == handle
            });
            let issued = issued.expect("a read").arguments[OVERLAPPED_AT];
            let named = records[cancelled].arguments[0];
            // `CancelIo` has no way to say which; there is one read on the handle.
            assert!(
                model == Model::Apc || named == issued,
                "that read and no other"
            );
            assert!(
                cancelled < taken && taken < closed[0],
                "taken back before it was closed"
            );
        }
    }
}

fn each_read_is_issued_again_before_its_records_are_delivered(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model.clone(), tree.path());
    let mut reported = 0;
    while reported < 40 {
        create(&tree.path().join(reported.to_string()));
        reader.reads.wait(Some(support::LONG));
        reader.reads.collect(&mut |_, completion| {
            let Completion::Changes { bytes, .. } = completion else {
                panic!("{completion:?}");
            };
            reported += 1;
            // A thread that blocks goes back into its read when it has left what it read. The list
            // of changes is the handle's, so nothing falls between.
            if model != Model::Blocking {
                let records = session.records();
                let last = records
                    .iter()
                    .rfind(|record| {
                        matches!(record.call, Call::ReadDirectoryChanges | Call::Completion)
                    })
                    .expect("a read");
                assert_eq!(last.call, Call::ReadDirectoryChanges, "issued again");
                let armed = last.arguments[BUFFER_AT];
                assert_ne!(
                    armed,
                    bytes.as_ptr() as usize,
                    "one buffer, used twice at once"
                );
            }
        });
    }
    reader.close();
}

fn one_read_is_outstanding_and_two_buffers_take_turns(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model.clone(), tree.path());
    for number in 0..30 {
        let name = number.to_string();
        create(&tree.path().join(&name));
        reader.until_reported(Action::Added, &name);
    }
    reader.close();
    let mut outstanding: HashMap<usize, i32> = HashMap::new();
    let mut buffers = HashSet::new();
    for record in session.records() {
        match record.call {
            Call::ReadDirectoryChanges => {
                buffers.insert(record.arguments[BUFFER_AT]);
                if model != Model::Blocking {
                    let count = outstanding.entry(record.handle).or_default();
                    *count += 1;
                    assert_eq!(*count, 1, "one read to a handle");
                }
            }
            Call::Completion => *outstanding.entry(record.handle).or_default() -= 1,
            _ => {}
        }
    }
    assert_eq!(buffers.len(), 2);
    assert!(outstanding.values().all(|count| *count == 0));
}

fn a_fence_cancels_each_read_and_issues_another(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(model.clone());
    for tag in 0..3 {
        reader.arm(tag, tree.path(), Settings::default());
    }
    let before = session.records().len();
    reader.fence();
    let records = session.records()[before..].to_vec();
    let count = |call| records.iter().filter(|record| record.call == call).count();
    match model {
        // A blocking read is recorded when it is over; each is ended twice.
        Model::Blocking => assert_eq!(count(Call::ReadDirectoryChanges), 6),
        model => {
            let cancel = if model == Model::Apc {
                Call::CancelIo
            } else {
                Call::CancelIoEx
            };
            assert!(count(cancel) >= 3);
            assert!(count(Call::ReadDirectoryChanges) >= 3);
        }
    }
    reader.close();
}

fn an_event_is_given_only_where_it_is_a_real_one(model: Model) {
    let session = Session::open();
    let tree = tree();
    let reader = Reader::armed(model.clone(), tree.path());
    let read = session.records_of(Call::ReadDirectoryChanges)[0];
    let overlapped = read.arguments[OVERLAPPED_AT] as *const OVERLAPPED;
    match model {
        Model::Blocking => assert!(overlapped.is_null()),
        model => {
            // SAFETY: the read is pending, so the OVERLAPPED is there; its event is not written to.
            let event = unsafe { (&raw const (*overlapped).hEvent).read() } as usize;
            let events = session.records_of(Call::CreateEvent);
            let is_real = events.iter().any(|record| record.handle == event);
            assert!(if model == Model::Event {
                is_real
            } else {
                event == 0
            });
        }
    }
    reader.close();
}

// requirement: S0.5, S3.3 (wine)
#[test]
fn apcs_read_complete_and_are_cancelled_on_the_worker_alone() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(support::apc());
    for tag in 0..8 {
        reader.arm(tag, tree.path(), Settings::default());
    }
    create(&tree.path().join("new"));
    reader.until("eight times", |reported| reported.len() >= 8);
    let reader = std::sync::Mutex::new(reader);
    std::thread::scope(|scope| {
        for tag in 0..8 {
            let reader = &reader;
            scope.spawn(move || reader.lock().unwrap().reads.retire(Tag(tag)));
        }
    });
    reader.into_inner().unwrap().close();
    let worker = session.records_of(Call::ReadDirectoryChanges)[0].thread;
    // SAFETY: no preconditions.
    assert_ne!(worker, unsafe { GetCurrentThreadId() });
    assert_eq!(session.records_of(Call::CancelIo).len(), 8);
    assert_eq!(session.records_of(Call::CancelIoEx), []);
    for record in session.records() {
        if matches!(
            record.call,
            Call::ReadDirectoryChanges | Call::Completion | Call::CancelIo
        ) {
            assert_eq!(record.thread, worker, "{record:?}");
        }
    }
}

// requirement: S1.7 (wine)
#[test]
fn two_thousand_directories_are_read_into_buffers_of_the_chosen_size() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(support::port());
    let small = buffers_of(4096);
    for tag in 0..2000 {
        // Few directories, because Wine looks names up one by one; each read is one of its own.
        let root = tree.path().join((tag % 100).to_string());
        if tag < 100 {
            std::fs::create_dir(&root).expect("a directory");
        }
        reader.arm(tag, &root, small);
    }
    let reads = session.records_of(Call::ReadDirectoryChanges);
    assert_eq!(reads.len(), 2000);
    assert!(reads.iter().all(|read| read.arguments[2] == 4096));
    create(&tree.path().join("7").join("new"));
    reader.until("twenty times", |reported| reported.len() >= 20);
    reader.close();
}

// requirement: S0.6 (wine)
#[test]
fn the_port_issues_and_completes_on_the_thread_of_its_caller() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(support::port(), tree.path());
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    reader.close();
    // SAFETY: no preconditions.
    let this = unsafe { GetCurrentThreadId() };
    assert!(session.records().iter().all(|record| record.thread == this));
}

// requirement: S3.10 (wine)
#[test]
fn a_late_packet_of_a_retired_directory_is_taken_for_no_other() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(support::port(), tree.path());
    let [key, port, ..] = session.records_of(Call::CreateIoCompletionPort)[0].arguments;
    reader.reads.retire(Tag(1));
    reader.arm(2, tree.path(), Settings::default());
    // The new read may well be where the old one was; that is the worst that a late packet can say.
    let overlapped = session
        .records_of(Call::ReadDirectoryChanges)
        .last()
        .expect("a read")
        .arguments[OVERLAPPED_AT];
    for address in [overlapped as *const OVERLAPPED, null()] {
        // SAFETY: the port is open. The kernel does not follow the address of a posted packet.
        let is_fine = unsafe { PostQueuedCompletionStatus(port as _, 0, key, address) };
        assert_ne!(is_fine, 0);
    }
    assert_eq!(reader.collect(), 0);
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    assert_eq!(reader.added(2), ["new"]);
    assert_eq!(reader.reads.close().stray_packets, 2);
}

// requirement: S3.7 (wine)
#[test]
fn a_port_is_made_associated_and_closed_last() {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(support::port());
    for tag in 1..=5 {
        reader.arm(tag, tree.path(), Settings::default());
    }
    reader.close();
    let associated = session.records_of(Call::CreateIoCompletionPort);
    let keys: HashSet<usize> = associated
        .iter()
        .map(|record| record.arguments[0])
        .collect();
    assert_eq!((associated.len(), keys.len()), (5, 5), "a key for each");
    let port = associated[0].arguments[1];
    let closed = session.records_of(Call::CloseHandle);
    assert_eq!(closed.len(), 6);
    assert_eq!(closed[5].handle, port);
}
