//! The events of a handler, with the fields of pyinotify and the masks of inotify(7).

use std::ffi::OsString;
use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Kinds of events, as bits with the values of inotify(7).
///
/// ```
/// use everwatch_pyinotify::Mask;
///
/// let mask = Mask::IN_CREATE | Mask::IN_ISDIR;
/// assert_eq!(mask.bits(), 0x4000_0100);
/// assert!(mask.contains(Mask::IN_CREATE) && !mask.contains(Mask::IN_MOVE));
/// assert_eq!(mask.to_string(), "IN_CREATE|IN_ISDIR");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Mask(u32);

impl Mask {
    /// The content of a file may have changed; on Windows, or its attributes.
    pub const IN_MODIFY: Mask = Mask(0x0000_0002);
    /// Permissions, owner, times or extended attributes changed. On Windows such a change is an
    /// [`IN_MODIFY`](Mask::IN_MODIFY).
    pub const IN_ATTRIB: Mask = Mask(0x0000_0004);
    /// The entry was moved away from here. The [`IN_MOVED_TO`](Mask::IN_MOVED_TO) with the same cookie has
    /// its new path.
    pub const IN_MOVED_FROM: Mask = Mask(0x0000_0040);
    /// An entry was moved here, and replaced the one that was here before.
    pub const IN_MOVED_TO: Mask = Mask(0x0000_0080);
    /// An entry is here now and was not before.
    pub const IN_CREATE: Mask = Mask(0x0000_0100);
    /// The entry that was here is gone, with all below it.
    pub const IN_DELETE: Mask = Mask(0x0000_0200);
    /// The watched path itself is gone: it, or a directory above it, was removed or renamed.
    pub const IN_DELETE_SELF: Mask = Mask(0x0000_0400);
    /// The event is about a directory. It stands in events only, and is ignored in the mask of a watch.
    pub const IN_ISDIR: Mask = Mask(0x4000_0000);

    /// Both halves of a move.
    pub const IN_MOVE: Mask = Mask(0x0000_00c0);
    /// Every kind of event that is ever delivered.
    pub const ALL_EVENTS: Mask = Mask(0x0000_07c6);

    /// The mask with these bits. Bits without a meaning here are kept, and have no effect.
    pub const fn from_bits(bits: u32) -> Mask {
        Mask(bits)
    }

    /// The bits, as in inotify(7).
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Mask) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: Mask) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Mask {
    type Output = Mask;

    fn bitor(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Mask) {
        self.0 |= other.0;
    }
}

impl BitAnd for Mask {
    type Output = Mask;

    fn bitand(self, other: Mask) -> Mask {
        Mask(self.0 & other.0)
    }
}

impl Not for Mask {
    type Output = Mask;

    fn not(self) -> Mask {
        Mask(!self.0)
    }
}

const NAMES: [(Mask, &str); 8] = [
    (Mask::IN_MODIFY, "IN_MODIFY"),
    (Mask::IN_ATTRIB, "IN_ATTRIB"),
    (Mask::IN_MOVED_FROM, "IN_MOVED_FROM"),
    (Mask::IN_MOVED_TO, "IN_MOVED_TO"),
    (Mask::IN_CREATE, "IN_CREATE"),
    (Mask::IN_DELETE, "IN_DELETE"),
    (Mask::IN_DELETE_SELF, "IN_DELETE_SELF"),
    (Mask::IN_ISDIR, "IN_ISDIR"),
];

/// The names of the bits, joined by `|`; bits without a name as a hexadecimal number.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = *self;
        let mut separator = "";
        for (bit, name) in NAMES {
            if self.contains(bit) {
                write!(f, "{separator}{name}")?;
                separator = "|";
                left = left & !bit;
            }
        }
        match left.is_empty() && !separator.is_empty() {
            true => Ok(()),
            false => write!(f, "{separator}{:#x}", left.0),
        }
    }
}

/// The number of a watch. No manager of the process reuses it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Wd(u64);

impl Wd {
    pub(super) fn next() -> Wd {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Wd(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The number, from 1.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Wd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cookie that no pair of events of this process has had.
pub(super) fn next_cookie() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// An event of a watch, with the fields of pyinotify's.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RawEvent {
    /// The watch.
    pub wd: Wd,
    /// One kind of event, and [`Mask::IN_ISDIR`] if it is about a directory.
    pub mask: Mask,
    /// The same number in both halves of a move and in no other event; 0 in what is no half of a move.
    pub cookie: u64,
    /// Whether it is, or was, a directory.
    pub dir: bool,
    /// The last component of the path; empty in an event about the watched path itself.
    pub name: OsString,
    /// The directory that the name is in; in an event about the watched path itself, that path.
    pub path: PathBuf,
    /// The full path.
    pub pathname: PathBuf,
    /// In [`Mask::IN_MOVED_TO`], the full path that it came from.
    pub src_pathname: Option<PathBuf>,
}

impl RawEvent {
    /// An event about an entry below the watched path.
    pub(super) fn of_entry(wd: Wd, kind: Mask, dir: bool, pathname: &Path) -> RawEvent {
        RawEvent {
            name: pathname.file_name().unwrap_or_default().to_owned(),
            path: pathname.parent().unwrap_or(pathname).to_owned(),
            ..RawEvent::of_itself(wd, kind, dir, pathname)
        }
    }

    /// An event about the watched path.
    pub(super) fn of_itself(wd: Wd, kind: Mask, dir: bool, path: &Path) -> RawEvent {
        RawEvent {
            wd,
            mask: if dir { kind | Mask::IN_ISDIR } else { kind },
            cookie: 0,
            dir,
            name: OsString::new(),
            path: path.to_owned(),
            pathname: path.to_owned(),
            src_pathname: None,
        }
    }
}

/// As pyinotify's `maskname`, and the path, which is escaped where it is no plain text.
impl fmt::Display for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.mask)?;
        if let Some(from) = &self.src_pathname {
            write!(f, "{} -> ", everwatch::printable(from))?;
        }
        f.write_str(&everwatch::printable(&self.pathname))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_events_are_those_with_a_name_but_not_the_flag() {
        let named = NAMES
            .iter()
            .fold(Mask::default(), |all, &(bit, _)| all | bit);
        assert_eq!(Mask::ALL_EVENTS | Mask::IN_ISDIR, named);
        assert!(!Mask::ALL_EVENTS.intersects(Mask::IN_ISDIR));
        assert_eq!(Mask::IN_MOVE, Mask::IN_MOVED_FROM | Mask::IN_MOVED_TO);
    }

    #[test]
    fn masks_are_printed_by_name_and_what_has_none_as_a_number() {
        assert_eq!(Mask::default().to_string(), "0x0");
        assert_eq!(Mask::IN_MOVE.to_string(), "IN_MOVED_FROM|IN_MOVED_TO");
        assert_eq!(Mask::from_bits(0x8).to_string(), "0x8");
        let mixed = Mask::from_bits(0x8) | Mask::IN_DELETE;
        assert_eq!(mixed.to_string(), "IN_DELETE|0x8");
    }
}
