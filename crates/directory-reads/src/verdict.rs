//! What a completed read means, decided from what the kernel said and what was asked of it.
//!
//! A byte count alone says nothing: 0 bytes can be an overflow, a handle that is closing, or a
//! cancelled read. The status decides, together with whether this side asked for the read to end.

const ERROR_OPERATION_ABORTED: u32 = 995;
const ERROR_IO_PENDING: u32 = 997;
const ERROR_NOTIFY_ENUM_DIR: u32 = 1022;
const ERROR_HANDLES_CLOSED: u32 = 676;
const ERROR_NOTIFY_CLEANUP: u32 = 745;

const STATUS_NOTIFY_CLEANUP: u32 = 0x0000_010b;
const STATUS_NOTIFY_ENUM_DIR: u32 = 0x0000_010c;
const STATUS_HANDLES_CLOSED: u32 = 0x8000_000a;
const STATUS_CANCELLED: u32 = 0xc000_0120;

/// What is to be done with a completed read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The buffer holds this many bytes of records.
    Changes {
        /// The valid bytes; at least 1 and at most the capacity.
        bytes: u32,
    },
    /// Records were lost; the read is to be issued again.
    Lost,
    /// The read was called off. Nothing is lost: records wait for the next read on the handle.
    Cancelled,
    /// The read cannot go on.
    Failed {
        /// The Win32 error.
        code: u32,
    },
}

/// Judges one completion.
///
/// `error` is the Win32 error, 0 for success; `status` the NTSTATUS in `OVERLAPPED::Internal`, 0
/// where there is none (a blocking read); `bytes` and `capacity` those transferred and those that
/// the buffer can hold; `is_cancelled` whether this side asked for the read to end, to stop it or
/// to issue another.
pub fn verdict(error: u32, status: u32, bytes: u32, capacity: u32, is_cancelled: bool) -> Verdict {
    let closing = |code| {
        if is_cancelled {
            Verdict::Cancelled
        } else {
            Verdict::Failed { code }
        }
    };
    match (error, status) {
        (_, STATUS_NOTIFY_ENUM_DIR) | (ERROR_NOTIFY_ENUM_DIR, _) => Verdict::Lost,
        (_, STATUS_CANCELLED) | (ERROR_OPERATION_ABORTED, _) => Verdict::Cancelled,
        (_, STATUS_NOTIFY_CLEANUP) | (ERROR_NOTIFY_CLEANUP, _) => closing(ERROR_NOTIFY_CLEANUP),
        (_, STATUS_HANDLES_CLOSED) | (ERROR_HANDLES_CLOSED, _) => closing(ERROR_HANDLES_CLOSED),
        (ERROR_IO_PENDING, _) => closing(ERROR_IO_PENDING),
        (0, _) if bytes == 0 || bytes > capacity => Verdict::Lost,
        (0, _) => Verdict::Changes { bytes },
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
            let judge = |is_cancelled| verdict(error, status, bytes, CAPACITY, is_cancelled);
            assert_eq!(judge(false), going_on, "{error} {status:#x} {bytes}");
            assert_eq!(judge(true), ending, "{error} {status:#x} {bytes} cancelled");
        }
    }

    // requirement: S2.9
    #[test]
    fn no_verdict_allows_more_bytes_than_the_buffer_holds() {
        for error in 0..1100 {
            for status in [0, 0x103, 0x10b, 0x10c, 0x8000_000a, 0xc000_0120] {
                for bytes in [0, 1, CAPACITY, CAPACITY + 1, u32::MAX] {
                    for is_cancelled in [false, true] {
                        let verdict = verdict(error, status, bytes, CAPACITY, is_cancelled);
                        if let Verdict::Changes { bytes: valid } = verdict {
                            assert!(valid == bytes && (1..=CAPACITY).contains(&valid));
                        }
                    }
                }
            }
        }
    }
}
