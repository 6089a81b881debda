//! What systems do differently, found out at run time. A test that needs to know asks here, by name,
//! and still asserts what holds.

use everwatch_testing::system::is_wine;

/// Whether a removal is told before what happened after it elsewhere. On Windows it may be the first
/// half of a move to another directory, so it waits for the second for a moment.
pub(crate) fn reports_removals_in_order() -> bool {
    cfg!(unix)
}

/// Whether an entry is told of that was gone again, or elsewhere, when its record was read. On Windows
/// records do not say what kind of entry they are about, so it has to be looked at.
pub(crate) fn reports_entries_gone_when_read() -> bool {
    cfg!(unix)
}

/// Whether what is below a directory is known to be unchanged when the directory has moved. Wine loses
/// sight of what is below, so it is compared, and files are told of as modified where nothing proves
/// that they are not.
pub(crate) fn follows_moved_directories() -> bool {
    !is_wine()
}

/// Whether no number of an entry is used for another one, as on NTFS. What inotify says makes up for it;
/// under Wine nothing does. Then a move that is seen at one end only, or by two roots, is a removal and a
/// creation, and an entry that is made again may look like the one that was removed.
pub(crate) fn knows_entries_by_number() -> bool {
    !is_wine()
}

/// Whether a directory can be renamed onto an empty one.
pub(crate) fn replaces_empty_directories() -> bool {
    !is_wine()
}

/// Whether opening a path below a file fails in another way than opening one that is missing.
pub(crate) fn distinguishes_files_above() -> bool {
    cfg!(unix)
}

/// Whether each call that opens or lists goes through another process, which has one thread for all.
pub(crate) fn calls_are_slow() -> bool {
    is_wine()
}

/// Whether the name of a removed directory is free at once, or at least when it is said that it is
/// removed. Under Wine it stays, and nobody is told, until whoever has it open closes it: a watched
/// root is open.
pub(crate) fn frees_names_of_removed_directories() -> bool {
    !is_wine()
}

/// Whether a process is as small as before when hundreds of reads at once have ended. Under Wine each
/// pending read has a room of the size of its buffer in the heap of the C library, of which it touches a
/// page. That heap does not grow from one time to the next, but other pages of it are touched each time,
/// and they stay. One read after the other leaves nothing.
pub(crate) fn gives_memory_of_many_reads_back() -> bool {
    !is_wine()
}

/// Whether changes below two roots are told in the order in which they were made. On Windows each root
/// has a read of its own.
pub(crate) fn orders_records_of_different_roots() -> bool {
    cfg!(unix)
}

/// Whether a file that was written a moment before a directory is compared is known not to have been
/// written since. On Windows a record may be that late.
pub(crate) fn is_sure_of_what_was_just_written() -> bool {
    cfg!(unix)
}
