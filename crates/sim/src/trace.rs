//! The trace of a schedule, line by line. Kept only when a schedule is run again because it
//! failed: keeping it costs more than running the schedule.

#[derive(Debug, Default)]
pub(crate) struct Trace(Option<Vec<String>>);

impl Trace {
    pub(crate) fn new(is_kept: bool) -> Trace {
        Trace(is_kept.then(Vec::new))
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push(line());
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.0.unwrap_or_default()
    }
}
