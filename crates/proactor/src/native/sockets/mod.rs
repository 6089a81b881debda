//! The WinSock calls as functions that return what went wrong, with the seam before each.

mod errors;
mod extension;
mod transfer;

pub(crate) use errors::known;
pub(crate) use extension::{ACCEPT_WORDS, Acceptor, connect, reopen_file, transmit};
pub(crate) use transfer::{receive, receive_from, send, send_to};

use std::os::windows::io::{FromRawSocket, OwnedSocket, RawSocket};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, INVALID_SOCKET, IPPROTO_TCP, SIO_UDP_CONNRESET, SIO_UDP_NETRESET,
    SO_PROTOCOL_INFOW, SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT, SOCK_STREAM, SOCKET,
    SOL_SOCKET, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSADATA, WSAIoctl,
    WSAPROTOCOL_INFOW, WSASocketW, WSAStartup, XP1_IFS_HANDLES, bind, getsockopt, setsockopt,
};
#[cfg(feature = "futures-io")]
use windows_sys::Win32::Networking::WinSock::{SD_SEND, shutdown};
use windows_sys::core::BOOL;

use crate::native::address::Address;
use crate::native::calls::{Arguments, Call, fault, noted, outcome};

/// WinSock's functions return 0, or -1 and an error.
fn success(result: i32) -> Result<(), u32> {
    outcome(BOOL::from(result == 0))
}

/// Makes a call unless the seam refuses it.
fn attempt(
    call: Call,
    socket: SOCKET,
    arguments: Arguments,
    make: impl FnOnce() -> Result<(), u32>,
) -> Result<(), u32> {
    let result = match fault(call) {
        Some(error) => Err(error),
        None => make(),
    };
    noted(call, socket as HANDLE, arguments, result)
}

/// Loads WinSock, once.
pub(crate) fn start() -> Result<(), u32> {
    static STARTED: OnceLock<u32> = OnceLock::new();
    let error = *STARTED.get_or_init(|| {
        let mut data = WSADATA::default();
        // SAFETY: the buffer has room for the result.
        unsafe { WSAStartup(0x0202, &raw mut data) }.cast_unsigned()
    });
    if error == 0 { Ok(()) } else { Err(error) }
}

/// A TCP socket for overlapped operations, which no child inherits.
pub(crate) fn tcp_socket(is_v4: bool) -> Result<OwnedSocket, u32> {
    start()?;
    let family = if is_v4 { AF_INET } else { AF_INET6 };
    let arguments = [usize::from(family), 0, 0, 0, 0];
    let mut socket = INVALID_SOCKET;
    attempt(Call::WsaSocket, 0, arguments, || {
        let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
        // SAFETY: no preconditions; the protocol is named by number.
        socket = unsafe {
            WSASocketW(
                i32::from(family),
                SOCK_STREAM,
                IPPROTO_TCP,
                null(),
                0,
                flags,
            )
        };
        outcome(BOOL::from(socket != INVALID_SOCKET))
    })?;
    // SAFETY: it was just created, and nothing else refers to it.
    Ok(unsafe { OwnedSocket::from_raw_socket(socket as RawSocket) })
}

/// Binds a socket to an address.
pub(crate) fn bind_to(socket: SOCKET, address: &mut Address) -> Result<(), u32> {
    let (address, length) = address.parts();
    // SAFETY: the address is as long as is said.
    success(unsafe { bind(socket, address, *length) })
}

/// Whether completions of this socket that were no packets are possible: its provider hands out handles
/// of the system, without a layered provider in between.
pub(crate) fn has_system_handles(socket: SOCKET) -> bool {
    let mut protocol = WSAPROTOCOL_INFOW::default();
    let mut length = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: there is room for what is asked for.
    let result = unsafe {
        getsockopt(
            socket,
            SOL_SOCKET,
            SO_PROTOCOL_INFOW,
            (&raw mut protocol).cast(),
            &raw mut length,
        )
    };
    result == 0 && protocol.dwServiceFlags1 & XP1_IFS_HANDLES != 0
}

/// Disables WSAECONNRESET on UDP sockets: a reply to a sent datagram must not fail the next receive.
pub(crate) fn ignore_unreachable(socket: SOCKET) {
    for code in [SIO_UDP_CONNRESET, SIO_UDP_NETRESET] {
        let is_on: BOOL = 0;
        // Where the system cannot do it, the reads go on after such an error.
        // SAFETY: it reads one BOOL and returns nothing.
        let _ = unsafe { control(socket, code, &is_on, null_mut::<u8>(), 0) };
    }
}

/// # Safety
/// `output` has room for `room` bytes.
unsafe fn control<I, O>(
    socket: SOCKET,
    code: u32,
    input: &I,
    output: *mut O,
    room: usize,
) -> Result<(), u32> {
    attempt(Call::WsaIoctl, socket, [code as usize, 0, 0, 0, 0], || {
        let mut returned = 0;
        // SAFETY: as demanded of the caller; the call is no overlapped one.
        success(unsafe {
            WSAIoctl(
                socket,
                code,
                std::ptr::from_ref(input).cast(),
                size_of::<I>() as u32,
                output.cast(),
                room as u32,
                &raw mut returned,
                null_mut(),
                None,
            )
        })
    })
}

fn set_option(socket: SOCKET, option: i32, value: &[u8]) -> Result<(), u32> {
    let arguments = [option as usize, 0, 0, 0, 0];
    attempt(Call::SetSocketOption, socket, arguments, || {
        let length = value.len() as i32;
        // SAFETY: the value is as long as is said.
        success(unsafe { setsockopt(socket, SOL_SOCKET, option, value.as_ptr(), length) })
    })
}

/// Makes an accepted socket one that knows its addresses and can be shut down.
pub(crate) fn set_accepted(socket: SOCKET, listener: SOCKET) -> Result<(), u32> {
    set_option(socket, SO_UPDATE_ACCEPT_CONTEXT, &listener.to_ne_bytes())
}

/// The same for one that has connected.
pub(crate) fn set_connected(socket: SOCKET) -> Result<(), u32> {
    set_option(socket, SO_UPDATE_CONNECT_CONTEXT, &[])
}

/// Tells the peer that nothing more comes.
#[cfg(feature = "futures-io")]
pub(crate) fn shut_writing(socket: SOCKET) -> Result<(), u32> {
    // SAFETY: no preconditions.
    success(unsafe { shutdown(socket, SD_SEND) })
}
