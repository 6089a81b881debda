//! The system that a schedule simulates. It is a part of the schedule's number, so that one number is
//! enough to run it again.

use std::fmt;
use std::str::FromStr;

use crate::windows::volume_sort::VolumeSort;

/// A system that is simulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Platform {
    /// Linux, with inotify.
    Linux,
    /// Windows, as documented.
    Windows,
    /// Windows as Wine has it.
    Wine,
    /// Windows, as documented, with everything on a volume of this sort.
    WindowsOn(VolumeSort),
}

/// All systems, by their place in the numbers of schedules.
const ALL: [(Platform, &str); 9] = [
    (Platform::Linux, "linux"),
    (Platform::Windows, "windows"),
    (Platform::Wine, "wine"),
    (Platform::WindowsOn(VolumeSort::Ntfs), "ntfs"),
    (Platform::WindowsOn(VolumeSort::Refs), "refs"),
    (Platform::WindowsOn(VolumeSort::Fat), "fat"),
    (Platform::WindowsOn(VolumeSort::WindowsShare), "share"),
    (Platform::WindowsOn(VolumeSort::Samba), "samba"),
    (Platform::WindowsOn(VolumeSort::Program), "program"),
];

/// Where the number of the system is in that of a schedule.
const SHIFT: u32 = 42;

impl Platform {
    /// The number of the first schedule of this system.
    pub fn first(self) -> u64 {
        let at = ALL.iter().position(|&(platform, _)| platform == self);
        (at.unwrap_or(0) as u64) << SHIFT
    }

    /// The system of a schedule, and the schedule's number among those of the system.
    pub fn of(seed: u64) -> (Platform, u64) {
        let at = ALL.len().min(1 + (seed >> SHIFT) as usize) - 1;
        let platform = ALL[at].0;
        (platform, seed - platform.first())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = ALL.iter().find(|(platform, _)| platform == self);
        f.write_str(named.map_or("", |&(_, name)| name))
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(name: &str) -> Result<Platform, String> {
        let named = ALL.iter().find(|&&(_, other)| other == name);
        let platform = named.map(|&(platform, _)| platform);
        platform.ok_or_else(|| {
            let names = ALL.map(|(_, name)| name).join(", ");
            format!("{name:?} is not simulated; there are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_a_part_of_the_number() {
        for (platform, name) in ALL {
            assert_eq!(name.parse(), Ok(platform));
            assert_eq!(platform.to_string(), name);
            for number in [0, 7, (1 << SHIFT) - 1] {
                assert_eq!(Platform::of(platform.first() + number), (platform, number));
            }
        }
    }
}
