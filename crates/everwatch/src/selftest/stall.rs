//! Stalls: a reader that does not read, and an engine that is held so that the kernel loses records.

use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::error::Error;

use super::judge::{Facts, Judge};
use super::outcome::Guarantee;
use super::run::Run;
use super::writing;

/// Events that the feed of the slow reader holds.
const NARROW: usize = 64;

/// The longest queue of inotify that a run fills.
const LONGEST_QUEUE: usize = 200_000;

/// Events that fill the buffers of reads on Windows: 64 KiB, and those of the engine's own queue.
const WINDOWS_QUEUE: usize = 20_000;

/// Holds the thread that wakes it, which is the engine's, until the run lets it go.
struct Brake {
    is_held: mpsc::SyncSender<()>,
    release: Mutex<mpsc::Receiver<()>>,
}

impl Wake for Brake {
    fn wake(self: Arc<Brake>) {
        // Once: after the release its sender is gone, and nothing waits.
        if self.is_held.try_send(()).is_ok()
            && let Ok(release) = self.release.lock()
        {
            let _ = release.recv_timeout(Duration::from_secs(120));
        }
    }
}

impl Run<'_> {
    /// A reader that does not read during a churn gets the difference, and holds up neither barriers nor others.
    pub(crate) fn slow_reader(&mut self) -> Result<(), Error> {
        self.phase("a slow reader")?;
        let root = self.roots[0].join("slow");
        self.writer
            .make_dir(&root.join("kept"))
            .map_err(|error| writing(&error, self.scratch))?;
        let watcher = self.options.clone().capacity(NARROW).build()?;
        watcher.watch(&root)?;
        let mut feed = watcher.feed()?;
        let roots = [root.clone()];
        let disk = super::disk::Disk::walk(&roots).map_err(|error| self.refused(&error))?;
        let mut judge = Judge::of(&roots, &disk);
        for round in 0..(self.size / 20).max(200) {
            let file = root.join(format!("f{}", round % 10));
            let mut result = self.writer.write(&file);
            if round % 3 == 2 {
                let target = root.join(format!("g{}", round % 7));
                result = result.and_then(|()| self.writer.rename(&file, &target));
            }
            result.map_err(|error| writing(&error, self.scratch))?;
            if round % 200 == 0 {
                self.pulse()?;
            }
        }
        watcher.sync()?;
        if super::run::is_wine() {
            std::thread::sleep(Duration::from_secs(1));
        }
        while let Some(event) = feed.try_next()? {
            judge.take(&event);
        }
        let disk = super::disk::Disk::walk(&roots).map_err(|error| self.refused(&error))?;
        let found = judge.compare(&disk, &Facts::default());
        self.figures.events += judge.events;
        // A backlog, and then at most a removal, a creation and a modification for each name there ever was.
        let most = (NARROW + 4 * 18) as u64;
        let mut notes = found.notes.clone();
        if judge.events > most {
            notes.push(format!(
                "{} events were kept for a reader that did not read",
                judge.events
            ));
        }
        let failures = found.of_tree() + u64::from(judge.events > most);
        self.check(Guarantee::Bounded, failures, notes);
        self.compare(Guarantee::Convergence, &Facts::default())
    }

    /// Holds the engine while more happens than the kernel's queue takes.
    pub(crate) fn overflow(&mut self) -> Result<(), Error> {
        self.phase("lost records")?;
        if self.is_polled {
            self.skip("lost records: a polled tree has none");
            return Ok(());
        }
        let Some(burst) = queue_length() else {
            self.skip("lost records: the kernel's queue is too long to be filled");
            return Ok(());
        };
        let place = self.roots[0].join("overflow");
        let untouched = place.join("untouched");
        for number in 0..100 {
            let directory = untouched.join(format!("d{}", number % 10));
            let result = self.writer.make_dir(&directory);
            let result =
                result.and_then(|()| self.writer.write(&directory.join(format!("f{number}"))));
            result.map_err(|error| writing(&error, self.scratch))?;
        }
        self.compare(Guarantee::Convergence, &Facts::default())?;
        let before = self.watcher.counters().overflows;
        let (is_held, held) = mpsc::sync_channel(1);
        let (let_go, release) = mpsc::channel();
        let brake = Arc::new(Brake {
            is_held,
            release: Mutex::new(release),
        });
        let mut trigger = self.watcher.feed()?;
        {
            // Nothing happens in the tree now, so the future waits, and the next change wakes it.
            let waker = Waker::from(Arc::clone(&brake));
            let mut next = pin!(trigger.next_async());
            let _ = next.as_mut().poll(&mut Context::from_waker(&waker));
            self.writer
                .write(&place.join("trigger"))
                .map_err(|error| writing(&error, self.scratch))?;
            if held.recv_timeout(Duration::from_secs(10)).is_err() {
                self.skip("lost records: the engine could not be held");
            }
            for number in 0..300 {
                let file = place.join(format!("b{number}"));
                self.writer
                    .write(&file)
                    .map_err(|error| writing(&error, self.scratch))?;
            }
            // Renames, each of which has two records: they cost no file system a write to its disk.
            for number in 0..burst / 2 {
                let names = ["b", "c"].map(|name| place.join(format!("{name}{}", number % 300)));
                let back = number / 300 % 2;
                self.writer
                    .rename(&names[back], &names[1 - back])
                    .map_err(|error| writing(&error, self.scratch))?;
                if number % 200 == 0 {
                    self.pulse()?;
                }
            }
            for number in 0..50 {
                let result = self.writer.append(&untouched.with_file_name("trigger"));
                let file = place.join(format!("n{number}"));
                let result = result.and_then(|()| self.writer.write(&file));
                result.map_err(|error| writing(&error, self.scratch))?;
            }
            drop(let_go);
        }
        drop(trigger);
        self.sync()?;
        let has_overflowed = self.watcher.counters().overflows > before;
        if !has_overflowed {
            self.skip("lost records: the system's queue took all of them");
        }
        let facts = Facts {
            untouched: has_overflowed.then_some(untouched),
            has_overflowed,
            moves: None,
        };
        let about = match has_overflowed {
            true => Guarantee::Overflow,
            false => Guarantee::Convergence,
        };
        self.compare(about, &facts)
    }
}

/// The number of records that the queue of the system does not take.
fn queue_length() -> Option<usize> {
    if cfg!(windows) {
        return Some(WINDOWS_QUEUE);
    }
    let text = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").ok()?;
    let length: usize = text.trim().parse().ok()?;
    (length <= LONGEST_QUEUE).then_some(length + 1000)
}
