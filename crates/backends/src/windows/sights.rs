//! Where Wine has seen directories.
//!
//! Wine sees a directory when it is made or opened while a read of one above it is pending, and keeps
//! the place that it had then. What is moved afterwards is reported by its old path, or not at all once
//! something above that path is gone. So a directory that may have moved since has to be forgotten by
//! Wine and seen again, and when it is forgotten, so is that those below it are in it.
//!
//! Places are compared by the identity of the directory above and the name. Moves that were reported
//! are distinguished from what was seen after them by a count.

use std::collections::{HashMap, HashSet};

use everwatch_core::entry::Identity;

/// A name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) dir: Identity,
    pub(super) name: Box<[u8]>,
}

#[derive(Debug)]
struct Sight {
    place: Place,
    at: u64,
    /// Wine forgot the directory before it saw it this time, and with it what is in it.
    was_forgotten: bool,
}

/// See the module head.
#[derive(Debug, Default)]
pub(super) struct Sights {
    seen: HashMap<Identity, Sight>,
    /// When something was last renamed to this name, in whichever directory.
    arrivals: HashMap<Box<[u8]>, u64>,
    /// Names that directories had when they were seen.
    names: HashSet<Box<[u8]>>,
    /// Something was reported to be gone from its name.
    is_moving: bool,
    count: u64,
}

/// Names of arrivals that are kept; with more of them, everything may have moved.
const MOST_ARRIVALS: usize = 100_000;

impl Sights {
    /// Something left its name.
    pub(super) fn left(&mut self, path: &[u8]) {
        self.is_moving = true;
        // If it was a directory, the next one with the name may have its number, too.
        if self.names.contains(last_name(path)) {
            self.arrived(path);
        }
    }

    /// Something was renamed to this path.
    pub(super) fn arrived(&mut self, path: &[u8]) {
        self.count += 1;
        if self.arrivals.len() < MOST_ARRIVALS {
            self.arrivals.insert(last_name(path).into(), self.count);
        }
    }

    /// Whether the directory was seen below another one.
    pub(super) fn contains(&self, identity: Identity) -> bool {
        self.seen.contains_key(&identity)
    }

    /// A read was retired: nothing is known to be below its directory any more.
    pub(super) fn lost(&mut self) {
        self.seen.clear();
        self.names.clear();
        self.is_moving = true;
    }

    /// Whether anything may have moved at all.
    pub(super) fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// Whether the directory, which will be covered at this place, has to be forgotten and seen again.
    pub(super) fn is_stale(&self, identity: Identity, place: &Place) -> bool {
        let above = self.seen.get(&place.dir);
        let arrival = match self.arrivals.get(&place.name) {
            _ if self.arrivals.len() >= MOST_ARRIVALS => return true,
            arrival => arrival.copied(),
        };
        match self.seen.get(&identity) {
            // Wine may have seen it when it was made, elsewhere; or one that had its number, which
            // it keeps when those above are forgotten, for as long as its server runs.
            None => true,
            Some(seen) => {
                seen.place != *place
                    || arrival.is_some_and(|arrival| arrival > seen.at)
                    || above.is_some_and(|above| above.was_forgotten && above.at > seen.at)
            }
        }
    }

    /// The directory was seen at this place.
    pub(super) fn saw(&mut self, identity: Identity, place: Place, was_forgotten: bool) {
        self.count += 1;
        if !self.names.contains(&place.name) {
            self.names.insert(place.name.clone());
        }
        let before = self.seen.get(&identity);
        let was_forgotten = was_forgotten || before.is_some_and(|before| before.was_forgotten);
        let at = self.count;
        self.seen.insert(
            identity,
            Sight {
                place,
                at,
                was_forgotten,
            },
        );
    }
}

fn last_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use everwatch_core::entry::{Birth, InodeNumber};

    use super::*;

    fn identity(inode: u64) -> Identity {
        Identity {
            device: 1,
            inode: InodeNumber::new(inode),
            birth: Birth::Unknown,
        }
    }

    fn place(dir: u64, name: &str) -> Place {
        Place {
            dir: identity(dir),
            name: name.as_bytes().into(),
        }
    }

    #[test]
    fn a_directory_that_moved_since_it_was_seen_is_stale() {
        let mut sights = Sights::default();
        assert!(sights.is_stale(identity(2), &place(1, "a")));
        sights.saw(identity(2), place(1, "a"), false);
        assert!(!sights.is_stale(identity(2), &place(1, "a")));
        assert!(sights.is_stale(identity(2), &place(1, "b")));
        sights.arrived(b"x/a");
        assert!(sights.is_stale(identity(2), &place(1, "a")));
    }

    #[test]
    fn a_directory_with_the_number_and_the_name_of_one_that_is_gone_is_stale() {
        let mut sights = Sights::default();
        sights.saw(identity(2), place(1, "a"), false);
        sights.left(b"b");
        assert!(!sights.is_stale(identity(2), &place(1, "a")));
        sights.left(b"a");
        assert!(sights.is_stale(identity(2), &place(1, "a")));
    }

    #[test]
    fn what_is_below_a_forgotten_directory_is_stale() {
        let mut sights = Sights::default();
        sights.saw(identity(2), place(1, "a"), false);
        sights.saw(identity(3), place(2, "s"), false);
        sights.saw(identity(2), place(1, "b"), true);
        assert!(sights.is_stale(identity(3), &place(2, "s")));
        sights.saw(identity(3), place(2, "s"), true);
        assert!(!sights.is_stale(identity(3), &place(2, "s")));
    }
}
