//! `everwatch doctor`: what this machine and the file system of a path can do, as lines for people.
//!
//! Limits and the backend come from [`everwatch::inspect`]. The path is then watched for real, because a
//! limit on paper does not show how much of it other programs use.
//!
//! ```text
//!   path                /home/me
//!   file system         ext4
//!   backend             inotify
//!   max_user_watches    65536      sysctl fs.inotify.max_user_watches
//!   armed               61 entries, 31 watches, 12 KiB of memory for them
//! ```

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use everwatch::{Backend, CompletionModel, CoverageState, Error, Watcher};

use crate::standard_output::StandardOutput;
use crate::text::PathStyle;

/// When to choose which value of `--completion`.
const MODELS: &[(CompletionModel, &str)] = &[
    (
        CompletionModel::Port,
        "for everything: one thread for any number of paths (the default)",
    ),
    (
        CompletionModel::Apc,
        "where a filter driver handles completion routines better than ports",
    ),
    (
        CompletionModel::Event,
        "where no port is available: one thread for each 63 paths",
    ),
    (
        CompletionModel::Blocking,
        "where a driver does not do overlapped reads: one thread for each path",
    ),
    (
        CompletionModel::Isolated,
        "for shares and drivers that may hang forever: a process that can be ended",
    ),
];

/// Describes each path on standard output. An error is the sentence for standard error; a reader that
/// has gone is none.
pub(crate) fn run(paths: &[PathBuf]) -> Result<(), String> {
    // Printed at once, and only if all paths could be described: an error has no report before it.
    let mut text = String::new();
    for path in paths {
        describe(path, &mut text).map_err(|error| error.to_string())?;
    }
    match StandardOutput::new().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Appends the lines about one path. Arming the path blocks until its tree is scanned.
fn describe(path: &Path, text: &mut String) -> Result<(), Error> {
    let style = PathStyle { below: None };
    let report = everwatch::inspect(path)?;
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<18}  {value}");
    };
    line("path", style.show(&report.path));
    line("file system", report.file_system);
    line(
        "backend",
        match report.gap {
            None => report.backend.as_str().to_owned(),
            Some(gap) => format!("poll, because of: {}. {}", gap.as_str(), gap.remedy()),
        },
    );
    // Only Linux has limits that a person can raise.
    for (name, value) in &report.limits {
        let value = value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
        line(name, format!("{value:<10} sysctl fs.inotify.{name}"));
    }
    // The backend that reads directories by ReadDirectoryChangesW, the only one with a choice.
    if report.backend == Backend::Windows {
        for (model, purpose) in MODELS {
            line(
                &format!("completion {}", model.as_str()),
                (*purpose).to_owned(),
            );
        }
    }
    let watcher = Watcher::new()?;
    watcher.watch(path)?;
    let counters = watcher.counters();
    line(
        "armed",
        format!(
            "{} entries, {} watches, {} KiB of memory for them",
            counters.entries,
            counters.watches,
            counters.mirror_bytes / 1024
        ),
    );
    // Subtrees that are live need no line.
    for subtree in watcher.coverage()? {
        if let Some(gap) = subtree.gap.filter(|_| subtree.state != CoverageState::Live) {
            let path = style.show(&subtree.path);
            let why = format!("{path}, because of: {}. {}", gap.as_str(), gap.remedy());
            line(subtree.state.as_str(), why);
        }
    }
    Ok(())
}
