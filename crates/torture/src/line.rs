//! The command's JSON lines.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::tree::Kind;

/// A line as it is written.
#[derive(Deserialize)]
struct Written {
    r#type: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    kind: String,
    path: Option<String>,
    path_bytes: Option<String>,
    from: Option<String>,
    from_bytes: Option<String>,
    #[serde(default)]
    file_type: String,
    #[serde(default)]
    cause: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    state: String,
}

/// What happened to an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    Created,
    Modified,
    Metadata,
    Removed,
    Moved { from: PathBuf },
}

/// A line of the type `change`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub seq: u64,
    pub action: Action,
    pub path: PathBuf,
    pub kind: Kind,
    pub was_scanned: bool,
}

/// A line.
#[derive(Clone, Debug)]
pub enum Line {
    Ready,
    Change(Change),
    Resync {
        reason: String,
        is_end: bool,
    },
    Coverage {
        path: PathBuf,
        state: String,
        reason: String,
    },
}

/// A path by its exact bytes: those in hex where there are some, the text itself otherwise.
fn exact(text: Option<String>, hex: Option<String>) -> Option<PathBuf> {
    let Some(hex) = hex else {
        return text.map(PathBuf::from);
    };
    let digits = hex.as_bytes();
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect();
    Some(PathBuf::from(OsString::from_vec(bytes?)))
}

/// Reads a line. What it cannot be is an error with the line in it.
pub fn parse(line: &[u8]) -> Result<Line, String> {
    let bad = |why: &str| format!("{why}: {}", String::from_utf8_lossy(line));
    let written: Written = serde_json::from_slice(line).map_err(|error| bad(&error.to_string()))?;
    let path = exact(written.path, written.path_bytes);
    Ok(match written.r#type.as_str() {
        "ready" => Line::Ready,
        "resync" => Line::Resync {
            reason: written.reason,
            is_end: written.state == "end",
        },
        "coverage" => Line::Coverage {
            path: path.ok_or_else(|| bad("no path"))?,
            state: written.state,
            reason: written.reason,
        },
        "change" => {
            let from = exact(written.from, written.from_bytes);
            let action = match (written.kind.as_str(), from) {
                ("created", None) => Action::Created,
                ("modified", None) => Action::Modified,
                ("metadata", None) => Action::Metadata,
                ("removed", None) => Action::Removed,
                ("moved", Some(from)) => Action::Moved { from },
                _ => return Err(bad("no such kind of change")),
            };
            Line::Change(Change {
                seq: written.seq,
                action,
                path: path.ok_or_else(|| bad("no path"))?,
                kind: Kind::from_line(&written.file_type).ok_or_else(|| bad("no file_type"))?,
                was_scanned: match written.cause.as_str() {
                    "scanned" => true,
                    "notified" => false,
                    _ => return Err(bad("no such cause")),
                },
            })
        }
        _ => return Err(bad("no such type")),
    })
}

#[test]
fn the_exact_bytes_of_a_path_win_over_its_text() {
    let line = br#"{"type":"change","seq":1,"kind":"moved","from":"/a","path":"/\ufffd","path_bytes":"2fff0a","file_type":"file","cause":"notified"}"#;
    let Ok(Line::Change(change)) = parse(line) else {
        panic!("no change")
    };
    assert_eq!(change.path.as_os_str().as_encoded_bytes(), b"/\xff\n");
    assert_eq!(
        change.action,
        Action::Moved {
            from: PathBuf::from("/a")
        }
    );
}
