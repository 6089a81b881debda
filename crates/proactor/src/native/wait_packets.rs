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
use crate::native::overlapped::{Cancel, Cancelled, Issued, Overlapped};
use crate::native::port::CompletionPort;

/// The signature of `NtCreateWaitCompletionPacket`.
type CreatePacket = unsafe extern "system" fn(*mut HANDLE, u32, *const c_void) -> NTSTATUS;
/// The signature of `NtAssociateWaitCompletionPacket`.
type AssociatePacket = unsafe extern "system" fn(
    HANDLE,
    HANDLE,
    HANDLE,
    *mut c_void,
    *mut c_void,
    NTSTATUS,
    usize,
    *mut u8,
) -> NTSTATUS;
/// The signature of `NtCancelWaitCompletionPacket`.
type CancelPacket = unsafe extern "system" fn(HANDLE, u8) -> NTSTATUS;

/// The three functions of ntdll.
#[derive(Clone, Copy)]
pub(crate) struct WaitPackets {
    create: CreatePacket,
    associate: AssociatePacket,
    cancel: CancelPacket,
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

    /// Looks the three functions up in ntdll. `None` if one of them is missing.
    fn find() -> Option<WaitPackets> {
        let create = in_ntdll(c"NtCreateWaitCompletionPacket")?;
        let associate = in_ntdll(c"NtAssociateWaitCompletionPacket")?;
        let cancel = in_ntdll(c"NtCancelWaitCompletionPacket")?;
        // SAFETY: the functions of these names have these signatures.
        unsafe {
            Some(WaitPackets {
                create: std::mem::transmute::<*mut c_void, CreatePacket>(create.as_ptr()),
                associate: std::mem::transmute::<*mut c_void, AssociatePacket>(associate.as_ptr()),
                cancel: std::mem::transmute::<*mut c_void, CancelPacket>(cancel.as_ptr()),
            })
        }
    }
}

/// A packet object that waits, or whose packet was queued.
pub(crate) struct WaitPacket {
    handle: Handle,
    cancel: CancelPacket,
    /// That of the OVERLAPPED of its operation.
    address: usize,
}

impl WaitPacket {
    /// Makes the packet object of an operation.
    pub(crate) fn new(
        functions: WaitPackets,
        overlapped: &Overlapped<'_>,
    ) -> Result<WaitPacket, u32> {
        let handle = attempt_open(Call::CreateWaitCompletionPacket, [0; 5], || {
            let mut handle = null_mut();
            // SAFETY: there is space for the handle, which is fresh; there are no attributes.
            unsafe {
                result_of_status((functions.create)(&raw mut handle, GENERIC_ALL, null()))?;
                Ok(Handle::own(handle))
            }
        })?;
        Ok(WaitPacket {
            handle,
            cancel: functions.cancel,
            address: overlapped.as_ptr() as usize,
        })
    }

    /// Puts the packet of the operation into `port` when `target` is signalled, which may be before this
    /// returns. Its status is a success.
    pub(crate) fn start<'a>(
        &self,
        functions: WaitPackets,
        (port, key): (&CompletionPort, usize),
        target: &Handle,
        overlapped: Overlapped<'a>,
    ) -> Issued<'a> {
        let (packet, port, target) = (self.handle.raw(), port.raw(), target.raw());
        let pointer = overlapped.as_ptr();
        let arguments = [key, pointer as usize, target as usize, port as usize, 0];
        let call = Call::AssociateWaitCompletionPacket;
        let associated = attempt(call, packet, arguments, || {
            let (key, pointer) = (key as *mut c_void, pointer.cast());
            // The packet of an object that is signalled already is queued like any other.
            let mut is_signalled = 0;
            let place = &raw mut is_signalled;
            let associate = functions.associate;
            // SAFETY: all three handles are open; key and address are carried and not followed.
            result_of_status(unsafe {
                associate(packet, port, target, key, pointer, STATUS_SUCCESS, 0, place)
            })
        });
        match associated {
            Ok(()) => overlapped.pending(),
            Err(error) => overlapped.refuse(error),
        }
    }

    /// Ends the wait. The packet is taken out of the queue if it is still there.
    pub(crate) fn cancel<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a> {
        if cancel.address() == self.address && self.remove() {
            // SAFETY: the kernel has removed the only packet of the operation, and has nothing else of it.
            return unsafe { cancel.gone() };
        }
        cancel.packet_comes()
    }

    /// Returns whether no packet comes.
    fn remove(&self) -> bool {
        const REMOVE_SIGNALLED_PACKET: u8 = 1;
        let (call, handle) = (Call::CancelWaitCompletionPacket, self.handle.raw());
        if let Some(error) = planned_error(call) {
            record(call, handle as usize, [0; 5], error);
            return false;
        }
        // SAFETY: the handle is open.
        let status = unsafe { (self.cancel)(handle, REMOVE_SIGNALLED_PACKET) };
        let number = status.cast_unsigned();
        let arguments = [number as usize, 0, 0, 0, 0];
        record(call, handle as usize, arguments, error_of_status(number));
        // STATUS_PENDING counts as a success among NTSTATUS values, and says that the packet comes.
        status == STATUS_SUCCESS
    }
}
