//! Lines for people: colour and short paths on a terminal, plain absolute paths otherwise.
//!
//! Control characters and other bytes that a terminal may obey are escaped, so that each line stays a
//! line and a name cannot write to the screen.
//!
//! ```text
//! created   /d/new/
//! moved     /d/a -> /d/b
//! everwatch: /d is comparing with the disk (overflow)
//! ```

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use everwatch::{Change, ChangeKind, Coverage, Resync, ResyncPhase};

/// How paths are written.
#[derive(Debug)]
pub(crate) struct PathStyle {
    /// Paths below this directory are written relative to it; without it, all are absolute.
    pub(crate) below: Option<PathBuf>,
}

impl PathStyle {
    /// A path, escaped, so that it is on one line. The directory that paths are relative to keeps its
    /// absolute path.
    pub(crate) fn show(&self, path: &Path) -> String {
        let short = self
            .below
            .as_ref()
            .and_then(|dir| path.strip_prefix(dir).ok());
        let path = short
            .filter(|short| !short.as_os_str().is_empty())
            .unwrap_or(path);
        everwatch::printable(path)
    }
}

/// The colour of the first word of a line.
fn style(kind: &ChangeKind) -> Style {
    let colour = match kind {
        ChangeKind::Created => AnsiColor::Green,
        ChangeKind::Removed => AnsiColor::Red,
        ChangeKind::Moved { .. } => AnsiColor::Cyan,
        ChangeKind::Modified => AnsiColor::Yellow,
        // Permissions, owners and times interest few.
        _ => AnsiColor::BrightBlack,
    };
    colour.on_default()
}

/// A change. Directories end in a slash.
pub(crate) fn change(out: &mut impl Write, paths: &PathStyle, change: &Change) -> io::Result<()> {
    let style = style(&change.kind);
    // As `ls -F` does it.
    let slash = if change.file_type == everwatch::FileType::Dir {
        "/"
    } else {
        ""
    };
    write!(out, "{style}{:<8}{style:#}  ", change.kind.as_str())?;
    if let ChangeKind::Moved { from } = &change.kind {
        write!(out, "{}{slash} -> ", paths.show(from))?;
    }
    writeln!(out, "{}{slash}", paths.show(&change.path))
}

/// The begin or the end of a comparison with the disk.
pub(crate) fn resync(out: &mut impl Write, paths: &PathStyle, resync: &Resync) -> io::Result<()> {
    let state = match resync.phase {
        ResyncPhase::Begin => "comparing with the disk",
        ResyncPhase::End => "in line again",
    };
    writeln!(
        out,
        "everwatch: {} is {state} ({})",
        paths.show(&resync.path),
        resync.reason.as_str()
    )
}

/// How a subtree is watched from now on, and what to do about it.
pub(crate) fn coverage(
    out: &mut impl Write,
    paths: &PathStyle,
    subtree: &Coverage,
) -> io::Result<()> {
    let path = paths.show(&subtree.path);
    // The remedy of a gap is a sentence: what to change so that the subtree is live.
    match subtree.gap {
        Some(gap) => writeln!(
            out,
            "everwatch: {path} is {} ({}). {}",
            subtree.state.as_str(),
            gap.as_str(),
            gap.remedy()
        ),
        None => writeln!(out, "everwatch: {path} is {}", subtree.state.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_terminal_obeys_are_escaped() {
        let paths = PathStyle { below: None };
        let path = Path::new("/a\n\x1b[31m\u{202e}\\b");
        assert_eq!(paths.show(path), "/a\\n\\u{1b}[31m\\u{202e}\\\\b");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_text_are_shown_in_hex() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a/\xff\xfez"));
        assert_eq!(
            PathStyle {
                below: Some("/a".into())
            }
            .show(path),
            "\\xff\\xfez"
        );
    }
}
