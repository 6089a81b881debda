//! Workloads: trees to watch, and changes at full speed.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use everwatch_testing::random::Random;

use crate::mix;

/// The scale of a run: all of it, or a twentieth to try the bench itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scale {
    /// Whether it is a twentieth.
    pub(crate) quick: bool,
}

impl Scale {
    /// The share of `count`.
    pub(crate) fn of(self, count: usize) -> usize {
        if self.quick { count / 20 } else { count }
    }
}

/// Makes 30,000 directories of five files each, in 1,010 further directories on two levels.
pub(crate) fn large_tree(root: &Path, scale: Scale) -> Result<()> {
    for package in 0..scale.of(1_000) {
        for module in 0..30 {
            let dir = format!("area_{}/package_{:02}", package / 100, package % 100);
            let dir = root.join(dir).join(format!("module_{module:02}"));
            fs::create_dir_all(&dir)?;
            for file in 0..5 {
                File::create(dir.join(format!("source_{file}.rs")))?;
            }
        }
    }
    Ok(())
}

/// Makes ten directories of ten files each.
pub(crate) fn small_tree(root: &Path) -> Result<()> {
    for dir in 0..10 {
        let dir = root.join(format!("directory-{dir}"));
        fs::create_dir(&dir)?;
        for file in 0..10 {
            File::create(dir.join(format!("file-{file}")))?;
        }
    }
    Ok(())
}

/// A workload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Work {
    /// Creations in one directory.
    Burst,
    /// Chains of directories with a file at the end, each made at once.
    Deep,
    /// Random operations of all sorts.
    Mix,
    /// Small writes to one file.
    Append,
}

/// A workload that is prepared, to run at full speed.
pub(crate) type Ready = Box<dyn FnOnce() -> Result<()>>;

impl Work {
    /// Makes the entries that must exist before a subject is armed, and plans the rest. `round` is the seed.
    pub(crate) fn prepare(self, root: &Path, scale: Scale, round: u64) -> Result<Ready> {
        let root = root.to_owned();
        Ok(match self {
            Work::Burst => Box::new(move || {
                for at in 0..scale.of(50_000) {
                    File::create(root.join(format!("file-{at:05}")))?;
                }
                Ok(())
            }),
            Work::Deep => {
                let mut random = Random::new(round);
                let depths: Vec<_> = (0..scale.of(20_000)).map(|_| random.below(8)).collect();
                Box::new(move || {
                    depths
                        .iter()
                        .enumerate()
                        .try_for_each(|(at, &depth)| make_chain(&root, at, depth))
                })
            }
            Work::Mix => {
                let operations = mix::plan(&root, scale.of(20_000), round);
                Box::new(move || operations.iter().try_for_each(mix::Operation::run))
            }
            Work::Append => {
                let mut log = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(root.join("log"))?;
                Box::new(move || {
                    for _ in 0..scale.of(1_000_000) {
                        log.write_all(b"sixteen bytes..\n")?;
                    }
                    Ok(())
                })
            }
        })
    }
}

/// Makes a chain of directories with a file in the innermost.
fn make_chain(root: &Path, at: usize, depth: usize) -> Result<()> {
    let mut dir = root.join(format!("chain-{at:05}"));
    fs::create_dir(&dir)?;
    for level in 0..depth {
        dir.push(format!("level-{level}"));
        fs::create_dir(&dir)?;
    }
    File::create(dir.join("leaf"))?;
    Ok(())
}

/// Number of records that the queue of a new inotify instance holds.
pub(crate) fn queue_length() -> Result<usize> {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")?;
    Ok(limit.trim().parse()?)
}

/// Writes to two files alternately until a queue of this length has overflowed, if it is not read.
pub(crate) fn overflow(root: &Path, queue_length: usize) -> Result<()> {
    let open = |name| {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(root.join(name))
    };
    let mut files = [open("overflow-a")?, open("overflow-b")?];
    for at in 0..queue_length + 1000 {
        files[at % 2].write_all(b".")?;
    }
    Ok(())
}
