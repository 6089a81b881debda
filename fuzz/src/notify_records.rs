//! Decoding what a directory read left in its buffer on Windows.
//!
//! The first byte chooses the layout. Checked against a decoder that is written from the
//! documentation of the two structures as plainly as possible: the same records come out in the same
//! order, a malformed record is reported once and last, and the path in WTF-8 is the name that was there.

use everwatch_directory_reads::Layout;
use everwatch_directory_reads::records::{Action, changes};

#[derive(PartialEq, Eq, Debug)]
struct Plain {
    action: u32,
    units: Vec<u16>,
    /// Last write, size, attributes, id and parent: from both ends and the middle of the record.
    extended: Option<(i64, i64, u32, u64, u64)>,
}

/// The body of the target.
pub fn run(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let layout = if first % 2 == 0 {
        Layout::Plain
    } else {
        Layout::Extended
    };
    let mut read = Vec::new();
    let mut is_whole = true;
    for change in changes(bytes, layout) {
        assert!(is_whole, "something comes after the end");
        let Ok(change) = change else {
            is_whole = false;
            continue;
        };
        let units: Vec<u16> = change.name.units().collect();
        assert_eq!(units.len(), change.name.len());
        let mut path = vec![b'#'];
        change.name.push_wtf8(&mut path);
        assert_eq!(path[0], b'#', "the path is appended");
        let slashes = |unit: &u16| if *unit == 0x5c { 0x2f } else { *unit };
        let expected: Vec<u16> = units.iter().map(slashes).collect();
        assert_eq!(utf16(&path[1..]), expected);
        read.push(Plain {
            action: number(change.action),
            units,
            extended: change.extended.map(|more| {
                (
                    more.last_modification_time,
                    more.file_size,
                    more.file_attributes,
                    more.file_id,
                    more.parent_file_id,
                )
            }),
        });
    }
    assert_eq!((read, is_whole), plainly(bytes, layout));
}

fn number(action: Action) -> u32 {
    match action {
        Action::Added => 1,
        Action::Removed => 2,
        Action::Modified => 3,
        Action::OldName => 4,
        Action::NewName => 5,
        Action::Other(number) => {
            assert!(!(1..=5).contains(&number));
            number
        }
    }
}

fn plainly(bytes: &[u8], layout: Layout) -> (Vec<Plain>, bool) {
    let (header, length_at) = match layout {
        Layout::Extended => (84, 80),
        _ => (12, 8),
    };
    let mut records = Vec::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        if rest.len() < header {
            return (records, false);
        }
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four"));
        let long = |at: usize| u64::from(word(at)) + (u64::from(word(at + 4)) << 32);
        let length = word(length_at) as usize;
        if length > rest.len() - header {
            return (records, false);
        }
        let name = &rest[header..header + length];
        records.push(Plain {
            action: word(4),
            units: name
                .chunks_exact(2)
                .map(|two| u16::from(two[0]) | u16::from(two[1]) << 8)
                .collect(),
            extended: (header == 84).then(|| {
                (
                    long(16) as i64,
                    long(48) as i64,
                    word(56),
                    long(64),
                    long(72),
                )
            }),
        });
        let next = word(0) as usize;
        if length % 2 == 1 {
            return (records, false);
        }
        if next == 0 {
            return (records, true);
        }
        if next < header + length || next >= rest.len() {
            return (records, false);
        }
        at += next;
    }
}

/// The units of a WTF-8 text; it must be one.
fn utf16(text: &[u8]) -> Vec<u16> {
    let mut units = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let (length, bits) = match first {
            0..0x80 => (1, u32::from(*first)),
            0xc0..0xe0 => (2, u32::from(first & 0x1f)),
            0xe0..0xf0 => (3, u32::from(first & 0x0f)),
            0xf0..0xf8 => (4, u32::from(first & 0x07)),
            _ => panic!("no first byte: {first:#x}"),
        };
        let point = rest[1..length].iter().fold(bits, |point, byte| {
            assert_eq!(byte & 0xc0, 0x80, "no further byte");
            point << 6 | u32::from(byte & 0x3f)
        });
        let shortest = match point {
            0..0x80 => 1,
            0x80..0x800 => 2,
            0x800..0x1_0000 => 3,
            _ => 4,
        };
        assert_eq!(length, shortest, "longer than need be");
        match point.checked_sub(0x1_0000) {
            None => units.push(point as u16),
            Some(above) => units.extend([
                0xd800 | (above >> 10) as u16,
                0xdc00 | (above & 0x3ff) as u16,
            ]),
        }
        rest = &rest[length..];
    }
    units
}
