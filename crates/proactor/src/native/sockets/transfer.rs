//! Sends and receives: of connections and of datagrams.

use std::net::SocketAddr;
use std::os::windows::io::BorrowedSocket;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, STATUS_BUFFER_OVERFLOW};
use windows_sys::Win32::Networking::WinSock::{
    WSABUF, WSAEMSGSIZE, WSARecv, WSARecvFrom, WSASend, WSASendTo,
};

use super::address::Address;
use super::{attempt_on, result_of_winsock};
use crate::fault_injection::Call;
use crate::native::memory::Memory;
use crate::native::overlapped::{Ended, Issued, Overlapped};

/// The most bytes that one call transfers.
const MOST_BYTES: u32 = i32::MAX as u32;

/// The outcome of a call that transfers bytes and has returned this.
pub(super) fn transferred<'a>(result: Result<(), u32>, overlapped: Overlapped<'a>) -> Issued<'a> {
    const TOO_LONG: u32 = WSAEMSGSIZE.cast_unsigned();
    let is_overflow = overlapped.status() == STATUS_BUFFER_OVERFLOW.cast_unsigned();
    overlapped.transferred(match result {
        // The system calls it a warning and so posts a packet. A call that it refused has no status.
        Err(TOO_LONG) if is_overflow => Err(ERROR_MORE_DATA),
        result => result,
    })
}

/// A buffer as WinSock describes it. The call reads the description and does not keep it.
fn described((bytes, length): (*mut u8, u32)) -> WSABUF {
    WSABUF {
        len: length.min(MOST_BYTES),
        buf: bytes,
    }
}

/// Receives from a connection into a buffer, up to its capacity.
pub(crate) fn receive<'a>(
    socket: BorrowedSocket<'_>,
    buffer: Vec<u8>,
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    let pointer = overlapped.as_ptr();
    let (bytes, length) = overlapped.keep_space(buffer);
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaRecv, socket, arguments, |socket| {
        let (buffer, mut flags) = (described((bytes, length)), 0);
        let (buffer, none, flags) = (&raw const buffer, null_mut(), &raw mut flags);
        // SAFETY: buffer and OVERLAPPED are kept in place until the operation has ended.
        result_of_winsock(unsafe { WSARecv(socket, buffer, 1, none, flags, pointer, None) })
    });
    transferred(result, overlapped)
}

/// Sends a buffer over a connection.
pub(crate) fn send<'a>(
    socket: BorrowedSocket<'_>,
    buffer: Vec<u8>,
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    let pointer = overlapped.as_ptr();
    let (bytes, length) = overlapped.keep_bytes(buffer);
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaSend, socket, arguments, |socket| {
        let buffer = described((bytes.cast_mut(), length));
        let (buffer, none) = (&raw const buffer, null_mut());
        // SAFETY: buffer and OVERLAPPED are kept in place until the operation has ended; the buffer is only
        // read.
        result_of_winsock(unsafe { WSASend(socket, buffer, 1, none, 0, pointer, None) })
    });
    transferred(result, overlapped)
}

/// Receives a datagram into the first of two buffers, and what has no space there into the second.
pub(crate) fn receive_from<'a>(
    socket: BorrowedSocket<'_>,
    [mut first, mut beyond]: [Vec<u8>; 2],
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    let pointer = overlapped.as_ptr();
    let mut from = Address::empty();
    let spaces = [Memory::space_in(&mut first), Memory::space_in(&mut beyond)];
    let (address, address_length) = from.parts();
    overlapped.keep(Memory::Incoming {
        first,
        beyond,
        from,
    });
    let (bytes, length) = spaces[0];
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaRecvFrom, socket, arguments, |socket| {
        let (buffers, mut flags) = (spaces.map(described), 0);
        let (buffers, none, flags) = (buffers.as_ptr(), null_mut(), &raw mut flags);
        let (from, size) = (address, address_length);
        // SAFETY: buffers, address and OVERLAPPED are kept in place until the operation has ended.
        result_of_winsock(unsafe {
            WSARecvFrom(socket, buffers, 2, none, flags, from, size, pointer, None)
        })
    });
    transferred(result, overlapped)
}

/// A datagram that was received.
pub(crate) struct Datagram {
    pub(crate) first: Vec<u8>,
    pub(crate) beyond: Vec<u8>,
    /// `None` if the system gave no address.
    pub(crate) from: Option<SocketAddr>,
}

/// The buffers of a receive with the bytes of its datagram, none of them after an error; the `unissued` ones if
/// the operation did not get into the kernel.
pub(crate) fn take_datagram(ended: &mut Ended, unissued: [Vec<u8>; 2]) -> Datagram {
    match std::mem::take(&mut ended.memory) {
        Memory::Incoming {
            mut first,
            mut beyond,
            from,
        } => {
            if ended.is_filled() {
                let count = ended.transferred() as usize;
                // SAFETY: the buffers are those of this operation, and the kernel says that it has filled them,
                // one after the other.
                unsafe {
                    let in_first = Memory::set_filled(&mut first, count);
                    Memory::set_filled(&mut beyond, count - in_first);
                }
            }
            Datagram {
                first,
                beyond,
                from: from.get(),
            }
        }
        _ => {
            let [first, beyond] = unissued;
            Datagram {
                first,
                beyond,
                from: None,
            }
        }
    }
}

/// Sends a buffer as one datagram.
pub(crate) fn send_to<'a>(
    socket: BorrowedSocket<'_>,
    buffer: Vec<u8>,
    to: SocketAddr,
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    let pointer = overlapped.as_ptr();
    let mut to = Address::new(to);
    let ((bytes, length), (address, size)) = (Memory::bytes_of(&buffer), to.parts());
    overlapped.keep(Memory::Outgoing {
        bytes: buffer,
        _to: to,
    });
    let arguments = [pointer as usize, bytes as usize, length as usize, 0, 0];
    let result = attempt_on(Call::WsaSendTo, socket, arguments, |socket| {
        let buffer = described((bytes.cast_mut(), length));
        let (buffer, none) = (&raw const buffer, null_mut());
        // SAFETY: buffer, address and OVERLAPPED are kept in place until the operation has ended; the buffer is
        // only read.
        result_of_winsock(unsafe {
            WSASendTo(socket, buffer, 1, none, 0, address, *size, pointer, None)
        })
    });
    transferred(result, overlapped)
}
