//! Errors of completions, by the codes of WinSock.
//!
//! Completions carry an NTSTATUS and so, by the table of the system, Win32 errors that no call of WinSock returns and
//! that std takes for errors of no kind.

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

/// The code by which WinSock's own calls, and with them std, know the error of a completion.
pub(crate) fn known(error: u32) -> u32 {
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
        // This side has shut it down. std knows no kind for WSAESHUTDOWN.
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
    fn completions_tell_errors_that_std_knows() {
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
            let error = Error::from_raw_os_error(known(error).cast_signed());
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
