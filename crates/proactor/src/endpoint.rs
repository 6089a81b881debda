//! Endpoints: the handles that operations run on.

use std::os::windows::io::{AsHandle as _, AsRawHandle, BorrowedHandle, OwnedHandle, RawHandle};
#[cfg(feature = "sockets")]
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, OwnedSocket};

use windows_sys::Win32::Foundation::HANDLE;

use crate::native::files::skip_packets_on_success;
use crate::native::overlapped::Ended;
#[cfg(feature = "sockets")]
use crate::native::sockets;
use crate::native::{Handle, io_error};
use crate::remote::Remote;

/// What an endpoint closes when it is dropped.
#[derive(Debug)]
enum Owned {
    Handle(Handle),
    #[cfg(feature = "sockets")]
    Socket(OwnedSocket),
    /// Nothing, for operations that are no I/O.
    Nothing,
}

/// An open handle whose completions come to one loop. It is closed when its owner and every operation on it
/// are gone, so the system never reuses the number of a handle while the kernel has an operation on it.
#[derive(Debug)]
pub struct Endpoint {
    owned: Owned,
    remote: Remote,
    /// That of its packets. No other endpoint ever has it.
    key: usize,
    /// Operations that are complete when their call returns post no packet.
    skips_packets: bool,
}

/// Which operations on an endpoint post a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packets {
    /// Every one. For handles whose calls return the same for a pending operation and a complete one, or end with
    /// `ERROR_MORE_DATA`.
    Always,
    /// Those that were pending when their call returned, where the system can do that.
    OfPending,
}

impl Endpoint {
    /// Attaches a handle that was opened for overlapped operations, and that no port has.
    ///
    /// # Errors
    /// What CreateIoCompletionPort reports: `ERROR_INVALID_PARAMETER` for a handle that has a port, or was
    /// not opened for overlapped operations.
    pub fn of_handle(
        remote: &Remote,
        handle: OwnedHandle,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        Endpoint::of_own(remote, handle.into(), packets)
    }

    /// [`Endpoint::of_handle`] for a handle that this crate opened.
    pub(crate) fn of_own(
        remote: &Remote,
        handle: Handle,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        let raw = handle.raw();
        Endpoint::attach(remote, raw, Owned::Handle(handle), packets)
    }

    /// Attaches a socket that was made for overlapped operations, and that no port has. Every operation posts
    /// a packet where a layered provider stands between sockets and the system.
    ///
    /// # Errors
    /// Those of [`Endpoint::of_handle`].
    #[cfg(feature = "sockets")]
    pub fn of_socket(
        remote: &Remote,
        socket: OwnedSocket,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        let raw = socket.as_raw_socket() as usize as HANDLE;
        let packets = match packets {
            Packets::OfPending if !sockets::has_system_handles(socket.as_socket()) => {
                Packets::Always
            }
            packets => packets,
        };
        Endpoint::attach(remote, raw, Owned::Socket(socket), packets)
    }

    /// An endpoint for operations that are no I/O and post their packets themselves.
    pub(crate) fn of_nothing(remote: &Remote) -> Endpoint {
        Endpoint {
            owned: Owned::Nothing,
            key: remote.shared.next_key(),
            remote: remote.clone(),
            skips_packets: false,
        }
    }

    /// Associates the handle with the port of the loop under a new key. The handle belongs to no port yet.
    fn attach(
        remote: &Remote,
        raw: HANDLE,
        owned: Owned,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        let key = remote.shared.next_key();
        let associated = remote.shared.port.associate_raw(raw, key);
        associated.map_err(io_error)?;
        let skips_packets = packets == Packets::OfPending && skip_packets_on_success(raw).is_ok();
        Ok(Endpoint {
            owned,
            remote: remote.clone(),
            key,
            skips_packets,
        })
    }

    /// The remote of its loop.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// The key of its packets.
    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// Whether operations that are complete when their call returns post no packet.
    pub(crate) fn skips_packets(&self) -> bool {
        self.skips_packets
    }

    /// The number of the handle or the socket, which is open for as long as `self` lives; null if there is
    /// none.
    pub(crate) fn raw(&self) -> HANDLE {
        match &self.owned {
            Owned::Handle(handle) => handle.raw(),
            #[cfg(feature = "sockets")]
            Owned::Socket(socket) => socket.as_raw_socket() as usize as HANDLE,
            Owned::Nothing => std::ptr::null_mut(),
        }
    }

    /// The handle, unless the endpoint is a socket or nothing at all.
    pub fn handle(&self) -> Option<BorrowedHandle<'_>> {
        match &self.owned {
            Owned::Handle(handle) => Some(handle.as_handle()),
            _ => None,
        }
    }

    /// The socket, if it is one.
    #[cfg(feature = "sockets")]
    pub(crate) fn socket(&self) -> Option<BorrowedSocket<'_>> {
        match &self.owned {
            Owned::Socket(socket) => Some(socket.as_socket()),
            _ => None,
        }
    }

    /// Gives the end of an operation the error code that its users know: that of WinSock for a socket.
    pub(crate) fn translate(&self, ended: &mut Ended) {
        #[cfg(feature = "sockets")]
        if let Owned::Socket(_) = &self.owned {
            ended.set_error(sockets::known_error(ended.error()));
        }
        #[cfg(not(feature = "sockets"))]
        let _ = ended;
    }
}

impl AsRawHandle for Endpoint {
    fn as_raw_handle(&self) -> RawHandle {
        self.raw()
    }
}
