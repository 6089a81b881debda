//! Connects, by ConnectEx.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::of_endpoint::socket_of;
use crate::endpoint::Endpoint;
use crate::native::io_error;
use crate::native::overlapped::{Ended, Issued, Overlapped};
use crate::native::sockets;
use crate::operation::Operation;

/// The connect of a socket that is bound.
pub(super) struct Connect {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) address: SocketAddr,
}

impl Operation for Connect {
    type Output = io::Result<Arc<Endpoint>>;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        sockets::connect(socket_of(&self.endpoint), self.address, overlapped)
    }

    fn finish(self, mut ended: Ended) -> io::Result<Arc<Endpoint>> {
        self.endpoint.translate(&mut ended);
        ended.bytes()?;
        sockets::set_connected(socket_of(&self.endpoint)).map_err(io_error)?;
        Ok(self.endpoint)
    }
}
