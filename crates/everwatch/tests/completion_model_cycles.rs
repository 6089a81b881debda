//! What watchers of each completion model hold, and that they hold nothing when they are closed.
//!
//! One test alone in its binary: it counts what the whole process holds. EVERWATCH_MODEL has it test one
//! model; `isolated` is tested in this way only, because it starts processes, and EVERWATCH_WORKER is
//! the command that they run.

#[path = "it/support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use everwatch::{CompletionModel, Watcher};
use support::completion_models::{MODELS, most_roots, options};
use support::held::{Held, held, resident_kibibytes};
use support::{capabilities, changes, eventually, synced, temp};

/// Before anything is compared.
const WARM_UP: usize = 250;

/// After so many rounds it is said how it goes.
const LEG: usize = 1_000;

/// More with EVERWATCH_SOAK=1: the full count takes longer than a test should.
fn rounds() -> usize {
    let is_soak = std::env::var_os("EVERWATCH_SOAK").is_some();
    match is_soak {
        true => 10_000,
        // A start and a stop take some 20 ms there.
        false if capabilities::calls_are_slow() => 250,
        false => 1_000,
    }
}

fn models() -> Vec<CompletionModel> {
    let Some(chosen) = std::env::var_os("EVERWATCH_MODEL") else {
        return MODELS.to_vec();
    };
    let all = [MODELS, &[CompletionModel::Isolated]].concat();
    let is_chosen = |model: &CompletionModel| chosen == model.as_str();
    let models: Vec<CompletionModel> = all.into_iter().filter(is_chosen).collect();
    assert!(!models.is_empty(), "there is no model {chosen:?} here");
    models
}

fn watcher(model: CompletionModel) -> Watcher {
    let mut options = options(model);
    if let Some(worker) = std::env::var_os("EVERWATCH_WORKER") {
        options = options.worker(worker);
    }
    options.build().expect("a watcher")
}

fn start_and_stop(model: CompletionModel, root: &Path) {
    let watcher = watcher(model);
    watcher.watch(root).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    fs::write(root.join("f"), "x").expect("written");
    assert!(feed.next().is_some());
    watcher.close();
}

/// Watches all `roots` at once, and sees a change in each.
fn watch_all(model: CompletionModel, roots: &[PathBuf], threads_before: usize) {
    let watcher = watcher(model);
    for root in roots {
        watcher.watch(root).expect("watched");
    }
    let threads = held().threads - threads_before;
    let expected = match model {
        CompletionModel::Blocking if cfg!(windows) => 1 + roots.len(),
        CompletionModel::Event if cfg!(windows) => 1 + roots.len().div_ceil(63),
        _ => 2,
    };
    // Under Wine, a thread of the system's own may come with the first of these.
    assert!(threads <= expected + 2, "{model:?}: {threads} threads");
    let mut feed = watcher.feed().expect("a feed");
    for root in roots {
        fs::write(root.join("f"), "x").expect("written");
    }
    let events = synced(&watcher, &mut feed);
    let unseen = |root: &&PathBuf| !changes(&events).any(|change| change.path == root.join("f"));
    assert_eq!(roots.iter().filter(unseen).count(), 0, "{model:?}");
    watcher.close();
}

/// Waits until no more is held than before; the last thread may still be on its way out.
fn assert_is_back(what: &str, before: Held) {
    eventually(
        &format!("{what}: {before:?} again, not {:?}", held()),
        || held().is_within(before),
    );
}

// requirement: S1.16, S0.2, S0 bug b (linux)
#[test]
fn handles_threads_and_memory_are_back_after_many_starts_and_stops() {
    let (dir, many) = (temp(), temp());
    let roots: Vec<PathBuf> = (0..500)
        .map(|at| many.path().join(at.to_string()))
        .collect();
    for root in &roots {
        fs::create_dir(root).expect("a directory");
    }
    for model in models() {
        start_and_stop(model, dir.path());
        let before = held();
        for _ in 0..WARM_UP {
            start_and_stop(model, dir.path());
        }
        let warm = resident_kibibytes();
        let begin = Instant::now();
        for round in 1..=rounds() {
            start_and_stop(model, dir.path());
            if round % LEG == 0 {
                let (held, memory, time) = (held(), resident_kibibytes(), begin.elapsed());
                println!("{model:?}: {round} cycles in {time:.1?}, {held:?}, {memory} KiB");
            }
        }
        assert_is_back(&format!("{model:?}, started and stopped"), before);
        let grown = resident_kibibytes().saturating_sub(warm);
        assert!(grown < 1024, "{model:?}: {grown} KiB more");
        println!("{model:?}: {warm} KiB before the cycles and {grown} KiB more after");

        let roots = &roots[..most_roots(model)];
        watch_all(model, roots, before.threads);
        let warm = resident_kibibytes();
        for _ in 0..4 {
            watch_all(model, roots, before.threads);
        }
        assert_is_back(&format!("{model:?}, with many roots"), before);
        let grown = resident_kibibytes().saturating_sub(warm);
        let most = match capabilities::gives_memory_of_many_reads_back() {
            true => 2048,
            false => 4 * 8 * roots.len() as u64,
        };
        assert!(grown < most, "{model:?}, with many roots: {grown} KiB more");
        println!("{model:?}: {warm} KiB after many roots, and {grown} KiB more at the end");
        println!(
            "{model:?}: {} cycles and 5 times {} roots; {:?} before and {:?} after",
            rounds() + WARM_UP,
            roots.len(),
            before,
            held()
        );
    }
}
