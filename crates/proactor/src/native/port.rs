//! An I/O completion port.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_ENTRY};

use crate::native::calls;
use crate::native::handle::Handle;

/// The longest time that is not INFINITE.
const LONGEST: u32 = u32::MAX - 1;

/// The most packets that are taken at once.
const MOST_PACKETS: usize = 64;

/// A completion port. Handles are associated with it by a key, which comes back with each packet.
#[derive(Debug)]
pub struct CompletionPort {
    handle: Handle,
}

/// The end of one overlapped operation, taken from the port. Only the port makes packets with an
/// address, and [`Packet::posted`], so a packet that belongs to an operation proves that the kernel has let
/// go of it.
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

    /// The packet of an operation whose end was learnt of in another way than by a port.
    ///
    /// # Safety
    /// The kernel has completed the operation of `overlapped`.
    pub unsafe fn posted(key: usize, overlapped: *mut OVERLAPPED) -> Packet {
        Packet { key, overlapped }
    }
}

impl CompletionPort {
    /// A new port.
    pub fn new() -> Result<CompletionPort, u32> {
        let handle = calls::create_port()?;
        Ok(CompletionPort { handle })
    }

    pub(crate) fn raw(&self) -> HANDLE {
        self.handle.raw()
    }

    /// From now on the operations on `handle` complete here, under `key`. Once per handle.
    ///
    /// # Errors
    /// What CreateIoCompletionPort says.
    pub fn associate(&self, handle: BorrowedHandle<'_>, key: usize) -> Result<(), u32> {
        // SAFETY: both handles are open: the port's is owned, and the other is borrowed.
        unsafe { calls::associate(self.handle.raw(), handle.as_raw_handle(), key) }
    }

    /// [`CompletionPort::associate`] for any handle.
    ///
    /// # Safety
    /// The handle is open.
    pub(crate) unsafe fn associate_raw(&self, handle: HANDLE, key: usize) -> Result<(), u32> {
        // SAFETY: the port is open, and so is the handle.
        unsafe { calls::associate(self.handle.raw(), handle, key) }
    }

    /// Puts the packet of an operation into the port whose end is reported by something other than the kernel.
    ///
    /// # Safety
    /// The operation of `overlapped` waits for a packet of this key, and nothing else posts it.
    pub(crate) unsafe fn post_packet(
        &self,
        key: usize,
        overlapped: *mut OVERLAPPED,
    ) -> Result<(), u32> {
        // SAFETY: the port is open.
        unsafe { calls::post(self.handle.raw(), key, overlapped) }
    }

    /// Puts a packet of no operation into the port. Any thread may do it.
    pub fn post(&self, key: usize) -> Result<(), u32> {
        // SAFETY: the port is open.
        unsafe { calls::post(self.handle.raw(), key, std::ptr::null_mut()) }
    }

    /// Waits for packets and hands each to `take`; returns how many there were. `None` waits for
    /// ever; a time is rounded up to milliseconds, and may be cut short by 49 days.
    pub fn dequeue(
        &self,
        timeout: Option<Duration>,
        take: impl FnMut(Packet),
    ) -> Result<usize, u32> {
        self.dequeue_some(MOST_PACKETS, timeout, take)
    }

    /// [`CompletionPort::dequeue`], of at most `most` packets. To ask for more than can be there has a
    /// price where the system looks for each packet in turn, as Wine does.
    pub(crate) fn dequeue_some(
        &self,
        most: usize,
        timeout: Option<Duration>,
        mut take: impl FnMut(Packet),
    ) -> Result<usize, u32> {
        let mut entries = [OVERLAPPED_ENTRY::default(); MOST_PACKETS];
        let entries = &mut entries[..most.clamp(1, MOST_PACKETS)];
        let timeout = timeout.map_or(u32::MAX, milliseconds);
        // SAFETY: the port is open.
        let count = unsafe { calls::dequeue(self.handle.raw(), entries, timeout)? };
        for entry in &entries[..count] {
            take(Packet {
                key: entry.lpCompletionKey,
                overlapped: entry.lpOverlapped,
            });
        }
        Ok(count)
    }
}

/// Rounded up, so that no wait ends early.
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
