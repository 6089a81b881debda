//! Names of entries: plain ones that recur, and hostile ones.

use std::ffi::OsString;

use everwatch_testing::random::Random;

/// The names that a workload uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// A letter and a number.
    Plain,
    /// Not UTF-8, newlines, tabs, quotes, escape sequences, 255 bytes.
    Hostile,
}

/// Beginnings of hostile names, before a letter and a number.
const HOSTILE: &[&[u8]] = &[
    b"\xff\xfe",
    b"caf\xe9 ",
    b"\xf0\x9f\x98",
    b"line\nline\n",
    b"tab\t",
    b"\r\n",
    b"\"quoted\" ",
    b"'",
    b"back\\slash\\n",
    b"{\"type\":\"change\"}",
    b" ",
    b"-",
    b"--format",
    b"\x1b[31m",
    b"\x01\x7f",
    b"...",
    b"*?[a]",
    b"\xed\xa0\x80",
    "\u{202e}\u{feff}e\u{301}".as_bytes(),
    "😀".as_bytes(),
];

/// The longest name, in bytes, that common file systems take: NAME_MAX.
const LONGEST: usize = 255;

impl Names {
    /// One of `variety` names. `letter` says for which sort of entry it was made.
    pub fn one_of(self, random: &mut Random, letter: char, variety: usize) -> OsString {
        let number = random.below(variety);
        if self == Names::Plain {
            return format!("{letter}{number}").into();
        }
        let beginning = random.choose(HOSTILE).copied().unwrap_or_default();
        let mut name = [beginning, format!("{letter}{number}").as_bytes()].concat();
        if random.chance(100) {
            name.resize(LONGEST, if random.chance(500) { b'x' } else { 0xe4 });
        }
        exact(name)
    }
}

/// The name with these bytes.
#[cfg(unix)]
fn exact(name: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(name)
}

/// Names are not bytes elsewhere, so what is not UTF-8 becomes U+FFFD.
#[cfg(not(unix))]
fn exact(name: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&name).into_owned().into()
}
