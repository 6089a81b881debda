//! Names as the kernel writes them: UTF-16 that need not be valid, at any address.

use std::fmt;

/// The path of an entry below the directory that is read, in little-endian UTF-16 units.
///
/// Windows does not check names: surrogates may stand alone, and NUL may occur.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The name that these bytes are. An odd last byte is left out.
    pub fn new(bytes: &'a [u8]) -> Name<'a> {
        Name(&bytes[..bytes.len() & !1])
    }

    /// Whether the name has no units.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of UTF-16 units.
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// The units, unchecked.
    pub fn units(&self) -> impl DoubleEndedIterator<Item = u16> + ExactSizeIterator + 'a {
        self.0
            .as_chunks::<2>()
            .0
            .iter()
            .map(|two| u16::from_le_bytes(*two))
    }

    /// Appends the name in WTF-8 (UTF-8 in which a lone surrogate is three bytes as well), with
    /// `/` between the components.
    pub fn push_wtf8(&self, path: &mut Vec<u8>) {
        path.reserve(self.len() + self.len() / 2);
        for unit in char::decode_utf16(self.units()) {
            match unit {
                Ok('\\') => path.push(b'/'),
                Ok(character) if character.is_ascii() => path.push(character as u8),
                Ok(character) => {
                    path.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Err(lone) => {
                    let unit = lone.unpaired_surrogate();
                    path.extend_from_slice(&[
                        0xe0 | (unit >> 12) as u8,
                        0x80 | (unit >> 6 & 0x3f) as u8,
                        0x80 | (unit & 0x3f) as u8,
                    ]);
                }
            }
        }
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: Vec<u16> = self.units().collect();
        fmt::Debug::fmt(&String::from_utf16_lossy(&units), formatter)
    }
}
