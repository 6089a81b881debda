//! The reads of a kernel: begun, replaced, looked after, and ended.
//!
//! The kernel of Windows fixes depth, filter and the size of its own buffer with the first read on a
//! handle. So a read that is to reach further, or that lost records, is replaced: the new one is armed,
//! what the old one has is taken, and only then is the old one retired.

use everwatch_core::entry::{Identity, Watch};
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_core::kernel::Purpose;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Record};
use everwatch_core::time::FileTime;
use everwatch_directory_reads::{Filter, Settings, Tag};

use super::decode::Decoder;
use super::errors::{fault, fault_of_arming};
use super::kernel::WindowsKernel;
use super::read::Read;
use super::system_calls::SystemCalls;
use super::wine::seen_dirs::Place;

/// The size of the first buffer, and the largest that works over a network.
const FIRST_BUFFER: u32 = 64 * 1024;

/// The largest buffer that a read grows to: some 10,000 records. The memory is the kernel's, and is not
/// paged.
const LARGEST_BUFFER: u32 = 1024 * 1024;

/// The buffer of a read that will not grow.
const FINAL_BUFFER: u32 = 256 * 1024;

/// The buffer of a read whose records are not wanted.
const SMALLEST_BUFFER: u32 = 4096;

/// A read that ends by itself so soon after it began is not begun again at once, in nanoseconds.
const TOO_SOON: FileTime = 1_000_000_000;

impl<S: SystemCalls> WindowsKernel<S> {
    /// Arms the first read of a directory.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Unsupported`] if an earlier read of it ended less than a second ago: the directory is polled
    /// until the engine tries again. Otherwise what arming failed with.
    pub(super) fn begin(
        &mut self,
        dir: &S::Dir,
        identity: Identity,
        purpose: Purpose,
    ) -> Result<Watch, Fault> {
        let now = self.system.clock();
        if let Some(&(when, code)) = self.failures.get(&identity)
            && now.saturating_sub(when) < TOO_SOON
        {
            return Err(Fault {
                kind: FaultKind::Unsupported,
                code: code.0.cast_signed(),
            });
        }
        // Paths that have to be translated must not be reported twice, so such a read is never replaced.
        let is_final = self.system.quirks().keeps_old_paths && purpose == Purpose::Root;
        let settings = Settings {
            deep: is_final,
            filter: Filter::CHANGES,
            bytes: if is_final { FINAL_BUFFER } else { FIRST_BUFFER },
        };
        let (tag, watch) = (self.new_tag(), self.new_watch());
        self.system
            .arm(tag, dir, settings)
            .map_err(fault_of_arming)?;
        if is_final {
            self.decoding.keep_paths(watch);
        }
        let volume = self.volume(dir, identity.device);
        self.tags.insert(identity, tag);
        self.reads.insert(
            tag,
            Read {
                decoder: Decoder::new(watch, volume.numbers()),
                dir: dir.clone(),
                identity,
                settings,
                is_remote: volume.is_remote,
                has_lost: false,
                ended: None,
            },
        );
        Ok(watch)
    }

    /// Replaces a read by one with other settings. What the old one has is taken before it is retired, so
    /// nothing is lost in between.
    ///
    /// # Errors
    ///
    /// What arming failed with; the old read then goes on.
    pub(super) fn renew(&mut self, tag: Tag, settings: Settings) -> Result<(), Fault> {
        let Some(read) = self.reads.get(&tag) else {
            return Ok(());
        };
        let dir = read.dir.clone();
        let successor = Read {
            decoder: read.decoder.successor(),
            dir: dir.clone(),
            settings,
            has_lost: false,
            ended: None,
            ..*read
        };
        let next = self.new_tag();
        self.system
            .arm(next, &dir, settings)
            .map_err(fault_of_arming)?;
        // Both report on what happens now. Reporting a change twice does no harm if the old read does so
        // first: what the new one goes on with comes after all that the old one has.
        self.tags.insert(successor.identity, next);
        self.reads.insert(next, successor);
        self.take_all(Some(next));
        self.system.retire(tag);
        if let Some(read) = self.reads.remove(&tag)
            && read.ended.is_some()
        {
            // It ended before it could give all it had.
            self.early.push(Record::LOST);
        }
        Ok(())
    }

    /// Does what a drain leaves to do: a read that lost records is replaced by one with a buffer four times as
    /// large, up to [`LARGEST_BUFFER`]; one that ended by itself is removed, and its directory reported as no
    /// longer watched. Under Wine a read that lost records is removed as well.
    pub(super) fn maintain_reads(&mut self, records: &mut RecordQueue) {
        // Among what was lost may be renames, without which no later path can be translated.
        let keeps_old_paths = self.system.quirks().keeps_old_paths;
        let is_due = |read: &Read<S::Dir>| read.has_lost || read.ended.is_some();
        let due: Vec<Tag> = self
            .reads
            .iter()
            .filter(|(_, read)| is_due(read))
            .map(|(&tag, _)| tag)
            .collect();
        for tag in due {
            let Some(read) = self.reads.get_mut(&tag) else {
                continue;
            };
            read.has_lost = false;
            let ended = read.ended;
            if ended.is_some() || keeps_old_paths {
                let (watch, identity) = (read.decoder.watch(), read.identity);
                self.end(tag);
                if let Some(code) = ended {
                    self.failures.insert(identity, (self.system.clock(), code));
                }
                records.push(Record {
                    watch,
                    action: Action::WatchEnded,
                    ..Record::LOST
                });
                records.push(Record::LOST);
            } else if !read.is_remote && read.settings.bytes < LARGEST_BUFFER {
                let settings = Settings {
                    bytes: (read.settings.bytes * 4).min(LARGEST_BUFFER),
                    ..read.settings
                };
                // Without more room it goes on as it is; what it loses is found by comparison.
                let _ = self.renew(tag, settings);
            }
        }
    }

    /// Makes a system that keeps old paths see the directory where it is now. If it has seen it elsewhere, or
    /// forgotten that it is in the directory above, it must forget it first: retiring a read of the directory
    /// does that, and opening it again shows it at its new place.
    ///
    /// # Errors
    ///
    /// What arming or opening failed with; the directory is then still to be made seen.
    pub(super) fn make_seen(&mut self, dir: &S::Dir, place: Place) -> Result<(), Fault> {
        let identity = self.identify(dir)?;
        let is_stale = self.decoding.seen_dirs.is_stale(identity, &place);
        if is_stale {
            let tag = self.new_tag();
            let settings = Settings {
                deep: false,
                filter: Filter::CHANGES,
                bytes: SMALLEST_BUFFER,
            };
            self.system.arm(tag, dir, settings).map_err(fault)?;
            self.system.retire(tag);
            self.system.reopen(dir).map_err(fault)?;
        }
        self.decoding.seen_dirs.saw(identity, place, is_stale);
        Ok(())
    }

    /// Retires a read, and forgets what only it kept up to date.
    pub(super) fn end(&mut self, tag: Tag) {
        self.system.retire(tag);
        if let Some(read) = self.reads.remove(&tag) {
            self.decoding.forget(read.decoder.watch());
            if self.tags.get(&read.identity) == Some(&tag) {
                self.tags.remove(&read.identity);
            }
            if !self.system.quirks().keeps_old_paths {
                return;
            }
            let is_below = self.decoding.seen_dirs.contains(read.identity);
            let is_deep = |read: &Read<S::Dir>| read.settings.deep;
            if is_below || is_deep(&read) || !self.reads.values().any(is_deep) {
                self.decoding.seen_dirs.lost();
            }
            if is_below && !self.reads.is_empty() {
                // To reads of what is above it, all below it is lost now.
                self.early.push(Record::LOST);
            }
        }
    }
}
