//! The habits of systems and volumes: what some of them do and others do not, as public tests and reports show.
//!
//! Each schedule has each habit with the chance that [`Habits::draw`] gives it, and what habits decide comes from a
//! stream of their own.

use everwatch_backends::windows::{FileSystem, Volume};

use crate::random::habit;

/// How often, out of a thousand, a system does what its habit is. 0, the default: it does not have the habit.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Habits {
    /// A rename is followed by MODIFIED of the new name. Samba's `raw.notify`, `mask` and `mask-change`, against
    /// Windows servers.
    pub(crate) modifies_renamed: u32,
    /// The removal of a file comes behind MODIFIED of it. gradle/gradle #14003, on NTFS.
    pub(crate) modifies_removed: u32,
    /// A rename that changes nothing but the case of letters begins with REMOVED of the old name.
    /// watchdog #1204, raw records of Windows 11.
    pub(crate) removes_recased: u32,
    /// Other processes get on between the calls that make a link. Links are made in several calls everywhere: a file
    /// or directory is created, then FSCTL_SET_REPARSE_POINT makes it a link. rbtcollins/fs_at #10.
    pub(crate) pauses_links: u32,
    /// A link begins as a directory: a junction, or a symbolic link to a directory.
    pub(crate) makes_directory_links: u32,
    /// What is renamed over a file of the very same name is reported as removed from its old name, and the file as
    /// modified. MS-FSA 2.1.5.15.12.
    pub(crate) modifies_replaced: u32,
    /// The same if the two names differ in case: FAT and exFAT (FASTFAT, `FatSetRenameInfo`).
    pub(crate) modifies_any_case: u32,
    /// A file that is replaced has no record of its own, as on Samba.
    pub(crate) omits_replaced: u32,
    /// A directory is renamed although something below it is open: Samba without `strict rename`, and drivers of
    /// user-mode file systems, which decide for themselves.
    pub(crate) renames_held: u32,
    /// A process keeps the handle that it has written through, and others get on before it is closed. MS-FSA 2.1.5.4
    /// and 2.1.5.5; Samba's `smb2.notify`, `mask`, against Windows servers.
    pub(crate) keeps_open: u32,
    /// Such a file is stamped when it is closed, not when it is written: Windows before 10 1809, and file systems other
    /// than NTFS (MS-FSA 2.1.4.17, note 43).
    pub(crate) stamps_closed: u32,
    /// A change of the directory that is read has a record with an empty name. libuv's `src/win/fs-event.c` expects it.
    pub(crate) names_roots: u32,
    /// A rename replaces what is open, and an empty directory: FILE_RENAME_POSIX_SEMANTICS.
    pub(crate) replaces_open: u32,
    /// An entry is looked at through a handle, as on Windows before 10 1709, which has no NtQueryInformationByName.
    pub(crate) opens_to_look: u32,
}

impl Habits {
    /// The habits of the schedule `seed`.
    pub(crate) fn draw(seed: u64) -> Habits {
        let drawn = |name: &str, share, rates: &[u32]| habit(seed, name, share, rates);
        Habits {
            modifies_renamed: drawn("modifies renamed", 300, &[300, 1000]),
            modifies_removed: drawn("modifies removed", 300, &[300, 1000]),
            removes_recased: drawn("removes recased", 500, &[500, 1000]),
            pauses_links: drawn("pauses links", 600, &[300, 1000]),
            makes_directory_links: drawn("makes directory links", 500, &[300, 1000]),
            modifies_replaced: drawn("modifies replaced", 300, &[300, 1000]),
            modifies_any_case: 0,
            omits_replaced: drawn("omits replaced", 500, &[300, 1000]),
            renames_held: drawn("renames held", 500, &[300, 1000]),
            keeps_open: drawn("keeps open", 500, &[300, 1000]),
            stamps_closed: drawn("stamps closed", 300, &[500, 1000]),
            names_roots: drawn("names roots", 200, &[500, 1000]),
            replaces_open: drawn("replaces open", 500, &[300, 1000]),
            opens_to_look: drawn("opens to look", 300, &[1000]),
        }
    }

    /// Those that a system can have on this volume.
    pub(crate) fn on(self, volume: Volume) -> Habits {
        let is_fat = volume.file_system == FileSystem::Fat && !volume.is_remote;
        let always = if is_fat { 1000 } else { 0 };
        let foreign = u32::from(volume.is_remote);
        Habits {
            modifies_replaced: self.modifies_replaced.max(always),
            modifies_any_case: always,
            omits_replaced: self.omits_replaced * foreign,
            renames_held: self.renames_held * foreign,
            ..self
        }
    }
}
