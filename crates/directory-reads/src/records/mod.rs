//! The records of a directory read, from bytes.
//!
//! The bytes come from a kernel, but also from file-system drivers and network servers that anyone may have
//! written, so nothing is trusted: every offset and length is checked, no alignment is assumed (Wine's records are
//! not aligned), and there is no cast of memory. The iterator ends for all bytes. At the first value that cannot be
//! right it yields [`Malformed`] and then nothing more, and the caller treats the rest as lost.

mod name;
#[cfg(test)]
mod tests;

pub use name::Name;

use crate::settings::Layout;
use std::fmt;

/// The bytes of `FILE_NOTIFY_INFORMATION` in front of the name.
const PLAIN_HEADER: usize = 12;
/// The bytes of `FILE_NOTIFY_EXTENDED_INFORMATION` in front of the name.
const EXTENDED_HEADER: usize = 84;

/// The kind of change that an entry has undergone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// `FILE_ACTION_ADDED`: it came to be, or came into the directory.
    Added,
    /// `FILE_ACTION_REMOVED`: it is gone, or left the directory.
    Removed,
    /// `FILE_ACTION_MODIFIED`: its data or attributes changed.
    Modified,
    /// `FILE_ACTION_RENAMED_OLD_NAME`: the first half of a rename.
    OldName,
    /// `FILE_ACTION_RENAMED_NEW_NAME`: the second half of a rename.
    NewName,
    /// An action that this version does not know, by its number.
    Other(u32),
}

impl From<u32> for Action {
    fn from(number: u32) -> Action {
        match number {
            1 => Action::Added,
            2 => Action::Removed,
            3 => Action::Modified,
            4 => Action::OldName,
            5 => Action::NewName,
            other => Action::Other(other),
        }
    }
}

/// The fields of an extended record that a plain one lacks. Times are in 100 ns since 1601 (UTC).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // The names are those of FILE_NOTIFY_EXTENDED_INFORMATION.
pub struct Extended {
    pub creation_time: i64,
    pub last_modification_time: i64,
    pub last_change_time: i64,
    pub last_access_time: i64,
    pub allocated_length: i64,
    pub file_size: i64,
    pub file_attributes: u32,
    pub reparse_point_tag: u32,
    pub file_id: u64,
    pub parent_file_id: u64,
}

/// One record: one change of one entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change<'a> {
    /// The kind of change.
    pub action: Action,
    /// The entry, by its path below the directory that is read.
    pub name: Name<'a>,
    /// The further fields, if the layout has them.
    pub extended: Option<Extended>,
}

/// The reason why the rest of a buffer cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// The header of a record does not fit into what is left.
    HeaderCut,
    /// The name of a record does not fit into what is left.
    NameCut,
    /// A name has an odd number of bytes. The record was delivered without the last one.
    NameOdd,
    /// The next record would begin inside this one.
    Overlapping,
    /// The next record would begin at or behind the end.
    BehindTheEnd,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Malformed::HeaderCut => "the header of a record is cut short",
            Malformed::NameCut => "the name of a record is cut short",
            Malformed::NameOdd => "a name has an odd number of bytes",
            Malformed::Overlapping => "a record begins inside the one before",
            Malformed::BehindTheEnd => "a record begins behind the end",
        })
    }
}

impl std::error::Error for Malformed {}

/// The records in `bytes`, in their order.
///
/// ```
/// use everwatch_directory_reads::{Layout, records::{Action, changes}};
///
/// let bytes = [0, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, b'a', 0, b'\\', 0, b'b', 0];
/// let change = changes(&bytes, Layout::Plain).next().unwrap().unwrap();
/// let mut path = Vec::new();
/// change.name.push_wtf8(&mut path);
/// assert_eq!((change.action, path), (Action::Added, b"a/b".to_vec()));
/// ```
pub fn changes(bytes: &[u8], layout: Layout) -> Changes<'_> {
    Changes {
        rest: Some(bytes),
        layout,
        malformed: None,
    }
}

/// The iterator of [`changes`].
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    /// The bytes from the next record on; `None` when there is none.
    rest: Option<&'a [u8]>,
    layout: Layout,
    /// The last item, if the bytes after the previous one were malformed.
    malformed: Option<Malformed>,
}

impl<'a> Iterator for Changes<'a> {
    type Item = Result<Change<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(bytes) = self.rest.take() else {
            return self.malformed.take().map(Err);
        };
        match record(bytes, self.layout) {
            Ok((change, length, is_odd)) => {
                match following(bytes, length) {
                    _ if is_odd => self.malformed = Some(Malformed::NameOdd),
                    Ok(rest) => self.rest = rest,
                    Err(malformed) => self.malformed = Some(malformed),
                }
                Some(Ok(change))
            }
            Err(malformed) => Some(Err(malformed)),
        }
    }
}

impl std::iter::FusedIterator for Changes<'_> {}

/// The record at the start of `bytes`, how long it is, and whether its name has an odd length.
fn record(bytes: &[u8], layout: Layout) -> Result<(Change<'_>, usize, bool), Malformed> {
    let (header, length_at) = match layout {
        Layout::Plain => (PLAIN_HEADER, 8),
        Layout::Extended => (EXTENDED_HEADER, 80),
    };
    let action = word(bytes, 4)?.into();
    let extended = match layout {
        Layout::Plain => None,
        Layout::Extended => Some(extended(bytes)?),
    };
    let length = word(bytes, length_at)?;
    let length = usize::try_from(length).map_err(|_| Malformed::NameCut)?;
    let named = bytes.get(header..).ok_or(Malformed::HeaderCut)?;
    let name = named.get(..length).ok_or(Malformed::NameCut)?;
    let change = Change {
        action,
        name: Name::new(name),
        extended,
    };
    Ok((change, header + length, length % 2 == 1))
}

/// The further fields of an extended record.
fn extended(bytes: &[u8]) -> Result<Extended, Malformed> {
    Ok(Extended {
        creation_time: long(bytes, 8)?.cast_signed(),
        last_modification_time: long(bytes, 16)?.cast_signed(),
        last_change_time: long(bytes, 24)?.cast_signed(),
        last_access_time: long(bytes, 32)?.cast_signed(),
        allocated_length: long(bytes, 40)?.cast_signed(),
        file_size: long(bytes, 48)?.cast_signed(),
        file_attributes: word(bytes, 56)?,
        reparse_point_tag: word(bytes, 60)?,
        file_id: long(bytes, 64)?,
        parent_file_id: long(bytes, 72)?,
    })
}

/// The bytes from the next record on, behind the record of this length at the start of `bytes`.
fn following(bytes: &[u8], length: usize) -> Result<Option<&[u8]>, Malformed> {
    let offset = usize::try_from(word(bytes, 0)?).map_err(|_| Malformed::BehindTheEnd)?;
    match bytes.get(offset..) {
        _ if offset == 0 => Ok(None),
        _ if offset < length => Err(Malformed::Overlapping),
        None | Some([]) => Err(Malformed::BehindTheEnd),
        Some(rest) => Ok(Some(rest)),
    }
}

/// The 32-bit number at this offset.
fn word(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    four.map(|four| u32::from_le_bytes(*four))
        .ok_or(Malformed::HeaderCut)
}

/// The 64-bit number at this offset.
fn long(bytes: &[u8], at: usize) -> Result<u64, Malformed> {
    let eight = bytes.get(at..).and_then(|rest| rest.first_chunk());
    eight
        .map(|eight| u64::from_le_bytes(*eight))
        .ok_or(Malformed::HeaderCut)
}
