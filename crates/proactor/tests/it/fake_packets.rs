//! Stands for the three functions of wait completion packets, which Wine does not have: it keeps their
//! rules, refuses what they refuse, and posts real packets into the real port.
//!
//! One thread looks which of the handles that are waited for are signalled. Some of what it finds stays in
//! a queue of the fake for one round, as a packet does in that of a port, and can be taken out of it by a
//! cancel; some is in the port at once.

use std::collections::HashMap;
use std::ffi::c_void;
use std::os::windows::io::IntoRawHandle;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use everwatch_proactor::fault_injection::Session;
use windows_sys::Win32::Foundation::{
    HANDLE, NTSTATUS, STATUS_CANCELLED, STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS,
    WAIT_FAILED, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, PostQueuedCompletionStatus};
use windows_sys::Win32::System::Threading::WaitForMultipleObjects;

use crate::support::event;

const MOST_HANDLES: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Queued,
    Posted,
}

#[derive(Clone, Copy, Debug)]
struct Association {
    stage: Stage,
    port: usize,
    target: usize,
    key: usize,
    context: usize,
}

#[derive(Default, Debug)]
struct Contents {
    associations: HashMap<usize, Association>,
    tally: Tally,
    is_over: bool,
}

/// How often what happened.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) created: usize,
    pub(crate) associated: usize,
    pub(crate) posted: usize,
    /// Cancelled while waiting.
    pub(crate) ended: usize,
    /// Cancelled in the queue, and taken out of it.
    pub(crate) removed: usize,
    /// Cancelled too late.
    pub(crate) late: usize,
    /// What the caller here must not do.
    pub(crate) misused: usize,
}

static CONTENTS: Mutex<Option<Contents>> = Mutex::new(None);

fn contents() -> MutexGuard<'static, Option<Contents>> {
    CONTENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "system" fn create(handle: *mut HANDLE, _: u32, _: *const c_void) -> NTSTATUS {
    let mut contents = contents();
    let contents = contents.as_mut().expect("the fake is there");
    contents.tally.created += 1;
    // SAFETY: the caller gives a place for a handle.
    unsafe { *handle = event().into_raw_handle() };
    STATUS_SUCCESS
}

unsafe extern "system" fn associate(
    packet: HANDLE,
    port: HANDLE,
    target: HANDLE,
    key: *mut c_void,
    context: *mut c_void,
    status: NTSTATUS,
    information: usize,
    is_signalled_already: *mut u8,
) -> NTSTATUS {
    let mut contents = contents();
    let contents = contents.as_mut().expect("the fake is there");
    let used = contents.associations.get(&(packet as usize));
    if used.is_some_and(|used| used.stage != Stage::Posted) || (status, information) != (0, 0) {
        contents.tally.misused += 1;
        return STATUS_INVALID_PARAMETER;
    }
    let stage = match signalled(&[target as usize]) {
        Some(_) => Stage::Queued,
        None => Stage::Waiting,
    };
    // SAFETY: the caller gives a place for a byte.
    unsafe { *is_signalled_already = u8::from(stage == Stage::Queued) };
    contents.tally.associated += 1;
    let association = Association {
        stage,
        port: port as usize,
        target: target as usize,
        key: key as usize,
        context: context as usize,
    };
    contents.associations.insert(packet as usize, association);
    STATUS_SUCCESS
}

unsafe extern "system" fn cancel(packet: HANDLE, removes_signalled: u8) -> NTSTATUS {
    let mut contents = contents();
    let contents = contents.as_mut().expect("the fake is there");
    let tally = &mut contents.tally;
    let Some(association) = contents.associations.get(&(packet as usize)) else {
        tally.misused += 1;
        return STATUS_INVALID_PARAMETER;
    };
    match association.stage {
        Stage::Waiting => tally.ended += 1,
        Stage::Queued if removes_signalled != 0 => tally.removed += 1,
        // Allowed, and not what is wanted: the packet would come.
        Stage::Queued => {
            tally.misused += 1;
            return STATUS_PENDING;
        }
        Stage::Posted => {
            tally.late += 1;
            // In the queue where the fake cannot take it out, or dequeued.
            return if tally.late.is_multiple_of(2) {
                STATUS_PENDING
            } else {
                STATUS_CANCELLED
            };
        }
    }
    contents.associations.remove(&(packet as usize));
    STATUS_SUCCESS
}

/// The first that is signalled.
fn signalled(handles: &[usize]) -> Option<usize> {
    let handles: Vec<HANDLE> = handles.iter().map(|&handle| handle as HANDLE).collect();
    // SAFETY: those who wait for a handle keep it open, and there are at most 64.
    let found = unsafe { WaitForMultipleObjects(handles.len() as u32, handles.as_ptr(), 0, 0) };
    assert_ne!(found, WAIT_FAILED, "{}", std::io::Error::last_os_error());
    (found != WAIT_TIMEOUT).then_some(found as usize)
}

fn post(association: &mut Association) {
    association.stage = Stage::Posted;
    let (port, context) = (
        association.port as HANDLE,
        association.context as *mut OVERLAPPED,
    );
    // SAFETY: the port is open for as long as an operation is in flight.
    let is_fine = unsafe { PostQueuedCompletionStatus(port, 0, association.key, context) };
    assert_ne!(is_fine, 0);
}

/// Posts what is in the queue, and puts into it what is signalled.
fn go_round(contents: &mut Contents) {
    let mut waiting = Vec::new();
    for (packet, association) in &mut contents.associations {
        match association.stage {
            Stage::Posted => {}
            Stage::Waiting => waiting.push((*packet, association.target)),
            Stage::Queued => {
                post(association);
                contents.tally.posted += 1;
            }
        }
    }
    for group in waiting.chunks(MOST_HANDLES) {
        let mut rest = group;
        while !rest.is_empty() {
            let handles: Vec<usize> = rest.iter().map(|(_, target)| *target).collect();
            let Some(first) = signalled(&handles) else {
                break;
            };
            let found = contents.associations.get_mut(&rest[first].0);
            let found = found.expect("it waits");
            found.stage = Stage::Queued;
            // Some get through at once.
            if contents.tally.posted.is_multiple_of(2) {
                post(found);
                contents.tally.posted += 1;
            }
            rest = &rest[first + 1..];
        }
    }
}

/// The three functions are there until it is dropped.
pub(crate) struct Fake {
    pub(crate) session: Session,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn install() -> Fake {
        let session = Session::open();
        *contents() = Some(Contents::default());
        // SAFETY: the functions have the signatures of those names.
        unsafe {
            session.export(c"NtCreateWaitCompletionPacket", create as *const c_void);
            session.export(
                c"NtAssociateWaitCompletionPacket",
                associate as *const c_void,
            );
            session.export(c"NtCancelWaitCompletionPacket", cancel as *const c_void);
        }
        let thread = std::thread::spawn(|| {
            loop {
                {
                    let mut contents = contents();
                    let contents = contents.as_mut().expect("the fake is there");
                    if contents.is_over {
                        return;
                    }
                    go_round(contents);
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        Fake {
            session,
            thread: Some(thread),
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        contents().as_ref().expect("the fake is there").tally
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        contents().as_mut().expect("the fake is there").is_over = true;
        let ended = self.thread.take().map(JoinHandle::join);
        let contents = contents().take().expect("the fake is there");
        if !std::thread::panicking() {
            ended.expect("a thread").expect("it did not fail");
            assert_eq!(contents.tally.misused, 0);
            let open = contents.associations.values();
            let open = open.filter(|association| association.stage != Stage::Posted);
            assert_eq!(open.count(), 0, "waits that were forgotten");
        }
    }
}
