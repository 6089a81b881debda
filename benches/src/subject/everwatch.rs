//! Everwatch through its library, with the default options.

use std::path::Path;
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use everwatch::{Event, ResyncPhase, Watcher};

use super::{Intake, Reported, Subject, Taken};
use crate::replica::Step;

pub(super) struct Everwatch {
    watcher: Watcher,
    consumer: JoinHandle<Taken<Event>>,
}

impl Everwatch {
    pub(super) fn arm(root: &Path, intake: Intake) -> Result<Everwatch> {
        let watcher = Watcher::new()?;
        let feed = watcher.feed()?;
        let consumer = std::thread::spawn(move || {
            let mut taken = Taken::new(intake);
            for event in feed {
                taken.take(event);
            }
            taken
        });
        watcher.watch(root)?;
        Ok(Everwatch { watcher, consumer })
    }
}

impl Subject for Everwatch {
    fn finish(self: Box<Self>) -> Result<Reported> {
        let Everwatch { watcher, consumer } = *self;
        watcher.finish();
        let taken = consumer
            .join()
            .map_err(|_| anyhow!("the consumer panicked"))?;
        let mut reported = Reported {
            events: taken.count,
            ..Reported::default()
        };
        let mut steps = Vec::new();
        for (arrived, event) in taken.kept {
            match event {
                Event::Change(change) => {
                    reported.arrivals.push((arrived, change.path.clone()));
                    steps.push(Step::Change(change));
                }
                Event::Resync(resync) if resync.phase == ResyncPhase::End => {
                    reported.repairs.push(arrived)
                }
                Event::Resync(_) => reported.losses += 1,
                _ => {}
            }
        }
        reported.steps = Some(steps);
        Ok(reported)
    }
}
