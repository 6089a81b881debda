//! The socket of an endpoint.

use std::os::windows::io::BorrowedSocket;

use crate::endpoint::Endpoint;

/// The socket of an endpoint that was made of one. All endpoints of this module are.
pub(super) fn socket_of(endpoint: &Endpoint) -> BorrowedSocket<'_> {
    endpoint.socket().expect("an endpoint of a socket")
}
