//! Sends and receives: of connections and of datagrams.

use std::os::windows::io::BorrowedSocket;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, STATUS_BUFFER_OVERFLOW};
use windows_sys::Win32::Networking::WinSock::{
    WSABUF, WSAEMSGSIZE, WSARecv, WSARecvFrom, WSASend, WSASendTo,
};

use super::address::Address;
use super::{attempt_on, result_of_winsock};
use crate::fault_injection::Call;
use crate::native::files::{bytes_of, space_in};
use crate::native::overlapped::{Ended, Overlapped};

/// The most bytes that one call transfers.
const MOST_BYTES: u32 = i32::MAX as u32;

/// How much a call has transferred that has returned this, if it is complete.
pub(super) fn transferred(
    result: Result<(), u32>,
    overlapped: &Overlapped<'_>,
) -> Result<u32, u32> {
    const TOO_LONG: u32 = WSAEMSGSIZE.cast_unsigned();
    match result {
        Ok(()) => Ok(overlapped.transferred()),
        // The system calls it a warning and so posts a packet. A call that it refused has no status.
        Err(TOO_LONG) if overlapped.status() == STATUS_BUFFER_OVERFLOW.cast_unsigned() => {
            Err(ERROR_MORE_DATA)
        }
        Err(error) => Err(error),
    }
}

/// A buffer as WinSock describes it. The call reads the description and does not keep it.
fn described((bytes, length): (*mut u8, u32)) -> WSABUF {
    WSABUF {
        len: length.min(MOST_BYTES),
        buf: bytes,
    }
}

/// Receives from a connection into a buffer of the operation, up to its capacity.
pub(crate) fn receive(
    socket: BorrowedSocket<'_>,
    buffer: &mut Vec<u8>,
    overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    let ((bytes, length), pointer) = (space_in(buffer), overlapped.as_ptr());
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaRecv, socket, arguments, |socket| {
        let (buffer, mut flags) = (described((bytes, length)), 0);
        let (buffer, none, flags) = (&raw const buffer, null_mut(), &raw mut flags);
        // SAFETY: buffer and OVERLAPPED are those of an operation, which keeps them in place.
        result_of_winsock(unsafe { WSARecv(socket, buffer, 1, none, flags, pointer, None) })
    });
    transferred(result, &overlapped)
}

/// Sends a buffer of the operation over a connection.
pub(crate) fn send(
    socket: BorrowedSocket<'_>,
    buffer: &[u8],
    overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    let ((bytes, length), pointer) = (bytes_of(buffer), overlapped.as_ptr());
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaSend, socket, arguments, |socket| {
        let buffer = described((bytes.cast_mut(), length));
        let (buffer, none) = (&raw const buffer, null_mut());
        // SAFETY: buffer and OVERLAPPED are those of an operation, which keeps them in place; the buffer is
        // only read.
        result_of_winsock(unsafe { WSASend(socket, buffer, 1, none, 0, pointer, None) })
    });
    transferred(result, &overlapped)
}

/// Receives a datagram into the first of two buffers of the operation, and what has no space there into the
/// second.
pub(crate) fn receive_from(
    socket: BorrowedSocket<'_>,
    buffers: [&mut Vec<u8>; 2],
    from: &mut Address,
    overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    let (spaces, pointer) = (buffers.map(space_in), overlapped.as_ptr());
    let (bytes, length) = spaces[0];
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaRecvFrom, socket, arguments, |socket| {
        let (buffers, mut flags) = (spaces.map(described), 0);
        let (first, none, flags) = (buffers.as_ptr(), null_mut(), &raw mut flags);
        let (from, length) = from.parts();
        // SAFETY: buffers, address and OVERLAPPED are those of an operation, which keeps them in place.
        result_of_winsock(unsafe {
            WSARecvFrom(socket, first, 2, none, flags, from, length, pointer, None)
        })
    });
    transferred(result, &overlapped)
}

/// Sets the lengths of two buffers that an operation has filled, one after the other; `ended` is the end of
/// that operation.
pub(crate) fn set_both_filled([first, second]: [&mut Vec<u8>; 2], ended: Ended) {
    let count = ended.transferred() as usize;
    let in_first = count.min(first.capacity());
    let in_second = (count - in_first).min(second.capacity());
    // SAFETY: the kernel has written this many bytes to the starts of the buffers, which have space for them.
    unsafe {
        first.set_len(in_first);
        second.set_len(in_second);
    }
}

/// Sends a buffer of the operation as one datagram.
pub(crate) fn send_to(
    socket: BorrowedSocket<'_>,
    buffer: &[u8],
    to: &mut Address,
    overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    let ((bytes, length), pointer) = (bytes_of(buffer), overlapped.as_ptr());
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaSendTo, socket, arguments, |socket| {
        let buffer = described((bytes.cast_mut(), length));
        let (buffer, none) = (&raw const buffer, null_mut());
        let (to, length) = to.parts();
        // SAFETY: buffer, address and OVERLAPPED are those of an operation, which keeps them in place; the
        // buffer is only read.
        result_of_winsock(unsafe {
            WSASendTo(socket, buffer, 1, none, 0, to, *length, pointer, None)
        })
    });
    transferred(result, &overlapped)
}
