//! Listings, parsed by bytes: the buffer comes from a file system that may be anybody's.

use everwatch_directory_reads::records::Name;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FULL_DIR_INFO, FILE_ID_BOTH_DIR_INFO, FILE_ID_EXTD_DIR_INFO,
};

/// How the entries in a buffer are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// FILE_ID_BOTH_DIR_INFO: numbers of 64 bits.
    Both,
    /// FILE_ID_EXTD_DIR_INFO: numbers of 128 bits.
    Extended,
    /// FILE_FULL_DIR_INFO: no numbers.
    Full,
}

/// Offsets that all layouts share.
mod at {
    pub(super) const NEXT: usize = 0;
    pub(super) const ATTRIBUTES: usize = 56;
    pub(super) const NAME_LENGTH: usize = 60;
    /// But for the second layout, of a reparse point, its tag.
    pub(super) const EXTENDED_ATTRIBUTES: usize = 64;
}

impl Layout {
    /// Where the tag of a reparse point is.
    fn tag(self) -> usize {
        match self {
            Layout::Both | Layout::Full => at::EXTENDED_ATTRIBUTES,
            Layout::Extended => 68,
        }
    }

    /// The number of the entry that begins with `bytes`, in two halves.
    fn number(self, bytes: &[u8]) -> Option<(u64, u64)> {
        match self {
            Layout::Both => Some((long(bytes, 96)?, 0)),
            Layout::Extended => Some((long(bytes, 72)?, long(bytes, 80)?)),
            Layout::Full => Some((0, 0)),
        }
    }

    /// Where the name begins.
    fn name(self) -> usize {
        match self {
            Layout::Both => 104,
            Layout::Extended => 88,
            Layout::Full => 68,
        }
    }
}

const _: () = {
    use FILE_FULL_DIR_INFO as Full;
    use FILE_ID_BOTH_DIR_INFO as Both;
    use FILE_ID_EXTD_DIR_INFO as Extended;
    use std::mem::offset_of;
    assert!(offset_of!(Both, NextEntryOffset) == at::NEXT);
    assert!(offset_of!(Extended, NextEntryOffset) == at::NEXT);
    assert!(offset_of!(Both, FileAttributes) == at::ATTRIBUTES);
    assert!(offset_of!(Extended, FileAttributes) == at::ATTRIBUTES);
    assert!(offset_of!(Both, FileNameLength) == at::NAME_LENGTH);
    assert!(offset_of!(Extended, FileNameLength) == at::NAME_LENGTH);
    assert!(offset_of!(Full, FileAttributes) == at::ATTRIBUTES);
    assert!(offset_of!(Full, FileNameLength) == at::NAME_LENGTH);
    assert!(offset_of!(Full, EaSize) == at::EXTENDED_ATTRIBUTES);
    assert!(offset_of!(Full, FileName) == 68);
    assert!(offset_of!(Both, EaSize) == at::EXTENDED_ATTRIBUTES);
    assert!(offset_of!(Extended, ReparsePointTag) == 68);
    assert!(offset_of!(Both, FileId) == 96 && offset_of!(Extended, FileId) == 72);
    assert!(offset_of!(Both, FileName) == 104 && offset_of!(Extended, FileName) == 88);
};

/// One entry of a directory.
pub(super) struct Entry<'a> {
    /// FILE_ATTRIBUTE_*.
    pub(super) attributes: u32,
    /// The reparse tag; of no meaning without FILE_ATTRIBUTE_REPARSE_POINT.
    pub(super) tag: u32,
    /// Its low half and its high half; 0 if there is none.
    pub(super) number: (u64, u64),
    /// UTF-16, not aligned.
    name: &'a [u8],
}

impl Entry<'_> {
    /// Appends the name as the core has it.
    pub(super) fn push_name(&self, bytes: &mut Vec<u8>) {
        Name::new(self.name).push_wtf8(bytes);
    }
}

/// An offset or a length leads out of the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// The entries of a buffer that was filled. Ends with the first that is malformed.
pub(super) fn entries(
    buffer: &[u64],
    layout: Layout,
) -> impl Iterator<Item = Result<Entry<'_>, Malformed>> {
    // SAFETY: any eight bytes are eight bytes, and the slice covers no more than the buffer.
    let bytes =
        unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), size_of_val(buffer)) };
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let here = rest.take()?;
        let Some((entry, next)) = parse(here, layout) else {
            return Some(Err(Malformed));
        };
        if next > 0 {
            // What leads outside is found to be malformed in its turn.
            rest = Some(here.get(next..).unwrap_or_default());
        }
        Some(Ok(entry))
    })
}

/// The entry that the bytes begin with, and where the next one begins.
fn parse(bytes: &[u8], layout: Layout) -> Option<(Entry<'_>, usize)> {
    let length = short(bytes, at::NAME_LENGTH)? as usize;
    let end = layout.name().checked_add(length)?;
    let entry = Entry {
        attributes: short(bytes, at::ATTRIBUTES)?,
        tag: short(bytes, layout.tag())?,
        number: layout.number(bytes)?,
        name: bytes.get(layout.name()..end)?,
    };
    Some((entry, short(bytes, at::NEXT)? as usize))
}

/// Four bytes as a number; `None` if they lead out of the buffer.
fn short(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Eight bytes as a number; `None` if they lead out of the buffer.
fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer of two entries.
    fn listing(layout: Layout) -> Vec<u64> {
        let mut bytes = vec![0_u8; 256];
        for (at, next, name) in [(0, 128_u32, "ab"), (128, 0, "c")] {
            let mut put = |offset: usize, value: &[u8]| {
                bytes[at + offset..at + offset + value.len()].copy_from_slice(value);
            };
            let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            put(at::NEXT, &next.to_le_bytes());
            put(at::ATTRIBUTES, &0x10_u32.to_le_bytes());
            put(at::NAME_LENGTH, &(units.len() as u32).to_le_bytes());
            put(layout.tag(), &5_u32.to_le_bytes());
            match layout {
                Layout::Both => put(96, &7_u64.to_le_bytes()),
                Layout::Extended => put(72, &(9_u128 << 64 | 7).to_le_bytes()),
                Layout::Full => {}
            }
            put(layout.name(), &units);
        }
        let words = bytes.chunks_exact(8);
        words
            .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
            .collect()
    }

    fn names(buffer: &[u64], layout: Layout) -> Vec<String> {
        let name = |entry: Result<Entry<'_>, Malformed>| {
            let mut name = Vec::new();
            match entry {
                Ok(entry) => entry.push_name(&mut name),
                Err(Malformed) => name.extend(b"malformed"),
            }
            String::from_utf8_lossy(&name).into_owned()
        };
        entries(buffer, layout).take(100).map(name).collect()
    }

    #[test]
    fn entries_of_every_layout_are_read() {
        for (layout, number) in [
            (Layout::Both, (7, 0)),
            (Layout::Extended, (7, 9)),
            (Layout::Full, (0, 0)),
        ] {
            let buffer = listing(layout);
            assert_eq!(names(&buffer, layout), ["ab", "c"]);
            let first = entries(&buffer, layout).next().expect("an entry");
            let first = first.expect("well formed");
            assert_eq!(
                (first.attributes, first.tag, first.number),
                (0x10, 5, number)
            );
        }
    }

    #[test]
    fn a_listing_that_leads_outside_is_malformed_and_not_shorter() {
        for layout in [Layout::Both, Layout::Extended, Layout::Full] {
            let mut outside = listing(layout);
            outside[0] = 100_000;
            assert_eq!(names(&outside, layout), ["ab", "malformed"]);
            assert_eq!(names(&outside[..8], layout), ["malformed"]);
            let mut endless = listing(layout);
            endless[7] = u64::MAX;
            assert_eq!(names(&endless, layout), ["malformed"]);
        }
    }
}
