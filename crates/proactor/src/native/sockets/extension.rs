//! AcceptEx, ConnectEx and TransmitFile: they belong to the provider of a socket and are asked of it.

use std::net::SocketAddr;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Networking::WinSock::{
    LPFN_ACCEPTEX, LPFN_CONNECTEX, LPFN_GETACCEPTEXSOCKADDRS, LPFN_TRANSMITFILE,
    SIO_GET_EXTENSION_FUNCTION_POINTER, SOCKADDR, SOCKET, WSAEOPNOTSUPP, WSAID_ACCEPTEX,
    WSAID_CONNECTEX, WSAID_GETACCEPTEXSOCKADDRS, WSAID_TRANSMITFILE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_SEQUENTIAL_SCAN, FILE_GENERIC_READ, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, ReOpenFile,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{BOOL, GUID};

use super::transfer::settled;
use super::{attempt, control};
use crate::native::address::{self, Address};
use crate::native::calls::{Call, outcome};

/// What AcceptEx wants for each of two addresses.
const ROOM: u32 = 16 + 128;

/// So many words hold both.
pub(crate) const ACCEPT_WORDS: usize = 2 * ROOM as usize / size_of::<u64>();

/// A function of the socket's provider.
///
/// # Safety
/// `F` is the type of the function of this name, as an option.
unsafe fn extension<F: Default>(socket: SOCKET, name: &GUID) -> Result<F, u32> {
    let mut function = F::default();
    let code = SIO_GET_EXTENSION_FUNCTION_POINTER;
    // SAFETY: an option of a function has the size of a pointer, and is null if it is none.
    unsafe { control(socket, code, name, &raw mut function, size_of::<F>())? };
    Ok(function)
}

/// How a listener's provider accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptor {
    accept: LPFN_ACCEPTEX,
    addresses: LPFN_GETACCEPTEXSOCKADDRS,
}

impl Acceptor {
    pub(crate) fn of(listener: SOCKET) -> Result<Acceptor, u32> {
        // SAFETY: the types are those of the names.
        unsafe {
            Ok(Acceptor {
                accept: extension(listener, &WSAID_ACCEPTEX)?,
                addresses: extension(listener, &WSAID_GETACCEPTEXSOCKADDRS)?,
            })
        }
    }

    /// Accepts a connection into `socket`, without waiting for its first bytes.
    ///
    /// # Safety
    /// Both sockets are open, and `buffer` has [`ACCEPT_WORDS`]; it and OVERLAPPED stay where they are until
    /// the packet was dequeued.
    pub(crate) unsafe fn accept(
        self,
        listener: SOCKET,
        socket: SOCKET,
        buffer: *mut u64,
        overlapped: *mut OVERLAPPED,
    ) -> Result<u32, u32> {
        let arguments = [overlapped as usize, buffer as usize, socket, 0, 0];
        let accept = self.accept.ok_or(WSAEOPNOTSUPP.cast_unsigned())?;
        attempt(Call::AcceptEx, listener, arguments, || {
            let mut received = 0;
            // SAFETY: as demanded of the caller.
            outcome(unsafe {
                accept(
                    listener,
                    socket,
                    buffer.cast(),
                    0,
                    ROOM,
                    ROOM,
                    &raw mut received,
                    overlapped,
                )
            })
        })?;
        Ok(0)
    }

    /// Who has connected, by what AcceptEx has written.
    pub(crate) fn peer(self, buffer: &[u64]) -> Option<SocketAddr> {
        assert_eq!(buffer.len(), ACCEPT_WORDS);
        let addresses = self.addresses?;
        let (mut local, mut peer): (*mut SOCKADDR, *mut SOCKADDR) = (null_mut(), null_mut());
        let (mut local_length, mut peer_length) = (0, 0);
        // SAFETY: the buffer is as long as is said, and what comes back points into it.
        unsafe {
            addresses(
                buffer.as_ptr().cast(),
                0,
                ROOM,
                ROOM,
                &raw mut local,
                &raw mut local_length,
                &raw mut peer,
                &raw mut peer_length,
            );
            address::of_parts(peer, peer_length)
        }
    }
}

/// Connects a bound socket.
///
/// # Safety
/// The socket is open; address and OVERLAPPED stay where they are until the packet was dequeued.
pub(crate) unsafe fn connect(
    socket: SOCKET,
    address: &mut Address,
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    // SAFETY: the type is that of the name.
    let connect: LPFN_CONNECTEX = unsafe { extension(socket, &WSAID_CONNECTEX)? };
    let connect = connect.ok_or(WSAEOPNOTSUPP.cast_unsigned())?;
    let arguments = [overlapped as usize, 0, 0, 0, 0];
    attempt(Call::ConnectEx, socket, arguments, || {
        let (address, length) = address.parts();
        let mut sent = 0;
        // SAFETY: as demanded of the caller.
        outcome(unsafe {
            connect(
                socket,
                address,
                *length,
                null(),
                0,
                &raw mut sent,
                overlapped,
            )
        })
    })?;
    Ok(0)
}

/// Sends a part of a file, from the offset in OVERLAPPED on.
///
/// # Safety
/// Socket and file are open, and OVERLAPPED stays where it is until the packet was dequeued.
pub(crate) unsafe fn transmit(
    socket: SOCKET,
    file: HANDLE,
    length: u32,
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    // SAFETY: the type is that of the name.
    let transmit: LPFN_TRANSMITFILE = unsafe { extension(socket, &WSAID_TRANSMITFILE)? };
    let transmit = transmit.ok_or(WSAEOPNOTSUPP.cast_unsigned())?;
    let arguments = [overlapped as usize, file as usize, length as usize, 0, 0];
    let result = attempt(Call::TransmitFile, socket, arguments, || {
        // SAFETY: as demanded of the caller.
        outcome(unsafe { transmit(socket, file, length, 0, overlapped, null(), 0) })
    });
    // SAFETY: it is the call's own.
    unsafe { settled(result, overlapped) }
}

/// Opens the file of an open handle a second time for reading: with a position of its own.
///
/// # Safety
/// `file` is open.
pub(crate) unsafe fn reopen_file(file: HANDLE) -> Result<HANDLE, u32> {
    let mut opened = INVALID_HANDLE_VALUE;
    let arguments = [FILE_GENERIC_READ as usize, 0, 0, 0, 0];
    attempt(Call::ReopenFile, file as SOCKET, arguments, || {
        let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        // SAFETY: the handle is open.
        opened = unsafe { ReOpenFile(file, FILE_GENERIC_READ, share, FILE_FLAG_SEQUENTIAL_SCAN) };
        outcome(BOOL::from(opened != INVALID_HANDLE_VALUE))
    })?;
    Ok(opened)
}
