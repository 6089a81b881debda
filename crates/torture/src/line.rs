//! The command's JSON lines, parsed into the types of the library.
//!
//! Strict on purpose: a type, kind or cause that is not documented is an error, so that no suite passes
//! because a line was not understood. Fields that are not known are ignored; lines may gain some.

use std::path::PathBuf;

use everwatch::{Cause, Change, ChangeKind, FileType};
use serde::Deserialize;

/// The fields of all types of lines.
#[derive(Deserialize)]
struct Fields {
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

/// A line.
#[derive(Clone, Debug)]
pub enum Line {
    /// All roots are armed.
    Ready,
    /// An entry changed.
    Change(Change),
    /// A comparison with the disk begins.
    ResyncBegin {
        /// Why, such as `overflow`.
        reason: String,
    },
    /// A comparison with the disk is complete.
    ResyncEnd,
    /// A subtree is watched in another way from now on.
    Coverage(CoverageLine),
}

/// The fields of a line of the type `coverage`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoverageLine {
    /// The top of the subtree.
    pub path: PathBuf,
    /// `live`, `polled` or `lost`.
    pub state: String,
    /// Why it is not live; empty if it is.
    pub reason: String,
}

/// The exact bytes of a path: those in hex if there are any, the text otherwise.
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
    of_bytes(bytes?)
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

/// No test makes such a name on Windows.
#[cfg(not(unix))]
fn of_bytes(_: Vec<u8>) -> Option<PathBuf> {
    None
}

fn file_type(name: &str) -> Option<FileType> {
    [
        FileType::File,
        FileType::Dir,
        FileType::Symlink,
        FileType::Other,
    ]
    .into_iter()
    .find(|file_type| file_type.as_str() == name)
}

/// Parses a line without its newline. The error quotes the line.
pub fn parse(line: &[u8]) -> Result<Line, String> {
    let bad = |why: &str| format!("{why}: {}", String::from_utf8_lossy(line));
    let fields: Fields = serde_json::from_slice(line).map_err(|error| bad(&error.to_string()))?;
    let path = exact(fields.path, fields.path_bytes);
    let path = || path.ok_or_else(|| bad("no path"));
    Ok(match fields.r#type.as_str() {
        "ready" => Line::Ready,
        "resync" => match fields.state.as_str() {
            "begin" => Line::ResyncBegin {
                reason: fields.reason,
            },
            "end" => Line::ResyncEnd,
            _ => return Err(bad("no such state of a resync")),
        },
        "coverage" => Line::Coverage(CoverageLine {
            path: path()?,
            state: fields.state,
            reason: fields.reason,
        }),
        "change" => {
            let from = exact(fields.from, fields.from_bytes);
            let kind = match (fields.kind.as_str(), from) {
                ("created", None) => ChangeKind::Created,
                ("modified", None) => ChangeKind::Modified,
                ("metadata", None) => ChangeKind::Metadata,
                ("removed", None) => ChangeKind::Removed,
                ("moved", Some(from)) => ChangeKind::Moved { from },
                _ => return Err(bad("no such kind of change")),
            };
            let file_type = file_type(&fields.file_type).ok_or_else(|| bad("no file_type"))?;
            let cause = match fields.cause.as_str() {
                "scanned" => Cause::Scanned,
                "notified" => Cause::Notified,
                _ => return Err(bad("no such cause")),
            };
            Line::Change(Change::new(fields.seq, kind, path()?, file_type, cause))
        }
        _ => return Err(bad("no such type")),
    })
}

#[cfg(unix)]
#[test]
fn the_exact_bytes_of_a_path_win_over_its_text() {
    let line = br#"{"type":"change","seq":1,"kind":"moved","from":"/a","path":"/\ufffd","path_bytes":"2fff0a","file_type":"file","cause":"notified"}"#;
    let Ok(Line::Change(change)) = parse(line) else {
        panic!("no change")
    };
    assert_eq!(change.path.as_os_str().as_encoded_bytes(), b"/\xff\n");
    let from = PathBuf::from("/a");
    assert_eq!(change.kind, ChangeKind::Moved { from });
}

#[test]
fn a_line_with_an_unknown_word_is_an_error() {
    let line = br#"{"type":"change","seq":1,"kind":"created","path":"/a","file_type":"file","cause":"guessed"}"#;
    assert!(parse(line).is_err_and(|error| error.contains("guessed")));
}
