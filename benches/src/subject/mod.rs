//! What is compared: each subject arms itself on a tree and takes what it is told.
//!
//! A subject runs in a process of its own. While it runs it only counts or keeps what comes;
//! everything else is worked out after its run time was read.

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

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub(crate) enum Name {
    Everwatch,
    /// Its reads of directories on Windows, without the engine.
    Records,
    Notify8,
    /// The same, but what comes is taken on notify's own thread.
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

    /// As it stands in the tables.
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

    /// As it stands on the command line.
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

/// What a subject does with what it is told.
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

/// What was taken.
#[derive(Debug)]
pub(crate) struct Taken<E> {
    intake: Intake,
    pub(crate) count: u64,
    /// With the time of arrival, 0 unless it was asked for.
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

/// What a subject was told, in terms that all subjects share.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How many events there were.
    pub(crate) events: u64,
    /// How often it said that something was lost.
    pub(crate) losses: u64,
    /// What the events do to a tree, for subjects that say so.
    pub(crate) steps: Option<Vec<Step>>,
    /// When each path was first spoken of.
    pub(crate) arrivals: Vec<(u64, PathBuf)>,
    /// When each repair of the tree was finished.
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

    /// Ends it and tells what it was told.
    fn finish(self: Box<Self>) -> Result<Told>;
}

/// Has a subject watch `root` with everything below it.
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

#[cfg(target_os = "linux")]
/// Starts a subject on a tree and stops it again. Nothing is taken.
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

/// What the process reports when its subject is armed.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Armed {
    pub(crate) wall: Duration,
    pub(crate) run_time: Duration,
    pub(crate) resident: u64,
    /// All processes whose work is the subject's.
    pub(crate) processes: Vec<u32>,
}
