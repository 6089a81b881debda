//! Where tests stand between this crate and Windows: every call is recorded while a [`Session`] is
//! open, and chosen ones fail as if Windows had refused them.
//!
//! A session sees the whole process, so there is one at a time; tests without one do not belong
//! into the same process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The calls, by their Win32 names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Call {
    AssignProcessToJobObject,
    CancelIo,
    CancelIoEx,
    CancelSynchronousIo,
    CloseHandle,
    CreateEvent,
    CreateFile,
    CreateIoCompletionPort,
    CreateJobObject,
    DuplicateHandle,
    GetFileInformation,
    GetQueuedCompletionStatusEx,
    IsRemote,
    NtOpenFile,
    PostQueuedCompletionStatus,
    QueueUserApc,
    ReadDirectoryChanges,
    SetEvent,
    SpawnThread,
    SpawnWorker,
    WaitForMultipleObjects,
}

/// One recorded call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Which.
    pub call: Call,
    /// The handle that it is about; for calls that open one, the handle that came back or 0.
    pub handle: usize,
    /// The numbers that matter, by call: access, share mode and options of an open; filter, deep,
    /// bytes and the address of OVERLAPPED of a read; the key of an association or a packet.
    pub arguments: [usize; 4],
    /// The thread that made it.
    pub thread: u32,
    /// The Win32 error, 0 for success. That of a call which waits is not recorded.
    pub error: u32,
}

struct State {
    records: Vec<Record>,
    /// Which call, how many pass before, and the error.
    faults: Vec<(Call, usize, u32)>,
    /// What the next completions are to look like: how many pass before, Win32 error, NTSTATUS.
    completions: Vec<(usize, u32, u32)>,
}

static IS_OPEN: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<State> = Mutex::new(State {
    records: Vec::new(),
    faults: Vec::new(),
    completions: Vec::new(),
});
static ONE: Mutex<()> = Mutex::new(());

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records until it is dropped.
#[derive(Debug)]
pub struct Session {
    _one: MutexGuard<'static, ()>,
}

impl Session {
    /// Waits until no other session is open.
    pub fn open() -> Session {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        *state() = State {
            records: Vec::new(),
            faults: Vec::new(),
            completions: Vec::new(),
        };
        IS_OPEN.store(true, Ordering::SeqCst);
        Session { _one: one }
    }

    /// After `passing` more of them, the next `call` fails with `error` and is not made.
    pub fn fail(&self, call: Call, passing: usize, error: u32) {
        state().faults.push((call, passing, error));
    }

    /// After `passing` more of them, the next completed read looks as if it had ended so.
    pub fn complete(&self, passing: usize, error: u32, status: u32) {
        state().completions.push((passing, error, status));
    }

    /// The calls so far.
    pub fn records(&self) -> Vec<Record> {
        state().records.clone()
    }

    /// The calls so far of this kind.
    pub fn records_of(&self, call: Call) -> Vec<Record> {
        let mut records = self.records();
        records.retain(|record| record.call == call);
        records
    }

    /// Whether every planned fault has happened.
    pub fn is_spent(&self) -> bool {
        let state = state();
        state.faults.is_empty() && state.completions.is_empty()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        IS_OPEN.store(false, Ordering::SeqCst);
    }
}

/// The error that was planned for this call.
pub(crate) fn fault(call: Call) -> Option<u32> {
    if !IS_OPEN.load(Ordering::Relaxed) {
        return None;
    }
    let mut state = state();
    let at = state.faults.iter().position(|(kind, ..)| *kind == call)?;
    match &mut state.faults[at].1 {
        0 => Some(state.faults.remove(at).2),
        passing => {
            *passing -= 1;
            None
        }
    }
}

pub(crate) fn record(call: Call, handle: usize, arguments: [usize; 4], error: u32) {
    if IS_OPEN.load(Ordering::Relaxed) {
        state().records.push(Record {
            call,
            handle,
            arguments,
            thread: crate::native::waits::this_thread(),
            error,
        });
    }
}

/// What a completion is to look like instead: Win32 error and NTSTATUS.
pub(crate) fn completion() -> Option<(u32, u32)> {
    if !IS_OPEN.load(Ordering::Relaxed) {
        return None;
    }
    let mut state = state();
    let (passing, error, status) = state.completions.first_mut()?;
    if *passing > 0 {
        *passing -= 1;
        return None;
    }
    let planned = (*error, *status);
    state.completions.remove(0);
    Some(planned)
}
