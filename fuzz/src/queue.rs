//! The kernel's queue of records: true ones, lost ones, and lies.

use everwatch_core::record::Action;

use crate::disk::Disk;
use crate::operations::NAMES;

#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) watch: i32,
    pub(crate) action: Action,
    pub(crate) is_dir: bool,
    pub(crate) cookie: u32,
    pub(crate) name: Vec<u8>,
}

impl Queued {
    /// A record about a directory itself.
    pub(crate) fn own(watch: i32, action: Action) -> Queued {
        Queued {
            watch,
            action,
            is_dir: false,
            cookie: 0,
            name: Vec::new(),
        }
    }
}

impl Disk<'_> {
    /// Queues a record about an entry if its directory is watched.
    pub(crate) fn record(
        &mut self,
        dir: usize,
        action: Action,
        is_dir: bool,
        cookie: u32,
        name: &[u8],
    ) {
        if let Some(watch) = self.nodes[dir].watch {
            self.push(Queued {
                watch,
                action,
                is_dir,
                cookie,
                name: name.to_vec(),
            });
        }
    }

    pub(crate) fn push(&mut self, record: Queued) {
        let fate = if self.is_full { "lost" } else { "queued" };
        self.trace(|| format!("    {fate}: {record:?}"));
        if !self.is_full {
            self.queue.push_back(record);
        }
    }

    /// Drops all records from now on until the queue is drained, and says so.
    pub(crate) fn overflow(&mut self) {
        self.push(Queued::own(-1, Action::Overflow));
        self.is_full = true;
    }

    /// Queues a record that is not true, or bytes that may be none.
    pub(crate) fn lie(&mut self) {
        const ACTIONS: [Action; 11] = [
            Action::Created,
            Action::Removed,
            Action::Modified,
            Action::Metadata,
            Action::MovedFrom,
            Action::MovedTo,
            Action::DirectoryRemoved,
            Action::DirectoryMoved,
            Action::Unmounted,
            Action::WatchEnded,
            Action::Overflow,
        ];
        self.has_lied = true;
        self.trace(|| "lie".to_owned());
        if self.bytes.below(4) == 3 {
            let bytes = self.bytes.run();
            self.raw.extend_from_slice(bytes);
            return;
        }
        let action = ACTIONS[self.bytes.below(ACTIONS.len())];
        let watch = self.bytes.below(self.next_watch as usize + 2) as i32 - 1;
        let name = match self.bytes.below(NAMES.len() + 4) {
            at if at < NAMES.len() => NAMES[at].to_vec(),
            at if at == NAMES.len() => b".".to_vec(),
            at if at == NAMES.len() + 1 => b"a/b".to_vec(),
            at if at == NAMES.len() + 2 => Vec::new(),
            _ => self.bytes.run().to_vec(),
        };
        let is_dir = self.bytes.below(2) == 0;
        let cookie = self.bytes.below(4) as u32;
        self.push(Queued {
            watch,
            action,
            is_dir,
            cookie,
            name,
        });
    }
}
