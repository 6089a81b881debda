//! Options of a server's pipe.

use std::io;

use super::of_code;
use crate::native::security::Descriptor;

/// Whether what is written keeps its bounds. The server says which; its clients find out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PipeMode {
    /// A stream of bytes.
    #[default]
    Bytes,
    /// Each write is a message, and no read gets more than one.
    Messages,
}

/// Who may connect to a pipe, or serve it as well.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum PipeAccess {
    /// Only the user of this process.
    #[default]
    CurrentUser,
    /// What Windows gives a pipe about which nothing is said: this user, administrators and the system have
    /// full access, and everybody may read.
    WindowsDefault,
    /// A security descriptor in SDDL.
    Descriptor(String),
}

impl PipeAccess {
    pub(super) fn descriptor(&self) -> io::Result<Option<Descriptor>> {
        let descriptor = match self {
            PipeAccess::CurrentUser => Descriptor::of_current_user(),
            PipeAccess::WindowsDefault => return Ok(None),
            PipeAccess::Descriptor(text) => Descriptor::parse(text),
        };
        descriptor.map(Some).map_err(of_code)
    }
}

/// See [`PipeServer::bind`](super::PipeServer::bind).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PipeOptions {
    /// Bytes or messages.
    pub mode: PipeMode,
    /// Who may connect.
    pub access: PipeAccess,
    /// Clients on other machines may connect. Without it the system refuses them.
    pub takes_remote_clients: bool,
    /// How many instances listen at the same time, at least 1. Up to this many clients connect at once, others find
    /// the pipe busy until the proactor has been polled.
    pub listening: usize,
    /// How many clients may be connected and not yet asked for by `accept`. From then on others find the
    /// pipe busy, which [`connect_pipe`](super::connect_pipe) waits out.
    pub backlog: usize,
    /// How many bytes each direction holds that the peer has not read, 256 KiB by default. A write of more
    /// waits for its reader, so that with room for one write alone writer and reader take turns, and each
    /// waits for the other once per write; the default has room for several of 64 KiB. It is memory that
    /// the system cannot page out: a server of very many clients may want less.
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
