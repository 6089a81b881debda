//! The subjects: each arms itself on a tree and takes the events.
//!
//! A subject runs in a process of its own. While it runs, it only counts or keeps the events; everything
//! else happens after its run time was read.

mod everwatch;
mod notify;
#[cfg(target_os = "linux")]
mod raw;
#[cfg(windows)]
mod records;
#[cfg(target_os = "linux")]
mod watchman;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
#[cfg(target_os = "linux")]
pub(crate) use raw::{crawl, crawl_and_look};
use serde::{Deserialize, Serialize};

use crate::process;
use crate::replica::Step;

/// The names of the subjects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub(crate) enum Name {
    Everwatch,
    /// The reads of directories of Everwatch on Windows, without the engine.
    Records,
    Notify8,
    /// notify 8, with the events taken on notify's own thread.
    Notify8Handler,
    Notify9,
    Raw,
    Watchman,
}

#[cfg(target_os = "linux")]
impl Name {
    pub(crate) const ALL: [Name; 6] = [
        Name::Everwatch,
        Name::Notify8,
        Name::Notify8Handler,
        Name::Notify9,
        Name::Raw,
        Name::Watchman,
    ];

    /// The name in tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Name::Everwatch => "everwatch",
            Name::Records => "everwatch-directory-reads, records",
            Name::Notify8 => "notify 8.2",
            Name::Notify8Handler => "notify 8.2, on its own thread",
            Name::Notify9 => "notify 9-rc",
            Name::Raw => "raw loop",
            Name::Watchman => "Watchman",
        }
    }

    /// The name on the command line.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Name::Everwatch => "everwatch",
            Name::Records => "records",
            Name::Notify8 => "notify8",
            Name::Notify8Handler => "notify8-handler",
            Name::Notify9 => "notify9",
            Name::Raw => "raw",
            Name::Watchman => "watchman",
        }
    }
}

/// What a subject does with an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Intake {
    /// Counts it.
    Count,
    /// Keeps it.
    Keep,
    /// Keeps it with the time of its arrival.
    Stamp,
}

#[cfg(target_os = "linux")]
impl Intake {
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Intake::Count => "count",
            Intake::Keep => "keep",
            Intake::Stamp => "stamp",
        }
    }
}

/// The events that were taken.
#[derive(Debug)]
pub(crate) struct Taken<E> {
    intake: Intake,
    pub(crate) count: u64,
    /// The events with the time of their arrival, which is 0 unless the intake is [`Intake::Stamp`].
    pub(crate) kept: Vec<(u64, E)>,
}

impl<E> Taken<E> {
    pub(crate) fn new(intake: Intake) -> Taken<E> {
        Taken {
            intake,
            count: 0,
            kept: Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, event: E) {
        self.count += 1;
        match self.intake {
            Intake::Count => {}
            Intake::Keep => self.kept.push((0, event)),
            Intake::Stamp => self.kept.push((process::monotonic(), event)),
        }
    }
}

/// The events of a subject, in terms that all subjects share.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    /// Number of events.
    pub(crate) events: u64,
    /// Number of reported losses.
    pub(crate) losses: u64,
    /// What the events do to a tree; `None` for a subject whose events do not say that.
    pub(crate) steps: Option<Vec<Step>>,
    /// The time of each event with its path.
    pub(crate) arrivals: Vec<(u64, PathBuf)>,
    /// The times at which repairs of the tree were complete.
    pub(crate) repairs: Vec<u64>,
}

/// An armed subject.
pub(crate) trait Subject {
    /// Processes that work for the subject, other than this one.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Run time used so far.
    fn run_time(&self) -> Result<Duration> {
        Ok(process::own_run_time())
    }

    /// Ends it and returns its events.
    fn finish(self: Box<Self>) -> Result<Reported>;
}

/// Watches `root` recursively with a subject. Blocks until the subject is armed.
pub(crate) fn arm(name: Name, root: &Path, intake: Intake) -> Result<Box<dyn Subject>> {
    Ok(match name {
        Name::Everwatch => Box::new(everwatch::Everwatch::arm(root, intake)?),
        Name::Notify8 => Box::new(notify::arm_8(root, intake)?),
        Name::Notify8Handler => Box::new(notify::arm_8_handler(root, intake)?),
        Name::Notify9 => Box::new(notify::arm_9(root, intake)?),
        #[cfg(windows)]
        Name::Records => Box::new(records::Records::arm(root, intake)?),
        #[cfg(not(windows))]
        Name::Records => anyhow::bail!("only on Windows"),
        #[cfg(target_os = "linux")]
        Name::Raw => Box::new(raw::Raw::arm(root, intake)?),
        #[cfg(target_os = "linux")]
        Name::Watchman => Box::new(watchman::Watchman::arm(root, intake)?),
        #[cfg(not(target_os = "linux"))]
        Name::Raw | Name::Watchman => anyhow::bail!("only on Linux"),
    })
}

/// Starts a subject on a tree and stops it at once.
#[cfg(target_os = "linux")]
pub(crate) fn cycle(name: Name, root: &Path) -> Result<()> {
    match name {
        Name::Everwatch => drop(::everwatch::watch(root)?),
        Name::Notify8 | Name::Notify8Handler => notify::cycle_8(root)?,
        Name::Notify9 => notify::cycle_9(root)?,
        Name::Raw => raw::cycle(root)?,
        Name::Records => anyhow::bail!("only on Windows"),
        Name::Watchman => anyhow::bail!("a daemon is not started for each tree"),
    }
    Ok(())
}

/// The report of a process whose subject is armed.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Armed {
    pub(crate) wall: Duration,
    pub(crate) run_time: Duration,
    pub(crate) resident: u64,
    /// The ids of all processes that work for the subject, the most important one first.
    pub(crate) processes: Vec<u32>,
}
