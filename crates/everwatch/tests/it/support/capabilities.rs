//! Differences between systems, found out at run time. A test asks here by the name of a capability, and
//! still asserts what holds without it.

use everwatch_testing::system::is_wine;

/// Whether a removal is reported before later changes elsewhere. On Windows a removal may be the first half
/// of a move to another directory, so it waits a moment for the second.
pub(crate) fn reports_removals_in_order() -> bool {
    cfg!(unix)
}

/// Whether an entry is reported that was removed or moved before its record was read. On Windows records do
/// not have the type of the entry, so the engine has to look at it.
pub(crate) fn reports_entries_gone_when_read() -> bool {
    cfg!(unix)
}

/// Whether the entries below a directory are known to be unchanged after the directory has moved. Wine
/// loses sight of them, so they are compared, and files are reported as modified unless a comparison proves
/// that they are not.
pub(crate) fn follows_moved_directories() -> bool {
    !is_wine()
}

/// Whether numbers of entries are never reused, as on NTFS, or inotify makes up for it. Under Wine neither
/// holds. Then a move that is seen at one end only, or by two roots, is a removal and a creation, and an
/// entry that is made again can look like the one that was removed.
pub(crate) fn knows_entries_by_number() -> bool {
    !is_wine()
}

/// Whether a directory can be renamed onto an empty one.
pub(crate) fn replaces_empty_directories() -> bool {
    !is_wine()
}

/// Whether opening a path below a file fails in another way than opening a missing one.
pub(crate) fn distinguishes_files_above() -> bool {
    cfg!(unix)
}

/// Whether each call that opens or lists goes through another process, which has one thread for all.
pub(crate) fn calls_are_slow() -> bool {
    is_wine()
}

/// Whether the name of a removed directory is free as soon as its removal is reported. Under Wine the name
/// stays, without a report, until the last handle is closed; the watcher has one to a root.
pub(crate) fn frees_names_of_removed_directories() -> bool {
    !is_wine()
}

/// Whether a process is as small as before after hundreds of simultaneous reads have ended. Under Wine each
/// pending read has a block of its buffer's size in the heap of the C library, of which it touches a page.
/// That heap does not grow from one time to the next, but each time other pages of it are touched and stay.
/// Reads one after the other leave nothing.
pub(crate) fn gives_memory_of_many_reads_back() -> bool {
    !is_wine()
}

/// Whether changes below two roots are reported in the order in which they were made. On Windows each root
/// has a read of its own.
pub(crate) fn orders_records_of_different_roots() -> bool {
    cfg!(unix)
}

/// Whether a file that was written a moment before a comparison is known not to have been written since. On
/// Windows a record may be that late.
pub(crate) fn is_sure_of_what_was_just_written() -> bool {
    cfg!(unix)
}
