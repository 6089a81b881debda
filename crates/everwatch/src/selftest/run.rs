//! The run: the watcher, the feed, the judge and the sums that all phases share.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::feed::Feed;
use crate::options::Options;
use crate::watcher::Watcher;
use crate::{CoverageState, Gap, Report};

use super::disk::Disk;
use super::judge::{Comparison, Facts, Judge};
use super::outcome::{Figures, Finding, Guarantee, Outcome, Verdict};
use super::writer::{Random, Writer};
use super::{Progress, Selftest, writing};

/// The longest that a barrier may take before it counts as broken.
const LONGEST_BARRIER: Duration = Duration::from_secs(60);

/// How long changes that did not come before their barrier are waited for.
const LATENESS: Duration = Duration::from_secs(4);

/// Events of a feed before it is folded: more than there are, so that moves can be counted.
const CAPACITY: usize = 1 << 22;

/// A run in its scratch directory.
pub(crate) struct Run<'a> {
    pub(crate) scratch: &'a Path,
    pub(crate) size: usize,
    pub(crate) options: Options,
    pub(crate) roots: [PathBuf; 2],
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) feed: Feed,
    pub(crate) judge: Judge,
    pub(crate) writer: Writer,
    pub(crate) figures: Figures,
    pub(crate) skipped: Vec<String>,
    /// The directory is listed again and again instead of being watched.
    pub(crate) is_polled: bool,
    seed: u64,
    file_system: String,
    findings: Vec<Finding>,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    phase: &'static str,
    started: Instant,
}

impl<'a> Run<'a> {
    /// Makes two roots and watches them.
    pub(crate) fn start(
        test: &Selftest,
        report: &Report,
        scratch: &'a Path,
        progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Run<'a>, Error> {
        let roots = ["one", "two"].map(|name| scratch.join(name));
        for root in &roots {
            std::fs::create_dir(root).map_err(|error| writing(&error, scratch))?;
        }
        let options = test.options.clone().capacity(CAPACITY);
        let watcher = options.clone().build()?;
        for root in &roots {
            watcher.watch(root)?;
        }
        let feed = watcher.feed()?;
        let is_polled = watcher
            .coverage()?
            .iter()
            .any(|part| part.state != CoverageState::Live);
        let findings = Guarantee::ALL.map(|guarantee| Finding {
            guarantee,
            verdict: Verdict::NotAsked,
            checks: 0,
            failures: 0,
            notes: Vec::new(),
        });
        Ok(Run {
            scratch,
            size: test.operations.max(100),
            options,
            judge: Judge::of(&roots, &Disk::default()),
            roots,
            watcher: Arc::new(watcher),
            feed,
            writer: Writer::new(Random::new(test.seed)),
            figures: Figures::default(),
            skipped: Vec::new(),
            is_polled,
            seed: test.seed,
            file_system: report.file_system.clone(),
            findings: findings.into(),
            progress,
            phase: "",
            started: Instant::now(),
        })
    }

    /// Runs all phases and adds up.
    pub(crate) fn finish(mut self) -> Result<Outcome, Error> {
        self.all_phases()?;
        self.check_coverage()?;
        self.stop()?;
        let counters = self.watcher.counters();
        self.figures.operations += self.writer.operations;
        self.figures.retried += self.writer.retried;
        self.figures.events += self.judge.events;
        self.figures.resyncs += counters.resyncs;
        self.figures.overflows += counters.overflows;
        Ok(Outcome {
            seed: self.seed,
            findings: self.findings,
            figures: self.figures,
            questions: Vec::new(),
            skipped: self.skipped,
            file_system: self.file_system,
            took: self.started.elapsed(),
        })
    }

    /// Begins a phase.
    pub(crate) fn phase(&mut self, name: &'static str) -> Result<(), Error> {
        self.phase = name;
        self.pulse()
    }

    /// Reports progress; an error if the caller wants no more. Phases call it once in a while.
    pub(crate) fn pulse(&mut self) -> Result<(), Error> {
        let progress = Progress {
            phase: self.phase,
            operations: self.writer.operations,
        };
        match (self.progress)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::new(ErrorKind::Other, "finish the self-test")
                .with_detail("it was interrupted")),
        }
    }

    /// The error of an operation on the disk.
    pub(crate) fn refused(&self, error: &io::Error) -> Error {
        writing(error, self.scratch)
    }

    /// Notes a check of a guarantee. `failures` is 0 if it passed.
    pub(crate) fn check(&mut self, guarantee: Guarantee, failures: u64, notes: Vec<String>) {
        let excused = failures > 0 && self.is_excused(guarantee);
        let phase = self.phase;
        let Some(finding) = self
            .findings
            .iter_mut()
            .find(|it| it.guarantee == guarantee)
        else {
            return;
        };
        finding.checks += 1;
        finding.failures += failures;
        finding.verdict = match (failures, finding.verdict) {
            (0, Verdict::NotAsked) => Verdict::Held,
            (0, verdict) => verdict,
            (_, Verdict::Broken) => Verdict::Broken,
            _ if excused => Verdict::BestEffort,
            _ => Verdict::Broken,
        };
        for note in notes {
            if finding.notes.len() < 8 {
                finding.notes.push(format!("{phase}: {note}"));
            }
        }
    }

    /// Whether GUARANTEES.md promises best effort only of this guarantee here.
    fn is_excused(&self, guarantee: Guarantee) -> bool {
        match guarantee {
            Guarantee::Identity => self.is_polled,
            Guarantee::Barrier => is_wine(),
            _ => false,
        }
    }

    /// Says why a guarantee is not asked about.
    pub(crate) fn skip(&mut self, what: impl Into<String>) {
        self.skipped.push(what.into());
    }

    /// Passes the barrier, and gives the judge what is in the feed then.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        let (done, is_done) = mpsc::channel();
        let watcher = Arc::clone(&self.watcher);
        std::thread::spawn(move || done.send(watcher.sync()));
        let deadline = Instant::now() + LONGEST_BARRIER;
        loop {
            match is_done.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => {
                    result?;
                    break;
                }
                Err(_) if Instant::now() < deadline => self.pulse()?,
                Err(_) => {
                    let note = "sync() did not return within a minute".to_owned();
                    self.check(Guarantee::Barrier, 1, vec![note]);
                    break;
                }
            }
        }
        self.drain()
    }

    /// Gives the judge what is in the feed.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        while let Some(event) = self.feed.try_next()? {
            self.judge.take(&event);
        }
        Ok(())
    }

    /// Ends a phase: passes the barrier, compares, and begins anew with what is on disk. Differences of the tree
    /// count for `about`, and those that go away without another change for the barrier.
    pub(crate) fn compare(&mut self, about: Guarantee, facts: &Facts) -> Result<(), Error> {
        self.sync()?;
        let disk = self.walk()?;
        let first = self.judge.compare(&disk, facts);
        let mut last = first.clone();
        let deadline = Instant::now() + LATENESS;
        while last.of_tree() + last.wrong_moves > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
            self.pulse()?;
            self.drain()?;
            last = self.judge.compare(&disk, facts);
        }
        self.judge.begin(&disk);
        self.conclude(about, facts, &first, &last);
        Ok(())
    }

    /// Notes what the comparisons right behind the barrier and some time later found.
    fn conclude(&mut self, about: Guarantee, facts: &Facts, first: &Comparison, last: &Comparison) {
        let late = first.of_tree().saturating_sub(last.of_tree());
        self.figures.missing += last.missing;
        self.figures.ghosts += last.ghosts;
        self.figures.wrong_kinds += last.wrong_kinds;
        self.figures.unreported_writes += last.unreported;
        self.figures.wrong_moves += last.wrong_moves;
        self.figures.late += late;
        let notes_of = |failures: u64, comparison: &Comparison| match failures {
            0 => Vec::new(),
            _ => comparison.notes.clone(),
        };
        for (guarantee, failures) in last.charges(about) {
            let is_asked = guarantee != Guarantee::Identity || facts.moves.is_some();
            if is_asked || failures > 0 {
                self.check(guarantee, failures, notes_of(failures, last));
            }
        }
        self.check(Guarantee::Barrier, late, notes_of(late, first));
    }

    /// The disk as it is.
    pub(crate) fn walk(&self) -> Result<Disk, Error> {
        Disk::walk(&self.roots).map_err(|error| self.refused(&error))
    }

    /// Everything is live in the end, or has a reason why not.
    fn check_coverage(&mut self) -> Result<(), Error> {
        self.phase("coverage")?;
        let parts = self.watcher.coverage()?;
        let mut notes = Vec::new();
        for part in &parts {
            let is_right = match part.state {
                CoverageState::Live => !self.is_polled,
                CoverageState::Polled => self.is_polled || part.gap == Some(Gap::WatchLimit),
                _ => false,
            };
            if !is_right {
                notes.push(part.to_string());
            }
            if let Some(gap) = part.gap {
                let line = format!("{part}; {}", gap.remedy());
                self.skipped.push(line);
            }
        }
        self.check(Guarantee::Coverage, notes.len() as u64, notes);
        Ok(())
    }

    /// Closes the watcher in bounded time, after which the feed has ended.
    fn stop(&mut self) -> Result<(), Error> {
        self.phase("close")?;
        self.writer
            .write(&self.roots[0].join("last"))
            .map_err(|error| writing(&error, self.scratch))?;
        let (done, is_done) = mpsc::channel();
        let watcher = Arc::clone(&self.watcher);
        std::thread::spawn(move || {
            watcher.close();
            done.send(())
        });
        let has_ended = is_done.recv_timeout(Duration::from_secs(10)).is_ok();
        let mut notes = Vec::new();
        if !has_ended {
            notes.push("close() did not return within ten seconds".to_owned());
        } else if self.feed.try_next().is_ok() {
            notes.push("the feed goes on after close()".to_owned());
        }
        self.check(Guarantee::Stop, notes.len() as u64, notes);
        Ok(())
    }
}

/// Whether this is Wine, which gets its records by way of another process.
pub(crate) fn is_wine() -> bool {
    cfg!(windows) && Path::new(r"C:\windows\system32\winecfg.exe").exists()
}
