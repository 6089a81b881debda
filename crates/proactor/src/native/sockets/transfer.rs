//! What sends and receives: on connections and datagrams.

use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, STATUS_BUFFER_OVERFLOW};
use windows_sys::Win32::Networking::WinSock::{
    SOCKET, WSABUF, WSAEMSGSIZE, WSARecv, WSARecvFrom, WSASend, WSASendTo,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::{attempt, success};
use crate::native::address::Address;
use crate::native::calls::Call;

/// No call transfers more at once.
const MOST: u32 = i32::MAX as u32;

/// What a call that transfers has come to: how much, if it is complete.
///
/// # Safety
/// `overlapped` is its own, and the call has returned this.
pub(super) unsafe fn settled(
    result: Result<(), u32>,
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    const TOO_LONG: u32 = WSAEMSGSIZE.cast_unsigned();
    // SAFETY: as demanded of the caller. If a packet comes, it says the same.
    let (status, bytes) = unsafe {
        (
            (&raw const (*overlapped).Internal).read_volatile() as u32,
            (&raw const (*overlapped).InternalHigh).read_volatile() as u32,
        )
    };
    match result {
        Ok(()) => Ok(bytes),
        // The system calls it a warning, and so posts a packet. Where it was refused, it has no status.
        Err(TOO_LONG) if status == STATUS_BUFFER_OVERFLOW.cast_unsigned() => Err(ERROR_MORE_DATA),
        Err(error) => Err(error),
    }
}

fn buffer_of(bytes: *mut u8, length: u32) -> WSABUF {
    WSABUF {
        len: length.min(MOST),
        buf: bytes,
    }
}

/// Receives from a connection.
///
/// # Safety
/// The socket is open; OVERLAPPED and buffer stay where they are until the packet was dequeued.
pub(crate) unsafe fn receive(
    socket: SOCKET,
    buffer: (*mut u8, u32),
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    let (bytes, length) = buffer;
    let arguments = [overlapped as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt(Call::WsaRecv, socket, arguments, || {
        let buffer = buffer_of(bytes, length);
        let mut flags = 0;
        // The description of the buffer and the flags are read by the call and not afterwards.
        // SAFETY: as demanded of the caller.
        success(unsafe {
            WSARecv(
                socket,
                &raw const buffer,
                1,
                null_mut(),
                &raw mut flags,
                overlapped,
                None,
            )
        })
    });
    // SAFETY: it is the call's own.
    unsafe { settled(result, overlapped) }
}

/// Sends over a connection.
///
/// # Safety
/// Those of [`receive`].
pub(crate) unsafe fn send(
    socket: SOCKET,
    buffer: (*const u8, u32),
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    let (bytes, length) = buffer;
    let arguments = [overlapped as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt(Call::WsaSend, socket, arguments, || {
        let buffer = buffer_of(bytes.cast_mut(), length);
        // SAFETY: as demanded of the caller; the buffer is read only.
        success(unsafe {
            WSASend(
                socket,
                &raw const buffer,
                1,
                null_mut(),
                0,
                overlapped,
                None,
            )
        })
    });
    // SAFETY: it is the call's own.
    unsafe { settled(result, overlapped) }
}

/// Receives a datagram into one buffer and, what has no room there, into another.
///
/// # Safety
/// Those of [`receive`]; the address stays where it is as well.
pub(crate) unsafe fn receive_from(
    socket: SOCKET,
    buffers: [(*mut u8, u32); 2],
    from: &mut Address,
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    let [(bytes, length), _] = buffers;
    let arguments = [overlapped as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt(Call::WsaRecvFrom, socket, arguments, || {
        let buffers = buffers.map(|(bytes, length)| buffer_of(bytes, length));
        let (address, room) = from.parts();
        let mut flags = 0;
        // SAFETY: as demanded of the caller.
        success(unsafe {
            WSARecvFrom(
                socket,
                buffers.as_ptr(),
                buffers.len() as u32,
                null_mut(),
                &raw mut flags,
                address,
                room,
                overlapped,
                None,
            )
        })
    });
    // SAFETY: it is the call's own.
    unsafe { settled(result, overlapped) }
}

/// Sends a datagram.
///
/// # Safety
/// Those of [`receive_from`].
pub(crate) unsafe fn send_to(
    socket: SOCKET,
    buffer: (*const u8, u32),
    to: &mut Address,
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    let (bytes, length) = buffer;
    let arguments = [overlapped as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt(Call::WsaSendTo, socket, arguments, || {
        let buffer = buffer_of(bytes.cast_mut(), length);
        let (address, length) = to.parts();
        // SAFETY: as demanded of the caller; the buffer is read only.
        success(unsafe {
            WSASendTo(
                socket,
                &raw const buffer,
                1,
                null_mut(),
                0,
                address,
                *length,
                overlapped,
                None,
            )
        })
    });
    // SAFETY: it is the call's own.
    unsafe { settled(result, overlapped) }
}
