//! The registry: the watches of a manager, by number and by path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::event::Wd;
use super::subscription::Subscription;
use super::sync::Arc;

/// The treatment of a path on which a watch reports already.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Overlap {
    /// Adding it returns that watch, as pyinotify does for a path that it has.
    #[default]
    Coalesce,
    /// Adding it makes a watch of its own, with its own mask. A change that both cover is an event of each.
    Separate,
}

/// The watches that have not been removed. Each is in both maps.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_wd: BTreeMap<Wd, Arc<Subscription>>,
    /// Paths sort by their components, so what is below a path follows it.
    by_key: BTreeMap<PathBuf, Vec<Arc<Subscription>>>,
}

impl Registry {
    /// Adds a watch.
    pub(super) fn insert(&mut self, watch: Arc<Subscription>) {
        let same = self.by_key.entry(watch.key.clone()).or_default();
        same.push(Arc::clone(&watch));
        self.by_wd.insert(watch.wd, watch);
    }

    /// Removes the watch of a number. Returns false if there is none.
    pub(super) fn remove(&mut self, wd: Wd) -> bool {
        let Some(watch) = self.by_wd.remove(&wd) else {
            return false;
        };
        if let Some(same) = self.by_key.get_mut(&watch.key) {
            same.retain(|other| other.wd != wd);
            if same.is_empty() {
                self.by_key.remove(&watch.key);
            }
        }
        true
    }

    pub(super) fn get(&self, wd: Wd) -> Option<&Arc<Subscription>> {
        self.by_wd.get(&wd)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Arc<Subscription>> + use<> {
        self.by_key.clear();
        std::mem::take(&mut self.by_wd).into_values()
    }

    /// The watches of this path.
    pub(super) fn at(&self, key: &Path) -> impl Iterator<Item = &Arc<Subscription>> {
        self.by_key.get(key).into_iter().flatten()
    }

    /// The watches of paths above this one, the innermost first.
    pub(super) fn above(&self, key: &Path) -> impl Iterator<Item = &Arc<Subscription>> {
        key.ancestors().skip(1).flat_map(|above| self.at(above))
    }

    /// The watches of this path and of paths below it.
    pub(super) fn from(&self, key: &Path) -> impl Iterator<Item = &Arc<Subscription>> {
        self.by_key
            .range(key.to_owned()..)
            .take_while(move |(other, _)| other.starts_with(key))
            .flat_map(|(_, watches)| watches)
    }

    /// The watch that reports what happens at and below a path, if there is one: of that path, or
    /// recursive and of the innermost above it that does not ignore it.
    pub(super) fn covering(&self, key: &Path) -> Option<&Arc<Subscription>> {
        let reaches = |watch: &&Arc<Subscription>| {
            let terms = watch.terms();
            terms.interest.recursive && !terms.is_ignored(key)
        };
        let exact = self.at(key).next();
        exact.or_else(|| self.above(key).find(reaches))
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Mask;
    use super::super::subscription::Interest;
    use super::*;

    fn registry(paths: &[(&str, bool)]) -> (Registry, Vec<Arc<Subscription>>) {
        let mut registry = Registry::default();
        let watch = |&(path, recursive): &(&str, bool)| {
            let mask = Mask::ALL_EVENTS;
            Arc::new(Subscription::new(
                path.into(),
                true,
                Interest { mask, recursive },
            ))
        };
        let watches: Vec<_> = paths.iter().map(watch).collect();
        for watch in &watches {
            registry.insert(Arc::clone(watch));
        }
        (registry, watches)
    }

    fn paths<'a>(watches: impl Iterator<Item = &'a Arc<Subscription>>) -> Vec<&'a Path> {
        watches.map(|watch| watch.path.as_path()).collect()
    }

    #[test]
    fn what_is_above_and_below_is_found_by_components() {
        let (registry, _) = registry(&[
            ("/a", true),
            ("/a/b", true),
            ("/a/b-c", true),
            ("/a/b/c", true),
            ("/a/bc", true),
        ]);
        let above = paths(registry.above(Path::new("/a/b/c/d")));
        assert_eq!(above, ["/a/b/c", "/a/b", "/a"].map(Path::new));
        let from = paths(registry.from(Path::new("/a/b")));
        assert_eq!(from, ["/a/b", "/a/b/c"].map(Path::new));
    }

    #[test]
    fn a_path_is_covered_by_its_own_watch_or_by_the_innermost_that_reaches_it() {
        let (mut registry, watches) = registry(&[("/a", true), ("/a/b", false), ("/a/b/c", true)]);
        let covering = |registry: &Registry, path: &str| {
            let watch = registry.covering(Path::new(path));
            watch.map(|watch| watch.path.clone())
        };
        for (path, expected) in [
            ("/a/x", Some("/a")),
            ("/a/b", Some("/a/b")),
            ("/a/b/x", Some("/a")),
            ("/a/b/c/x", Some("/a/b/c")),
            ("/x/a/b", None),
            ("/ab", None),
        ] {
            assert_eq!(covering(&registry, path), expected.map(PathBuf::from));
        }
        watches[0].terms().ignore(Path::new("/a/x"));
        assert_eq!(covering(&registry, "/a/x/y"), None);
        assert!(registry.remove(watches[2].wd) && !registry.remove(watches[2].wd));
        assert_eq!(covering(&registry, "/a/b/c"), Some("/a".into()));
    }
}
