//! TCP and UDP sockets whose operations are the proactor's.
//!
//! A socket is an [`Endpoint`]; what is bound by name is made by std, whose sockets are
//! overlapped ones, and the plain questions (addresses, options) are asked through std's types as well.
//! Errors are WinSock's, also where a completion has another code for them, so that
//! [`std::io::ErrorKind`] is what people know from std.
//!
//! Connections and datagrams come in by turns as the bytes of a stream do (`turn.rs`): what an operation
//! brings after its future was dropped is the first that the next one gets.

mod accept;
mod connect;
mod listener;
mod receive;
mod tcp;
mod transmit;
mod udp;

pub use listener::TcpListener;
pub use tcp::TcpStream;
pub use udp::UdpSocket;

use windows_sys::Win32::Networking::WinSock::{SOCKET, WSAENOTSOCK};

use crate::endpoint::Endpoint;
use crate::native::of_code;

/// The socket of an endpoint that was made of one.
fn socket_of(endpoint: &Endpoint) -> Result<SOCKET, u32> {
    endpoint.socket().ok_or(WSAENOTSOCK.cast_unsigned())
}

/// A socket as std's type, for the questions that std can ask. It is not closed by that.
macro_rules! as_std {
    ($endpoint:expr, $type:ty) => {{
        let raw = $endpoint.socket().unwrap_or(usize::MAX);
        // SAFETY: the endpoint keeps the socket open for as long as it is used, and it is not dropped.
        std::mem::ManuallyDrop::new(unsafe {
            <$type as std::os::windows::io::FromRawSocket>::from_raw_socket(raw as _)
        })
    }};
}
use as_std;
