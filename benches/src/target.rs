//! Targets: limits that Everwatch has set itself, and the verdicts of the figures.

use everwatch_testing::scratch::Place;

use crate::figures::{Figures, Metric, Row, Table};
use crate::subject::Name;

const OURS: Row = Row::Subject(Name::Everwatch);
const RAW: Row = Row::Subject(Name::Raw);
const NOTIFY_8: Row = Row::Subject(Name::Notify8);
const NOTIFY_9: Row = Row::Subject(Name::Notify9);

/// The verdict on a target on one file system.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    pub(crate) place: &'static str,
    pub(crate) measured: String,
    pub(crate) is_met: bool,
}

/// The limit of a metric.
enum Bound {
    /// At most this many times the value of the row.
    Times(f64, Row),
    /// At most this value.
    AtMost(f64),
}

/// A limit of one metric of Everwatch in a scenario.
struct Target {
    scenario: &'static str,
    metric: Metric,
    bound: Bound,
}

const TARGETS: [Target; 17] = [
    target("arm", Metric::Wall, Bound::Times(1.3, RAW)),
    target("arm", Metric::Wall, Bound::Times(1.0, NOTIFY_9)),
    target("arm", Metric::Resident, Bound::AtMost(24e6)),
    target("burst", Metric::RunTime, Bound::Times(1.0, NOTIFY_8)),
    target("burst", Metric::Missing, Bound::AtMost(0.0)),
    target("deep", Metric::RunTime, Bound::AtMost(1.2)),
    target("deep", Metric::Missing, Bound::AtMost(0.0)),
    target("deep", Metric::Ghosts, Bound::AtMost(0.0)),
    target("mix", Metric::Missing, Bound::AtMost(0.0)),
    target("mix", Metric::Ghosts, Bound::AtMost(0.0)),
    target("append", Metric::RunTime, Bound::Times(2.0, RAW)),
    target("idle", Metric::WakeUps, Bound::AtMost(0.0)),
    target("latency", Metric::WriteMedian, Bound::Times(1.0, NOTIFY_8)),
    target(
        "latency",
        Metric::WritePercentile99,
        Bound::Times(1.0, NOTIFY_8),
    ),
    target("latency", Metric::CreateMedian, Bound::Times(1.0, NOTIFY_8)),
    target(
        "latency",
        Metric::CreatePercentile99,
        Bound::Times(1.0, NOTIFY_8),
    ),
    target("resync", Metric::Wall, Bound::Times(2.0, Row::Crawl)),
];

const fn target(scenario: &'static str, metric: Metric, bound: Bound) -> Target {
    Target {
        scenario,
        metric,
        bound,
    }
}

impl Target {
    fn text(&self) -> String {
        let what = format!("{}: {}", self.scenario, self.metric.title());
        match &self.bound {
            Bound::Times(1.0, row) => format!("{what} ≤ {}", row.title()),
            Bound::Times(times, row) => format!("{what} ≤ {times} × {}", row.title()),
            Bound::AtMost(0.0) => format!("{what} none"),
            Bound::AtMost(most) => format!("{what} ≤ {}", self.metric.show(*most)),
        }
    }

    /// The verdict; `None` if the run has not measured it.
    fn judge(&self, figures: &Figures, place: &'static str) -> Option<Verdict> {
        let table: Table = (self.scenario, place);
        let (measured, is_met) = match &self.bound {
            Bound::Times(times, row) => {
                let ours = figures.median(table, OURS, self.metric)?;
                let theirs = figures.median(table, *row, self.metric)?;
                let (ours_text, theirs_text) = (self.metric.show(ours), self.metric.show(theirs));
                let ratio = ours / theirs;
                (
                    format!("{ratio:.2} × ({ours_text} / {theirs_text})"),
                    ratio <= *times,
                )
            }
            // A limit of zero holds in every round, not only in the median.
            Bound::AtMost(0.0) => {
                let worst = figures.worst(table, OURS, self.metric)?;
                (self.metric.show(worst), worst == 0.0)
            }
            Bound::AtMost(most) => {
                let ours = figures.median(table, OURS, self.metric)?;
                (self.metric.show(ours), ours <= *most)
            }
        };
        Some(Verdict {
            target: self.text(),
            place,
            measured,
            is_met,
        })
    }
}

/// All verdicts that the figures allow.
pub(crate) fn judge(figures: &Figures, places: &[Place]) -> Vec<Verdict> {
    let each = |target: &Target| -> Vec<Verdict> {
        places
            .iter()
            .filter_map(|place| target.judge(figures, place.name()))
            .collect()
    };
    TARGETS.iter().flat_map(each).collect()
}
