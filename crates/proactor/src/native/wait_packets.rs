//! Wait completion packets: the kernel itself puts a packet into a port when an object is signalled, and no
//! thread waits for anything. Windows has them from 8 on; no header declares them.
//!
//! A packet object stands for one association at a time, which the packet that it queues uses up. The result
//! of its cancel is exact: success means that no packet is in the queue or will be, anything else that the
//! packet was queued, and was dequeued or will be.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{GENERIC_ALL, HANDLE, NTSTATUS, STATUS_SUCCESS};

use crate::fault_injection::{Call, attempt, attempt_open, has_stand_ins, planned_error, record};
use crate::native::error::{error_of_status, result_of_status};
use crate::native::handle::Handle;
use crate::native::lookup::in_ntdll;
use crate::native::overlapped::Overlapped;
use crate::native::port::CompletionPort;

type Create = unsafe extern "system" fn(*mut HANDLE, u32, *const c_void) -> NTSTATUS;
type Associate = unsafe extern "system" fn(
    HANDLE,
    HANDLE,
    HANDLE,
    *mut c_void,
    *mut c_void,
    NTSTATUS,
    usize,
    *mut u8,
) -> NTSTATUS;
type Cancel = unsafe extern "system" fn(HANDLE, u8) -> NTSTATUS;

/// The three functions of ntdll.
#[derive(Clone, Copy)]
pub(crate) struct WaitPackets {
    create: Create,
    associate: Associate,
    cancel: Cancel,
}

impl WaitPackets {
    /// The functions, or `None` where the system lacks one of them. They are looked up once.
    pub(crate) fn of_this_system() -> Option<WaitPackets> {
        static FOUND: OnceLock<Option<WaitPackets>> = OnceLock::new();
        if has_stand_ins() {
            return WaitPackets::find();
        }
        *FOUND.get_or_init(WaitPackets::find)
    }

    fn find() -> Option<WaitPackets> {
        let create = in_ntdll(c"NtCreateWaitCompletionPacket")?;
        let associate = in_ntdll(c"NtAssociateWaitCompletionPacket")?;
        let cancel = in_ntdll(c"NtCancelWaitCompletionPacket")?;
        // SAFETY: the functions of these names have these signatures.
        unsafe {
            Some(WaitPackets {
                create: std::mem::transmute::<*mut c_void, Create>(create.as_ptr()),
                associate: std::mem::transmute::<*mut c_void, Associate>(associate.as_ptr()),
                cancel: std::mem::transmute::<*mut c_void, Cancel>(cancel.as_ptr()),
            })
        }
    }
}

/// A packet object that waits, or whose packet was queued.
pub(crate) struct WaitPacket {
    handle: Handle,
    cancel: Cancel,
}

impl WaitPacket {
    /// Puts the packet of an operation into `port` when `target` is signalled, which may be before this
    /// returns. Its status is a success.
    pub(crate) fn start(
        functions: WaitPackets,
        port: &CompletionPort,
        target: &Handle,
        key: usize,
        overlapped: Overlapped<'_>,
    ) -> Result<WaitPacket, u32> {
        let handle = attempt_open(Call::CreateWaitCompletionPacket, [0; 5], || {
            let mut handle = null_mut();
            // SAFETY: there is space for the handle, which is fresh; there are no attributes.
            unsafe {
                result_of_status((functions.create)(&raw mut handle, GENERIC_ALL, null()))?;
                Ok(Handle::own(handle))
            }
        })?;
        let (packet, port, target) = (handle.raw(), port.raw(), target.raw());
        let overlapped = overlapped.as_ptr();
        let arguments = [key, overlapped as usize, target as usize, port as usize, 0];
        attempt(
            Call::AssociateWaitCompletionPacket,
            packet,
            arguments,
            || {
                let (key, overlapped) = (key as *mut c_void, overlapped.cast());
                // The packet of an object that is signalled already is queued like any other.
                let mut is_signalled = 0;
                let place = &raw mut is_signalled;
                let associate = functions.associate;
                // SAFETY: all three handles are open; key and address are carried and not followed.
                result_of_status(unsafe {
                    associate(
                        packet,
                        port,
                        target,
                        key,
                        overlapped,
                        STATUS_SUCCESS,
                        0,
                        place,
                    )
                })
            },
        )?;
        Ok(WaitPacket {
            handle,
            cancel: functions.cancel,
        })
    }

    /// Ends the wait. Returns whether no packet comes: it is taken out of the queue if it is still there.
    pub(crate) fn cancel(&self) -> bool {
        const REMOVE_SIGNALLED_PACKET: u8 = 1;
        let (call, handle) = (Call::CancelWaitCompletionPacket, self.handle.raw());
        if let Some(error) = planned_error(call) {
            record(call, handle as usize, [0; 5], error);
            return false;
        }
        // SAFETY: the handle is open.
        let status = unsafe { (self.cancel)(handle, REMOVE_SIGNALLED_PACKET) };
        let (status, number) = (status == STATUS_SUCCESS, status.cast_unsigned());
        let arguments = [number as usize, 0, 0, 0, 0];
        record(call, handle as usize, arguments, error_of_status(number));
        // STATUS_PENDING counts as a success among NTSTATUS values, and says that the packet comes.
        status
    }
}
