//! Volumes: what Windows says of one, and how far that is trusted.
//!
//! What a volume says of itself is a claim. Servers call their file systems NTFS whatever they are (Samba's `fstype`,
//! the default), and their numbers are those of a Linux file system, which reuses them. So everything that
//! depends on the file system is decided here, once, from its name together with where it is.

/// The file systems that Everwatch distinguishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileSystem {
    /// NTFS.
    Ntfs,
    /// ReFS, as on a Dev Drive.
    Refs,
    /// FAT, FAT32 or exFAT.
    Fat,
    /// Another one, such as one that a program provides.
    Other,
}

impl FileSystem {
    /// The file system of this name, as GetVolumeInformation has it.
    #[must_use]
    pub fn named(name: &str) -> FileSystem {
        match name {
            "NTFS" => FileSystem::Ntfs,
            "ReFS" => FileSystem::Refs,
            "FAT" | "FAT32" | "exFAT" => FileSystem::Fat,
            _ => FileSystem::Other,
        }
    }
}

/// How a file system numbers its entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Numbers {
    /// No number is used for two entries, ever, and records have the same as listings: NTFS.
    Unique,
    /// The same, but numbers have 128 bits, and records have other ones: ReFS.
    UniqueAndWide,
    /// A number may be reused when its entry is gone.
    Reused,
}

/// The volume that a directory is on, as Windows describes it.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    /// What it calls its file system.
    pub file_system: FileSystem,
    /// It is reached over the network (FILE_REMOTE_DEVICE).
    pub is_remote: bool,
    /// Its numbers of entries do not fit into 64 bits.
    pub has_wide_numbers: bool,
}

impl Volume {
    /// One that cannot be asked: nothing is trusted.
    pub(super) const UNKNOWN: Volume = Volume {
        file_system: FileSystem::Other,
        is_remote: true,
        has_wide_numbers: false,
    };

    /// How entries are numbered. Only NTFS and ReFS never give a number to a second entry, and only on a disk of
    /// this machine is it certain that it is one of them.
    pub(super) fn numbers(self) -> Numbers {
        let is_unique =
            !self.is_remote && matches!(self.file_system, FileSystem::Ntfs | FileSystem::Refs);
        match (is_unique, self.has_wide_numbers) {
            (true, false) => Numbers::Unique,
            (true, true) => Numbers::UniqueAndWide,
            (false, _) => Numbers::Reused,
        }
    }

    /// Whether no number is used for two entries.
    pub(super) fn has_unique_numbers(self) -> bool {
        self.numbers() != Numbers::Reused
    }

    /// Whether what is renamed over a file of another case is reported under its own name alone: FASTFAT,
    /// `FatSetRenameInfo`. Others report the file under its name (NTFS), or compare cases (MS-FSA 2.1.5.15.12). What could
    /// not be asked, or is not Windows' own, may be either.
    pub(super) fn replaces_in_any_case(self) -> bool {
        matches!(self.file_system, FileSystem::Fat | FileSystem::Other)
    }

    /// Whether a directory is not renamed while something below it on the same volume is open. NTFS and FAT refuse
    /// that (MS-FSA 2.1.5.15.12; FASTFAT), of ReFS MS-FSA alone says so; servers and user-mode file systems
    /// decide for themselves.
    pub(super) fn holds_ancestors(self) -> bool {
        !self.is_remote && self.file_system != FileSystem::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str) -> Volume {
        Volume {
            file_system: FileSystem::named(name),
            is_remote: false,
            has_wide_numbers: false,
        }
    }

    fn remote(name: &str) -> Volume {
        Volume {
            is_remote: true,
            ..volume(name)
        }
    }

    #[test]
    fn numbers_are_trusted_on_local_ntfs_and_refs_alone() {
        assert_eq!(volume("NTFS").numbers(), Numbers::Unique);
        let wide = Volume {
            has_wide_numbers: true,
            ..volume("ReFS")
        };
        assert_eq!(wide.numbers(), Numbers::UniqueAndWide);
        for other in [
            volume("exFAT"),
            volume("WinFsp"),
            remote("NTFS"),
            remote("ReFS"),
        ] {
            assert_eq!(other.numbers(), Numbers::Reused, "{other:?}");
        }
        assert!(!Volume::UNKNOWN.has_unique_numbers());
    }

    #[test]
    fn open_entries_hold_the_directories_above_them_on_local_file_systems_of_windows_alone() {
        for holds in [
            volume("NTFS"),
            volume("ReFS"),
            volume("FAT32"),
            volume("exFAT"),
        ] {
            assert!(holds.holds_ancestors(), "{holds:?}");
        }
        for other in [
            volume("WinFsp"),
            volume("DOKAN"),
            remote("NTFS"),
            Volume::UNKNOWN,
        ] {
            assert!(!other.holds_ancestors(), "{other:?}");
        }
    }
}
