//! The verdict on a completed read, from the status that the kernel reports and the intent of this side.
//!
//! A byte count alone decides nothing: 0 bytes can mean an overflow, a handle that is being closed, or a
//! cancelled read (MSDN, ReadDirectoryChangesW: "If the number of bytes transferred is zero, you should
//! compute the changes by enumerating the directory"). The status decides, together with whether this side
//! asked for the read to end.

use crate::codes::{
    ERROR_HANDLES_CLOSED, ERROR_IO_PENDING, ERROR_NOTIFY_CLEANUP, ERROR_NOTIFY_ENUM_DIR,
    ERROR_OPERATION_ABORTED, STATUS_CANCELLED, STATUS_HANDLES_CLOSED, STATUS_NOTIFY_CLEANUP,
    STATUS_NOTIFY_ENUM_DIR,
};

/// The end of one read, as the kernel reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadEnd {
    /// The Win32 error; 0 for success.
    pub error: u32,
    /// The NTSTATUS in `OVERLAPPED::Internal`; 0 where there is none, as with a blocking read.
    pub status: u32,
    /// How many bytes of records the kernel says that it wrote.
    pub bytes: u32,
}

/// What this side wants of the read that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intent {
    /// It should have gone on: this side did not cancel it.
    Continue,
    /// This side cancelled it, to stop reading or to issue another read.
    Cancel,
}

/// The meaning of a completed read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The buffer holds records.
    Changes {
        /// The valid bytes; at least 1 and at most the capacity of the buffer.
        bytes: u32,
    },
    /// Records were lost. The read must be issued again.
    Lost,
    /// The read was cancelled. Nothing is lost: the kernel keeps records for the next read on the handle.
    Cancelled,
    /// The read cannot go on.
    Failed {
        /// The Win32 error.
        code: u32,
    },
}

/// Judges one completion of a read into a buffer of `capacity` bytes.
pub fn verdict(end: ReadEnd, capacity: u32, intent: Intent) -> Verdict {
    let closing = |code| match intent {
        Intent::Cancel => Verdict::Cancelled,
        Intent::Continue => Verdict::Failed { code },
    };
    match (end.error, end.status) {
        (_, STATUS_NOTIFY_ENUM_DIR) | (ERROR_NOTIFY_ENUM_DIR, _) => Verdict::Lost,
        (_, STATUS_CANCELLED) | (ERROR_OPERATION_ABORTED, _) => Verdict::Cancelled,
        (_, STATUS_NOTIFY_CLEANUP) | (ERROR_NOTIFY_CLEANUP, _) => closing(ERROR_NOTIFY_CLEANUP),
        (_, STATUS_HANDLES_CLOSED) | (ERROR_HANDLES_CLOSED, _) => closing(ERROR_HANDLES_CLOSED),
        (ERROR_IO_PENDING, _) => closing(ERROR_IO_PENDING),
        // More bytes than the buffer holds would make the next reader run past its end.
        (0, _) if end.bytes == 0 || end.bytes > capacity => Verdict::Lost,
        (0, _) => Verdict::Changes { bytes: end.bytes },
        (code, _) => Verdict::Failed { code },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: u32 = 4096;

    // requirement: S2.7, S0 bug c
    #[test]
    fn a_completion_is_judged_by_status_and_intent_never_by_its_bytes_alone() {
        let changes = |bytes| Verdict::Changes { bytes };
        let failed = |code| Verdict::Failed { code };
        let (lost, cancelled) = (Verdict::Lost, Verdict::Cancelled);
        let table = [
            // error, status, bytes, when not cancelled by this side, when cancelled
            (0, 0, 1, changes(1), changes(1)),
            (0, 0, CAPACITY, changes(CAPACITY), changes(CAPACITY)),
            (0, 0, CAPACITY + 1, lost, lost),
            (0, 0, u32::MAX, lost, lost),
            (0, 0, 0, lost, lost),
            (0, 0x10c, 0, lost, lost),
            (0, 0x10c, 40, lost, lost),
            (1022, 0, 0, lost, lost),
            (1022, 0x10c, 0, lost, lost),
            (995, 0xc000_0120, 0, cancelled, cancelled),
            (995, 0, 0, cancelled, cancelled),
            (0, 0x10b, 0, failed(745), cancelled),
            (745, 0x10b, 0, failed(745), cancelled),
            (676, 0x8000_000a, 0, failed(676), cancelled),
            (676, 0, 0, failed(676), cancelled),
            (997, 0, 0, failed(997), cancelled),
            (997, 0x103, 0, failed(997), cancelled),
            (1, 0xc000_0010, 0, failed(1), failed(1)),
            (2, 0xc000_0034, 0, failed(2), failed(2)),
            (5, 0xc000_0056, 0, failed(5), failed(5)),
            (6, 0xc000_0008, 0, failed(6), failed(6)),
            (59, 0xc000_00c4, 0, failed(59), failed(59)),
            (64, 0xc000_00c9, 0, failed(64), failed(64)),
            (87, 0xc000_000d, 0, failed(87), failed(87)),
            (998, 0xc000_0005, 0, failed(998), failed(998)),
            (0xdead, 0xc000_beef, 12, failed(0xdead), failed(0xdead)),
        ];
        for (error, status, bytes, going_on, ending) in table {
            let end = ReadEnd {
                error,
                status,
                bytes,
            };
            let judge = |intent| verdict(end, CAPACITY, intent);
            assert_eq!(judge(Intent::Continue), going_on, "{end:?}");
            assert_eq!(judge(Intent::Cancel), ending, "{end:?} cancelled");
        }
    }

    // requirement: S2.9
    #[test]
    fn no_verdict_allows_more_bytes_than_the_buffer_holds() {
        for error in 0..1100 {
            for status in [0, 0x103, 0x10b, 0x10c, 0x8000_000a, 0xc000_0120] {
                for bytes in [0, 1, CAPACITY, CAPACITY + 1, u32::MAX] {
                    for intent in [Intent::Continue, Intent::Cancel] {
                        let end = ReadEnd {
                            error,
                            status,
                            bytes,
                        };
                        let verdict = verdict(end, CAPACITY, intent);
                        if let Verdict::Changes { bytes: valid } = verdict {
                            assert!(valid == bytes && (1..=CAPACITY).contains(&valid));
                        }
                    }
                }
            }
        }
    }
}
