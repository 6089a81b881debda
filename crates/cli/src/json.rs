//! JSON lines. Fields are only ever added.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Coverage, Resync};
use serde::Serialize;

/// A path, lossy, and its exact bytes in hex if it is not UTF-8.
#[derive(Serialize)]
struct Named<'a> {
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

#[derive(Serialize)]
struct From<'a> {
    from: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_bytes: Option<String>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Ready {
        roots: Vec<std::borrow::Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        roots_bytes: Option<Vec<Option<String>>>,
        backend: &'a str,
        cursor: &'a str,
    },
    Change {
        seq: u64,
        kind: &'a str,
        #[serde(flatten)]
        from: Option<From<'a>>,
        #[serde(flatten)]
        path: Named<'a>,
        file_type: &'a str,
        cause: &'a str,
    },
    Resync {
        #[serde(flatten)]
        path: Named<'a>,
        reason: &'a str,
        state: &'a str,
    },
    Coverage {
        #[serde(flatten)]
        path: Named<'a>,
        state: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
}

/// The encoded bytes of a path that is not UTF-8, in hex.
fn exact(path: &Path) -> Option<String> {
    if path.to_str().is_some() {
        return None;
    }
    let bytes = path.as_os_str().as_encoded_bytes();
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn named(path: &Path) -> Named<'_> {
    Named {
        path: path.to_string_lossy(),
        path_bytes: exact(path),
    }
}

fn write(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

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

pub(crate) fn change(out: &mut impl Write, change: &Change) -> io::Result<()> {
    let from = match &change.kind {
        ChangeKind::Moved { from } => Some(From {
            from: from.to_string_lossy(),
            from_bytes: exact(from),
        }),
        _ => None,
    };
    let line = Line::Change {
        seq: change.seq,
        kind: change.kind.as_str(),
        from,
        path: named(&change.path),
        file_type: change.file_type.as_str(),
        cause: change.cause.as_str(),
    };
    write(out, &line)
}

pub(crate) fn resync(out: &mut impl Write, resync: &Resync) -> io::Result<()> {
    let state = resync.phase.as_str();
    let line = Line::Resync {
        path: named(&resync.path),
        reason: resync.reason.as_str(),
        state,
    };
    write(out, &line)
}

pub(crate) fn coverage(out: &mut impl Write, subtree: &Coverage) -> io::Result<()> {
    let line = Line::Coverage {
        path: named(&subtree.path),
        state: subtree.state.as_str(),
        reason: subtree.gap.map(everwatch::Gap::as_str),
    };
    write(out, &line)
}
