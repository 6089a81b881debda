//! A call that fails at the start fails the start, and leaves nothing behind.

use std::ffi::c_void;

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Completion, Error, Layout, Model, Settings, Stage, reads};
use everwatch_proactor::fault_injection::{Call, Session};
use windows_sys::Win32::Foundation::{HANDLE, SetLastError};
use windows_sys::Win32::System::IO::{LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED};
use windows_sys::core::BOOL;

use crate::extended_reads::{ReadExtended, give};
use crate::support::{self, Reader, buffers_of, create, tree};

crate::over_own_models!(
    // requirement: S1.2 (wine)
    a_failed_open_is_the_result_of_arm,
    // requirement: S1.2, S0 bug d (wine)
    a_failed_arm_is_the_result_of_arm_and_closes_the_handle_once,
    // requirement: S0.15 (wine)
    a_large_buffer_for_a_directory_on_the_network_is_refused,
    a_file_system_without_extended_records_is_read_in_plain_ones,
    extended_records_are_asked_for_where_windows_has_them,
);

/// The step that failed, and the Win32 error.
fn parts(error: &Error) -> (Stage, u32) {
    (error.stage(), error.code())
}

fn a_failed_open_is_the_result_of_arm(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(model);
    session.fail(Call::NtOpenFile, 0, 5);
    let error = reader
        .try_arm(1, tree.path(), Settings::default())
        .unwrap_err();
    assert_eq!(parts(&error), (Stage::Open, 5));
    assert_eq!(session.records_of(Call::ReadDirectoryChanges), []);
    reader.arm(1, tree.path(), Settings::default());
    reader.close();
}

fn a_failed_arm_is_the_result_of_arm_and_closes_the_handle_once(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(model);
    session.fail(Call::ReadDirectoryChanges, 0, 64);
    let error = reader
        .try_arm(1, tree.path(), Settings::default())
        .unwrap_err();
    assert_eq!(parts(&error), (Stage::Arm, 64));
    let opened = session.records_of(Call::NtOpenFile)[0].handle;
    let mut closed = session.records_of(Call::CloseHandle);
    closed.retain(|record| record.handle == opened);
    assert_eq!(closed.len(), 1);
    assert_eq!(reader.collect(), 0);
    // Its tag is free, and the directory can be read.
    reader.arm(1, tree.path(), Settings::default());
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    reader.close();
}

fn a_large_buffer_for_a_directory_on_the_network_is_refused(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(model);
    let large = buffers_of(64 * 1024 + 8);
    session.fail(Call::IsRemote, 0, 1);
    let error = reader.try_arm(1, tree.path(), large).unwrap_err();
    assert_eq!(error.stage(), Stage::Settings);
    reader.arm(1, tree.path(), large);
    reader.close();
}

unsafe extern "system" fn refuses(
    _: HANDLE,
    _: *mut c_void,
    _: u32,
    _: BOOL,
    _: u32,
    _: *mut u32,
    _: *mut OVERLAPPED,
    _: LPOVERLAPPED_COMPLETION_ROUTINE,
    _: i32,
) -> BOOL {
    const ERROR_INVALID_FUNCTION: u32 = 1;
    // SAFETY: no preconditions.
    unsafe { SetLastError(ERROR_INVALID_FUNCTION) };
    0
}

fn a_file_system_without_extended_records_is_read_in_plain_ones(model: Model) {
    let session = Session::open();
    give(&session);
    let function: ReadExtended = refuses;
    // SAFETY: it has the signature of ReadDirectoryChangesExW.
    unsafe { session.export(c"ReadDirectoryChangesExW", function as *const c_void) };
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    reader.close();
}

fn extended_records_are_asked_for_where_windows_has_them(model: Model) {
    let session = Session::open();
    give(&session);
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    create(&tree.path().join("new"));
    let mut reported = 0;
    while reported == 0 {
        reader.reads.wait(Some(support::LONG));
        reader.reads.collect(&mut |_, completion| match completion {
            Completion::Changes { layout, .. } => {
                assert_eq!(layout, Layout::Extended);
                reported += 1;
            }
            other => panic!("{other:?}"),
        });
    }
    reader.close();
}

fn start_error(model: Model) -> Error {
    match reads(model) {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

// requirement: S1.2 (wine)
#[test]
fn a_model_that_cannot_start_says_so() {
    let session = Session::open();
    let failed = (Stage::Start, 8);
    session.fail(Call::CreateIoCompletionPort, 0, 8);
    assert_eq!(parts(&start_error(Model::Port)), failed);
    session.fail(Call::SpawnThread, 0, 8);
    assert_eq!(parts(&start_error(Model::Apc)), failed);
    session.fail(Call::SpawnWorker, 0, 8);
    assert_eq!(parts(&start_error(support::isolated())), failed);
    assert!(session.is_spent());
}

// requirement: S1.2 (wine)
#[test]
fn a_thread_event_or_association_that_fails_fails_the_arm_alone() {
    let session = Session::open();
    let tree = tree();
    let cases = [
        (support::port(), Call::CreateIoCompletionPort, Stage::Arm),
        (support::apc(), Call::QueueUserApc, Stage::Worker),
        (support::event(), Call::CreateEvent, Stage::Start),
        (support::event(), Call::SpawnThread, Stage::Start),
        (support::blocking(), Call::SpawnThread, Stage::Start),
    ];
    for (model, call, stage) in cases {
        let mut reader = Reader::new(model.clone());
        session.fail(call, 0, 8);
        let error = reader
            .try_arm(1, tree.path(), Settings::default())
            .unwrap_err();
        assert_eq!(parts(&error), (stage, 8), "{model:?} {call:?}");
        let handles = |call| {
            session
                .records_of(call)
                .iter()
                .map(|record| record.handle)
                .collect::<Vec<_>>()
        };
        let opened = *handles(Call::NtOpenFile).last().expect("an open");
        assert!(
            handles(Call::CloseHandle).contains(&opened),
            "{model:?} {call:?}"
        );
        reader.arm(1, tree.path(), Settings::default());
        reader.close();
    }
    // The second event of a group is that of the directory.
    let mut reader = Reader::new(support::event());
    session.fail(Call::CreateEvent, 1, 8);
    let error = reader
        .try_arm(1, tree.path(), Settings::default())
        .unwrap_err();
    assert_eq!(error.stage(), Stage::Arm);
    reader.arm(1, tree.path(), Settings::default());
    reader.close();
    assert!(session.is_spent());
}
