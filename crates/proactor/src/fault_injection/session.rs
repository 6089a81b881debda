//! The session of a test: what it has recorded, and what it has planned.

use std::ffi::{CStr, CString, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Arguments, Call};

/// One recorded call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Which call.
    pub call: Call,
    /// The handle that it was made on. For calls that open one, the handle that they returned, or 0.
    pub handle: usize,
    /// The arguments that matter to tests.
    pub arguments: Arguments,
    /// The number of the thread that made it.
    pub thread: u32,
    /// The Win32 error; 0 for success. That of a call that waits is not recorded.
    pub error: u32,
}

/// A call that fails once.
struct Fault {
    call: Call,
    /// How many such calls pass before.
    passing: usize,
    /// The Win32 error.
    error: u32,
}

/// The end that a completed read is made to have.
struct PlannedEnd {
    /// How many completions pass before.
    passing: usize,
    /// The Win32 error and the NTSTATUS.
    end: (u32, u32),
}

/// What a session has recorded, and which calls it makes fail.
struct Plan {
    records: Vec<Record>,
    /// Calls that fail from now on, with their errors.
    broken: Vec<(Call, u32)>,
    faults: Vec<Fault>,
    ends: Vec<PlannedEnd>,
    /// What a look-up by name finds: an address, which is 0 for nothing.
    exports: Vec<(CString, usize)>,
}

impl Plan {
    /// The plan under which no call fails.
    const fn new() -> Plan {
        Plan {
            records: Vec::new(),
            broken: Vec::new(),
            faults: Vec::new(),
            ends: Vec::new(),
            exports: Vec::new(),
        }
    }
}

static IS_OPEN: AtomicBool = AtomicBool::new(false);
static PLAN: Mutex<Plan> = Mutex::new(Plan::new());
/// Held by the one session that is open.
static TURN: Mutex<()> = Mutex::new(());

fn plan() -> MutexGuard<'static, Plan> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records every call of the process until it is dropped, and makes chosen ones fail as if Windows had
/// refused them.
///
/// There is one session at a time, and it sees the calls of all threads: a test without a session does not
/// belong into the same process.
#[derive(Debug)]
pub struct Session {
    _turn: MutexGuard<'static, ()>,
}

impl Session {
    /// Waits until no other session is open, and opens one with an empty plan.
    pub fn open() -> Session {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        *plan() = Plan::new();
        IS_OPEN.store(true, Ordering::SeqCst);
        Session { _turn: turn }
    }

    /// After `passing` more of them, the next `call` fails with `error` and is not made.
    pub fn fail(&self, call: Call, passing: usize, error: u32) {
        plan().faults.push(Fault {
            call,
            passing,
            error,
        });
    }

    /// From now on every `call` fails with `error` and is not made.
    pub fn break_down(&self, call: Call, error: u32) {
        plan().broken.push((call, error));
    }

    /// Everything that [`Session::break_down`] broke works again.
    pub fn mend(&self) {
        plan().broken.clear();
    }

    /// Replaces a function that is looked up by name while the program runs. Null stands for a system that
    /// does not have it.
    ///
    /// # Safety
    /// `function` is null or the address of a function with the signature that the one of this name has, and
    /// it stays callable until the session is dropped and all that was started in it has ended.
    pub unsafe fn export(&self, name: &CStr, function: *const c_void) {
        let mut plan = plan();
        plan.exports.retain(|(other, _)| **other != *name);
        plan.exports.push((name.to_owned(), function as usize));
    }

    /// After `passing` more completed reads, the next one looks as if it had ended with this Win32 error and
    /// this NTSTATUS.
    pub fn complete(&self, passing: usize, error: u32, status: u32) {
        plan().ends.push(PlannedEnd {
            passing,
            end: (error, status),
        });
    }

    /// All calls so far, in the order in which they returned.
    pub fn records(&self) -> Vec<Record> {
        plan().records.clone()
    }

    /// The calls of one kind so far.
    pub fn records_of(&self, call: Call) -> Vec<Record> {
        let mut records = self.records();
        records.retain(|record| record.call == call);
        records
    }

    /// Whether every planned fault has happened.
    pub fn is_spent(&self) -> bool {
        let plan = plan();
        plan.faults.is_empty() && plan.ends.is_empty()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.mend();
        IS_OPEN.store(false, Ordering::SeqCst);
    }
}

/// The plan, while a session is open.
fn open_plan() -> Option<MutexGuard<'static, Plan>> {
    IS_OPEN.load(Ordering::Relaxed).then(plan)
}

/// The error with which this call is planned to fail.
pub(super) fn planned_error(call: Call) -> Option<u32> {
    let mut plan = open_plan()?;
    if let Some((_, error)) = plan.broken.iter().find(|(broken, _)| *broken == call) {
        return Some(*error);
    }
    let at = plan.faults.iter().position(|fault| fault.call == call)?;
    match &mut plan.faults[at].passing {
        0 => Some(plan.faults.remove(at).error),
        passing => {
            *passing -= 1;
            None
        }
    }
}

/// Records a call.
pub(super) fn record(call: Call, handle: usize, arguments: Arguments, error: u32) {
    if let Some(mut plan) = open_plan() {
        plan.records.push(Record {
            call,
            handle,
            arguments,
            thread: crate::native::threads::this_thread(),
            error,
        });
    }
}

/// The planned end of the read that has just completed.
pub(super) fn planned_end() -> Option<(u32, u32)> {
    let mut plan = open_plan()?;
    let next = plan.ends.first_mut()?;
    if next.passing > 0 {
        next.passing -= 1;
        return None;
    }
    Some(plan.ends.remove(0).end)
}

/// Calls the console handler of the process with this event, as the system does. Returns whether anybody
/// listens. An event that ends a process when its handler returns ends nothing here.
pub fn console_event(kind: u32) -> bool {
    crate::native::console::happened(kind)
}

/// Whether anything was exported.
pub(super) fn has_stand_ins() -> bool {
    open_plan().is_some_and(|plan| !plan.exports.is_empty())
}

/// What a look-up of this name must find.
pub(super) fn stand_in(name: &CStr) -> Option<Option<NonNull<c_void>>> {
    let plan = open_plan()?;
    let (_, address) = plan.exports.iter().find(|(other, _)| **other == *name)?;
    Some(NonNull::new(*address as *mut c_void))
}
