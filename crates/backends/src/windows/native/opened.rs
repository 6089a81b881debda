//! What Wine opens for a name.
//!
//! Wine follows the symbolic links of the system below, and where nothing has a name in these letters it
//! takes one in others. The path that it has for an open handle decides: of links it is the one that they
//! lead to.

/// See the module head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opened {
    TheEntry,
    /// What a link leads to.
    Elsewhere,
    /// An entry whose name has other letters.
    Other,
}

impl Opened {
    /// Compares the path of what was opened as `name` with that of the directory that it was opened in.
    pub(super) fn of(above: &[u8], name: &[u8], path: &[u8]) -> Opened {
        let last = path
            .strip_prefix(above)
            .and_then(|rest| rest.strip_prefix(b"/"));
        match last.map(trimmed) {
            Some(last) if last == trimmed(name) => Opened::TheEntry,
            Some(last) if lower(last) == lower(trimmed(name)) => Opened::Other,
            _ => Opened::Elsewhere,
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

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_what_is_open_tells_what_it_is() {
        for (name, path, opened) in [
            ("f", "/a/f", Opened::TheEntry),
            ("f.", "/a/f", Opened::TheEntry),
            ("f", "/a/F", Opened::Other),
            ("\u{e9}", "/a/\u{c9}", Opened::Other),
            ("f", "/a/g", Opened::Elsewhere),
            ("f", "/ab/f", Opened::Elsewhere),
            ("f", "/a", Opened::Elsewhere),
            ("f", "/a/b/f", Opened::Elsewhere),
        ] {
            let found = Opened::of(b"/a", name.as_bytes(), path.as_bytes());
            assert_eq!(found, opened, "{name} {path}");
        }
    }
}
