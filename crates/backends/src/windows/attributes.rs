//! Attributes and numbers of entries, and what they stand for. They are in listings, in records and behind handles.

use everwatch_core::entry::{FileType, InodeNumber};

/// FILE_ATTRIBUTE_DIRECTORY.
pub const DIRECTORY: u32 = 0x10;

/// FILE_ATTRIBUTE_REPARSE_POINT.
pub const REPARSE_POINT: u32 = 0x400;

/// Set in the tags of reparse points that stand for something elsewhere: links and mount points. Others
/// mark files that are kept in the cloud or compressed, which are what they look like.
const NAME_SURROGATE: u32 = 0x2000_0000;

/// Whether there is a tag that says more.
pub(super) fn is_reparse_point(attributes: u32) -> bool {
    attributes & REPARSE_POINT != 0
}

/// What attributes and a reparse tag say. Wine has links without a tag.
pub(super) fn kind_of(attributes: u32, tag: u32) -> FileType {
    if is_reparse_point(attributes) && (tag == 0 || tag & NAME_SURROGATE != 0) {
        FileType::Symlink
    } else if attributes & DIRECTORY != 0 {
        FileType::Dir
    } else {
        FileType::File
    }
}

/// The number of an entry. File systems that have none for it give zero, and those that cannot say it all ones
/// (MS-FSCC 2.1.9).
pub(super) fn number_of(id: u64) -> Option<InodeNumber> {
    InodeNumber::new(id).filter(|&number| number != InodeNumber::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_all_ones_are_no_numbers() {
        assert_eq!(number_of(0), None);
        assert_eq!(number_of(u64::MAX), None);
        assert_eq!(number_of(7), InodeNumber::new(7));
    }

    #[test]
    fn a_cloud_file_is_a_file_and_a_junction_is_a_link() {
        let of_file = REPARSE_POINT;
        let of_dir = of_file | DIRECTORY;
        assert_eq!(kind_of(of_file, 0x9000_001a), FileType::File);
        assert_eq!(kind_of(of_dir, 0x9000_001a), FileType::Dir);
        assert_eq!(kind_of(of_dir, 0xa000_0003), FileType::Symlink);
        assert_eq!(kind_of(of_file, 0xa000_000c), FileType::Symlink);
    }
}
