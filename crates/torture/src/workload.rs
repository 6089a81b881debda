//! Workloads: random operations that a seed determines, by several writers, at full speed or paced.
//!
//! Each writer has a generator of its own, so what it tries depends on the seed alone; what succeeds
//! depends on the other writers, which work on the same names. An operation that fails because another
//! writer was faster is not counted.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use everwatch_testing::random::Random;

use crate::names::Names;
use crate::writer::{Peculiar, Writer};

/// The sort of operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Creations in one directory.
    Burst,
    /// `mkdir -p` chains with a leaf.
    Deep,
    /// Operations of all sorts on the same names.
    Mix,
    /// Files and whole directories renamed, swapped, exchanged, moved away and back.
    RenameStorm,
    /// Temporary files that come and go, logs that are rotated.
    Churn,
}

impl Plan {
    /// All of them.
    pub const ALL: [Plan; 5] = [
        Plan::Burst,
        Plan::Deep,
        Plan::Mix,
        Plan::RenameStorm,
        Plan::Churn,
    ];

    /// The word for it in a description of a run.
    pub fn name(self) -> &'static str {
        match self {
            Plan::Burst => "burst",
            Plan::Deep => "deep",
            Plan::Mix => "mix",
            Plan::RenameStorm => "rename-storm",
            Plan::Churn => "churn",
        }
    }
}

/// A workload that is determined by its fields.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The sort of operations.
    pub plan: Plan,
    /// The names of entries.
    pub names: Names,
    /// Determines what each writer tries.
    pub seed: u64,
    /// Successful operations of all writers together.
    pub operations: usize,
    /// Threads that write.
    pub writers: usize,
    /// Operations of all writers per second; `None` means full speed.
    pub pace: Option<u32>,
    /// Whether operations that Windows lacks are left out.
    pub is_portable: bool,
}

/// Attempts per operation that shall succeed, on average, before a writer gives up.
const FAILURES: usize = 50;

impl Workload {
    /// Runs the workload in the given directories. Returns the number of operations that succeeded.
    pub fn run(&self, roots: &[PathBuf]) -> usize {
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..self.writers)
                .map(|number| scope.spawn(move || self.write(number, roots)))
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().expect("a writer"))
                .sum()
        })
    }

    /// Runs the share of one writer.
    fn write(&self, number: usize, roots: &[PathBuf]) -> usize {
        let seed = self.seed.wrapping_mul(0x0100_0000_01b3) ^ number as u64;
        let mut writer = Writer::new(Random::new(seed), self.names, number, roots);
        let share =
            self.operations / self.writers + usize::from(number < self.operations % self.writers);
        let began = Instant::now();
        let mut done = 0;
        for _ in 0..share.saturating_mul(FAILURES) {
            if done == share {
                break;
            }
            if let Some(pace) = self.pace {
                let due = Duration::from_secs_f64((done * self.writers) as f64 / f64::from(pace));
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
            done += usize::from(self.operate(&mut writer).is_ok());
        }
        done
    }

    /// Tries an operation that only Unix has.
    fn peculiar(&self, writer: &mut Writer<'_>, operation: Peculiar) -> io::Result<()> {
        if self.is_portable {
            return Err(io::ErrorKind::Unsupported.into());
        }
        writer.peculiar(operation)
    }

    /// Tries one operation.
    fn operate(&self, writer: &mut Writer<'_>) -> io::Result<()> {
        let choice = writer.random.below(100);
        match self.plan {
            Plan::Burst => writer.create_next(),
            Plan::Deep => writer.make_chain(),
            Plan::Mix => match choice {
                0..=19 => writer.create(),
                20..=27 => writer.make_dir(),
                28..=32 => writer.make_nested(),
                33..=40 => writer.rename_file(),
                41..=50 => writer.rename_dir(),
                51..=58 => writer.replace(),
                59..=62 => self.peculiar(writer, Peculiar::HardLink),
                63..=66 => self.peculiar(writer, Peculiar::Symlink),
                67..=69 => self.peculiar(writer, Peculiar::SwapSymlink),
                70..=71 => self.peculiar(writer, Peculiar::Exchange),
                72..=81 => writer.delete(),
                82..=84 => writer.delete_all(),
                85..=86 => writer.become_file(),
                87..=88 => writer.become_dir(),
                89..=90 => writer.write_more(),
                91..=92 => self.peculiar(writer, Peculiar::ChangeMode),
                93..=94 => self.peculiar(writer, Peculiar::Pipe),
                _ => writer.discover(),
            },
            Plan::RenameStorm => match choice {
                _ if writer.is_poor() => writer.make_population(),
                0..=39 => writer.rename_dir(),
                40..=64 => writer.rename_file(),
                65..=74 => self.peculiar(writer, Peculiar::Exchange),
                75..=84 => writer.swap(),
                85..=89 => writer.away_and_back(),
                90..=94 => writer.become_populated(),
                _ => writer.discover(),
            },
            Plan::Churn => match choice {
                0..=34 => writer.temporary_file(),
                35..=59 => writer.replace(),
                60..=79 => writer.rotate(),
                80..=89 => writer.temporary_dir(),
                90..=94 => self.peculiar(writer, Peculiar::SwapSymlink),
                _ => writer.write_more(),
            },
        }
    }
}
