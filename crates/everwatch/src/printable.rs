//! Paths for people's eyes.

use std::fmt::Write;
use std::path::Path;

/// A path as one word on one line: control characters, which could write anything to a terminal,
/// characters that reorder or hide others, and bytes that are no text are escaped.
///
/// ```
/// use std::path::Path;
///
/// assert_eq!(everwatch::printable(Path::new("a\nb")), "a\\nb");
/// ```
pub fn printable(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                // Nothing escaped is mistaken for a part of a name: no name has a backslash on Windows.
                '\\' if !cfg!(windows) => out.push_str("\\\\"),
                c if is_unsafe(c) => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Control characters, and those that reorder or hide what is around them.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}
