//! Commands of the caller to a thread with a read set, and the loop of that thread.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use crate::completion::Closed;
use crate::double_buffer::DoubleBuffer;
use crate::message_queue::{Message, MessageQueue};
use crate::native::DirHandle;
use crate::overlapped::Outcome;
use crate::read_set::{PacketSource, ReadSet};
use crate::settings::{Settings, Tag};

/// A command to a thread that reads. Each reply is sent when the command was carried out.
pub(crate) enum Command {
    Arm {
        tag: Tag,
        directory: DirHandle,
        settings: Settings,
        reply: SyncSender<Result<(), u32>>,
    },
    Retire {
        tag: Tag,
        reply: SyncSender<()>,
    },
    /// The buffer of this directory is back.
    Resume(Tag),
    /// Begin the fence of this number.
    Fence(u64),
    Stop {
        reply: SyncSender<Closed>,
    },
}

/// A packet source whose wait is also ended by commands.
pub(crate) trait CommandSource: PacketSource {
    /// The next command, if there is one.
    fn command(&mut self) -> Option<Command>;
}

/// How often a fence takes what each read has and reads again. A read that starves in the first pass waits for
/// the caller, who collects during a fence; the second pass takes what the kernel collected meanwhile. What
/// comes after that is newer than the fence.
const PASSES_PER_FENCE: u32 = 2;

/// A fence whose passes are not all done.
struct RunningFence {
    /// What its end is reported with.
    number: u64,
    /// How many are done.
    passes: u32,
}

/// Reads until it must stop. Commands come before packets: a directory that must go need not be read first.
pub(crate) fn work(source: impl CommandSource, messages: &Arc<MessageQueue>) {
    let mut reads = ReadSet::new(source);
    let mut deliver = |tag: Tag, buffer: &Arc<DoubleBuffer>, outcome: Outcome| {
        messages.push_outcome(tag, buffer, outcome);
    };
    let mut fence: Option<RunningFence> = None;
    loop {
        while let Some(command) = reads.source.command() {
            match command {
                Command::Arm {
                    tag,
                    directory,
                    settings,
                    reply,
                } => {
                    let _ = reply.send(reads.arm(tag, directory, settings));
                }
                Command::Retire { tag, reply } => {
                    reads.retire(tag);
                    let _ = reply.send(());
                }
                Command::Resume(tag) => reads.resume(tag, &mut deliver),
                Command::Fence(number) => fence = Some(RunningFence { number, passes: 0 }),
                Command::Stop { reply } => {
                    reads.stop();
                    let _ = reply.send(reads.counts);
                    return;
                }
            }
        }
        if let Some(running) = fence.as_mut().filter(|_| !reads.is_starving()) {
            if running.passes < PASSES_PER_FENCE {
                reads.fence(&mut deliver);
                running.passes += 1;
            }
            if !reads.is_starving() {
                messages.push(Message::Fenced(running.number));
                fence = None;
            }
            // A command may have come while the fence waited, and nothing wakes for it again.
            continue;
        }
        if !reads.settle_next(&mut deliver) {
            reads.pump(None);
        }
    }
}
