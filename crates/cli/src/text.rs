//! Lines for people: colour and short paths on a terminal, plain absolute paths otherwise.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use everwatch::{Change, ChangeKind, Coverage, Resync, ResyncPhase};

/// How to write paths.
#[derive(Debug)]
pub(crate) struct Look {
    /// Paths below this directory are written relative to it.
    pub(crate) below: Option<PathBuf>,
}

impl Look {
    /// A path as one word on one line.
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

fn style(kind: &ChangeKind) -> Style {
    let colour = match kind {
        ChangeKind::Created => AnsiColor::Green,
        ChangeKind::Removed => AnsiColor::Red,
        ChangeKind::Moved { .. } => AnsiColor::Cyan,
        ChangeKind::Modified => AnsiColor::Yellow,
        _ => AnsiColor::BrightBlack,
    };
    colour.on_default()
}

pub(crate) fn change(out: &mut impl Write, look: &Look, change: &Change) -> io::Result<()> {
    let style = style(&change.kind);
    let slash = if change.file_type == everwatch::FileType::Dir {
        "/"
    } else {
        ""
    };
    write!(out, "{style}{:<8}{style:#}  ", change.kind.as_str())?;
    if let ChangeKind::Moved { from } = &change.kind {
        write!(out, "{}{slash} -> ", look.show(from))?;
    }
    writeln!(out, "{}{slash}", look.show(&change.path))
}

pub(crate) fn resync(out: &mut impl Write, look: &Look, resync: &Resync) -> io::Result<()> {
    let state = match resync.phase {
        ResyncPhase::Begin => "comparing with the disk",
        ResyncPhase::End => "in line again",
    };
    writeln!(
        out,
        "everwatch: {} is {state} ({})",
        look.show(&resync.path),
        resync.reason.as_str()
    )
}

pub(crate) fn coverage(out: &mut impl Write, look: &Look, subtree: &Coverage) -> io::Result<()> {
    let path = look.show(&subtree.path);
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
    fn what_could_write_to_a_terminal_is_escaped() {
        let look = Look { below: None };
        let path = Path::new("/a\n\x1b[31m\u{202e}\\b");
        assert_eq!(look.show(path), "/a\\n\\u{1b}[31m\\u{202e}\\\\b");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_shown_in_hex() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a/\xff\xfez"));
        assert_eq!(
            Look {
                below: Some("/a".into())
            }
            .show(path),
            "\\xff\\xfez"
        );
    }
}
