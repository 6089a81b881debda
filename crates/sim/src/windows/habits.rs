//! The habits of systems and volumes: what some of them do and others do not, as public tests and reports show.
//!
//! Each schedule has each habit with the chance that [`Habits::draw`] gives it, and what habits decide comes from a
//! stream of their own.

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
        }
    }
}
