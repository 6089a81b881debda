//! AcceptEx, ConnectEx and TransmitFile. They belong to the provider of a socket, which must be asked for them.

use std::fs::File;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, BorrowedSocket, FromRawHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Networking::WinSock::{
    LPFN_ACCEPTEX, LPFN_CONNECTEX, LPFN_GETACCEPTEXSOCKADDRS, LPFN_TRANSMITFILE,
    SIO_GET_EXTENSION_FUNCTION_POINTER, SOCKADDR, WSAEOPNOTSUPP, WSAID_ACCEPTEX, WSAID_CONNECTEX,
    WSAID_GETACCEPTEXSOCKADDRS, WSAID_TRANSMITFILE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_SEQUENTIAL_SCAN, FILE_GENERIC_READ, ReOpenFile,
};
use windows_sys::core::GUID;

use super::address::{self, Address};
use super::transfer::transferred;
use super::{attempt_on, control, number};
use crate::fault_injection::{Call, attempt};
use crate::native::error::{result_of, valid_handle};
use crate::native::files::SHARE_ALL;
use crate::native::overlapped::Overlapped;

/// The bytes that AcceptEx wants for each of two addresses (MSDN: 16 more than the longest address).
const ADDRESS_SIZE: u32 = 16 + 128;

/// The words of a buffer that holds both.
pub(crate) const ACCEPT_WORDS: usize = 2 * ADDRESS_SIZE as usize / size_of::<u64>();

const UNSUPPORTED: u32 = WSAEOPNOTSUPP.cast_unsigned();

/// A function of the socket's provider.
///
/// # Safety
/// `F` is the type of the function of this name, as an option.
unsafe fn extension<F: Default>(socket: BorrowedSocket<'_>, name: &GUID) -> Result<F, u32> {
    let mut function = F::default();
    let (code, place) = (SIO_GET_EXTENSION_FUNCTION_POINTER, &raw mut function);
    // SAFETY: an option of a function has the size of a pointer, and null stands for none.
    unsafe { control(socket, code, name, place, size_of::<F>())? };
    Ok(function)
}

/// The functions by which a listener's provider accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptor {
    accept: LPFN_ACCEPTEX,
    addresses: LPFN_GETACCEPTEXSOCKADDRS,
}

impl Acceptor {
    /// Asks the provider of a listener.
    pub(crate) fn of(listener: BorrowedSocket<'_>) -> Result<Acceptor, u32> {
        // SAFETY: the types are those of the names.
        unsafe {
            Ok(Acceptor {
                accept: extension(listener, &WSAID_ACCEPTEX)?,
                addresses: extension(listener, &WSAID_GETACCEPTEXSOCKADDRS)?,
            })
        }
    }

    /// Accepts a connection into `socket` without waiting for its first bytes. The addresses go into `buffer`,
    /// which is the operation's and has [`ACCEPT_WORDS`].
    pub(crate) fn accept(
        self,
        listener: BorrowedSocket<'_>,
        socket: BorrowedSocket<'_>,
        buffer: &mut [u64],
        overlapped: Overlapped<'_>,
    ) -> Result<u32, u32> {
        assert_eq!(buffer.len(), ACCEPT_WORDS);
        let (socket, buffer, pointer) = (number(socket), buffer.as_mut_ptr(), overlapped.as_ptr());
        let accept = self.accept.ok_or(UNSUPPORTED)?;
        let arguments = [pointer as usize, buffer as usize, socket, 0, 0];
        attempt_on(Call::AcceptEx, listener, arguments, |listener| {
            let (size, mut received) = (ADDRESS_SIZE, 0);
            let (buffer, received) = (buffer.cast(), &raw mut received);
            // SAFETY: the buffer has space for both addresses; it and the OVERLAPPED are those of an
            // operation, which keeps them in place.
            result_of(unsafe { accept(listener, socket, buffer, 0, size, size, received, pointer) })
        })?;
        Ok(0)
    }

    /// The address of the client, from the buffer that AcceptEx has written.
    pub(crate) fn peer(self, buffer: &[u64]) -> Option<SocketAddr> {
        assert_eq!(buffer.len(), ACCEPT_WORDS);
        let (addresses, buffer) = (self.addresses?, buffer.as_ptr().cast());
        let (mut local, mut peer): (*mut SOCKADDR, *mut SOCKADDR) = (null_mut(), null_mut());
        let (mut local_length, mut peer_length) = (0, 0);
        let own = (&raw mut local, &raw mut local_length);
        let other = (&raw mut peer, &raw mut peer_length);
        let size = ADDRESS_SIZE;
        // SAFETY: the buffer has space for both addresses, and what comes back points into it.
        unsafe {
            addresses(buffer, 0, size, size, own.0, own.1, other.0, other.1);
            address::of_parts(peer, peer_length)
        }
    }
}

/// Connects a bound socket to an address of the operation.
pub(crate) fn connect(
    socket: BorrowedSocket<'_>,
    address: &mut Address,
    overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    // SAFETY: the type is that of the name.
    let connect: LPFN_CONNECTEX = unsafe { extension(socket, &WSAID_CONNECTEX)? };
    let (connect, pointer) = (connect.ok_or(UNSUPPORTED)?, overlapped.as_ptr());
    let (address, length) = address.parts();
    let arguments = [pointer as usize, 0, 0, 0, 0];
    attempt_on(Call::ConnectEx, socket, arguments, |socket| {
        let mut sent = 0;
        let sent = &raw mut sent;
        // SAFETY: address and OVERLAPPED are those of an operation, which keeps them in place.
        result_of(unsafe { connect(socket, address, *length, null(), 0, sent, pointer) })
    })?;
    Ok(0)
}

/// Sends a part of a file, which the operation keeps open, from this offset on.
pub(crate) fn transmit(
    socket: BorrowedSocket<'_>,
    file: BorrowedHandle<'_>,
    (offset, length): (u64, u32),
    mut overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    overlapped.set_offset(offset);
    // SAFETY: the type is that of the name.
    let transmit: LPFN_TRANSMITFILE = unsafe { extension(socket, &WSAID_TRANSMITFILE)? };
    let (transmit, pointer) = (transmit.ok_or(UNSUPPORTED)?, overlapped.as_ptr());
    let file = file.as_raw_handle();
    let arguments = [pointer as usize, file as usize, length as usize, 0, 0];
    let result = attempt_on(Call::TransmitFile, socket, arguments, |socket| {
        // SAFETY: the OVERLAPPED is that of an operation, which keeps it in place and the file open.
        result_of(unsafe { transmit(socket, file, length, 0, pointer, null(), 0) })
    });
    transferred(result, &overlapped)
}

/// Opens the file of a handle a second time, for reading: with a position of its own.
pub(crate) fn open_again(file: BorrowedHandle<'_>) -> Result<File, u32> {
    let (access, flags) = (FILE_GENERIC_READ, FILE_FLAG_SEQUENTIAL_SCAN);
    let file = file.as_raw_handle();
    attempt(
        Call::ReopenFile,
        file,
        [access as usize, 0, 0, 0, 0],
        || {
            // SAFETY: the handle is borrowed and so open; the one that comes back is fresh.
            unsafe {
                let opened = ReOpenFile(file, access, SHARE_ALL, flags);
                Ok(File::from_raw_handle(valid_handle(
                    opened,
                    INVALID_HANDLE_VALUE,
                )?))
            }
        },
    )
}
