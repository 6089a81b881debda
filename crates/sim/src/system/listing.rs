//! A listing under way: getdents64(2) or its like on Windows, between whose calls the directory changes.

use everwatch_core::entry::InodeNumber;
use everwatch_core::listing::{DirEntry, Listing};

use crate::disk::{Errno, Ino};
use crate::random::Random;
use crate::system::System;

/// A listing of one directory, an entry at a time.
#[derive(Debug)]
pub(crate) struct ListingUnderWay {
    dir: Ino,
    /// Other processes get on between two entries.
    is_torn: bool,
    /// Entries behind this position came after the listing had begun, and are not in it.
    end: u64,
    /// That of the last entry.
    position: Option<u64>,
}

impl ListingUnderWay {
    /// Begins one. It is torn with this chance out of a thousand.
    pub(crate) fn begin(system: &System, dir: Ino, timing: &mut Random, torn: u32) -> Self {
        ListingUnderWay {
            dir,
            is_torn: timing.chance(torn),
            end: system.disk.end_of_listing(),
            position: None,
        }
    }

    /// Whether others get on now, before the next entry.
    pub(crate) fn is_interrupted(&self, timing: &mut Random) -> bool {
        self.is_torn && timing.chance(300)
    }

    /// Adds the next entry, once no call changes the directory. Returns false at the end.
    ///
    /// # Errors
    ///
    /// [`Errno::NoEntry`] if the directory was removed.
    pub(crate) fn advance(
        &mut self,
        system: &mut System,
        listing: &mut Listing,
    ) -> Result<bool, Errno> {
        system.wait_for(self.dir);
        let disk = &system.disk;
        if disk.inode(self.dir).links == 0 {
            return Err(Errno::NoEntry);
        }
        let next = disk.entry_behind(self.dir, self.position);
        let Some((at, entry)) = next.filter(|&(at, _)| at <= self.end) else {
            return Ok(false);
        };
        let kind = disk.traits().lists_kinds.then(|| disk.kind(entry.inode));
        let number = InodeNumber::new(disk.inode(entry.inode).number);
        listing.push(&entry.name, number, kind);
        self.position = Some(at);
        Ok(true)
    }
}

/// A line of the trace: names and numbers of what was listed.
pub(crate) fn describe(system: &System, dir: Ino, listing: &Listing) -> String {
    let entry = |entry: DirEntry<'_>| {
        let number = entry.inode.map_or(0, InodeNumber::get);
        format!("{}:{number}", entry.name.escape_ascii())
    };
    let entries: Vec<String> = listing.iter().map(entry).collect();
    format!(
        "list {} = [{}]",
        system.disk.path_of(dir),
        entries.join(" ")
    )
}
