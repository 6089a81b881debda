//! Standard output in the chosen format, and what goes to standard error beside it.
//!
//! Changes go to standard output in all formats. Resyncs and coverage are lines of JSON, and sentences on
//! standard error in the other formats. A standard error that is full or gone ends nothing.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Event};

use crate::args::{Format, Kind};
use crate::own_output::OwnOutput;
use crate::standard_output::{self, StandardOutput};
use crate::watch_limit::LimitNotice;
use crate::{json, text};

/// Writes events to standard output, buffered until [`Output::flush`]. Errors are those of standard
/// output: a failed write to standard error is ignored.
pub(crate) struct Output {
    /// Standard output, with 64 KiB of buffer: a burst takes few system calls.
    out: BufWriter<Box<dyn Write>>,
    format: Format,
    /// Kinds to print; empty means all.
    only: Vec<Kind>,
    /// Of paths in lines for people, on both outputs.
    style: text::PathStyle,
    limit: LimitNotice,
    own_output: OwnOutput,
}

impl Output {
    /// Looks at standard output: on a terminal, lines for people have colours and short paths.
    pub(crate) fn new(format: Format, only: Vec<Kind>) -> Output {
        let is_terminal = io::stdout().is_terminal();
        let below = is_terminal.then(|| std::env::current_dir().ok()).flatten();
        // Only lines for people carry styles. A name may look like a style, and the other formats
        // must pass it on unchanged.
        let out: Box<dyn Write> = match format {
            Format::Text => standard_output::for_people(),
            Format::Json | Format::Nul => Box::new(StandardOutput::new()),
        };
        Output {
            out: BufWriter::with_capacity(64 * 1024, out),
            format,
            only,
            style: text::PathStyle { below },
            limit: LimitNotice::default(),
            own_output: OwnOutput::new(),
        }
    }

    /// Writes the `ready` line, which only JSON has.
    pub(crate) fn ready(
        &mut self,
        roots: &[PathBuf],
        backend: &str,
        cursor: &str,
    ) -> io::Result<()> {
        match self.format {
            Format::Json => json::ready(&mut self.out, roots, backend, cursor),
            Format::Text | Format::Nul => Ok(()),
        }
    }

    /// Writes an event. `counters` are those at the time of the event, for the notice about the limit.
    pub(crate) fn event(&mut self, event: &Event, counters: everwatch::Counters) -> io::Result<()> {
        // Counted before it is written: an event that blocks in its write is no progress.
        crate::shutdown::PRINTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Event::Coverage(subtree) = event {
            self.limit.note(subtree, counters);
        }
        match (self.format, event) {
            (_, Event::Change(change)) => self.change(change),
            (Format::Json, Event::Resync(resync)) => json::resync(&mut self.out, resync),
            (Format::Json, Event::Coverage(subtree)) => json::coverage(&mut self.out, subtree),
            // Not changes: they would disturb a program that reads the lines of changes.
            (Format::Text | Format::Nul, Event::Resync(resync)) => {
                let _ = text::resync(&mut io::stderr(), &self.style, resync);
                Ok(())
            }
            (Format::Text | Format::Nul, Event::Coverage(subtree)) => {
                if !LimitNotice::is_about(subtree) {
                    let _ = text::coverage(&mut io::stderr(), &self.style, subtree);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes a change, unless `--only` excludes it or it is about the output itself.
    pub(crate) fn change(&mut self, change: &Change) -> io::Result<()> {
        if !self.only.is_empty() && !self.only.iter().any(|only| only.is_of(&change.kind)) {
            return Ok(());
        }
        if self.own_output.causes(change) {
            return Ok(());
        }
        match self.format {
            Format::Text => text::change(&mut self.out, &self.style, change),
            Format::Json => json::change(&mut self.out, change),
            // Three fields each, so that a reader needs no field to know how many follow.
            Format::Nul => {
                let from = match &change.kind {
                    ChangeKind::Moved { from } => from,
                    _ => Path::new(""),
                };
                for field in [
                    change.kind.as_str().as_bytes(),
                    change.path.as_os_str().as_encoded_bytes(),
                    from.as_os_str().as_encoded_bytes(),
                ] {
                    self.out.write_all(field)?;
                    self.out.write_all(b"\0")?;
                }
                Ok(())
            }
        }
    }

    /// Hands everything written so far to the reader.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
