//! The log. A program of its own, because a process has one subscriber.

#[path = "it/support/mod.rs"]
mod support;

use std::fmt::Write;
use std::fs;
use std::sync::{Arc, Mutex};

use everwatch::{Backend, Options, Watcher};
use support::{eventually, temp, writers};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps each event as a line: level, message and fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "everwatch"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("whole").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.expect("a string takes everything");
    }
}

impl Lines {
    fn has(&self, words: &[&str]) -> bool {
        let lines = self.0.lock().expect("whole");
        lines
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)))
    }
}

#[test]
fn roots_coverage_and_comparisons_are_logged_without_a_feed() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("the only subscriber");
    let dir = temp();
    let (root, away) = (dir.path().join("root"), dir.path().join("away"));
    fs::create_dir(&root).expect("a directory");
    let watcher = Watcher::new().expect("a watcher");
    let watched = watcher.watch(&root).expect("watched");
    assert!(lines.has(&["DEBUG root added", "root"]));

    writers::rename(&root, &away).expect("moved");
    eventually("the root is lost", || {
        lines.has(&["WARN coverage", "state=\"lost\"", "gap=\"root-gone\""])
    });
    writers::rename(&away, &root).expect("moved back");
    eventually("the root is live again", || {
        lines.has(&["INFO coverage", "state=\"live\""])
    });
    assert!(lines.has(&["INFO resync begins", "reason=\"root-returned\""]));
    eventually("the resync is over", || {
        lines.has(&["DEBUG resync ends", "reason=\"root-returned\""])
    });
    watcher.unwatch(watched).expect("unwatched");
    assert!(lines.has(&["DEBUG root removed"]));

    let polling = Options::new().backend(Backend::Poll).build();
    let polling = polling.expect("a watcher");
    polling.watch(&root).expect("watched");
    // The thread reports the coverage after the root is armed.
    eventually("the root is polled, as the caller chose", || {
        lines.has(&["INFO coverage", "state=\"polled\""])
    });
}
