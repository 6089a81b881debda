//! Decoding what `read(2)` returned from an inotify descriptor.
//!
//! Checked against a decoder that is written from inotify(7) as plainly as possible: the same records
//! come out in the same order, no name holds a NUL, and no byte is read twice or left out. What
//! is left over at the end is reported as lost records.

use everwatch_core::inotify::decode;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Cookie};

#[derive(Clone, PartialEq, Eq, Debug)]
struct Plain {
    watch: i32,
    action: Action,
    is_dir: bool,
    cookie: u32,
    name: Vec<u8>,
}

/// The body of the target.
pub fn run(data: &[u8]) {
    let mut queue = RecordQueue::default();
    decode(data, &mut queue);
    let mut decoded = Vec::new();
    while let Some(record) = queue.front() {
        assert!(!record.name.contains(&0), "a name holds a NUL: {record:?}");
        decoded.push(Plain {
            watch: record.watch.0,
            action: record.action,
            is_dir: record.is_dir,
            cookie: record.cookie.map_or(0, Cookie::get),
            name: record.name.to_vec(),
        });
        queue.pop();
    }
    assert!(
        queue.is_empty(),
        "the queue counts records that it does not have"
    );
    assert_eq!(decoded, plainly(data));
}

fn plainly(data: &[u8]) -> Vec<Plain> {
    let mut records: Vec<Plain> = Vec::new();
    let mut at = 0;
    let number = |at: usize| -> Option<u32> {
        let bytes = data.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    while at < data.len() {
        let whole = number(at + 12)
            .map(|length| length as usize)
            .filter(|length| *length <= data.len() - at - 16);
        let Some(length) = whole else {
            records.push(Plain {
                watch: -1,
                action: Action::Overflow,
                is_dir: false,
                cookie: 0,
                name: Vec::new(),
            });
            break;
        };
        let mask = number(at + 4).unwrap_or(0);
        let padded = &data[at + 16..at + 16 + length];
        // More than any kernel writes; the queue keeps names of this length.
        let name: Vec<u8> = padded
            .iter()
            .copied()
            .take_while(|byte| *byte != 0)
            .take(usize::from(u16::MAX))
            .collect();
        if let Some(action) = action(mask) {
            let record = Plain {
                watch: number(at).unwrap_or(0) as i32,
                action,
                is_dir: mask & 0x4000_0000 != 0,
                cookie: number(at + 8).unwrap_or(0),
                name,
            };
            let is_repeated = records.last().is_some_and(|last| {
                (last.watch, last.action, last.is_dir, &last.name)
                    == (record.watch, record.action, record.is_dir, &record.name)
            });
            if !(is_repeated && matches!(action, Action::Modified | Action::Metadata)) {
                records.push(record);
            }
        }
        at += 16 + length;
    }
    records
}

fn action(mask: u32) -> Option<Action> {
    [
        (0x2, Action::Modified),
        (0x100, Action::Created),
        (0x200, Action::Removed),
        (0x40, Action::MovedFrom),
        (0x80, Action::MovedTo),
        (0x4, Action::Metadata),
        (0x8000, Action::WatchEnded),
        (0x4000, Action::Overflow),
        (0x400, Action::DirectoryRemoved),
        (0x800, Action::DirectoryMoved),
        (0x2000, Action::Unmounted),
    ]
    .into_iter()
    .find(|(bit, _)| mask & bit != 0)
    .map(|(_, action)| action)
}
