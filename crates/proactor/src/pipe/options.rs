//! Options of a server's pipe.

use std::io;

use crate::native::io_error;
use crate::native::security::Descriptor;

/// Whether a pipe carries bytes or messages. The server chooses; its clients find out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PipeMode {
    /// A stream of bytes.
    #[default]
    Bytes,
    /// Messages: each write is one, and no read gets more than one.
    Messages,
}

/// Who may connect to a pipe, and serve further instances of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum PipeAccess {
    /// The user of this process alone.
    #[default]
    CurrentUser,
    /// The default of Windows: this user, administrators and the system have full access, and everybody may
    /// read.
    WindowsDefault,
    /// A security descriptor in SDDL.
    Descriptor(String),
}

impl PipeAccess {
    /// The security descriptor that says so; `None` for the default of Windows.
    pub(super) fn descriptor(&self) -> io::Result<Option<Descriptor>> {
        let descriptor = match self {
            PipeAccess::CurrentUser => Descriptor::of_current_user(),
            PipeAccess::WindowsDefault => return Ok(None),
            PipeAccess::Descriptor(text) => Descriptor::parse(text),
        };
        descriptor.map(Some).map_err(io_error)
    }
}

/// The options of a pipe that is served, for [`PipeServer::bind`](super::PipeServer::bind).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PipeOptions {
    /// Bytes or messages.
    pub mode: PipeMode,
    /// Who may connect.
    pub access: PipeAccess,
    /// Whether clients on other machines may connect. Otherwise the system refuses them.
    pub takes_remote_clients: bool,
    /// How many instances listen at the same time, at least 1. This many clients can connect at once; others
    /// find the pipe busy until the proactor has been polled.
    pub listening: usize,
    /// How many clients may be connected and not yet asked for by `accept`. Beyond that others find the pipe
    /// busy, which [`connect_pipe`](super::connect_pipe) waits out.
    pub backlog: usize,
    /// How many bytes each direction holds that the peer has not read, 256 KiB by default. A write of more
    /// waits for its reader. With space for only one write, writer and reader take turns, and each waits for
    /// the other once per write; the default has space for several writes of 64 KiB. It is memory that the
    /// system cannot page out: a server of very many clients may want less.
    pub buffer: u32,
}

impl Default for PipeOptions {
    fn default() -> PipeOptions {
        PipeOptions {
            mode: PipeMode::Bytes,
            access: PipeAccess::CurrentUser,
            takes_remote_clients: false,
            listening: 4,
            backlog: 128,
            buffer: 256 * 1024,
        }
    }
}
