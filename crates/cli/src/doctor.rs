//! `everwatch doctor`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use everwatch::{Error, State, Watcher, machine};

use crate::text::Look;

pub(crate) fn run(paths: &[PathBuf]) -> Result<(), String> {
    let mut text = String::new();
    for path in paths {
        describe(path, &mut text).map_err(|error| error.to_string())?;
    }
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

fn describe(path: &Path, text: &mut String) -> Result<(), Error> {
    let look = Look { below: None };
    let report = machine::inspect(path)?;
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<18}  {value}");
    };
    line("path", look.show(&report.path));
    line("file system", report.file_system);
    line(
        "backend",
        match report.gap {
            None => "inotify".to_owned(),
            Some(gap) => format!("poll, because of: {}. {}", gap.as_str(), gap.remedy()),
        },
    );
    for (name, value) in &report.limits {
        let value = value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
        line(name, format!("{value:<10} sysctl fs.inotify.{name}"));
    }
    // Arming the path for real shows what no limit on paper does.
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
    for subtree in watcher.coverage()? {
        if let Some(gap) = subtree.gap.filter(|_| subtree.state != State::Live) {
            let path = look.show(&subtree.path);
            let why = format!("{path}, because of: {}. {}", gap.as_str(), gap.remedy());
            line(subtree.state.as_str(), why);
        }
    }
    Ok(())
}
