//! Round trips through a writer of records, hand-made hostile buffers, and random bytes.

use super::*;

/// Writes one record; `next` is its NextEntryOffset, the rest as in the kernel's structures.
fn write(bytes: &mut Vec<u8>, layout: Layout, next: u32, action: u32, name: &[u8]) {
    let start = bytes.len();
    bytes.extend(next.to_le_bytes());
    bytes.extend(action.to_le_bytes());
    if layout == Layout::Extended {
        bytes.extend((0..72).map(|at| at as u8));
    }
    bytes.extend((name.len() as u32).to_le_bytes());
    let header = match layout {
        Layout::Plain => PLAIN_HEADER,
        Layout::Extended => EXTENDED_HEADER,
    };
    assert_eq!(bytes.len() - start, header);
    bytes.extend(name);
}

fn utf16(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn wtf8(name: Name<'_>) -> Vec<u8> {
    let mut path = Vec::new();
    name.push_wtf8(&mut path);
    path
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> usize {
        (self.next() % limit) as usize
    }
}

const LAYOUTS: [Layout; 2] = [Layout::Plain, Layout::Extended];

// requirement: S1.9
#[test]
fn actions_have_the_numbers_that_windows_documents() {
    let numbers: Vec<Action> = (0..7).map(Action::from).collect();
    assert_eq!(
        numbers,
        [
            Action::Other(0),
            Action::Added,
            Action::Removed,
            Action::Modified,
            Action::OldName,
            Action::NewName,
            Action::Other(6),
        ]
    );
}

#[test]
fn what_is_written_is_read_back_at_any_alignment_and_padding() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let rounds = if cfg!(miri) { 40 } else { 4000 };
    for _ in 0..rounds {
        let layout = LAYOUTS[random.below(2)];
        let alignment = [1, 2, 4, 8][random.below(4)];
        let shift = random.below(8);
        let mut bytes = vec![0; shift];
        let mut expected = Vec::new();
        let count = 1 + random.below(6);
        for number in 1..=count {
            let name: Vec<u8> = (0..random.below(20))
                .flat_map(|_| (random.next() as u16).to_le_bytes())
                .collect();
            let action = random.below(7) as u32;
            let start = bytes.len();
            write(&mut bytes, layout, 0, action, &name);
            if number < count {
                while !(bytes.len() - shift).is_multiple_of(alignment) {
                    bytes.push(0xee);
                }
                let next = (bytes.len() - start) as u32;
                bytes[start..start + 4].copy_from_slice(&next.to_le_bytes());
            }
            expected.push((Action::from(action), name));
        }
        let read: Vec<(Action, Vec<u8>)> = changes(&bytes[shift..], layout)
            .map(|change| {
                let change = change.expect("a record as it was written");
                assert_eq!(change.extended.is_some(), layout == Layout::Extended);
                let units = change.name.units().flat_map(u16::to_le_bytes).collect();
                (change.action, units)
            })
            .collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn an_extended_record_has_its_fields_at_the_documented_offsets() {
    let mut bytes = Vec::new();
    write(&mut bytes, Layout::Extended, 0, 3, &utf16("x"));
    let change = changes(&bytes, Layout::Extended).next().unwrap().unwrap();
    // The filler counts up from 0 at offset 8.
    let long = |at: u8| u64::from_le_bytes(std::array::from_fn(|n| at - 8 + n as u8));
    let word = |at: u8| u32::from_le_bytes(std::array::from_fn(|n| at - 8 + n as u8));
    assert_eq!(
        change.extended,
        Some(Extended {
            creation_time: long(8) as i64,
            last_modification_time: long(16) as i64,
            last_change_time: long(24) as i64,
            last_access_time: long(32) as i64,
            allocated_length: long(40) as i64,
            file_size: long(48) as i64,
            file_attributes: word(56),
            reparse_point_tag: word(60),
            file_id: long(64),
            parent_file_id: long(72),
        })
    );
    assert_eq!(wtf8(change.name), b"x");
}

#[test]
fn names_become_wtf8_with_slashes() {
    let cases: [(&[u16], &[u8]); 7] = [
        (&[], b""),
        (&[0x61, 0x5c, 0x62], b"a/b"),
        (&[0xe9, 0x20ac], "é€".as_bytes()),
        (&[0xd83d, 0xde00], "😀".as_bytes()),
        (&[0xd83d], b"\xed\xa0\xbd"),
        (&[0xde00, 0xd83d], b"\xed\xb8\x80\xed\xa0\xbd"),
        (&[0x61, 0, 0x2e, 0x20], b"a\0. "),
    ];
    for (units, expected) in cases {
        let bytes: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
        let name = Name::new(&bytes);
        assert_eq!(wtf8(name), expected);
        assert_eq!(name.len(), units.len());
        assert_eq!(name.is_empty(), units.is_empty());
    }
}

// libuv's `src/win/fs-event.c` expects records of the directory itself, which have no name.
#[test]
fn a_record_without_a_name_is_one_of_the_directory_itself() {
    for layout in LAYOUTS {
        let mut bytes = Vec::new();
        write(&mut bytes, layout, 0, 3, b"");
        let mut read = changes(&bytes, layout);
        let change = read.next().expect("a record").expect("as it was written");
        assert!(change.name.is_empty());
        assert_eq!(change.action, Action::Modified);
        assert!(read.next().is_none());
    }
}

// requirement: S2.9
#[test]
fn a_buffer_cut_anywhere_ends_in_malformed() {
    for layout in LAYOUTS {
        let mut whole = Vec::new();
        write(&mut whole, layout, 0, 1, &utf16("first"));
        let next = whole.len() as u32;
        whole[..4].copy_from_slice(&next.to_le_bytes());
        write(&mut whole, layout, 0, 2, &utf16("second"));
        assert_eq!(changes(&whole, layout).filter(Result::is_ok).count(), 2);
        for end in 0..whole.len() {
            let read: Vec<_> = changes(&whole[..end], layout).collect();
            assert!(matches!(read.last(), Some(Err(_))), "cut at {end}");
            assert!(read.len() <= 2);
        }
    }
}

#[test]
fn each_lie_has_its_name_and_ends_the_buffer() {
    for layout in LAYOUTS {
        let header = match layout {
            Layout::Plain => PLAIN_HEADER,
            Layout::Extended => EXTENDED_HEADER,
        };
        let lie = |next: u32, declared: u32, tail: usize| {
            let mut bytes = Vec::new();
            write(&mut bytes, layout, next, 1, &[b'a', 0]);
            bytes[header - 4..header].copy_from_slice(&declared.to_le_bytes());
            bytes.extend(std::iter::repeat_n(0, tail));
            let mut read = changes(&bytes, layout);
            let end = read.by_ref().find_map(Result::err);
            assert_eq!(read.next(), None);
            (changes(&bytes, layout).count(), end)
        };
        let whole = (header + 2) as u32;
        let cases = [
            (lie(0, 2, 0), (1, None)),
            (lie(0, 4, 0), (1, Some(Malformed::NameCut))),
            (lie(0, u32::MAX, 0), (1, Some(Malformed::NameCut))),
            (lie(0, 1, 0), (2, Some(Malformed::NameOdd))),
            (lie(1, 2, 200), (2, Some(Malformed::Overlapping))),
            (lie(whole - 1, 2, 200), (2, Some(Malformed::Overlapping))),
            (lie(whole, 2, 0), (2, Some(Malformed::BehindTheEnd))),
            (lie(whole, 2, 1), (2, Some(Malformed::HeaderCut))),
            (lie(u32::MAX, 2, 200), (2, Some(Malformed::BehindTheEnd))),
        ];
        for (number, (read, expected)) in cases.into_iter().enumerate() {
            assert_eq!(read, expected, "case {number}, {layout:?}");
        }
    }
}

#[test]
fn random_bytes_never_panic_and_always_end() {
    let mut random = Random(0xdead_beef_0bad_cafe);
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    for _ in 0..rounds {
        let length = random.below(400);
        // Small numbers, so that offsets and lengths are sometimes right.
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                if random.below(3) == 0 {
                    random.below(64) as u8
                } else {
                    0
                }
            })
            .collect();
        for layout in LAYOUTS {
            let mut after_the_end = changes(&bytes, layout);
            let count = after_the_end.by_ref().inspect(|change| {
                if let Ok(change) = change {
                    wtf8(change.name);
                }
            });
            assert!(count.count() <= bytes.len() / PLAIN_HEADER + 2);
            assert_eq!(after_the_end.next(), None);
        }
    }
}
