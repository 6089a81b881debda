//! Connects, by ConnectEx.

use std::io;
use std::sync::Arc;

use super::of_endpoint::socket_of;
use crate::endpoint::Endpoint;
use crate::native::io_error;
use crate::native::overlapped::{Ended, Overlapped};
use crate::native::sockets::{self, Address};
use crate::operation::Operation;

/// The connect of a socket that is bound.
pub(super) struct Connect {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) address: Address,
}

// SAFETY: the address is in heap memory of the operation, which is not touched before `finish` or `abandon`.
unsafe impl Operation for Connect {
    type Output = io::Result<Arc<Endpoint>>;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        sockets::connect(socket_of(&self.endpoint), &mut self.address, overlapped)
    }

    fn finish(self, ended: Ended) -> io::Result<Arc<Endpoint>> {
        self.endpoint.translate(ended).bytes()?;
        sockets::set_connected(socket_of(&self.endpoint)).map_err(io_error)?;
        Ok(self.endpoint)
    }
}
