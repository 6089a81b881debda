//! Events: the items of a feed, which are changes and the notes that go with them.
//!
//! # Serialized events
//!
//! With the feature `serde`, events can be written and read in any format of [serde](https://serde.rs) that
//! describes itself, such as JSON. They are objects with the fields of the command's JSON lines:
//!
//! | value | fields |
//! |---|---|
//! | `Event::Change` | `"type": "change"`, `seq`, `kind`, `from` if it is `moved`, `path`, `file_type`, `cause` |
//! | `Event::Resync` | `"type": "resync"`, `path`, `reason`, `state` (`begin`, `end`) |
//! | `Event::Coverage` | `"type": "coverage"`, `path`, `state`, `reason` unless it is `live` |
//!
//! A [`Change`], a [`Resync`] and a [`Coverage`] by themselves have the same fields but `type`.
//! The value of an enum is what its `as_str` returns.
//!
//! A path is text, because that is what most formats and most readers have. Where it is not Unicode, the text
//! has U+FFFD for what does not fit, and a second field, `path_bytes` or `from_bytes`, has the exact bytes in
//! hex: as the system has them on Unix, as WTF-8 on Windows. Reading prefers the bytes, so every path
//! survives between two programs on the same kind of system.
//!
//! Fields are optional and in no fixed order, so formats that do not describe themselves, such as bincode and
//! postcard, cannot read events back. A reader skips fields that it does not know. A value that a later
//! version has added to an enum is an error.

use std::fmt;
use std::path::PathBuf;

use crate::coverage::Coverage;
use crate::entry::FileType;

/// How a change became known. The change itself means the same either way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Cause {
    /// The kernel reported it.
    Notified,
    /// A listing showed it: a new directory's contents, the repair after lost records, or polling.
    Scanned,
}

impl Cause {
    /// The name in the command's JSON lines: `notified` or `scanned`.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Notified => "notified",
            Cause::Scanned => "scanned",
        }
    }
}

/// What happened to the entry at [`Change::path`].
///
/// How to apply each kind to a tree of one's own is what [`Tree`](crate::tree::Tree) does and its head says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "kebab-case"))]
pub enum ChangeKind {
    /// The path exists now. The contents of a new directory follow one by one. A path that a consumer knows
    /// may be created again if it was replaced unseen.
    Created,
    /// The content may have changed. Delivered at least once after the last change of content, and perhaps more
    /// often than the file was written.
    Modified,
    /// Permissions, owner, times or extended attributes changed.
    Metadata,
    /// The path is gone, with everything below it.
    Removed,
    /// The entry, with everything below it, is no longer at `from` but at the path. What was at the path
    /// before is gone, and no other change says so.
    Moved {
        /// The absolute path until now.
        #[cfg_attr(feature = "serde", serde(flatten, with = "crate::wire::from"))]
        from: PathBuf,
    },
}

impl ChangeKind {
    /// The name in the command's JSON lines.
    pub fn as_str(&self) -> &'static str {
        match self {
            ChangeKind::Created => "created",
            ChangeKind::Modified => "modified",
            ChangeKind::Metadata => "metadata",
            ChangeKind::Removed => "removed",
            ChangeKind::Moved { .. } => "moved",
        }
    }
}

/// One difference between two versions of the tree.
///
/// Changes are delivered in an order in which each one applies to the tree that the ones before it made.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Change {
    /// Position in the feed: strictly increasing, with gaps. Comparable between the feeds of one watcher. 0 for
    /// an entry of a snapshot.
    pub seq: u64,
    /// What happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: ChangeKind,
    /// The absolute path, which begins with the root as the caller spelled it.
    #[cfg_attr(feature = "serde", serde(flatten, with = "crate::wire::path"))]
    pub path: PathBuf,
    /// The type of the entry, or the last one that was known if it is removed.
    pub file_type: FileType,
    /// How the change became known.
    pub cause: Cause,
}

impl Change {
    /// A change with these parts, for tests and for programs that read the command's JSON lines.
    pub fn new(
        seq: u64,
        kind: ChangeKind,
        path: impl Into<PathBuf>,
        file_type: FileType,
        cause: Cause,
    ) -> Change {
        Change {
            seq,
            kind,
            path: path.into(),
            file_type,
            cause,
        }
    }

    /// A scanned creation with the number 0, for what a snapshot contains.
    pub fn created(path: PathBuf, file_type: FileType) -> Change {
        Change {
            seq: 0,
            kind: ChangeKind::Created,
            path,
            file_type,
            cause: Cause::Scanned,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ChangeKind::Moved { from } => {
                write!(f, "moved {} -> {}", from.display(), self.path.display())
            }
            kind => write!(f, "{} {}", kind.as_str(), self.path.display()),
        }
    }
}

/// Why a part of the tree is compared with the disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum ResyncReason {
    /// The queue of the kernel, or of the engine, was full and records were lost.
    Overflow,
    /// The ignore rules changed.
    IgnoreRules,
    /// Something was mounted or unmounted.
    Mounts,
    /// The root came back, or another directory took its name.
    RootReturned,
}

impl ResyncReason {
    /// The name in the command's JSON lines.
    pub fn as_str(self) -> &'static str {
        match self {
            ResyncReason::Overflow => "overflow",
            ResyncReason::IgnoreRules => "ignore-rules",
            ResyncReason::Mounts => "mounts",
            ResyncReason::RootReturned => "root-returned",
        }
    }
}

/// Which end of a repair a [`Resync`] marks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum ResyncPhase {
    /// The comparison begins. The changes that it finds follow, with others between them.
    Begin,
    /// The comparison is complete: the whole difference has been delivered.
    End,
}

impl ResyncPhase {
    /// The name in the command's JSON lines: `begin` or `end`.
    pub fn as_str(self) -> &'static str {
        match self {
            ResyncPhase::Begin => "begin",
            ResyncPhase::End => "end",
        }
    }
}

/// One end of a repair: a part of the tree is compared with the disk, because what is known of it may be wrong.
///
/// A consumer need do nothing. What the comparison finds is delivered as changes between
/// [`ResyncPhase::Begin`] and [`ResyncPhase::End`], among others that happen meanwhile. A consumer that was
/// behind when the comparison began gets neither of the two, and the changes as part of its difference.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resync {
    /// The directory that is compared, with everything below it.
    #[cfg_attr(feature = "serde", serde(flatten, with = "crate::wire::path"))]
    pub path: PathBuf,
    /// Why it is compared.
    pub reason: ResyncReason,
    /// Whether the comparison begins or is complete.
    #[cfg_attr(feature = "serde", serde(rename = "state"))]
    pub phase: ResyncPhase,
}

/// One item of a feed. Only [`Event::Change`] changes the tree of a consumer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "type", rename_all = "kebab-case"))]
pub enum Event {
    /// The tree changed.
    Change(Change),
    /// A repair begins or ends.
    Resync(Resync),
    /// A part of the tree is now watched in another way. That holds for the path until it is removed or
    /// moved away; if a directory that is not live moves, its coverage is delivered again for its new path.
    Coverage(Coverage),
}

impl Event {
    /// The change, if this is one.
    pub fn change(&self) -> Option<&Change> {
        match self {
            Event::Change(change) => Some(change),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Change(change) => change.fmt(f),
            Event::Resync(resync) => {
                write!(
                    f,
                    "resync {} {} ({})",
                    resync.phase.as_str(),
                    resync.path.display(),
                    resync.reason.as_str()
                )
            }
            Event::Coverage(coverage) => coverage.fmt(f),
        }
    }
}
