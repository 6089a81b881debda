//! The read of one directory, and what its completions become.

use std::collections::BTreeMap;

use everwatch_core::entry::Identity;
use everwatch_core::queue::RecordQueue;
use everwatch_directory_reads::{Completion, Settings, Tag};

use super::decode::{DecodeState, Decoder};
use super::system_calls::Code;

/// The read of one directory.
#[derive(Debug)]
pub(super) struct Read<D> {
    /// What is known between two buffers, and the watch.
    pub(super) decoder: Decoder,
    /// Keeps the directory open; on Windows that keeps those above it from being renamed.
    pub(super) dir: D,
    /// Which directory it is.
    pub(super) identity: Identity,
    /// What the read was armed with. The kernel fixed it with the first read on the handle.
    pub(super) settings: Settings,
    /// The volume is reached over the network, where buffers beyond 64 KiB fail.
    pub(super) is_remote: bool,
    /// Records were lost since the last drain, because the buffer or the queue of the kernel was too small.
    pub(super) has_lost: bool,
    /// The read ended with this code.
    pub(super) ended: Option<Code>,
}

/// Turns a completion into records. One of a read that was retired meanwhile is dropped: its successor has the
/// same changes. Completions that are neither changes nor failures are lost records.
pub(super) fn deliver<D>(
    reads: &mut BTreeMap<Tag, Read<D>>,
    state: &mut DecodeState,
    tag: Tag,
    completion: &Completion<'_>,
    records: &mut RecordQueue,
) {
    let Some(read) = reads.get_mut(&tag) else {
        return;
    };
    match *completion {
        Completion::Changes { bytes, layout } => read.decoder.decode(bytes, layout, state, records),
        Completion::Failed { code } => read.ended = Some(Code(code)),
        _ => {
            read.has_lost = true;
            read.decoder.lose(records);
        }
    }
}
