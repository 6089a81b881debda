//! An I/O completion port and its packets.

use std::os::windows::io::{AsHandle, AsRawHandle};
use std::ptr::null_mut;
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};

use crate::fault_injection::{Call, attempt, planned_error};
use crate::native::error::{result_of, valid_handle};
use crate::native::handle::Handle;

/// The longest time that does not mean "forever" (`INFINITE`), in milliseconds: 49 days.
const LONGEST: u32 = u32::MAX - 1;

/// The most packets that one call takes out of a port.
const PACKETS_AT_ONCE: usize = 64;

/// A completion port. Handles are associated with it under a key, which comes back with each of their
/// packets. Any thread may use it.
#[derive(Debug)]
pub struct CompletionPort {
    handle: Handle,
}

/// The end of one overlapped operation.
///
/// Only a port makes packets with an address, and [`Packet::of_completed`], whose caller vouches for it. So a
/// packet with the address of an operation proves that the kernel has let go of it.
#[derive(Debug)]
pub struct Packet {
    key: usize,
    overlapped: *mut OVERLAPPED,
}

// SAFETY: the address is compared, and followed only by the owner of what it points to.
unsafe impl Send for Packet {}

impl Packet {
    /// The key of the association, or of the post.
    pub fn key(&self) -> usize {
        self.key
    }

    /// The address that the operation was issued with; null for a packet of no operation.
    pub fn overlapped(&self) -> *mut OVERLAPPED {
        self.overlapped
    }

    /// The packet of an operation that reports its end in another way than through a port: by an event or a
    /// completion routine.
    ///
    /// # Safety
    /// The kernel has completed the operation that was issued with `overlapped`.
    pub unsafe fn of_completed(key: usize, overlapped: *mut OVERLAPPED) -> Packet {
        Packet { key, overlapped }
    }
}

impl CompletionPort {
    /// Makes a port.
    ///
    /// # Errors
    /// What CreateIoCompletionPort reports.
    pub fn new() -> Result<CompletionPort, u32> {
        if let Some(error) = planned_error(Call::CreateIoCompletionPort) {
            return Err(error);
        }
        // SAFETY: these arguments ask for a port and nothing else; it is fresh.
        unsafe {
            let port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1);
            let handle = Handle::own(valid_handle(port, null_mut())?);
            Ok(CompletionPort { handle })
        }
    }

    /// The number of the port's handle, which is open for as long as `self` lives.
    pub(crate) fn raw(&self) -> HANDLE {
        self.handle.raw()
    }

    /// Sends the completions of a handle to this port, under `key`. A handle has one port for all of its life.
    ///
    /// # Errors
    /// What CreateIoCompletionPort reports: `ERROR_INVALID_PARAMETER` for a handle that has a port.
    pub fn associate(&self, handle: impl AsHandle, key: usize) -> Result<(), u32> {
        self.associate_raw(handle.as_handle().as_raw_handle(), key)
    }

    /// [`CompletionPort::associate`] for a handle or a socket by its number. The kernel refuses one that is
    /// not open.
    pub(crate) fn associate_raw(&self, handle: HANDLE, key: usize) -> Result<(), u32> {
        let port = self.raw();
        let arguments = [key, port as usize, 0, 0, 0];
        attempt(Call::CreateIoCompletionPort, handle, arguments, || {
            // SAFETY: the call keeps nothing but the numbers.
            let same = unsafe { CreateIoCompletionPort(handle, port, key, 0) };
            valid_handle(same, null_mut()).map(drop)
        })
    }

    /// Puts a packet of no operation into the port. Any thread may do it.
    ///
    /// # Errors
    /// What PostQueuedCompletionStatus reports: the system is out of memory.
    pub fn post(&self, key: usize) -> Result<(), u32> {
        // SAFETY: the address is null.
        unsafe { self.post_packet(key, null_mut()) }
    }

    /// Puts a packet into the port.
    ///
    /// # Safety
    /// `overlapped` is null, or the address of an operation that the kernel has nothing of, that is in flight
    /// under this key, and that has no other packet.
    pub(super) unsafe fn post_packet(
        &self,
        key: usize,
        overlapped: *mut OVERLAPPED,
    ) -> Result<(), u32> {
        let port = self.raw();
        let arguments = [key, 0, 0, 0, 0];
        attempt(Call::PostQueuedCompletionStatus, port, arguments, || {
            // SAFETY: the port is open; the call carries the address and does not follow it.
            result_of(unsafe { PostQueuedCompletionStatus(port, 0, key, overlapped) })
        })
    }

    /// Waits for packets and hands each to `take`. Returns how many there were. `None` waits forever; a
    /// time is rounded up to milliseconds, and cut at 49 days.
    ///
    /// # Errors
    /// What GetQueuedCompletionStatusEx reports.
    pub fn dequeue(
        &self,
        timeout: Option<Duration>,
        take: impl FnMut(Packet),
    ) -> Result<usize, u32> {
        self.dequeue_some(PACKETS_AT_ONCE, timeout, take)
    }

    /// [`CompletionPort::dequeue`] of at most `most` packets. Asking for more than can be there costs a round
    /// trip where the system looks for each packet in turn, as Wine does.
    pub(crate) fn dequeue_some(
        &self,
        most: usize,
        timeout: Option<Duration>,
        mut take: impl FnMut(Packet),
    ) -> Result<usize, u32> {
        let mut entries = [OVERLAPPED_ENTRY::default(); PACKETS_AT_ONCE];
        let most = most.clamp(1, PACKETS_AT_ONCE);
        let timeout = timeout.map_or(u32::MAX, milliseconds);
        let (port, mut count) = (self.raw(), 0);
        let arguments = [most, 0, 0, 0, 0];
        let dequeued = attempt(Call::GetQueuedCompletionStatusEx, port, arguments, || {
            let first = entries.as_mut_ptr();
            // SAFETY: the port is open, and `entries` has space for `most` packets.
            result_of(unsafe {
                GetQueuedCompletionStatusEx(port, first, most as u32, &raw mut count, timeout, 0)
            })
        });
        match dequeued {
            Ok(()) => {}
            // The count means nothing when the call fails.
            Err(WAIT_TIMEOUT) => return Ok(0),
            Err(error) => return Err(error),
        }
        for entry in &entries[..count as usize] {
            take(Packet {
                key: entry.lpCompletionKey,
                overlapped: entry.lpOverlapped,
            });
        }
        Ok(count as usize)
    }
}

/// A time in milliseconds, rounded up so that no wait ends early. It never becomes `INFINITE`.
pub fn milliseconds(time: Duration) -> u32 {
    let rounded = time.as_nanos().div_ceil(1_000_000);
    u32::try_from(rounded).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_never_become_infinite() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(5), 5),
            (Duration::from_micros(5_001), 6),
            (Duration::from_millis(u64::from(u32::MAX)), LONGEST),
            (Duration::MAX, LONGEST),
        ];
        for (time, expected) in cases {
            assert_eq!(milliseconds(time), expected, "{time:?}");
        }
    }
}
