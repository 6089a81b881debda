//! Where tests stand between this crate and Windows: every call is recorded while a [`Session`] is
//! open, and chosen ones fail as if Windows had refused them.
//!
//! A session sees the whole process, so there is one at a time; tests without one do not belong
//! into the same process.

use std::ffi::{CStr, CString, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use crate::call::Call;

/// See [`Record::arguments`].
pub type Arguments = [usize; 5];

/// One recorded call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Which.
    pub call: Call,
    /// The handle that it is about; for calls that open one, the handle that came back or 0.
    pub handle: usize,
    /// The numbers that matter, by call: access, share mode and options of an open; filter, deep,
    /// bytes, the address of OVERLAPPED and that of the buffer of a read; the key of an association
    /// or a packet; the address of OVERLAPPED of a cancel or a completion; how many packets a port is
    /// asked for.
    pub arguments: Arguments,
    /// The thread that made it.
    pub thread: u32,
    /// The Win32 error, 0 for success. That of a call which waits is not recorded.
    pub error: u32,
}

struct State {
    records: Vec<Record>,
    /// Calls that fail from now on, and the error.
    broken: Vec<(Call, u32)>,
    /// Which call, how many pass before, and the error.
    faults: Vec<(Call, usize, u32)>,
    /// What the next completions are to look like: how many pass before, Win32 error, NTSTATUS.
    completions: Vec<(usize, u32, u32)>,
    /// What a look-up by name finds: the name, and an address, which is 0 for nothing.
    exports: Vec<(CString, usize)>,
}

impl State {
    const fn new() -> State {
        State {
            records: Vec::new(),
            broken: Vec::new(),
            faults: Vec::new(),
            completions: Vec::new(),
            exports: Vec::new(),
        }
    }
}

static IS_OPEN: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<State> = Mutex::new(State::new());
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
        *state() = State::new();
        IS_OPEN.store(true, Ordering::SeqCst);
        Session { _one: one }
    }

    /// After `passing` more of them, the next `call` fails with `error` and is not made.
    pub fn fail(&self, call: Call, passing: usize, error: u32) {
        state().faults.push((call, passing, error));
    }

    /// From now on every `call` fails with `error` and is not made.
    pub fn break_down(&self, call: Call, error: u32) {
        state().broken.push((call, error));
    }

    /// What [`Session::break_down`] broke works again.
    pub fn mend(&self) {
        state().broken.clear();
    }

    /// Has this function found under a name that is looked up while the program runs; null for
    /// a system that does not have it.
    ///
    /// # Safety
    /// It is the address of a function of the signature that the one of this name has.
    pub unsafe fn export(&self, name: &CStr, function: *const c_void) {
        let mut state = state();
        state.exports.retain(|(other, _)| **other != *name);
        state.exports.push((name.to_owned(), function as usize));
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
        self.mend();
        IS_OPEN.store(false, Ordering::SeqCst);
    }
}

/// The error that was planned for this call.
pub fn fault(call: Call) -> Option<u32> {
    if !IS_OPEN.load(Ordering::Relaxed) {
        return None;
    }
    let mut state = state();
    if let Some((_, error)) = state.broken.iter().find(|(broken, _)| *broken == call) {
        return Some(*error);
    }
    let at = state.faults.iter().position(|(kind, ..)| *kind == call)?;
    match &mut state.faults[at].1 {
        0 => Some(state.faults.remove(at).2),
        passing => {
            *passing -= 1;
            None
        }
    }
}

/// Notes a call while a session is open.
pub fn record(call: Call, handle: usize, arguments: Arguments, error: u32) {
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
pub fn completion() -> Option<(u32, u32)> {
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

/// Calls the handler of the process for events of the console with this one, as the system does. Whether
/// a handler is registered. Those that end a process when their handler has returned end nothing here.
pub fn console_event(kind: u32) -> bool {
    crate::native::console::happened(kind)
}

/// Whether a test has put something in the place of what is looked up by name.
pub(crate) fn has_stand_ins() -> bool {
    IS_OPEN.load(Ordering::Relaxed) && !state().exports.is_empty()
}

/// The value that a look-up of this name returns; `None` for the system's own.
pub fn stand_in(name: &CStr) -> Option<Option<NonNull<c_void>>> {
    if !IS_OPEN.load(Ordering::Relaxed) {
        return None;
    }
    let state = state();
    let (_, address) = state.exports.iter().find(|(other, _)| **other == *name)?;
    Some(NonNull::new(*address as *mut c_void))
}
