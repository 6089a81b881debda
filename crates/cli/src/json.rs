//! JSON lines: one object for each event, and the `ready` line before them.
//!
//! The names and meanings of fields are a contract with programs, described in the README: fields are
//! added and never changed or removed. The order of the struct fields is the order on the line.
//!
//! ```json
//! {"type":"ready","roots":["/d"],"backend":"inotify","cursor":"…"}
//! {"type":"change","seq":3,"kind":"moved","from":"/d/a","path":"/d/b","file_type":"file","cause":"notified"}
//! {"type":"resync","path":"/d","reason":"overflow","state":"begin"}
//! {"type":"coverage","path":"/d/sub","state":"polled","reason":"watch-limit"}
//! ```

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Coverage, Resync};
use serde::Serialize;

/// A path as text, with U+FFFD for what is not UTF-8, and then its exact bytes in hex.
#[derive(Serialize)]
struct PathFields<'a> {
    /// For people, and for programs that know their names to be UTF-8.
    path: std::borrow::Cow<'a, str>,
    /// Only if `path` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

/// The former path of a move, like [`PathFields`].
#[derive(Serialize)]
struct FromFields<'a> {
    from: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_bytes: Option<String>,
}

/// A line of each type.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    /// The first line.
    Ready {
        roots: Vec<std::borrow::Cow<'a, str>>,
        /// Only if a root is not UTF-8; then `null` for those that are.
        #[serde(skip_serializing_if = "Option::is_none")]
        roots_bytes: Option<Vec<Option<String>>>,
        backend: &'a str,
        /// A position in the feed: the watcher's identity and the number of the last change.
        cursor: &'a str,
    },
    /// An entry changed.
    Change {
        /// Rises from line to line, with gaps; 0 for the entries of a snapshot.
        seq: u64,
        kind: &'a str,
        /// Only if `kind` is `moved`.
        #[serde(flatten)]
        from: Option<FromFields<'a>>,
        #[serde(flatten)]
        path: PathFields<'a>,
        file_type: &'a str,
        /// `notified` by a record of the kernel, or `scanned` by listing a directory.
        cause: &'a str,
    },
    /// The exact difference of a subtree lies between `begin` and `end`. Needs no action.
    Resync {
        #[serde(flatten)]
        path: PathFields<'a>,
        reason: &'a str,
        state: &'a str,
    },
    /// A subtree is watched in another way. Needs no action, but `lost` means that changes are missed.
    Coverage {
        #[serde(flatten)]
        path: PathFields<'a>,
        state: &'a str,
        /// Only if `state` is not `live`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
}

/// The bytes of a path that is not UTF-8, in hex: as the system has them on Unix, WTF-8 on Windows.
fn exact(path: &Path) -> Option<String> {
    if path.to_str().is_some() {
        return None;
    }
    let bytes = path.as_os_str().as_encoded_bytes();
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The fields of a path.
fn path_fields(path: &Path) -> PathFields<'_> {
    PathFields {
        path: path.to_string_lossy(),
        path_bytes: exact(path),
    }
}

/// Writes the line with its newline. Names never contain a raw newline: JSON escapes it.
fn write(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// The first line: the roots are armed, and everything that happens from now on is reported.
pub(crate) fn ready(
    out: &mut impl Write,
    roots: &[PathBuf],
    backend: &str,
    cursor: &str,
) -> io::Result<()> {
    let exact: Vec<Option<String>> = roots.iter().map(|root| exact(root)).collect();
    let roots_bytes = exact.iter().any(Option::is_some).then_some(exact);
    let roots = roots.iter().map(|root| root.to_string_lossy()).collect();
    write(
        out,
        &Line::Ready {
            roots,
            roots_bytes,
            backend,
            cursor,
        },
    )
}

/// A change, or an entry of the snapshot, which has `seq` 0.
pub(crate) fn change(out: &mut impl Write, change: &Change) -> io::Result<()> {
    let from = match &change.kind {
        ChangeKind::Moved { from } => Some(FromFields {
            from: from.to_string_lossy(),
            from_bytes: exact(from),
        }),
        _ => None,
    };
    let line = Line::Change {
        seq: change.seq,
        kind: change.kind.as_str(),
        from,
        path: path_fields(&change.path),
        file_type: change.file_type.as_str(),
        cause: change.cause.as_str(),
    };
    write(out, &line)
}

/// The begin or the end of a comparison with the disk.
pub(crate) fn resync(out: &mut impl Write, resync: &Resync) -> io::Result<()> {
    let state = resync.phase.as_str();
    let line = Line::Resync {
        path: path_fields(&resync.path),
        reason: resync.reason.as_str(),
        state,
    };
    write(out, &line)
}

/// How a subtree is watched from now on.
pub(crate) fn coverage(out: &mut impl Write, subtree: &Coverage) -> io::Result<()> {
    let line = Line::Coverage {
        path: path_fields(&subtree.path),
        state: subtree.state.as_str(),
        reason: subtree.gap.map(everwatch::Gap::as_str),
    };
    write(out, &line)
}
