//! Everwatch through its library, with the default options.

use std::path::Path;
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use everwatch::{Event, ResyncPhase, Watcher};

use super::{Intake, Subject, Taken, Told};
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
    fn finish(self: Box<Self>) -> Result<Told> {
        let Everwatch { watcher, consumer } = *self;
        watcher.finish();
        let taken = consumer
            .join()
            .map_err(|_| anyhow!("the consumer panicked"))?;
        let mut told = Told {
            events: taken.count,
            ..Told::default()
        };
        let mut steps = Vec::new();
        for (arrived, event) in taken.kept {
            match event {
                Event::Change(change) => {
                    told.arrivals.push((arrived, change.path.clone()));
                    steps.push(Step::Change(change));
                }
                Event::Resync(resync) if resync.phase == ResyncPhase::End => {
                    told.repairs.push(arrived)
                }
                Event::Resync(_) => told.losses += 1,
                _ => {}
            }
        }
        told.steps = Some(steps);
        Ok(told)
    }
}
