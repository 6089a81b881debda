//! FILE_ID_BOTH_DIR_INFO, parsed by bytes: the buffer comes from a file system that may be anybody's.

/// Offsets in the structure, which are the same on all processors.
mod at {
    pub(super) const NEXT: usize = 0;
    pub(super) const ATTRIBUTES: usize = 56;
    pub(super) const NAME_LENGTH: usize = 60;
    /// Of a reparse point, this is its tag.
    pub(super) const EXTENDED_ATTRIBUTES: usize = 64;
    pub(super) const FILE_ID: usize = 96;
    pub(super) const NAME: usize = 104;
}

/// One entry of a directory.
pub(super) struct Entry<'a> {
    pub(super) attributes: u32,
    pub(super) tag: u32,
    pub(super) number: u64,
    /// UTF-16, not aligned.
    name: &'a [u8],
}

impl Entry<'_> {
    /// Appends the name as the core has it.
    pub(super) fn push_name(&self, bytes: &mut Vec<u8>) {
        everwatch_proactor::notify::Name::new(self.name).push_wtf8(bytes);
    }
}

/// The entries of a buffer that was filled. Ends early where the bytes make no sense.
pub(super) fn entries(buffer: &[u64]) -> impl Iterator<Item = Entry<'_>> {
    // SAFETY: any eight bytes are eight bytes, and the slice covers no more than the buffer.
    let bytes =
        unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), size_of_val(buffer)) };
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let entry = bytes.get(at?..)?;
        let length = number(entry, at::NAME_LENGTH)? as usize;
        let name = entry.get(at::NAME..at::NAME.checked_add(length)?)?;
        let next = number(entry, at::NEXT)? as usize;
        at = match next {
            0 => None,
            next => at?.checked_add(next),
        };
        Some(Entry {
            attributes: number(entry, at::ATTRIBUTES)?,
            tag: number(entry, at::EXTENDED_ATTRIBUTES)?,
            number: u64::from(number(entry, at::FILE_ID)?)
                | u64::from(number(entry, at::FILE_ID + 4)?) << 32,
            name,
        })
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

const _: () = {
    use windows_sys::Win32::Storage::FileSystem::FILE_ID_BOTH_DIR_INFO as Info;
    assert!(std::mem::offset_of!(Info, NextEntryOffset) == at::NEXT);
    assert!(std::mem::offset_of!(Info, FileAttributes) == at::ATTRIBUTES);
    assert!(std::mem::offset_of!(Info, FileNameLength) == at::NAME_LENGTH);
    assert!(std::mem::offset_of!(Info, EaSize) == at::EXTENDED_ATTRIBUTES);
    assert!(std::mem::offset_of!(Info, FileId) == at::FILE_ID);
    assert!(std::mem::offset_of!(Info, FileName) == at::NAME);
};
