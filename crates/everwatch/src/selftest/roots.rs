//! Roots that are removed and return.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::CoverageState;
use crate::error::Error;

use super::judge::Facts;
use super::outcome::Guarantee;
use super::run::Run;
use super::writing;

/// The longest that a root may take to be watched again: the engine looks for it once a second.
const RETURN: Duration = Duration::from_secs(20);

impl Run<'_> {
    /// A root is removed and made again, then renamed away and back; each time it is lost, and then live again.
    pub(crate) fn roots_that_return(&mut self) -> Result<(), Error> {
        self.phase("roots that go and return")?;
        let root = self.roots[1].clone();
        for round in 0..4 {
            self.pulse()?;
            let away = self.scratch.join("away");
            let is_renamed = round % 2 == 1;
            if !is_renamed && super::run::is_wine() {
                self.skip(
                    "a root that is removed: Wine keeps the name of a directory that is open",
                );
                continue;
            }
            let gone = match is_renamed {
                true => self.writer.rename(&root, &away),
                false => self.writer.remove_tree(&root),
            };
            if let Err(error) = gone {
                // Windows does not always let an open directory be renamed.
                self.skip(format!("a root that goes: {error}"));
                continue;
            }
            self.await_state(&root, round, CoverageState::Lost)?;
            let back = match is_renamed {
                true => self.writer.rename(&away, &root),
                false => self.writer.make_dir(&root),
            };
            let result = back.and_then(|()| self.writer.write(&root.join(format!("back{round}"))));
            result.map_err(|error| writing(&error, self.scratch))?;
            let state = match self.is_polled {
                true => CoverageState::Polled,
                false => CoverageState::Live,
            };
            self.await_state(&root, round, state)?;
            self.compare(Guarantee::Coverage, &Facts::default())?;
        }
        Ok(())
    }

    /// Waits until the root is covered in this way, and notes if it never is.
    fn await_state(
        &mut self,
        root: &Path,
        round: usize,
        state: CoverageState,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + RETURN;
        loop {
            let parts = self.watcher.coverage()?;
            let now = parts.iter().find(|part| part.path == root);
            if now.is_some_and(|part| part.state == state) {
                self.check(Guarantee::Coverage, 0, Vec::new());
                return Ok(());
            }
            if Instant::now() > deadline {
                let note = format!("in round {round} a root did not become {}", state.as_str());
                self.check(Guarantee::Coverage, 1, vec![note]);
                return Ok(());
            }
            self.drain()?;
            self.pulse()?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
