//! The system that a schedule simulates. It is a part of the schedule's number, so that one number is
//! enough to run it again.

use std::fmt;
use std::str::FromStr;

/// A system that is simulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Flavour {
    /// Linux, with inotify.
    Linux,
    /// Windows, as documented.
    Windows,
    /// Windows as Wine has it.
    Wine,
}

const ALL: [(Flavour, &str); 3] = [
    (Flavour::Linux, "linux"),
    (Flavour::Windows, "windows"),
    (Flavour::Wine, "wine"),
];

/// Where the number of the system is in that of a schedule.
const SHIFT: u32 = 42;

impl Flavour {
    /// The number of the first schedule of this system.
    pub fn first(self) -> u64 {
        let at = ALL.iter().position(|&(flavour, _)| flavour == self);
        (at.unwrap_or(0) as u64) << SHIFT
    }

    /// The system of a schedule, and the schedule's number among those of the system.
    pub fn of(seed: u64) -> (Flavour, u64) {
        let at = ALL.len().min(1 + (seed >> SHIFT) as usize) - 1;
        let flavour = ALL[at].0;
        (flavour, seed - flavour.first())
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = ALL.iter().find(|(flavour, _)| flavour == self);
        f.write_str(named.map_or("", |&(_, name)| name))
    }
}

impl FromStr for Flavour {
    type Err = String;

    fn from_str(name: &str) -> Result<Flavour, String> {
        let named = ALL.iter().find(|&&(_, other)| other == name);
        let flavour = named.map(|&(flavour, _)| flavour);
        flavour.ok_or_else(|| format!("{name} is not simulated"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_a_part_of_the_number() {
        for (flavour, name) in ALL {
            assert_eq!(name.parse(), Ok(flavour));
            assert_eq!(flavour.to_string(), name);
            for number in [0, 7, (1 << SHIFT) - 1] {
                assert_eq!(Flavour::of(flavour.first() + number), (flavour, number));
            }
        }
    }
}
