//! The WinSock calls.

mod address;
mod error;
mod extension;
mod transfer;

pub(super) use address::Address;
pub(crate) use error::known_error;
pub(crate) use extension::{Acceptor, connect, open_again, transmit};
pub(crate) use transfer::{receive, receive_from, send, send_to, take_datagram};

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::windows::io::{
    AsRawSocket, BorrowedSocket, FromRawSocket, OwnedSocket, RawHandle, RawSocket,
};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, INVALID_SOCKET, IPPROTO_TCP, SIO_UDP_CONNRESET, SIO_UDP_NETRESET,
    SO_PROTOCOL_INFOW, SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT, SOCK_STREAM, SOCKET,
    SOL_SOCKET, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSADATA, WSAIoctl,
    WSAPROTOCOL_INFOW, WSASocketW, WSAStartup, XP1_IFS_HANDLES, bind, getsockopt, setsockopt,
};
#[cfg(feature = "futures-io")]
use windows_sys::Win32::Networking::WinSock::{SD_SEND, shutdown};
use windows_sys::core::BOOL;

use crate::fault_injection::{Arguments, Call, attempt};
use crate::native::error::{last_error, result_of};

/// The result of a WinSock function that returns 0, or -1 and leaves an error.
fn result_of_winsock(result: i32) -> Result<(), u32> {
    result_of(BOOL::from(result == 0))
}

/// A socket by its number, as WinSock has it.
fn number(socket: BorrowedSocket<'_>) -> SOCKET {
    socket.as_raw_socket() as SOCKET
}

/// [`attempt`] of a call on a socket.
fn attempt_on<T>(
    call: Call,
    socket: BorrowedSocket<'_>,
    arguments: Arguments,
    make: impl FnOnce(SOCKET) -> Result<T, u32>,
) -> Result<T, u32> {
    let socket = number(socket);
    attempt(call, socket as RawHandle, arguments, || make(socket))
}

/// Loads WinSock, once for the process. It is never unloaded.
pub(crate) fn start() -> Result<(), u32> {
    static STARTED: OnceLock<u32> = OnceLock::new();
    let error = *STARTED.get_or_init(|| {
        let mut data = WSADATA::default();
        // SAFETY: there is space for the description that the call writes.
        unsafe { WSAStartup(0x0202, &raw mut data) }.cast_unsigned()
    });
    if error == 0 { Ok(()) } else { Err(error) }
}

/// A TCP socket for overlapped operations, of the family of this address. No child inherits it.
pub(crate) fn tcp_socket(address: SocketAddr) -> Result<OwnedSocket, u32> {
    start()?;
    let family = match address {
        SocketAddr::V4(_) => AF_INET,
        SocketAddr::V6(_) => AF_INET6,
    };
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    let (number, arguments) = (i32::from(family), [usize::from(family), 0, 0, 0, 0]);
    attempt(Call::WsaSocket, null_mut(), arguments, || {
        // SAFETY: the protocol is named by number; a socket that comes back is fresh.
        unsafe {
            match WSASocketW(number, SOCK_STREAM, IPPROTO_TCP, null(), 0, flags) {
                INVALID_SOCKET => Err(last_error()),
                socket => Ok(OwnedSocket::from_raw_socket(socket as RawSocket)),
            }
        }
    })
}

/// Binds a socket to an address.
pub(crate) fn bind_to(socket: BorrowedSocket<'_>, address: SocketAddr) -> Result<(), u32> {
    let mut address = Address::new(address);
    let (address, length) = address.parts();
    // SAFETY: the address is as long as its length says.
    result_of_winsock(unsafe { bind(number(socket), address, *length) })
}

/// Whether completions of this socket that post no packet are possible: its provider hands out handles of
/// the system, and no layered provider stands between.
pub(crate) fn has_system_handles(socket: BorrowedSocket<'_>) -> bool {
    let mut protocol = WSAPROTOCOL_INFOW::default();
    let mut length = size_of::<WSAPROTOCOL_INFOW>() as i32;
    let (place, length) = ((&raw mut protocol).cast(), &raw mut length);
    let (level, option) = (SOL_SOCKET, SO_PROTOCOL_INFOW);
    // SAFETY: there is space for what is asked for, of the length that is given.
    let result = unsafe { getsockopt(number(socket), level, option, place, length) };
    result == 0 && protocol.dwServiceFlags1 & XP1_IFS_HANDLES != 0
}

/// Disables `WSAECONNRESET` and `WSAENETRESET` on a UDP socket: by default a receive fails because of an ICMP
/// message about a datagram that was sent.
pub(crate) fn ignore_unreachable(socket: BorrowedSocket<'_>) {
    for code in [SIO_UDP_CONNRESET, SIO_UDP_NETRESET] {
        let is_on: BOOL = 0;
        // Where the system cannot do it, the receives go on after such an error.
        // SAFETY: the call reads one BOOL and writes nothing.
        let _ = unsafe { control(socket, code, &is_on, null_mut::<()>(), 0) };
    }
}

/// Makes a control call that completes before it returns.
///
/// # Safety
/// `output` has space for `size` bytes, and the call writes a valid `O` to it.
unsafe fn control<I, O>(
    socket: BorrowedSocket<'_>,
    code: u32,
    input: &I,
    output: *mut O,
    size: usize,
) -> Result<(), u32> {
    let (input, input_size) = (std::ptr::from_ref(input).cast(), size_of::<I>() as u32);
    let (output, size, none) = (output.cast(), size as u32, null_mut());
    let arguments = [code as usize, 0, 0, 0, 0];
    attempt_on(Call::WsaIoctl, socket, arguments, |socket| {
        let mut written = 0;
        let written = &raw mut written;
        // SAFETY: input and output have the lengths that are passed; it is no overlapped one.
        result_of_winsock(unsafe {
            WSAIoctl(
                socket, code, input, input_size, output, size, written, none, None,
            )
        })
    })
}

/// Sets an option of a socket.
fn set_option(socket: BorrowedSocket<'_>, option: i32, value: &[u8]) -> Result<(), u32> {
    let arguments = [option as usize, 0, 0, 0, 0];
    attempt_on(Call::SetSocketOption, socket, arguments, |socket| {
        let (value, length) = (value.as_ptr(), value.len() as i32);
        // SAFETY: the value has the length that is passed.
        result_of_winsock(unsafe { setsockopt(socket, SOL_SOCKET, option, value, length) })
    })
}

/// Completes an accepted socket: from now on it knows its addresses and can be shut down.
pub(crate) fn set_accepted(
    socket: BorrowedSocket<'_>,
    listener: BorrowedSocket<'_>,
) -> Result<(), u32> {
    set_option(
        socket,
        SO_UPDATE_ACCEPT_CONTEXT,
        &number(listener).to_ne_bytes(),
    )
}

/// Completes a socket that has connected: from now on it knows its addresses and can be shut down.
pub(crate) fn set_connected(socket: BorrowedSocket<'_>) -> Result<(), u32> {
    set_option(socket, SO_UPDATE_CONNECT_CONTEXT, &[])
}

/// Shuts a socket down for writing, so that the peer reads the end.
#[cfg(feature = "futures-io")]
pub(crate) fn shut_writing(socket: BorrowedSocket<'_>) -> Result<(), u32> {
    // SAFETY: the call has no preconditions.
    result_of_winsock(unsafe { shutdown(number(socket), SD_SEND) })
}

/// A socket as a type of std, for the plain questions that std can ask. It is not closed by that.
#[derive(Debug)]
pub(crate) struct AsStd<'a, S> {
    socket: ManuallyDrop<S>,
    /// Keeps the socket open.
    _borrowed: BorrowedSocket<'a>,
}

impl<'a, S: FromRawSocket> AsStd<'a, S> {
    /// The socket as an `S`.
    pub(crate) fn new(socket: BorrowedSocket<'a>) -> AsStd<'a, S> {
        AsStd {
            // SAFETY: the socket is open for as long as it is borrowed, and `S` never closes it.
            socket: ManuallyDrop::new(unsafe { S::from_raw_socket(socket.as_raw_socket()) }),
            _borrowed: socket,
        }
    }
}

impl<S> std::ops::Deref for AsStd<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.socket
    }
}
