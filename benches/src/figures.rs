//! Figures of a run: values of all rounds, and their medians.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::subject::Name;

/// A metric. Their order is that of the columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Metric {
    Wall,
    RunTime,
    Resident,
    WakeUps,
    WriteMedian,
    WritePercentile99,
    CreateMedian,
    CreatePercentile99,
    Events,
    OwnTime,
    Rate,
    EventCost,
    EntryCost,
    Entries,
    Missing,
    Ghosts,
    Losses,
    Refused,
    LeftFiles,
    LeftThreads,
}

impl Metric {
    /// The heading of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Metric::Wall => "wall",
            Metric::RunTime => "CPU",
            Metric::Resident => "resident",
            Metric::WakeUps => "wake-ups",
            Metric::WriteMedian => "write p50",
            Metric::WritePercentile99 => "write p99",
            Metric::CreateMedian => "create p50",
            Metric::CreatePercentile99 => "create p99",
            Metric::Events => "events",
            Metric::OwnTime => "own",
            Metric::Rate => "events/s",
            Metric::EventCost => "CPU/event",
            Metric::EntryCost => "CPU/known entry",
            Metric::Entries => "entries",
            Metric::Missing => "missing",
            Metric::Ghosts => "ghosts",
            Metric::Losses => "losses reported",
            Metric::Refused => "refused",
            Metric::LeftFiles => "files left",
            Metric::LeftThreads => "threads left",
        }
    }

    /// A value for people. Times are in seconds, sizes in bytes.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Metric::Wall
            | Metric::RunTime
            | Metric::OwnTime
            | Metric::EventCost
            | Metric::EntryCost
            | Metric::WriteMedian
            | Metric::WritePercentile99
            | Metric::CreateMedian
            | Metric::CreatePercentile99 => time(value),
            Metric::Resident => format!("{:.1} MB", value / 1e6),
            _ => count(value),
        }
    }
}

/// A time for people.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        ..0.001 => format!("{:.0} µs", seconds * 1e6),
        ..0.01 => format!("{:.2} ms", seconds * 1e3),
        ..0.1 => format!("{:.1} ms", seconds * 1e3),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// A whole number with separated thousands.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A row of a table: a subject, or one of the yardsticks beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Row {
    Subject(Name),
    Crawl,
    CrawlAndLook,
}

impl Row {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Row::Subject(name) => name.title(),
            Row::Crawl => "raw crawl",
            Row::CrawlAndLook => "raw crawl with `statx` of each file",
        }
    }
}

/// The titles of a scenario and of a file system.
pub(crate) type Table = (&'static str, &'static str);

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<Table, BTreeMap<Row, BTreeMap<Metric, Vec<f64>>>>);

impl Figures {
    /// Adds the value of a round.
    pub(crate) fn add(&mut self, table: Table, row: Row, metric: Metric, value: f64) {
        let rows = self.0.entry(table).or_default();
        rows.entry(row)
            .or_default()
            .entry(metric)
            .or_default()
            .push(value);
    }

    /// Adds the time of a round.
    pub(crate) fn add_time(&mut self, table: Table, row: Row, metric: Metric, time: Duration) {
        self.add(table, row, metric, time.as_secs_f64());
    }

    /// The rows of a table.
    pub(crate) fn rows(&self, table: Table) -> Vec<Row> {
        self.0
            .get(&table)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect()
    }

    /// The metrics that any row of a table has.
    pub(crate) fn metrics(&self, table: Table) -> Vec<Metric> {
        let mut metrics: Vec<Metric> = self
            .0
            .get(&table)
            .into_iter()
            .flat_map(BTreeMap::values)
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        metrics.sort_unstable();
        metrics.dedup();
        metrics
    }

    /// The values of all rounds, in order; empty if it was not measured.
    pub(crate) fn values(&self, table: Table, row: Row, metric: Metric) -> &[f64] {
        let rows = self.0.get(&table);
        let metrics = rows.and_then(|rows| rows.get(&row));
        let values = metrics.and_then(|metrics| metrics.get(&metric));
        values.map_or(&[], Vec::as_slice)
    }

    /// The median of all rounds.
    pub(crate) fn median(&self, table: Table, row: Row, metric: Metric) -> Option<f64> {
        self.0
            .get(&table)?
            .get(&row)?
            .get(&metric)
            .and_then(|values| middle(values))
    }

    /// The largest value of any round.
    pub(crate) fn worst(&self, table: Table, row: Row, metric: Metric) -> Option<f64> {
        self.0
            .get(&table)?
            .get(&row)?
            .get(&metric)?
            .iter()
            .copied()
            .reduce(f64::max)
    }
}

/// The median, which lies between the middle two of an even number of values.
pub(crate) fn middle(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// The smallest value that `share` of all values do not exceed.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(values);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_two() {
        assert_eq!(middle(&[4.0, 1.0, 100.0, 2.0]), Some(3.0));
        assert_eq!(middle(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(middle(&[]), None);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.99), Some(99.0));
    }

    #[test]
    fn values_are_shown_in_a_unit_that_fits() {
        assert_eq!(Metric::Wall.show(0.000_031), "31 µs");
        assert_eq!(Metric::Wall.show(0.188), "188 ms");
        assert_eq!(Metric::Resident.show(16_200_000.0), "16.2 MB");
        assert_eq!(Metric::Events.show(132_679.0), "132,679");
    }
}
