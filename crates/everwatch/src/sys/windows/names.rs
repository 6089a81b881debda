//! Paths under Wine.
//!
//! Wine gives a directory its path when it first sees it, and names what is below it by that path for
//! as long as it lives, also after the directory, or one above it, was renamed. The last name of a
//! record is right, the way to it may not be. So the renames that Wine reports are kept, and applied to
//! the ways. Where a path is that of two directories, the old one and one that was made in its place,
//! nobody can tell which one is meant: then each of the two is to be looked at.
//!
//! On Windows none of this is in use.

use std::collections::HashMap;

use everwatch_core::record::Action;

/// More renames than this are not kept; then every record says that records were lost.
const MOST_PATHS: usize = 100_000;

/// Where the directories are that Wine reports by other paths than theirs.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By reported path, the places of all directories that are reported by it. `None` is a place
    /// outside the tree. A path that is not here is reported as it is.
    places: HashMap<Vec<u8>, Vec<Option<Vec<u8>>>>,
    /// The first half of a rename: the path as reported, and the place.
    half: Option<(Vec<u8>, Vec<u8>)>,
}

impl Names {
    /// Calls `push` for each record that the reported one may mean.
    pub(super) fn translate(
        &mut self,
        action: Action,
        cookie: u32,
        path: &[u8],
        mut push: impl FnMut(Action, u32, &[u8]),
    ) {
        if self.places.len() > MOST_PATHS {
            return push(Action::Overflow, 0, b"");
        }
        let half = self.half.take();
        let places = self.places_of(path);
        if let [Some(place)] = &places[..] {
            push(action, cookie, place);
            let place = place.clone();
            match (action, half) {
                (Action::MovedFrom, _) => self.half = Some((path.to_vec(), place)),
                (Action::MovedTo, Some((from_path, from))) => {
                    self.renamed(from_path, &from, &place)
                }
                (Action::Created | Action::MovedTo, _) => self.created(path, place),
                (Action::Departed, _) => self.departed(path, &place),
                _ => {}
            }
            return;
        }
        for place in places.into_iter().flatten() {
            // Says no more than that something happened there.
            push(Action::Created, 0, &place);
        }
    }

    /// Where an entry may be that is reported by this path.
    fn places_of(&self, path: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut end = path.iter().rposition(|&byte| byte == b'/');
        while let Some(at) = end {
            if let Some(places) = self.places.get(&path[..at]) {
                return places
                    .iter()
                    .map(|place| place.as_ref().map(|place| [place, &path[at..]].concat()))
                    .collect();
            }
            end = path[..at].iter().rposition(|&byte| byte == b'/');
        }
        vec![Some(path.to_vec())]
    }

    fn renamed(&mut self, from_path: Vec<u8>, from: &[u8], to: &[u8]) {
        let mut is_known = false;
        for place in self.places.values_mut().flatten().flatten() {
            if let Some(rest) = below(place, from) {
                is_known |= rest.is_empty();
                *place = [to, rest].concat();
            }
        }
        if !is_known {
            let places = self.places.entry(from_path).or_default();
            places.push(Some(to.to_vec()));
        }
    }

    /// What is new at a path by which another directory is reported is reported by it, too.
    fn created(&mut self, path: &[u8], place: Vec<u8>) {
        if let Some(places) = self.places.get_mut(path)
            && !places.contains(&Some(place.clone()))
        {
            places.push(Some(place));
        }
    }

    /// What is gone may be outside the tree, and reported nevertheless.
    fn departed(&mut self, path: &[u8], gone: &[u8]) {
        let mut is_known = false;
        for place in self.places.values_mut().flatten() {
            let rest = place.as_ref().and_then(|place| below(place, gone));
            if let Some(rest) = rest {
                is_known |= rest.is_empty();
                *place = None;
            }
        }
        if !is_known {
            self.places.entry(path.to_vec()).or_default().push(None);
        }
    }
}

/// What follows in `path` after `above`, if it is that or below it.
fn below<'a>(path: &'a [u8], above: &[u8]) -> Option<&'a [u8]> {
    path.strip_prefix(above)
        .filter(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(names: &mut Names, action: Action, path: &str) -> Vec<String> {
        let mut told = Vec::new();
        names.translate(action, 1, path.as_bytes(), |action, _, path| {
            told.push(format!("{action:?} {}", path.escape_ascii()));
        });
        told
    }

    fn rename(names: &mut Names, from: &str, to: &str) {
        tell(names, Action::MovedFrom, from);
        tell(names, Action::MovedTo, to);
    }

    #[test]
    fn what_is_below_a_renamed_directory_is_told_at_its_new_place() {
        let mut names = Names::default();
        rename(&mut names, "a", "z");
        assert_eq!(
            tell(&mut names, Action::Modified, "a/s/f"),
            ["Modified z/s/f"]
        );
        rename(&mut names, "z", "y");
        assert_eq!(tell(&mut names, Action::Modified, "a/f"), ["Modified y/f"]);
        rename(&mut names, "a/s", "a/t");
        assert_eq!(
            tell(&mut names, Action::Modified, "a/s/f"),
            ["Modified y/t/f"]
        );
    }

    #[test]
    fn a_path_of_two_directories_makes_both_be_looked_at() {
        let mut names = Names::default();
        rename(&mut names, "a", "z");
        assert_eq!(tell(&mut names, Action::Created, "a"), ["Created a"]);
        assert_eq!(
            tell(&mut names, Action::Departed, "a/f"),
            ["Created z/f", "Created a/f"]
        );
    }

    #[test]
    fn what_left_the_tree_is_not_told() {
        let mut names = Names::default();
        tell(&mut names, Action::Departed, "a");
        assert!(tell(&mut names, Action::Modified, "a/f").is_empty());
        tell(&mut names, Action::Created, "a");
        assert_eq!(tell(&mut names, Action::Departed, "a/f"), ["Created a/f"]);
    }

    #[test]
    fn names_that_begin_alike_are_not_confused() {
        let mut names = Names::default();
        rename(&mut names, "a", "z");
        assert_eq!(
            tell(&mut names, Action::Modified, "ab/f"),
            ["Modified ab/f"]
        );
    }
}
