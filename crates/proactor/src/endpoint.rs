//! A handle that operations run on.

use std::os::windows::io::{AsRawHandle, IntoRawHandle, OwnedHandle, RawHandle};
#[cfg(feature = "sockets")]
use std::os::windows::io::{AsRawSocket, OwnedSocket};

use windows_sys::Win32::Foundation::HANDLE;

use crate::native::calls;
use crate::native::handle::Handle;
use crate::native::of_code;
#[cfg(feature = "sockets")]
use crate::native::sockets;
use crate::operation::Ended;
use crate::remote::Remote;

/// What is closed when the last operation is over.
#[derive(Debug)]
enum Owned {
    Handle(Handle),
    #[cfg(feature = "sockets")]
    Socket(OwnedSocket),
    /// Nothing: operations that are no I/O.
    Nothing,
}

/// An open handle whose completions come to one proactor. It is closed when its owner and every operation
/// on it are gone: a handle value is not reused while the kernel has something of it.
#[derive(Debug)]
pub struct Endpoint {
    owned: Owned,
    remote: Remote,
    /// That of its packets, never used for another endpoint.
    key: usize,
    /// Operations that are complete when the call returns post no packet.
    lands_at_once: bool,
}

/// Whether operations that are complete when the call returns post a packet as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packets {
    /// Always: for handles whose calls do not distinguish a pending operation from a complete one, or end with
    /// ERROR_MORE_DATA.
    Always,
    /// Only of what was pending, where the system can do that.
    OfPending,
}

impl Endpoint {
    /// Attaches a handle that was opened for overlapped operations, and is attached to no port.
    ///
    /// # Errors
    /// What CreateIoCompletionPort says, `ERROR_INVALID_PARAMETER` for a handle of another port.
    pub fn of_handle(
        remote: &Remote,
        handle: OwnedHandle,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        // SAFETY: it is open and was the owner's alone.
        let handle = unsafe { Handle::own(handle.into_raw_handle()) };
        Endpoint::of_own(remote, handle, packets)
    }

    /// [`Endpoint::of_handle`] for one that this crate opened.
    pub(crate) fn of_own(
        remote: &Remote,
        handle: Handle,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        let raw = handle.raw();
        Endpoint::attach(remote, raw, Owned::Handle(handle), packets)
    }

    /// Attaches a socket that was made for overlapped operations, and is attached to no port. Packets are
    /// always posted where a layered provider is installed between sockets and the system.
    ///
    /// # Errors
    /// Those of [`Endpoint::of_handle`].
    #[cfg(feature = "sockets")]
    pub fn of_socket(
        remote: &Remote,
        socket: OwnedSocket,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        let raw = socket.as_raw_socket() as usize;
        let packets = match packets {
            Packets::OfPending if !sockets::has_system_handles(raw) => Packets::Always,
            packets => packets,
        };
        Endpoint::attach(remote, raw as HANDLE, Owned::Socket(socket), packets)
    }

    /// For operations that are no I/O and post their packets themselves.
    pub(crate) fn of_nothing(remote: &Remote) -> Endpoint {
        Endpoint {
            owned: Owned::Nothing,
            key: remote.next_key(),
            remote: remote.clone(),
            lands_at_once: false,
        }
    }

    fn attach(
        remote: &Remote,
        raw: HANDLE,
        owned: Owned,
        packets: Packets,
    ) -> std::io::Result<Endpoint> {
        let key = remote.next_key();
        // SAFETY: `owned` keeps the handle open.
        unsafe { remote.associate(raw, key) }.map_err(of_code)?;
        // SAFETY: as above.
        let lands_at_once =
            packets == Packets::OfPending && unsafe { calls::skip_packets_on_success(raw) }.is_ok();
        Ok(Endpoint {
            owned,
            remote: remote.clone(),
            key,
            lands_at_once,
        })
    }

    /// The way to its proactor.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(crate) fn key(&self) -> usize {
        self.key
    }

    pub(crate) fn lands_at_once(&self) -> bool {
        self.lands_at_once
    }

    /// Open for as long as `self` is; null if there is none.
    pub(crate) fn raw(&self) -> HANDLE {
        match &self.owned {
            Owned::Handle(handle) => handle.raw(),
            #[cfg(feature = "sockets")]
            Owned::Socket(socket) => socket.as_raw_socket() as usize as HANDLE,
            Owned::Nothing => std::ptr::null_mut(),
        }
    }

    /// As [`Endpoint::raw`], if it is a socket.
    #[cfg(feature = "sockets")]
    pub(crate) fn socket(&self) -> Option<usize> {
        match &self.owned {
            Owned::Socket(socket) => Some(socket.as_raw_socket() as usize),
            _ => None,
        }
    }

    /// How an operation on it ended, with the error that those who use such a handle know.
    pub(crate) fn known(&self, ended: Ended) -> Ended {
        match &self.owned {
            #[cfg(feature = "sockets")]
            Owned::Socket(_) => Ended {
                error: sockets::known(ended.error),
                ..ended
            },
            _ => ended,
        }
    }
}

impl AsRawHandle for Endpoint {
    fn as_raw_handle(&self) -> RawHandle {
        self.raw()
    }
}
