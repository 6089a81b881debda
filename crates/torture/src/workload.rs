//! Workloads: random operations that a seed determines, by several writers, at full speed or paced.
//!
//! Each writer has its own generator, so what it wants to do depends on the seed alone; what comes
//! of it depends on the others, who work on the same names. Operations that fail because another
//! writer was faster are not counted.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::names::Names;
use crate::random::Random;
use crate::writer::{Peculiar, Writer};

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Creations in one directory.
    Burst,
    /// `mkdir -p` chains with a leaf.
    Deep,
    /// Everything there is, in each other's way.
    Mix,
    /// Files and whole directories renamed, swapped, exchanged, moved away and back.
    RenameStorm,
    /// Temporary files that come and go, logs that are rotated.
    Churn,
}

impl Plan {
    pub const ALL: [Plan; 5] = [
        Plan::Burst,
        Plan::Deep,
        Plan::Mix,
        Plan::RenameStorm,
        Plan::Churn,
    ];

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

/// See the module head.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub plan: Plan,
    pub names: Names,
    pub seed: u64,
    pub operations: usize,
    pub writers: usize,
    /// Operations of all writers in a second; `None`: as fast as they come.
    pub pace: Option<u32>,
    /// Only what Windows has as well.
    pub is_portable: bool,
}

/// Operations that may fail for one that succeeds, on average.
const FAILURES: usize = 50;

impl Workload {
    /// Does it all in the given directories. Returns the number of operations that were done.
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
                let turn = Duration::from_secs_f64((done * self.writers) as f64 / f64::from(pace));
                std::thread::sleep(turn.saturating_sub(began.elapsed()));
            }
            done += usize::from(self.operate(&mut writer).is_ok());
        }
        done
    }

    fn peculiar(&self, writer: &mut Writer<'_>, operation: Peculiar) -> io::Result<()> {
        if self.is_portable {
            return Err(io::ErrorKind::Unsupported.into());
        }
        writer.peculiar(operation)
    }

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
