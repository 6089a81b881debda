//! ConnectEx.

use std::io;
use std::sync::Arc;

use windows_sys::Win32::System::IO::OVERLAPPED;

use super::{of_code, socket_of};
use crate::endpoint::Endpoint;
use crate::native::address::Address;
use crate::native::sockets;
use crate::operation::{Ended, Operation};

/// Connects a socket that is bound.
pub(super) struct Connect {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) address: Address,
}

// SAFETY: the address is in heap memory of the operation, which is not touched before `finish`.
unsafe impl Operation for Connect {
    type Output = io::Result<Arc<Endpoint>>;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let socket = socket_of(&self.endpoint)?;
        // SAFETY: the socket is open, and the table keeps OVERLAPPED and operation.
        unsafe { sockets::connect(socket, &mut self.address, overlapped) }
    }

    fn finish(self, ended: Ended) -> io::Result<Arc<Endpoint>> {
        self.endpoint.known(ended).bytes()?;
        socket_of(&self.endpoint)
            .and_then(sockets::set_connected)
            .map_err(of_code)?;
        Ok(self.endpoint)
    }
}
