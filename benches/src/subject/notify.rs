//! notify 8 and 9, used as in their documentation: events go into a channel of the standard library and are
//! taken from there. Both versions share the event type.

use std::collections::HashSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use notify_types::event::{Event, EventKind, ModifyKind, RenameMode};

use super::{Intake, Reported, Subject, Taken};
use crate::replica::Step;

/// notify with a thread that takes the events. `W` is the watcher of either version.
pub(super) struct Channelled<W> {
    watcher: W,
    consumer: JoinHandle<Taken<Event>>,
}

pub(super) fn arm_8(
    root: &Path,
    intake: Intake,
) -> Result<Channelled<notify8::RecommendedWatcher>> {
    use notify8::Watcher as _;
    let (sender, receiver) = channel();
    let mut watcher = notify8::recommended_watcher(sender)?;
    let consumer = std::thread::spawn(move || consume(&receiver, intake));
    watcher.watch(root, notify8::RecursiveMode::Recursive)?;
    Ok(Channelled { watcher, consumer })
}

pub(super) fn arm_9(
    root: &Path,
    intake: Intake,
) -> Result<Channelled<notify9::RecommendedWatcher>> {
    use notify9::Watcher as _;
    let (sender, receiver) = channel();
    let mut watcher = notify9::recommended_watcher(sender)?;
    let consumer = std::thread::spawn(move || consume(&receiver, intake));
    watcher.watch(root, notify9::RecursiveMode::Recursive)?;
    Ok(Channelled { watcher, consumer })
}

#[cfg(target_os = "linux")]
pub(super) fn cycle_8(root: &Path) -> Result<()> {
    use notify8::Watcher as _;
    let (sender, _receiver) = channel();
    let mut watcher = notify8::recommended_watcher(sender)?;
    watcher.watch(root, notify8::RecursiveMode::Recursive)?;
    Ok(())
}

#[cfg(target_os = "linux")]
pub(super) fn cycle_9(root: &Path) -> Result<()> {
    use notify9::Watcher as _;
    let (sender, _receiver) = channel();
    let mut watcher = notify9::recommended_watcher(sender)?;
    watcher.watch(root, notify9::RecursiveMode::Recursive)?;
    Ok(())
}

/// Takes events until the watcher is dropped. An error counts as an event that does nothing to the tree.
fn consume<E>(receiver: &Receiver<Result<Event, E>>, intake: Intake) -> Taken<Event> {
    let mut taken = Taken::new(intake);
    for event in receiver {
        match event {
            Ok(event) => taken.take(event),
            Err(_) => taken.count += 1,
        }
    }
    taken
}

impl<W> Subject for Channelled<W> {
    fn finish(self: Box<Self>) -> Result<Reported> {
        let Channelled { watcher, consumer } = *self;
        drop(watcher);
        let taken = consumer
            .join()
            .map_err(|_| anyhow!("the consumer panicked"))?;
        Ok(reported(taken))
    }
}

/// notify 8 with a closure that takes the events on its own thread.
pub(super) struct Handled {
    watcher: notify8::RecommendedWatcher,
    taken: Arc<Mutex<Taken<Event>>>,
}

pub(super) fn arm_8_handler(root: &Path, intake: Intake) -> Result<Handled> {
    use notify8::Watcher as _;
    let taken = Arc::new(Mutex::new(Taken::new(intake)));
    let shared = Arc::clone(&taken);
    let mut watcher = notify8::recommended_watcher(move |event: notify8::Result<Event>| {
        if let Ok(event) = event {
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(event);
        }
    })?;
    watcher.watch(root, notify8::RecursiveMode::Recursive)?;
    Ok(Handled { watcher, taken })
}

impl Subject for Handled {
    fn finish(self: Box<Self>) -> Result<Reported> {
        let Handled { watcher, taken } = *self;
        drop(watcher);
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(reported(std::mem::replace(
            &mut taken,
            Taken::new(Intake::Count),
        )))
    }
}

/// Interprets the events in favour of notify: halves of a rename that is also reported as a whole are
/// skipped, because the first half would drop everything below a renamed directory.
fn reported(taken: Taken<Event>) -> Reported {
    let wholes: HashSet<usize> = taken
        .kept
        .iter()
        .filter(|(_, event)| is_rename(event, RenameMode::Both))
        .filter_map(|(_, event)| event.tracker())
        .collect();
    let mut reported = Reported {
        events: taken.count,
        ..Reported::default()
    };
    let mut steps = Vec::new();
    // On Windows, halves have no tracker; those of one rename are consecutive.
    let mut half = None;
    for (arrived, event) in taken.kept {
        reported.losses += u64::from(event.need_rescan());
        reported
            .arrivals
            .extend(event.paths.iter().map(|path| (arrived, path.clone())));
        let is_half = is_rename(&event, RenameMode::From) || is_rename(&event, RenameMode::To);
        if is_half
            && event
                .tracker()
                .is_some_and(|tracker| wholes.contains(&tracker))
        {
            continue;
        }
        let is_gone = is_rename(&event, RenameMode::From);
        if let (Some(from), true, [to]) = (
            half.take(),
            is_rename(&event, RenameMode::To) && event.tracker().is_none(),
            &event.paths[..],
        ) {
            steps.pop();
            steps.push(Step::Moved {
                from,
                to: to.clone(),
            });
            continue;
        }
        if is_gone && event.tracker().is_none() {
            half = event.paths.first().cloned();
        }
        match (event.kind, <[_; 2]>::try_from(event.paths)) {
            (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), Ok([from, to])) => {
                steps.push(Step::Moved { from, to });
            }
            (EventKind::Access(_), _) | (_, Ok(_)) => {}
            (EventKind::Remove(_), Err(paths)) => steps.extend(paths.into_iter().map(Step::Gone)),
            (_, Err(paths)) if is_gone => steps.extend(paths.into_iter().map(Step::Gone)),
            (_, Err(paths)) => steps.extend(paths.into_iter().map(Step::Exists)),
        }
    }
    reported.steps = Some(steps);
    reported
}

fn is_rename(event: &Event, mode: RenameMode) -> bool {
    event.kind == EventKind::Modify(ModifyKind::Name(mode))
}
