//! What the caller asks of a thread that has a desk, and the thread's loop.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use crate::completion::Closed;
use crate::double_buffer::Lane;
use crate::message_queue::{Handover, Parcel};
use crate::native::DirHandle;
use crate::read_set::{Desk, Source};
use crate::settings::{Settings, Tag};

/// A request to a reading thread. Each reply is sent when the request has been carried out.
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
    Resume(Tag),
    Fence(u64),
    Stop {
        reply: SyncSender<Closed>,
    },
}

/// A source whose wait is ended by commands as well.
pub(crate) trait Commanded: Source {
    fn command(&mut self) -> Option<Command>;
}

/// A pass takes what each read has and reads again. One that starves meanwhile waits for the caller,
/// who collects during a fence, and then once more for what the kernel kept. Afterwards only what
/// is newer than the fence can come, so there is no third pass.
const FENCE_PASSES: u32 = 2;

struct Fence {
    number: u64,
    passes: u32,
}

/// Reads until it is told to stop. Commands go before packets: a directory that is to go need not
/// be read first.
pub(crate) fn work(source: impl Commanded, handover: &Arc<Handover>) {
    let mut desk = Desk::new(source);
    let mut hand_over =
        |tag: Tag, lane: &Arc<Lane>, outcome| handover.push_outcome(tag, lane, outcome);
    let mut fence: Option<Fence> = None;
    loop {
        while let Some(command) = desk.source.command() {
            match command {
                Command::Arm {
                    tag,
                    directory,
                    settings,
                    reply,
                } => {
                    let lane = Lane::new(settings.bytes);
                    let _ = reply.send(desk.arm(tag, directory, settings, lane));
                }
                Command::Retire { tag, reply } => {
                    desk.retire(tag);
                    let _ = reply.send(());
                }
                Command::Resume(tag) => desk.resume(tag, &mut hand_over),
                Command::Fence(number) => fence = Some(Fence { number, passes: 0 }),
                Command::Stop { reply } => {
                    desk.stop();
                    let _ = reply.send(desk.counts);
                    return;
                }
            }
        }
        if let Some(running) = fence.as_mut().filter(|_| !desk.is_starving()) {
            if running.passes < FENCE_PASSES {
                desk.fence(&mut hand_over);
                running.passes += 1;
            }
            if !desk.is_starving() {
                handover.push(Parcel::Fenced(running.number));
                fence = None;
            }
            // A command may have come while the fence waited, and nothing wakes for it again.
            continue;
        }
        if !desk.settle_next(&mut hand_over) {
            desk.pump(None);
        }
    }
}
