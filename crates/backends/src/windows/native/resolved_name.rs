//! Names as Wine resolves them: it ignores case and trailing dots, and follows links.
//!
//! Wine follows the symbolic links of the system below, and where nothing has a name in these letters it
//! takes one in others. The path that it has for an open handle decides: of links it is the one that they
//! lead to.

/// What an open of a name in a directory led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resolved {
    /// The entry of that name.
    TheEntry,
    /// What a link leads to.
    Elsewhere,
    /// An entry whose name has other letters.
    Other,
}

impl Resolved {
    /// Compares the path of what was opened as `name` with that of the directory that it was opened in.
    pub(super) fn of(above: &[u8], name: &[u8], path: &[u8]) -> Resolved {
        let last = path
            .strip_prefix(above)
            .and_then(|rest| rest.strip_prefix(b"/"));
        match last.map(trimmed) {
            Some(last) if last == trimmed(name) => Resolved::TheEntry,
            Some(last) if lower(last) == lower(trimmed(name)) => Resolved::Other,
            _ => Resolved::Elsewhere,
        }
    }
}

/// Wine leaves out what Windows does not allow at the end of a name.
fn trimmed(mut name: &[u8]) -> &[u8] {
    while let [rest @ .., b'.' | b' '] = name {
        name = rest;
    }
    name
}

/// In lower case, to find names that differ in case alone.
fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_what_is_open_shows_what_it_is() {
        for (name, path, opened) in [
            ("f", "/a/f", Resolved::TheEntry),
            ("f.", "/a/f", Resolved::TheEntry),
            ("f", "/a/F", Resolved::Other),
            ("\u{e9}", "/a/\u{c9}", Resolved::Other),
            ("f", "/a/g", Resolved::Elsewhere),
            ("f", "/ab/f", Resolved::Elsewhere),
            ("f", "/a", Resolved::Elsewhere),
            ("f", "/a/b/f", Resolved::Elsewhere),
        ] {
            let found = Resolved::of(b"/a", name.as_bytes(), path.as_bytes());
            assert_eq!(found, opened, "{name} {path}");
        }
    }
}
