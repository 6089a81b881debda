//! Sorts of volumes on Windows: what sets one apart from another, for schedules that stay on one sort.
//!
//! The schedules of Windows in general draw a volume whose properties go together in any way. A sort fixes those that
//! its file system or server is known for; the rest is drawn.

use everwatch_backends::windows::{FileSystem, Volume};
use everwatch_directory_reads::Layout;

use crate::windows::habits::Habits;

/// A sort of volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum VolumeSort {
    /// NTFS on a disk of this machine.
    Ntfs,
    /// ReFS, as on a Dev Drive, which refuses extended reads (gradle/native-platform#253).
    Refs,
    /// FAT, FAT32 or exFAT: a stick, a card.
    Fat,
    /// A share of a Windows server: NTFS behind SMB. Records on the wire are plain (MS-SMB2 2.2.36).
    WindowsShare,
    /// A share of Samba, as most network storage has it: a Linux file system that is called NTFS (`fstype`).
    Samba,
    /// A file system that a program provides (WinFsp, Dokan).
    Program,
}

impl VolumeSort {
    /// What Windows says of such a volume.
    pub(crate) fn volume(self) -> Volume {
        Volume {
            file_system: match self {
                VolumeSort::Ntfs | VolumeSort::WindowsShare | VolumeSort::Samba => FileSystem::Ntfs,
                VolumeSort::Refs => FileSystem::Refs,
                VolumeSort::Fat => FileSystem::Fat,
                VolumeSort::Program => FileSystem::Other,
            },
            is_remote: matches!(self, VolumeSort::WindowsShare | VolumeSort::Samba),
            has_wide_numbers: self == VolumeSort::Refs,
        }
    }

    /// Whether the number of an entry that is gone is given to another one.
    pub(crate) fn reuses_numbers(self) -> bool {
        matches!(
            self,
            VolumeSort::Fat | VolumeSort::Samba | VolumeSort::Program
        )
    }

    /// The layouts in which records come.
    pub(crate) fn layouts(self) -> &'static [Layout] {
        match self {
            VolumeSort::Ntfs | VolumeSort::Program => &[Layout::Plain, Layout::Extended],
            _ => &[Layout::Plain],
        }
    }

    /// The steps of time stamps, in nanoseconds. FAT counts in two seconds, exFAT in hundredths of one.
    pub(crate) fn ticks(self) -> &'static [i64] {
        match self {
            VolumeSort::Fat => &[2_000_000_000, 10_000_000],
            VolumeSort::Samba => &[100, 1_000_000, 1_000_000_000],
            _ => &[100],
        }
    }

    /// The habits of such a volume, of those that were drawn.
    pub(crate) fn habits(self, drawn: Habits) -> Habits {
        let own = drawn.on(self.volume());
        match self {
            // NTFS keeps directories above what is open, and records what is replaced, also for others.
            VolumeSort::WindowsShare => Habits {
                omits_replaced: 0,
                renames_held: 0,
                ..own
            },
            VolumeSort::Samba => Habits {
                omits_replaced: 1000,
                modifies_replaced: 0,
                ..own
            },
            VolumeSort::Program => Habits {
                omits_replaced: drawn.omits_replaced,
                renames_held: drawn.renames_held,
                ..own
            },
            VolumeSort::Ntfs | VolumeSort::Refs | VolumeSort::Fat => own,
        }
    }
}
