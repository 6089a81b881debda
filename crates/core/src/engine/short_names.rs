//! Short names.
//!
//! Windows gives long names a second, short one, and a record may have either, in any part of its path.
//! Which entry a short name stood for is no longer to be found out once that is gone: it may belong to
//! another one by then. So a short name is not believed. What the record says is taken to be about
//! every entry that the mirror has and that the name could be short for, and about what is found under it
//! now. Only the disk says whether something is gone.

use super::Engine;
use crate::kernel::Kernel;
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Whether a name in a record may be a short one.
    pub(super) fn is_short(&self, dir: NodeId, name: &[u8]) -> bool {
        is_short_name(name) && self.world.mirror.child(dir, name).is_none()
    }

    /// The names, as listings have them, of what a record may mean by a name.
    pub(super) fn owners(&mut self, dir: NodeId, name: &[u8]) -> Vec<Vec<u8>> {
        if !self.is_short(dir, name) {
            return vec![name.to_vec()];
        }
        let mut owners: Vec<Vec<u8>> = self
            .world
            .mirror
            .children(dir)
            .map(|child| self.world.mirror.name(child))
            .filter(|long| may_be_short_for(name, long))
            .map(<[u8]>::to_vec)
            .collect();
        let opened = self.directories.open_known(&self.world.mirror, dir).ok();
        match opened.and_then(|(kernel, dir)| kernel.spelling(dir, name)) {
            Some(found) if owners.contains(&found) => {}
            // A name of its own, now. The listing shows what it may have been before.
            Some(found) if found == name => {
                if !owners.is_empty() && self.roots.reaches(&self.world.mirror, dir) {
                    self.work.queue(&mut self.world.mirror, dir);
                }
                return vec![found];
            }
            Some(found) => owners.push(found),
            // The listing finds what has this name, if anything has.
            None if self.roots.reaches(&self.world.mirror, dir) => {
                self.work.queue(&mut self.world.mirror, dir)
            }
            None => {}
        }
        owners
    }
}

/// Whether the name has the form of short ones: eight letters and three, in capitals, the eight ending in
/// a tilde and a number.
fn is_short_name(name: &[u8]) -> bool {
    let (base, extension) = match name.iter().position(|&byte| byte == b'.') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, &b""[..]),
    };
    let Some(tilde) = base.iter().rposition(|&byte| byte == b'~') else {
        return false;
    };
    let number = &base[tilde + 1..];
    // A letter of another alphabet takes up to three bytes.
    let are_few =
        |part: &[u8], most| part.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() <= most;
    let is_usual = |&byte: &u8| !byte.is_ascii_lowercase() && byte != b' ' && byte != b'/';
    !number.is_empty()
        && number.iter().all(u8::is_ascii_digit)
        && are_few(base, 8)
        && are_few(extension, 3)
        && !extension.contains(&b'.')
        && name.iter().all(is_usual)
}

/// Whether the short name may be that of the long one. Only the first two letters are sure to be those of
/// the long one, and only if these are plain.
fn may_be_short_for(short: &[u8], long: &[u8]) -> bool {
    let is_kept = |&&byte: &&u8| byte != b' ' && byte != b'.';
    let letters = long.iter().filter(is_kept).take(2);
    !is_short_name(long)
        && letters.zip(short).all(|(letter, short)| {
            !letter.is_ascii_alphanumeric() || letter.eq_ignore_ascii_case(short)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    // requirement: S3.12
    #[test]
    fn short_names_are_told_by_their_form() {
        for short in [
            "LONGNA~1.TXT",
            "PROGRA~2",
            "A~1",
            "TE021F~1.TX",
            "\u{e9}\u{e9}~12",
        ] {
            assert!(is_short_name(short.as_bytes()), "{short}");
        }
        for long in [
            "main.rs~",
            "a~1",
            ".#lock~1.a",
            "A~B",
            "A~",
            "LONGNAMES~1",
            "LONGNA~1.JSON",
            "A~1.B.C",
            "~",
            "",
        ] {
            assert!(!is_short_name(long.as_bytes()), "{long}");
        }
    }

    // requirement: S3.12
    #[test]
    fn a_short_name_is_taken_to_be_of_every_entry_that_it_could_be_short_for() {
        for long in ["long name.txt", "Lo.Ng", " l o", "\u{e9}.txt", "l"] {
            assert!(may_be_short_for(b"LONGNA~1.TXT", long.as_bytes()), "{long}");
        }
        for long in ["short.txt", "lang.txt", "LONGNA~2.TXT"] {
            assert!(
                !may_be_short_for(b"LONGNA~1.TXT", long.as_bytes()),
                "{long}"
            );
        }
    }
}
