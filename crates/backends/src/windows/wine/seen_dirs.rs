//! The directories that Wine has seen, and their places then.
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
pub(in crate::windows) struct Place {
    /// The directory.
    pub(in crate::windows) dir: Identity,
    /// The name in it.
    pub(in crate::windows) name: Box<[u8]>,
}

/// A directory as Wine saw it.
#[derive(Debug)]
struct SeenDir {
    /// Where it was.
    place: Place,
    /// When, by the count of [`SeenDirs`].
    at: u64,
    /// Wine forgot the directory before it saw it this time, and with it what is in it.
    was_forgotten: bool,
}

/// The directories that Wine has seen, by identity. In use where the system keeps old paths.
#[derive(Debug, Default)]
pub(in crate::windows) struct SeenDirs {
    seen: HashMap<Identity, SeenDir>,
    /// When something was last renamed to this name, in any directory.
    arrivals: HashMap<Box<[u8]>, u64>,
    /// Names that directories had when they were seen.
    names: HashSet<Box<[u8]>>,
    /// Something was reported to be gone from its name.
    is_moving: bool,
    /// Counts arrivals and sightings, so that either can be found to be later.
    count: u64,
}

/// Names of arrivals that are kept; with more of them, everything may have moved.
const MOST_ARRIVALS: usize = 100_000;

impl SeenDirs {
    /// Something left its name.
    pub(in crate::windows) fn left(&mut self, path: &[u8]) {
        self.is_moving = true;
        // If it was a directory, the next one with the name may have its number, too.
        if self.names.contains(last_name(path)) {
            self.arrived(path);
        }
    }

    /// Something was renamed to this path.
    pub(in crate::windows) fn arrived(&mut self, path: &[u8]) {
        self.count += 1;
        if self.arrivals.len() < MOST_ARRIVALS {
            self.arrivals.insert(last_name(path).into(), self.count);
        }
    }

    /// Whether the directory was seen below another one.
    pub(in crate::windows) fn contains(&self, identity: Identity) -> bool {
        self.seen.contains_key(&identity)
    }

    /// A read was retired: nothing is known to be below its directory any more.
    pub(in crate::windows) fn lost(&mut self) {
        self.seen.clear();
        self.names.clear();
        self.is_moving = true;
    }

    /// Whether anything may have moved at all.
    pub(in crate::windows) fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// Whether the directory, which will be covered at this place, has to be forgotten and seen again.
    pub(in crate::windows) fn is_stale(&self, identity: Identity, place: &Place) -> bool {
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
    pub(in crate::windows) fn saw(
        &mut self,
        identity: Identity,
        place: Place,
        was_forgotten: bool,
    ) {
        self.count += 1;
        if !self.names.contains(&place.name) {
            self.names.insert(place.name.clone());
        }
        let before = self.seen.get(&identity);
        let was_forgotten = was_forgotten || before.is_some_and(|before| before.was_forgotten);
        let at = self.count;
        self.seen.insert(
            identity,
            SeenDir {
                place,
                at,
                was_forgotten,
            },
        );
    }
}

/// The name of the entry that a path leads to.
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
        let mut seen_dirs = SeenDirs::default();
        assert!(seen_dirs.is_stale(identity(2), &place(1, "a")));
        seen_dirs.saw(identity(2), place(1, "a"), false);
        assert!(!seen_dirs.is_stale(identity(2), &place(1, "a")));
        assert!(seen_dirs.is_stale(identity(2), &place(1, "b")));
        seen_dirs.arrived(b"x/a");
        assert!(seen_dirs.is_stale(identity(2), &place(1, "a")));
    }

    #[test]
    fn a_directory_with_the_number_and_the_name_of_one_that_is_gone_is_stale() {
        let mut seen_dirs = SeenDirs::default();
        seen_dirs.saw(identity(2), place(1, "a"), false);
        seen_dirs.left(b"b");
        assert!(!seen_dirs.is_stale(identity(2), &place(1, "a")));
        seen_dirs.left(b"a");
        assert!(seen_dirs.is_stale(identity(2), &place(1, "a")));
    }

    #[test]
    fn what_is_below_a_forgotten_directory_is_stale() {
        let mut seen_dirs = SeenDirs::default();
        seen_dirs.saw(identity(2), place(1, "a"), false);
        seen_dirs.saw(identity(3), place(2, "s"), false);
        seen_dirs.saw(identity(2), place(1, "b"), true);
        assert!(seen_dirs.is_stale(identity(3), &place(2, "s")));
        seen_dirs.saw(identity(3), place(2, "s"), true);
        assert!(!seen_dirs.is_stale(identity(3), &place(2, "s")));
    }
}
