//! Records as the bytes that a read returns.

use everwatch_directory_reads::Layout;

/// A record before it is written down.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) action: u32,
    /// What ties halves of a rename together before they are written down; 0 if they are beside each
    /// other anyway.
    pub(crate) cookie: u32,
    /// The path below the directory that is read, with `/` between the names.
    pub(crate) path: Vec<u8>,
    /// What extended records say of the entry.
    pub(crate) entry: Entry,
}

/// What an entry is, as extended records say it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Entry {
    pub(crate) attributes: u32,
    pub(crate) tag: u32,
    pub(crate) number: u64,
}

/// The bytes before the name.
const PLAIN: usize = 12;
const EXTENDED: usize = 84;

impl Note {
    pub(crate) const ADDED: u32 = 1;
    pub(crate) const REMOVED: u32 = 2;
    pub(crate) const MODIFIED: u32 = 3;
    pub(crate) const OLD_NAME: u32 = 4;
    pub(crate) const NEW_NAME: u32 = 5;

    /// What it takes in a buffer, roughly.
    pub(crate) fn size(&self) -> usize {
        PLAIN + 2 * self.path.len()
    }
}

/// Writes records down. `is_aligned` is whether each begins where it has to.
pub(crate) fn encode(notes: &[Note], layout: Layout, is_aligned: bool) -> Vec<u8> {
    let (header, unit) = match layout {
        Layout::Plain => (PLAIN, 4),
        _ => (EXTENDED, 8),
    };
    let mut bytes = Vec::new();
    for (at, note) in notes.iter().enumerate() {
        let name: Vec<u8> = units(&note.path)
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect();
        let start = bytes.len();
        bytes.resize(start + header, 0);
        bytes[start + 4..start + 8].copy_from_slice(&note.action.to_le_bytes());
        let length = (name.len() as u32).to_le_bytes();
        bytes[start + header - 4..start + header].copy_from_slice(&length);
        if layout == Layout::Extended {
            let Entry {
                attributes,
                tag,
                number,
            } = note.entry;
            bytes[start + 56..start + 60].copy_from_slice(&attributes.to_le_bytes());
            bytes[start + 60..start + 64].copy_from_slice(&tag.to_le_bytes());
            bytes[start + 64..start + 72].copy_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&name);
        if at + 1 < notes.len() {
            if is_aligned {
                bytes.resize(bytes.len().next_multiple_of(unit), 0);
            }
            let next = ((bytes.len() - start) as u32).to_le_bytes();
            bytes[start..start + 4].copy_from_slice(&next);
        }
    }
    bytes
}

/// A path in UTF-16, any surrogates included.
fn units(path: &[u8]) -> Vec<u16> {
    let mut units = Vec::new();
    let mut rest = path;
    while let Some(&first) = rest.first() {
        let len = match first {
            0..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        let (point, left) = rest.split_at(len.min(rest.len()));
        rest = left;
        let lead = match len {
            1 => u32::from(first),
            _ => u32::from(first) & (0x7f >> len),
        };
        let point = point[1..]
            .iter()
            .fold(lead, |all, &byte| all << 6 | u32::from(byte & 0x3f));
        match u16::try_from(point) {
            Ok(unit) if unit == u16::from(b'/') => units.push(u16::from(b'\\')),
            Ok(unit) => units.push(unit),
            Err(_) => {
                let above = point - 0x1_0000;
                units.push(0xd800 | (above >> 10) as u16);
                units.push(0xdc00 | (above & 0x3ff) as u16);
            }
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use everwatch_directory_reads::records::{self, Action};

    use super::*;

    // requirement: S0.3 (simulator)
    #[test]
    fn records_are_read_as_they_were_written_in_both_layouts_and_unaligned() {
        let paths = ["a", "b/long name 1.txt", "\u{1f980}/\u{e9}"];
        let mut notes: Vec<Note> = paths
            .iter()
            .map(|path| Note {
                action: Note::ADDED,
                cookie: 0,
                path: path.as_bytes().to_vec(),
                entry: Entry::default(),
            })
            .collect();
        notes[1].path.extend_from_slice(b"/\xed\xa0\x80");
        for (layout, is_aligned) in [
            (Layout::Plain, true),
            (Layout::Plain, false),
            (Layout::Extended, true),
        ] {
            let bytes = encode(&notes, layout, is_aligned);
            let changes: Vec<_> = records::changes(&bytes, layout)
                .map(|change| change.expect("a record"))
                .collect();
            assert_eq!(changes.len(), notes.len());
            for (change, note) in changes.iter().zip(&notes) {
                let mut path = Vec::new();
                change.name.push_wtf8(&mut path);
                assert_eq!((change.action, path), (Action::Added, note.path.clone()));
            }
        }
    }
}
