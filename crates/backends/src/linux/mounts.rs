//! Mount points. Mounting over a watched directory leaves no inotify record, but the kernel wakes
//! a poll of `/proc/self/mountinfo` (proc(5)) when the table changes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The table of mounts, as last read.
#[derive(Debug)]
pub(crate) struct Mounts {
    /// Kept open: poll(2) with POLLPRI on it reports changes since the last read.
    file: File,
    /// Mount id and mount point of each mount.
    known: BTreeSet<(Vec<u8>, Vec<u8>)>,
}

impl Mounts {
    /// `None` where there is no `/proc`; mounts are then found by the next comparison.
    pub(super) fn open() -> Option<Mounts> {
        let file = File::open("/proc/self/mountinfo").ok()?;
        let mut mounts = Mounts {
            file,
            known: BTreeSet::new(),
        };
        mounts.known = mounts.read()?;
        Some(mounts)
    }

    /// For poll(2), with POLLPRI.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Reads the table again and returns the mount points that are new or gone.
    pub(super) fn changed(&mut self) -> Vec<PathBuf> {
        let Some(now) = self.read() else {
            return Vec::new();
        };
        let before = std::mem::replace(&mut self.known, now);
        before
            .symmetric_difference(&self.known)
            .map(|(_, point)| PathBuf::from(std::ffi::OsString::from_vec(point.clone())))
            .collect()
    }

    /// Reads the whole table from its beginning; `None` if that fails.
    fn read(&mut self) -> Option<BTreeSet<(Vec<u8>, Vec<u8>)>> {
        let mut text = Vec::new();
        self.file.rewind().ok()?;
        self.file.read_to_end(&mut text).ok()?;
        Some(
            text.split(|&byte| byte == b'\n')
                .filter_map(parse_line)
                .collect(),
        )
    }
}

/// The mount id and the mount point: fields 1 and 5.
fn parse_line(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = fields.next()?.to_vec();
    Some((id, unescape(fields.nth(3)?)))
}

/// Space, tab, newline and backslash are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail
            .get(..3)
            .filter(|digits| digits.iter().all(|d| (b'0'..b'8').contains(d)));
        match digits {
            Some(digits) if byte == b'\\' => {
                out.push(digits.iter().fold(0, |value: u8, digit| {
                    value.wrapping_mul(8).wrapping_add(digit - b'0')
                }));
                rest = &tail[3..];
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_yields_id_and_unescaped_mount_point() {
        let line = br"36 35 98:0 /mnt1 /mnt\040with\134space rw,noatime - ext3 /dev/root rw";
        assert_eq!(
            parse_line(line),
            Some((b"36".to_vec(), br"/mnt with\space".to_vec()))
        );
        assert_eq!(parse_line(b""), None);
    }
}
