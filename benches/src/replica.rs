//! The tree as a consumer knows it, made of what it was told, and compared with the disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// What an event does to a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Exists(PathBuf),
    /// With everything below it.
    Gone(PathBuf),
    /// With everything below it; what was at `to` is gone.
    Moved {
        from: PathBuf,
        to: PathBuf,
    },
}

/// Paths, in an order that keeps everything below a directory right behind it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Replica(BTreeSet<PathBuf>);

impl Replica {
    /// What is below `root` on disk.
    pub(crate) fn walk(root: &Path) -> Result<Replica> {
        let mut paths = BTreeSet::new();
        let mut pending = vec![root.to_owned()];
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(&dir)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    pending.push(entry.path());
                }
                paths.insert(entry.path());
            }
        }
        Ok(Replica(paths))
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::Exists(path) => {
                self.0.insert(path);
            }
            Step::Gone(path) => drop(self.take(&path)),
            Step::Moved { from, to } => {
                drop(self.take(&to));
                for path in self.take(&from) {
                    let below = path.strip_prefix(&from).unwrap_or(&path);
                    // Joining an empty path would add a slash.
                    self.0.insert(if path == from {
                        to.clone()
                    } else {
                        to.join(below)
                    });
                }
                self.0.insert(to);
            }
        }
    }

    fn take(&mut self, top: &Path) -> Vec<PathBuf> {
        let below: Vec<PathBuf> = self
            .0
            .range(top.to_owned()..)
            .take_while(|path| path.starts_with(top))
            .cloned()
            .collect();
        for path in &below {
            self.0.remove(path);
        }
        below
    }

    /// How many entries of `disk` are missing here, and how many here are not on `disk`. The root
    /// is no entry of itself.
    pub(crate) fn compare(&self, disk: &Replica, root: &Path) -> (u64, u64) {
        let missing = disk.0.difference(&self.0).count() as u64;
        let ghosts = self
            .0
            .difference(&disk.0)
            .filter(|path| *path != root)
            .count() as u64;
        (missing, ghosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(paths: &[&str]) -> Replica {
        Replica(paths.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn a_moved_directory_takes_what_is_below_it_along_and_drops_what_was_there() {
        let mut known = replica(&["/r/a", "/r/a/x", "/r/a/x/y", "/r/a.txt", "/r/b", "/r/b/old"]);
        known.apply(Step::Moved {
            from: "/r/a".into(),
            to: "/r/b".into(),
        });
        assert_eq!(known, replica(&["/r/a.txt", "/r/b", "/r/b/x", "/r/b/x/y"]));
    }

    #[test]
    fn missing_entries_and_ghosts_are_counted_apart() {
        let known = replica(&["/r", "/r/a", "/r/ghost"]);
        let disk = replica(&["/r/a", "/r/b", "/r/c"]);
        assert_eq!(known.compare(&disk, Path::new("/r")), (2, 1));
    }
}
