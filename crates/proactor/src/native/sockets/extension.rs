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
use crate::native::memory::Memory;
use crate::native::overlapped::{Ended, Issued, Overlapped};

/// The bytes that AcceptEx wants for each of two addresses (MSDN: 16 more than the longest address).
const ADDRESS_SIZE: u32 = 16 + 128;

/// The words of a buffer that holds both.
const ACCEPT_WORDS: usize = 2 * ADDRESS_SIZE as usize / size_of::<u64>();

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

    /// Accepts a connection into `socket` without waiting for its first bytes.
    pub(crate) fn accept<'a>(
        self,
        listener: BorrowedSocket<'_>,
        socket: BorrowedSocket<'_>,
        mut overlapped: Overlapped<'a>,
    ) -> Issued<'a> {
        let Some(accept) = self.accept else {
            return overlapped.refuse(UNSUPPORTED);
        };
        let mut words = vec![0_u64; ACCEPT_WORDS];
        let (socket, buffer) = (number(socket), words.as_mut_ptr());
        let pointer = overlapped.as_ptr();
        overlapped.keep(Memory::Words(words));
        let arguments = [pointer as usize, buffer as usize, socket, 0, 0];
        let result = attempt_on(Call::AcceptEx, listener, arguments, |listener| {
            let (size, mut received) = (ADDRESS_SIZE, 0);
            let (buffer, received) = (buffer.cast(), &raw mut received);
            // SAFETY: the buffer has space for both addresses; it and the OVERLAPPED are kept in place until the
            // operation has ended.
            result_of(unsafe { accept(listener, socket, buffer, 0, size, size, received, pointer) })
        });
        overlapped.returned(result.map(|()| 0))
    }

    /// The address of the client of an accept that has ended; `None` if it did not succeed.
    pub(crate) fn take_peer(self, ended: &mut Ended) -> Option<SocketAddr> {
        match std::mem::take(&mut ended.memory) {
            Memory::Words(words) if ended.error() == 0 => self.peer(&words),
            _ => None,
        }
    }

    /// The address of the client, from the words that AcceptEx has written.
    fn peer(self, buffer: &[u64]) -> Option<SocketAddr> {
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

/// Connects a bound socket to an address.
pub(crate) fn connect<'a>(
    socket: BorrowedSocket<'_>,
    to: SocketAddr,
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    // SAFETY: the type is that of the name.
    let found = unsafe { extension::<LPFN_CONNECTEX>(socket, &WSAID_CONNECTEX) };
    let connect = match found.and_then(|connect| connect.ok_or(UNSUPPORTED)) {
        Ok(connect) => connect,
        Err(error) => return overlapped.refuse(error),
    };
    let (pointer, mut to) = (overlapped.as_ptr(), Address::new(to));
    let (address, length) = to.parts();
    overlapped.keep(Memory::Address { _to: to });
    let arguments = [pointer as usize, 0, 0, 0, 0];
    let result = attempt_on(Call::ConnectEx, socket, arguments, |socket| {
        let mut sent = 0;
        let sent = &raw mut sent;
        // SAFETY: address and OVERLAPPED are kept in place until the operation has ended.
        result_of(unsafe { connect(socket, address, *length, null(), 0, sent, pointer) })
    });
    overlapped.returned(result.map(|()| 0))
}

/// Sends a part of a file from this offset on. The system keeps the file open meanwhile.
pub(crate) fn transmit<'a>(
    socket: BorrowedSocket<'_>,
    file: BorrowedHandle<'_>,
    (offset, length): (u64, u32),
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    overlapped.set_offset(offset);
    // SAFETY: the type is that of the name.
    let found = unsafe { extension::<LPFN_TRANSMITFILE>(socket, &WSAID_TRANSMITFILE) };
    let transmit = match found.and_then(|transmit| transmit.ok_or(UNSUPPORTED)) {
        Ok(transmit) => transmit,
        Err(error) => return overlapped.refuse(error),
    };
    let (pointer, file) = (overlapped.as_ptr(), file.as_raw_handle());
    let arguments = [pointer as usize, file as usize, length as usize, 0, 0];
    let result = attempt_on(Call::TransmitFile, socket, arguments, |socket| {
        // SAFETY: the OVERLAPPED is kept in place until the operation has ended; both handles are open.
        result_of(unsafe { transmit(socket, file, length, 0, pointer, null(), 0) })
    });
    transferred(result, overlapped)
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
