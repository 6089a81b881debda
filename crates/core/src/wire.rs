//! The serialized form of events, which the head of [`event`](crate::event) describes.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The fields of a [`PathBuf`](std::path::PathBuf) that is called `path`.
pub(crate) mod path {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct PathFields<'a> {
        path: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path_bytes: Option<String>,
    }

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        let (path, path_bytes) = (path.to_string_lossy(), bytes(path));
        PathFields { path, path_bytes }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let fields = PathFields::deserialize(from)?;
        restore(fields.path, fields.path_bytes)
    }
}

/// The fields of a [`PathBuf`](std::path::PathBuf) that is called `from`.
pub(crate) mod from {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct FromFields<'a> {
        from: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_bytes: Option<String>,
    }

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        let (from, from_bytes) = (path.to_string_lossy(), bytes(path));
        FromFields { from, from_bytes }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let fields = FromFields::deserialize(from)?;
        restore(fields.from, fields.from_bytes)
    }
}

/// The bytes of a path that is not Unicode, in hex.
fn bytes(path: &Path) -> Option<String> {
    if path.to_str().is_some() {
        return None;
    }
    let bytes = path.as_os_str().as_encoded_bytes();
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The path with this text, or with these bytes if there are any.
fn restore<E: Error>(text: Cow<'_, str>, bytes: Option<String>) -> Result<PathBuf, E> {
    let Some(bytes) = bytes else {
        return Ok(text.into_owned().into());
    };
    let pairs = bytes.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    match pairs.collect() {
        Some(bytes) => Ok(crate::path::to_path(bytes)),
        None => Err(E::custom("the bytes of a path are pairs of hex digits")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json, to_string, to_value};

    use crate::coverage::{Coverage, CoverageState, Gap};
    use crate::entry::FileType;
    use crate::event::{Cause, Change, ChangeKind, Event, Resync, ResyncPhase, ResyncReason};

    fn change(kind: ChangeKind, path: &str) -> Event {
        Event::Change(Change::new(7, kind, path, FileType::File, Cause::Notified))
    }

    fn events() -> Vec<Event> {
        let moved = ChangeKind::Moved {
            from: "/r/a".into(),
        };
        let part = |state, gap| Coverage {
            path: "/r".into(),
            state,
            gap,
        };
        let resync = |phase| Resync {
            path: "/r".into(),
            reason: ResyncReason::Overflow,
            phase,
        };
        vec![
            change(ChangeKind::Created, "/r/a"),
            change(moved, "/r/b"),
            Event::Resync(resync(ResyncPhase::Begin)),
            Event::Coverage(part(CoverageState::Lost, Some(Gap::RootGone))),
            Event::Coverage(part(CoverageState::Live, None)),
        ]
    }

    #[test]
    fn events_have_the_fields_of_the_lines_of_the_command_in_their_order() {
        let lines: Vec<String> = events()
            .iter()
            .map(|event| to_string(event).expect("serialized"))
            .collect();
        assert_eq!(
            lines,
            [
                r#"{"type":"change","seq":7,"kind":"created","path":"/r/a","file_type":"file","cause":"notified"}"#,
                r#"{"type":"change","seq":7,"kind":"moved","from":"/r/a","path":"/r/b","file_type":"file","cause":"notified"}"#,
                r#"{"type":"resync","path":"/r","reason":"overflow","state":"begin"}"#,
                r#"{"type":"coverage","path":"/r","state":"lost","reason":"root-gone"}"#,
                r#"{"type":"coverage","path":"/r","state":"live"}"#,
            ]
        );
    }

    #[test]
    fn events_are_read_back_as_they_were_written() {
        for event in events() {
            let line = to_string(&event).expect("serialized");
            assert_eq!(from_str::<Event>(&line).expect(&line), event);
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let line = r#"{"color":1,"state":"end","type":"resync","reason":"mounts","path":"/r"}"#;
        let event = from_str::<Event>(line).expect("an event");
        assert_eq!(event.to_string(), "resync end /r (mounts)");
    }

    #[test]
    #[cfg(unix)]
    fn paths_that_are_not_text_survive() {
        use std::os::unix::ffi::OsStrExt;
        let name = |bytes| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let from = name(b"/r/\xff\xfe");
        let kind = ChangeKind::Moved { from };
        let change = Change::new(1, kind, name(b"/r/caf\xe9"), FileType::Dir, Cause::Scanned);
        let written = to_value(&change).expect("serialized");
        assert_eq!(written["path_bytes"], json!("2f722f636166e9"));
        assert_eq!(written["from"], json!("/r/\u{fffd}\u{fffd}"));
        assert_eq!(
            serde_json::from_value::<Change>(written).expect("a change"),
            change
        );
    }

    #[test]
    #[cfg(windows)]
    fn paths_that_are_not_text_survive() {
        use std::os::windows::ffi::OsStringExt;
        let name = std::ffi::OsString::from_wide(&[u16::from(b'C'), u16::from(b':'), 0x5c, 0xd800]);
        let change = Change::new(1, ChangeKind::Created, name, FileType::Dir, Cause::Scanned);
        let written = to_value(&change).expect("serialized");
        assert_eq!(written["path_bytes"], json!("433a5ceda080"));
        assert_eq!(
            serde_json::from_value::<Change>(written).expect("a change"),
            change
        );
    }

    #[test]
    fn bytes_that_are_no_hex_are_an_error() {
        for bytes in ["2", "2g", "é"] {
            let line = format!(r#"{{"path":"/r","path_bytes":"{bytes}","state":"live"}}"#);
            assert!(from_str::<Coverage>(&line).is_err(), "{bytes}");
        }
    }

    #[test]
    fn the_value_of_an_enum_is_its_name() {
        let gaps = [
            Gap::WatchLimit,
            Gap::InstanceLimit,
            Gap::Unreadable,
            Gap::OpenFiles,
            Gap::RemoteFileSystem,
            Gap::PseudoFileSystem,
            Gap::PseudoMount,
            Gap::Chosen,
            Gap::NoNotification,
            Gap::Refused,
            Gap::RootGone,
            Gap::MirrorFull,
            Gap::Failing,
        ];
        for gap in gaps {
            assert_eq!(to_value(gap).expect("serialized"), json!(gap.as_str()));
        }
        for reason in [
            ResyncReason::Overflow,
            ResyncReason::IgnoreRules,
            ResyncReason::Mounts,
            ResyncReason::RootReturned,
        ] {
            assert_eq!(
                to_value(reason).expect("serialized"),
                json!(reason.as_str())
            );
        }
        let types = [
            FileType::File,
            FileType::Dir,
            FileType::Symlink,
            FileType::Other,
        ];
        for file_type in types {
            assert_eq!(
                to_value(file_type).expect("serialized"),
                json!(file_type.as_str())
            );
        }
        for kind in [
            ChangeKind::Created,
            ChangeKind::Modified,
            ChangeKind::Metadata,
            ChangeKind::Removed,
        ] {
            let written = to_value(&kind).expect("serialized");
            assert_eq!(written, json!({ "kind": kind.as_str() }));
        }
    }
}
