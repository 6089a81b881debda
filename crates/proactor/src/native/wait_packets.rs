//! Wait completion packets: the kernel itself puts a packet into a port when an object is signalled. No
//! thread waits for anything. Windows has them from 8 on, and no header declares them.
//!
//! A packet object is one association at a time, used up by the packet that it queues. What its cancel
//! says is exact: success means that no packet is in the queue or will be, anything else that it has been
//! queued, and dequeued or is about to be.

use std::ffi::c_void;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{GENERIC_ALL, HANDLE, NTSTATUS, STATUS_SUCCESS};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::native::calls::{Call, error_of, fault, has_stand_ins, noted};
use crate::native::handle::Handle;
use crate::native::lookup::in_ntdll;

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

/// The three functions.
#[derive(Clone, Copy)]
pub(crate) struct WaitPackets {
    create: Create,
    associate: Associate,
    cancel: Cancel,
}

impl WaitPackets {
    /// None where the system lacks one of the functions. It is asked once.
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

fn outcome(status: NTSTATUS) -> Result<(), u32> {
    match error_of(status.cast_unsigned()) {
        0 => Ok(()),
        error => Err(error),
    }
}

/// A packet object that waits, or whose packet was queued.
pub(crate) struct WaitPacket {
    handle: Handle,
    cancel: Cancel,
}

impl WaitPacket {
    /// Puts a packet of this key and address into `port` when `target` is signalled, which may be
    /// before this returns. It says that the wait was a success.
    ///
    /// # Safety
    /// Port and target are open. Whoever takes the packet knows what the address is.
    pub(crate) unsafe fn start(
        functions: WaitPackets,
        port: HANDLE,
        target: HANDLE,
        key: usize,
        overlapped: *mut OVERLAPPED,
    ) -> Result<WaitPacket, u32> {
        if let Some(error) = fault(Call::CreateWaitCompletionPacket) {
            return Err(error);
        }
        let mut handle = std::ptr::null_mut();
        // SAFETY: the handle goes to a local; there are no attributes.
        let status = unsafe { (functions.create)(&raw mut handle, GENERIC_ALL, std::ptr::null()) };
        noted(
            Call::CreateWaitCompletionPacket,
            handle,
            [0; 5],
            outcome(status),
        )?;
        // SAFETY: the handle was just created, and nothing else refers to it.
        let handle = unsafe { Handle::own(handle) };
        let arguments = [key, overlapped as usize, target as usize, port as usize, 0];
        if let Some(error) = fault(Call::AssociateWaitCompletionPacket) {
            noted(
                Call::AssociateWaitCompletionPacket,
                handle.raw(),
                arguments,
                Err(error),
            )?;
        }
        // The packet of an object that is signalled already is queued like any other.
        let mut is_signalled_already = 0;
        // SAFETY: all three handles are open; key and address are carried, not followed.
        let status = unsafe {
            (functions.associate)(
                handle.raw(),
                port,
                target,
                key as *mut c_void,
                overlapped.cast(),
                STATUS_SUCCESS,
                0,
                &raw mut is_signalled_already,
            )
        };
        noted(
            Call::AssociateWaitCompletionPacket,
            handle.raw(),
            arguments,
            outcome(status),
        )?;
        Ok(WaitPacket {
            handle,
            cancel: functions.cancel,
        })
    }

    /// Ends the wait. Whether no packet comes: it is taken out of the queue if it is still there.
    pub(crate) fn cancel(&self) -> bool {
        const REMOVE_SIGNALLED_PACKET: u8 = 1;
        if let Some(error) = fault(Call::CancelWaitCompletionPacket) {
            let _ = noted(
                Call::CancelWaitCompletionPacket,
                self.handle.raw(),
                [0; 5],
                Err(error),
            );
            return false;
        }
        // SAFETY: the handle is open.
        let status = unsafe { (self.cancel)(self.handle.raw(), REMOVE_SIGNALLED_PACKET) };
        let arguments = [status.cast_unsigned() as usize, 0, 0, 0, 0];
        let _ = noted(
            Call::CancelWaitCompletionPacket,
            self.handle.raw(),
            arguments,
            outcome(status),
        );
        // STATUS_PENDING is a success too, in the sense of NTSTATUS.
        status == STATUS_SUCCESS
    }
}
