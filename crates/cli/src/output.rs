//! Standard output in the chosen format.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Event};

use crate::args::{Format, Kind};
use crate::own_output::OwnOutput;
use crate::watch_limit::LimitNotice;
use crate::{json, text};

/// Writes events. Buffers until [`Output::flush`].
pub(crate) struct Output {
    out: BufWriter<Box<dyn Write>>,
    format: Format,
    only: Vec<Kind>,
    look: text::Look,
    limit: LimitNotice,
    own_output: OwnOutput,
}

impl Output {
    pub(crate) fn new(format: Format, only: Vec<Kind>) -> Output {
        let is_terminal = io::stdout().is_terminal();
        let below = is_terminal.then(|| std::env::current_dir().ok()).flatten();
        // Only lines for people carry styles; names in other formats may look like styles and are
        // not to be touched.
        let out: Box<dyn Write> = match format {
            Format::Text => Box::new(anstream::AutoStream::auto(io::stdout())),
            Format::Json | Format::Nul => Box::new(io::stdout()),
        };
        Output {
            out: BufWriter::with_capacity(64 * 1024, out),
            format,
            only,
            look: text::Look { below },
            limit: LimitNotice::default(),
            own_output: OwnOutput::new(),
        }
    }

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

    pub(crate) fn event(&mut self, event: &Event, counters: everwatch::Counters) -> io::Result<()> {
        crate::shutdown::PRINTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Event::Coverage(subtree) = event {
            self.limit.note(subtree, counters);
        }
        match (self.format, event) {
            (_, Event::Change(change)) => self.change(change),
            (Format::Json, Event::Resync(resync)) => json::resync(&mut self.out, resync),
            (Format::Json, Event::Coverage(subtree)) => json::coverage(&mut self.out, subtree),
            (Format::Text, Event::Resync(resync)) => {
                text::resync(&mut io::stderr(), &self.look, resync)
            }
            (Format::Text, Event::Coverage(subtree)) if !LimitNotice::is_about(subtree) => {
                text::coverage(&mut io::stderr(), &self.look, subtree)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn change(&mut self, change: &Change) -> io::Result<()> {
        if !self.only.is_empty() && !self.only.iter().any(|only| only.is_of(&change.kind)) {
            return Ok(());
        }
        if self.own_output.causes(change) {
            return Ok(());
        }
        match self.format {
            Format::Text => text::change(&mut self.out, &self.look, change),
            Format::Json => json::change(&mut self.out, change),
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

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
