//! The disk as the engine sees it. Things may happen during each call.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use everwatch_core::coverage::Gap;
use everwatch_core::entry::{Birth, FileType, Identity, InodeNumber, Stat, Watch};
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_core::kernel::{Drained, Kernel, Purpose, Watched};
use everwatch_core::listing::Listing;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Cookie, Record};
use everwatch_core::time::FileTime;

use crate::disk::Disk;
use crate::queue::Queued;

/// A byte from here on, read during a call of the engine's, stands for an operation at that moment.
const MEANWHILE: u8 = 0x80;

fn fault(kind: FaultKind) -> Fault {
    Fault { kind, code: 0 }
}

impl Disk<'_> {
    /// Other processes run while the engine is in a system call.
    fn meanwhile(&mut self) {
        if self.bytes.peek().is_some_and(|byte| byte >= MEANWHILE) {
            let code = self.bytes.byte();
            self.operate(code - MEANWHILE);
        }
    }

    fn open(&self, node: usize) -> Result<usize, Fault> {
        match self.nodes[node].kind {
            FileType::Dir if self.nodes[node].is_denied => Err(fault(FaultKind::Denied)),
            FileType::Dir => Ok(node),
            _ => Err(fault(FaultKind::NotDirectory)),
        }
    }

    fn child(&self, dir: usize, name: &[u8]) -> Result<usize, Fault> {
        let child = self.nodes[dir].children.get(name).copied();
        child.ok_or(fault(FaultKind::NotFound))
    }
}

impl Kernel for Disk<'_> {
    type Dir = usize;

    fn open_root(&mut self, path: &Path) -> Result<usize, Fault> {
        self.meanwhile();
        let node = self.resolve(path).ok_or(fault(FaultKind::NotFound))?;
        self.open(node)
    }

    fn read_link(&mut self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn open_dir(&mut self, parent: &usize, name: &[u8]) -> Result<usize, Fault> {
        self.meanwhile();
        self.open(self.child(*parent, name)?)
    }

    fn identity(&mut self, dir: &usize) -> Result<Identity, Fault> {
        let node = &self.nodes[*dir];
        Ok(Identity {
            device: 1,
            inode: InodeNumber::new(node.inode),
            birth: Birth::At(node.created_at),
        })
    }

    fn gap_of_volume(&mut self, _: &usize) -> Option<Gap> {
        None
    }

    fn stat(&mut self, dir: &usize, name: &[u8]) -> Result<Stat, Fault> {
        self.meanwhile();
        let node = &self.nodes[self.child(*dir, name)?];
        Ok(Stat {
            kind: node.kind,
            device: 1,
            inode: InodeNumber::new(node.inode),
            birth: Birth::At(node.created_at),
            modified: node.modified,
            changed: node.changed,
            size: node.content.len() as u64,
            links: NonZeroU32::new(node.links as u32),
        })
    }

    fn list(&mut self, dir: &usize, listing: &mut Listing) -> Result<(), Fault> {
        self.meanwhile();
        if self.nodes[*dir].links == 0 {
            return Err(fault(FaultKind::NotFound));
        }
        self.trace(|| format!("  [engine lists {}]", self.inode(*dir)));
        for (name, &child) in &self.nodes[*dir].children {
            let child = &self.nodes[child];
            listing.push(name, InodeNumber::new(child.inode), Some(child.kind));
        }
        self.meanwhile();
        Ok(())
    }

    fn read_file(&mut self, dir: &usize, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let mut content = self.nodes[self.child(*dir, name)?].content.clone();
        content.truncate(limit);
        Ok(content)
    }

    fn watch(&mut self, dir: &usize, _: Purpose) -> Result<Watched, Fault> {
        self.meanwhile();
        if self.nodes[*dir].links == 0 {
            return Err(fault(FaultKind::NotFound));
        }
        if let Some(watch) = self.nodes[*dir].watch {
            return Ok(Watched::Known(Watch(watch)));
        }
        if self.is_out_of_watches {
            return Err(fault(FaultKind::WatchLimit));
        }
        let watch = self.next_watch;
        self.next_watch += 1;
        self.nodes[*dir].watch = Some(watch);
        Ok(Watched::New(Watch(watch)))
    }

    fn unwatch(&mut self, watch: Watch) {
        let node = self
            .nodes
            .iter_mut()
            .find(|node| node.watch == Some(watch.0));
        if let Some(node) = node {
            node.watch = None;
            self.push(Queued::own(watch.0, Action::WatchEnded));
        }
    }

    fn drain(&mut self, records: &mut RecordQueue) -> Result<Drained, Fault> {
        self.meanwhile();
        let is_empty = self.queue.is_empty() && self.raw.is_empty();
        everwatch_core::inotify::decode(&std::mem::take(&mut self.raw), records);
        for record in self.queue.drain(..) {
            records.push(Record {
                watch: Watch(record.watch),
                action: record.action,
                is_dir: record.is_dir,
                cookie: Cookie::new(record.cookie),
                described: None,
                name: &record.name,
            });
        }
        self.is_full = false;
        Ok(if is_empty {
            Drained::Nothing
        } else {
            Drained::All
        })
    }

    fn clock(&mut self) -> FileTime {
        self.now
    }
}
