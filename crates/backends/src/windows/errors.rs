//! Win32 errors, and what each of them means to the engine.
//!
//! Only what proves that an entry is gone is called that: the engine removes what is not found, and what merely
//! fails it keeps and tries again. A server that is not found is one that cannot be reached just now; one that
//! answers that it has no such share proves that there is no root. Where a code means one thing when a path is
//! opened and another when a name from a record is, or when a read begins, there is a function for each. The ends
//! of reads that are under way are distinguished by `everwatch-directory-reads`, which knows which of them lost
//! records.

use everwatch_core::fault::{Fault, FaultKind};

use super::system_calls::Code;

/// What a Win32 error means to the engine.
pub(super) fn fault(code: Code) -> Fault {
    let kind = match code.0 {
        // FILE_NOT_FOUND, PATH_NOT_FOUND, INVALID_DRIVE, BAD_NET_NAME, INVALID_NAME, BAD_PATHNAME,
        // DELETE_PENDING
        2 | 3 | 15 | 67 | 123 | 161 | 303 => FaultKind::NotFound,
        // DIRECTORY, STOPPED_ON_SYMLINK, CANT_ACCESS_FILE, CANT_RESOLVE_FILENAME
        267 | 681 | 1920 | 1921 => FaultKind::NotDirectory,
        // ACCESS_DENIED. Not SHARING_VIOLATION: of its end there is no record.
        5 => FaultKind::Denied,
        // TOO_MANY_OPEN_FILES
        4 => FaultKind::OpenFiles,
        // NOT_ENOUGH_MEMORY, OUTOFMEMORY, NO_SYSTEM_RESOURCES, NOT_ENOUGH_QUOTA, WORKING_SET_QUOTA
        8 | 14 | 1450 | 1453 | 1816 => FaultKind::WatchLimit,
        // INVALID_FUNCTION, NOT_SUPPORTED
        1 | 50 => FaultKind::Unsupported,
        _ => FaultKind::Other,
    };
    Fault {
        kind,
        code: code.0.cast_signed(),
    }
}

/// What a Win32 error means for a name from a record or a listing. There are entries whose names cannot be asked
/// for, made by other systems on the same volume: ERROR_INVALID_NAME is then no proof that there is nothing.
pub(super) fn fault_of_entry(code: Code) -> Fault {
    match code.0 {
        // INVALID_NAME
        123 => Fault {
            kind: FaultKind::Other,
            code: code.0.cast_signed(),
        },
        _ => fault(code),
    }
}

/// Whether a name that was found cannot be listed, where the error does not go by itself: it is gone, the
/// directory may not be listed, or the file system does not list single names.
pub(super) fn forbids_spelling(code: Code) -> bool {
    // INVALID_PARAMETER, INVALID_LEVEL, as some redirectors say
    let is_unknown = matches!(code.0, 87 | 124);
    is_unknown
        || matches!(
            fault(code).kind,
            FaultKind::NotFound | FaultKind::Denied | FaultKind::Unsupported
        )
}

/// What a Win32 error means when a read could not be armed on an open directory: ERROR_ACCESS_DENIED is then no
/// matter of rights, which were checked when the directory was opened.
pub(super) fn fault_of_arming(code: Code) -> Fault {
    let fault = fault(code);
    match fault.kind {
        // The directory is being deleted.
        FaultKind::Denied => Fault {
            kind: FaultKind::Other,
            ..fault
        },
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(mean: fn(Code) -> Fault, codes: &[u32]) -> Vec<FaultKind> {
        let kind = |&code: &u32| mean(Code(code)).kind;
        codes.iter().map(kind).collect()
    }

    #[test]
    fn the_code_is_kept_for_people() {
        for mean in [fault, fault_of_entry, fault_of_arming] {
            for code in [2, 5, 50, 64, 123, 303, 1450, u32::MAX] {
                assert_eq!(mean(Code(code)).code, code.cast_signed());
            }
        }
    }

    #[test]
    fn a_missing_name_or_path_is_absence() {
        for mean in [fault, fault_of_entry, fault_of_arming] {
            assert_eq!(kinds(mean, &[2, 3, 303]), [FaultKind::NotFound; 3]);
        }
    }

    #[test]
    fn a_share_that_its_server_does_not_have_is_absent() {
        assert_eq!(kinds(fault, &[67]), [FaultKind::NotFound]);
    }

    #[test]
    fn a_link_or_a_file_is_no_directory() {
        let codes = [267, 681, 1920, 1921];
        assert_eq!(kinds(fault, &codes), [FaultKind::NotDirectory; 4]);
    }

    #[test]
    fn a_broken_connection_is_no_proof_of_absence() {
        // BAD_NETPATH, UNEXP_NET_ERR, NETNAME_DELETED, SEM_TIMEOUT, INVALID_HANDLE
        for mean in [fault, fault_of_entry, fault_of_arming] {
            assert_eq!(kinds(mean, &[53, 59, 64, 121, 6]), [FaultKind::Other; 5]);
        }
    }

    #[test]
    fn a_root_with_a_name_that_no_entry_has_is_absent() {
        assert_eq!(kinds(fault, &[123]), [FaultKind::NotFound]);
    }

    #[test]
    fn an_entry_that_was_listed_and_cannot_be_asked_for_is_not_absent() {
        assert_eq!(kinds(fault_of_entry, &[123]), [FaultKind::Other]);
    }

    #[test]
    fn access_that_is_denied_is_a_matter_of_rights_where_something_is_opened() {
        assert_eq!(kinds(fault, &[5]), [FaultKind::Denied]);
        assert_eq!(kinds(fault_of_entry, &[5]), [FaultKind::Denied]);
    }

    #[test]
    fn access_that_is_denied_to_a_read_of_an_open_directory_is_its_deletion() {
        assert_eq!(kinds(fault_of_arming, &[5]), [FaultKind::Other]);
    }

    #[test]
    fn what_another_program_has_open_is_tried_again() {
        assert_eq!(kinds(fault, &[32]), [FaultKind::Other]);
    }

    #[test]
    fn a_file_system_that_reports_nothing_is_polled() {
        assert_eq!(
            kinds(fault_of_arming, &[1, 50]),
            [FaultKind::Unsupported; 2]
        );
    }

    #[test]
    fn a_machine_without_room_for_a_read_is_at_its_limit() {
        let codes = [8, 14, 1450, 1453, 1816];
        assert_eq!(kinds(fault_of_arming, &codes), [FaultKind::WatchLimit; 5]);
        assert_eq!(kinds(fault, &[4]), [FaultKind::OpenFiles]);
    }

    #[test]
    fn an_unknown_code_is_tried_again() {
        // Among them our own mistakes: INVALID_PARAMETER, NOACCESS.
        for mean in [fault, fault_of_entry, fault_of_arming] {
            assert_eq!(kinds(mean, &[87, 998, u32::MAX]), [FaultKind::Other; 3]);
        }
    }
}
