//! Names as Windows compares them, and the short ones that it gives to long ones.

use crate::disk::Dirent;

/// Names that collide in all the ways in which names can: but for their case, in their short names,
/// and one that is no text.
pub(crate) const NAMES: [&[u8]; 9] = [
    b"a",
    b"A",
    b"b",
    b"c",
    b"long name 1.txt",
    b"long name 2.txt",
    b"\xed\xa0\x80",
    b".tmp",
    b"R0",
];

/// The same without names that differ in case alone.
pub(crate) const DISTINCT_NAMES: [&[u8]; 9] = [
    b"a",
    b"b",
    b"c",
    b"d",
    b"long name 1.txt",
    b"long name 2.txt",
    b"\xed\xa0\x80",
    b".tmp",
    b"e",
];

/// Names that are the same to Linux and to Wine.
pub(crate) const COMMON_NAMES: [&[u8]; 9] =
    [b"a", b"b", b"c", b"d", b"e", b"f", b"g h", b".tmp", b"i"];

/// Whether the entry is found under this name. `folds` is whether case does not matter and short
/// names do.
pub(crate) fn is_named(entry: &Dirent, name: &[u8], folds: bool) -> bool {
    if !folds {
        return *entry.name == *name;
    }
    let alias = entry.alias.as_deref();
    entry.name.eq_ignore_ascii_case(name)
        || alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
}

/// The short name for a long one, beside the entries that are there.
pub(crate) fn short_name(name: &[u8], others: &[Dirent]) -> Option<Box<[u8]>> {
    if name.len() <= 12 && !name.contains(&b' ') {
        return None;
    }
    let (base, extension) = match name.iter().rposition(|&byte| byte == b'.') {
        Some(at) => (&name[..at], &name[at..]),
        None => (name, &b""[..]),
    };
    let base: Vec<u8> = base
        .iter()
        .filter(|&&byte| byte != b' ')
        .take(6)
        .copied()
        .collect();
    let numbered = |number: u8| {
        let mut short = [&base[..], &[b'~', b'0' + number], extension].concat();
        short.make_ascii_uppercase();
        short.into_boxed_slice()
    };
    (1..10)
        .map(numbered)
        .find(|short| !others.iter().any(|other| is_named(other, short, true)))
}
