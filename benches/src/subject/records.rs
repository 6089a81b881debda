//! The reads of `everwatch-directory-reads` alone, under their default model: records as they come, which is what
//! notify makes its events of. It does not look at the disk and repairs no loss. While records stream, it
//! pauses like Everwatch's engine, so that one read returns many.

use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use everwatch_directory_reads::records::{Action, changes};
use everwatch_directory_reads::{Completion, DirectoryReads, Model, Settings, Tag, Waker, reads};

use super::{Intake, Reported, Subject, Taken};
use crate::replica::Step;

/// FILE_LIST_DIRECTORY, and FILE_FLAG_BACKUP_SEMANTICS, without which no directory opens.
const LIST: u32 = 1;
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// The pause between two reads while records stream.
const PAUSE: Duration = Duration::from_millis(1);

/// A record with its whole path, or the report of a loss.
enum Record {
    Of(Action, PathBuf),
    Lost,
}

pub(super) struct Records {
    is_over: Arc<AtomicBool>,
    waker: Waker,
    reader: JoinHandle<Taken<Record>>,
}

impl Records {
    pub(super) fn arm(root: &Path, intake: Intake) -> Result<Records> {
        let directory = std::fs::OpenOptions::new()
            .access_mode(LIST)
            .custom_flags(BACKUP_SEMANTICS)
            .open(root)?;
        let mut reads = reads(Model::Port)?;
        reads.arm(Tag(1), directory.as_handle(), root, Settings::default())?;
        let is_over = Arc::new(AtomicBool::new(false));
        let waker = reads.waker();
        let reader = std::thread::spawn({
            let (is_over, root) = (Arc::clone(&is_over), root.to_owned());
            move || read(reads, &is_over, &root, intake)
        });
        Ok(Records {
            is_over,
            waker,
            reader,
        })
    }
}

fn read(
    mut reads: Box<dyn DirectoryReads>,
    is_over: &AtomicBool,
    root: &Path,
    intake: Intake,
) -> Taken<Record> {
    let mut taken = Taken::new(intake);
    let mut streak = 0;
    while !is_over.load(Ordering::Acquire) {
        match streak {
            0 => reads.wait(None),
            1 => {}
            _ => std::thread::sleep(PAUSE),
        }
        let collected = reads.collect(&mut |_, completion| match completion {
            Completion::Changes { bytes, layout } => {
                for change in changes(bytes, layout).flatten() {
                    let units: Vec<u16> = change.name.units().collect();
                    let path = root.join(std::ffi::OsString::from_wide(&units));
                    taken.take(Record::Of(change.action, path));
                }
            }
            Completion::Lost | Completion::Failed { .. } => taken.take(Record::Lost),
        });
        streak = match collected.delivered {
            0 => 0,
            _ => streak + 1,
        };
    }
    taken
}

impl Subject for Records {
    fn finish(self: Box<Self>) -> Result<Reported> {
        let Records {
            is_over,
            waker,
            reader,
        } = *self;
        is_over.store(true, Ordering::Release);
        waker.ring();
        let taken = reader.join().map_err(|_| anyhow!("the reader panicked"))?;
        let mut reported = Reported {
            events: taken.count,
            ..Reported::default()
        };
        let mut steps = Vec::new();
        let mut half = None;
        for (arrived, record) in taken.kept {
            let Record::Of(action, path) = record else {
                reported.losses += 1;
                continue;
            };
            reported.arrivals.push((arrived, path.clone()));
            match action {
                Action::Removed => steps.push(Step::Gone(path)),
                Action::OldName => half = Some(path),
                Action::NewName => steps.push(match half.take() {
                    Some(from) => Step::Moved { from, to: path },
                    None => Step::Exists(path),
                }),
                _ => steps.push(Step::Exists(path)),
            }
        }
        reported.steps = Some(steps);
        Ok(reported)
    }
}
