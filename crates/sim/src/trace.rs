//! The trace of a schedule: what happened, line by line.
//!
//! It is kept only when a schedule runs again because it failed: keeping it costs more than running the
//! schedule.

/// Where the lines go.
#[derive(Debug, Default)]
pub(crate) enum Trace {
    /// Nowhere; they are not even made.
    #[default]
    Off,
    /// Into memory.
    Kept(Vec<String>),
    /// To standard error, at once: for a run that may end in a panic.
    Printed,
}

impl Trace {
    /// A trace that is kept in memory, or is off.
    pub(crate) fn new(is_kept: bool) -> Trace {
        match is_kept {
            true => Trace::Kept(Vec::new()),
            false => Trace::Off,
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        match self {
            Trace::Off => {}
            Trace::Kept(lines) => lines.push(line()),
            Trace::Printed => eprintln!("{}", line()),
        }
    }

    /// The lines that were kept.
    pub(crate) fn into_lines(self) -> Vec<String> {
        match self {
            Trace::Kept(lines) => lines,
            Trace::Off | Trace::Printed => Vec::new(),
        }
    }
}
