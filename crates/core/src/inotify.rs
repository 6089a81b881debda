//! The decoder of inotify: from the bytes that read(2) returns to records (inotify(7)).
//!
//! The bytes are untrusted. They are read with bounds checks and no cast, so that no alignment is assumed and no
//! content can do harm. Bytes that are no sequence of whole records mean that records were lost.

use crate::entry::Watch;
use crate::queue::RecordQueue;
use crate::record::{Action, Cookie, Record};

const IN_MODIFY: u32 = 0x2;
const IN_ATTRIB: u32 = 0x4;
const IN_MOVED_FROM: u32 = 0x40;
const IN_MOVED_TO: u32 = 0x80;
const IN_CREATE: u32 = 0x100;
const IN_DELETE: u32 = 0x200;
const IN_DELETE_SELF: u32 = 0x400;
const IN_MOVE_SELF: u32 = 0x800;
const IN_UNMOUNT: u32 = 0x2000;
const IN_Q_OVERFLOW: u32 = 0x4000;
const IN_IGNORED: u32 = 0x8000;
const IN_ISDIR: u32 = 0x4000_0000;

/// Size of `struct inotify_event` without its name, in bytes: four for each of the descriptor, the mask, the
/// cookie and the length of the name.
const HEADER: usize = 16;

/// Appends the records in `bytes` to `records`.
///
/// Records whose mask has no known bit are skipped. A record that does not fit into `bytes` ends the decoding
/// with an [`Action::Overflow`].
pub fn decode(mut bytes: &[u8], records: &mut RecordQueue) {
    while !bytes.is_empty() {
        let Some((record, rest)) = split_record(bytes) else {
            records.push(Record::LOST);
            return;
        };
        if let Some(record) = record {
            records.push(record);
        }
        bytes = rest;
    }
}

/// The first record in `bytes`, if its mask is known, and the bytes behind it; `None` if it is not whole.
fn split_record(bytes: &[u8]) -> Option<(Option<Record<'_>>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let field = |at: usize| -> Option<[u8; 4]> { header.get(at..at + 4)?.try_into().ok() };
    let watch = Watch(i32::from_ne_bytes(field(0)?));
    let mask = u32::from_ne_bytes(field(4)?);
    let cookie = Cookie::new(u32::from_ne_bytes(field(8)?));
    let length = usize::try_from(u32::from_ne_bytes(field(12)?)).ok()?;
    let (padded, rest) = rest.split_at_checked(length)?;
    let name = padded.split(|&byte| byte == 0).next().unwrap_or(b"");
    let record = action(mask).map(|action| Record {
        watch,
        action,
        is_dir: mask & IN_ISDIR != 0,
        cookie,
        described: None,
        name,
    });
    Some((record, rest))
}

/// What a mask reports. The kernel sets one of these bits, and flags such as `IN_ISDIR` beside it.
fn action(mask: u32) -> Option<Action> {
    const ACTIONS: [(u32, Action); 11] = [
        (IN_MODIFY, Action::Modified),
        (IN_CREATE, Action::Created),
        (IN_DELETE, Action::Removed),
        (IN_MOVED_FROM, Action::MovedFrom),
        (IN_MOVED_TO, Action::MovedTo),
        (IN_ATTRIB, Action::Metadata),
        (IN_IGNORED, Action::WatchEnded),
        (IN_Q_OVERFLOW, Action::Overflow),
        (IN_DELETE_SELF, Action::DirectoryRemoved),
        (IN_MOVE_SELF, Action::DirectoryMoved),
        (IN_UNMOUNT, Action::Unmounted),
    ];
    ACTIONS
        .iter()
        .find(|(bit, _)| mask & bit != 0)
        .map(|&(_, action)| action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(watch: i32, mask: u32, cookie: u32, name: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(watch.to_ne_bytes());
        out.extend(mask.to_ne_bytes());
        out.extend(cookie.to_ne_bytes());
        out.extend((name.len() as u32).to_ne_bytes());
        out.extend(name);
        out
    }

    #[test]
    fn whole_records_are_decoded_wherever_the_buffer_lies() {
        let mut raw = vec![0xff];
        raw.extend(bytes(3, IN_CREATE | IN_ISDIR, 0, b"sub\0\0\0\0\0"));
        raw.extend(bytes(4, IN_MOVED_TO, 9, b"f\0"));
        let mut records = RecordQueue::default();
        decode(&raw[1..], &mut records);
        let first = records.front().expect("a record");
        assert_eq!(
            (first.watch, first.action, first.is_dir),
            (Watch(3), Action::Created, true)
        );
        assert_eq!(first.name, b"sub");
        records.pop();
        let second = records.front().expect("a record");
        assert_eq!(
            (second.action, second.cookie, second.name),
            (Action::MovedTo, Cookie::new(9), &b"f"[..])
        );
    }

    #[test]
    fn a_record_cut_short_means_records_were_lost() {
        let whole = bytes(3, IN_CREATE, 0, b"name\0\0\0\0");
        for cut in 1..whole.len() {
            let mut records = RecordQueue::default();
            decode(&whole[..cut], &mut records);
            assert_eq!(
                records.front().map(|record| record.action),
                Some(Action::Overflow),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_length_beyond_the_buffer_means_records_were_lost() {
        let mut raw = bytes(3, IN_DELETE, 0, b"");
        raw[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
        let mut records = RecordQueue::default();
        decode(&raw, &mut records);
        assert_eq!(records.overflows(), 1);
    }
}
