//! Errors of completions, translated into those of WinSock.
//!
//! A completion reports an NTSTATUS. By the table of the system that becomes a Win32 error which no call of
//! WinSock returns, and for which std knows no [`ErrorKind`](std::io::ErrorKind).

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_CONNECTION_ABORTED, ERROR_CONNECTION_REFUSED, ERROR_DUP_NAME,
    ERROR_HOST_UNREACHABLE, ERROR_INVALID_NETNAME, ERROR_MORE_DATA, ERROR_NETNAME_DELETED,
    ERROR_NETWORK_UNREACHABLE, ERROR_PIPE_NOT_CONNECTED, ERROR_PORT_UNREACHABLE,
    ERROR_PROTOCOL_UNREACHABLE, ERROR_REQUEST_ABORTED, ERROR_SEM_TIMEOUT, ERROR_TOO_MANY_NAMES,
    ERROR_UNEXP_NET_ERR,
};
use windows_sys::Win32::Networking::WinSock::{
    WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAECONNABORTED, WSAECONNREFUSED, WSAECONNRESET,
    WSAEHOSTUNREACH, WSAEMSGSIZE, WSAENETUNREACH, WSAESHUTDOWN, WSAETIMEDOUT,
};

/// The error that WinSock's own calls return for the same reason as this one of a completion.
pub(crate) fn known_error(error: u32) -> u32 {
    let known = match error {
        ERROR_CONNECTION_REFUSED => WSAECONNREFUSED,
        // A reset, however it came about.
        ERROR_NETNAME_DELETED | ERROR_UNEXP_NET_ERR | ERROR_PORT_UNREACHABLE => WSAECONNRESET,
        ERROR_CONNECTION_ABORTED | ERROR_REQUEST_ABORTED => WSAECONNABORTED,
        ERROR_NETWORK_UNREACHABLE | ERROR_PROTOCOL_UNREACHABLE => WSAENETUNREACH,
        ERROR_HOST_UNREACHABLE => WSAEHOSTUNREACH,
        ERROR_SEM_TIMEOUT => WSAETIMEDOUT,
        ERROR_DUP_NAME | ERROR_TOO_MANY_NAMES => WSAEADDRINUSE,
        ERROR_INVALID_NETNAME => WSAEADDRNOTAVAIL,
        ERROR_MORE_DATA => WSAEMSGSIZE,
        // This side has shut the socket down. std knows no kind for WSAESHUTDOWN.
        ERROR_PIPE_NOT_CONNECTED => return ERROR_BROKEN_PIPE,
        other if other == WSAESHUTDOWN.cast_unsigned() => return ERROR_BROKEN_PIPE,
        other => return other,
    };
    known.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn errors_of_completions_have_a_kind() {
        let cases = [
            (ERROR_CONNECTION_REFUSED, ErrorKind::ConnectionRefused),
            (ERROR_NETNAME_DELETED, ErrorKind::ConnectionReset),
            (ERROR_CONNECTION_ABORTED, ErrorKind::ConnectionAborted),
            (ERROR_NETWORK_UNREACHABLE, ErrorKind::NetworkUnreachable),
            (ERROR_HOST_UNREACHABLE, ErrorKind::HostUnreachable),
            (ERROR_SEM_TIMEOUT, ErrorKind::TimedOut),
            (ERROR_DUP_NAME, ErrorKind::AddrInUse),
            (ERROR_INVALID_NETNAME, ErrorKind::AddrNotAvailable),
            (ERROR_PIPE_NOT_CONNECTED, ErrorKind::BrokenPipe),
            (WSAESHUTDOWN.cast_unsigned(), ErrorKind::BrokenPipe),
            (WSAECONNRESET.cast_unsigned(), ErrorKind::ConnectionReset),
        ];
        for (error, kind) in cases {
            let known = Error::from_raw_os_error(known_error(error).cast_signed());
            assert_eq!(known.kind(), kind, "{error}");
        }
    }
}
