//! The mixed workload: random creation, nesting, renames of files and of whole directories, replacement,
//! appending, and removal of files and of trees.
//!
//! All operations are planned before the first one runs, so that planning takes no time from the run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use everwatch_testing::random::Random;

/// A planned operation.
#[derive(Debug)]
pub(crate) enum Operation {
    CreateFile(PathBuf),
    CreateDirectory(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    /// Writes a new file and renames it over this one.
    Replace(PathBuf),
    Append(PathBuf),
    RemoveFile(PathBuf),
    RemoveDirectory(PathBuf),
}

impl Operation {
    /// Runs it.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Operation::CreateFile(path) => fs::write(path, "new")?,
            Operation::CreateDirectory(path) => fs::create_dir(path)?,
            Operation::Rename { from, to } => fs::rename(from, to)?,
            Operation::Replace(path) => {
                let temporary = path.with_extension("temporary");
                fs::write(&temporary, "replaced")?;
                fs::rename(&temporary, path)?;
            }
            Operation::Append(path) => {
                OpenOptions::new()
                    .append(true)
                    .open(path)?
                    .write_all(b"more")?;
            }
            Operation::RemoveFile(path) => fs::remove_file(path)?,
            Operation::RemoveDirectory(path) => fs::remove_dir_all(path)?,
        }
        Ok(())
    }
}

/// At least `count` operations, each of which succeeds if `root` is empty at first and all run in order.
pub(crate) fn plan(root: &Path, count: usize, seed: u64) -> Vec<Operation> {
    let mut plan = Plan {
        random: Random::new(seed),
        dirs: vec![root.to_owned()],
        files: Vec::new(),
        serial: 0,
        operations: Vec::new(),
    };
    while plan.operations.len() < count {
        match plan.random.below(100) {
            0..28 => plan.create_file(),
            28..40 => plan.create_chain(),
            40..54 => plan.rename_file(),
            54..62 => plan.rename_directory(),
            62..75 => plan.change_file(Operation::Replace),
            75..83 => plan.change_file(Operation::Append),
            83..97 => plan.remove_file(),
            _ => plan.remove_directory(),
        }
    }
    plan.operations
}

/// The operations so far, and the tree after them.
struct Plan {
    random: Random,
    /// Directories that exist after the planned operations. The root is the first one and stays.
    dirs: Vec<PathBuf>,
    /// Files that exist after the planned operations.
    files: Vec<PathBuf>,
    /// The number of the last name; none recurs.
    serial: usize,
    operations: Vec<Operation>,
}

impl Plan {
    /// A new name in a random directory.
    fn place(&mut self, kind: &str) -> PathBuf {
        self.serial += 1;
        let at = self.random.below(self.dirs.len());
        self.dirs[at].join(format!("{kind}-{}", self.serial))
    }

    /// The position of a file, if there is one.
    fn file(&mut self) -> Option<usize> {
        (!self.files.is_empty()).then(|| self.random.below(self.files.len()))
    }

    /// The position of a directory other than the root, if there is one.
    fn inner(&mut self) -> Option<usize> {
        (self.dirs.len() > 1).then(|| 1 + self.random.below(self.dirs.len() - 1))
    }

    fn create_file(&mut self) {
        let path = self.place("file");
        self.files.push(path.clone());
        self.operations.push(Operation::CreateFile(path));
    }

    fn create_chain(&mut self) {
        let mut dir = self.place("chain");
        for level in 0..=self.random.below(4) {
            if level > 0 {
                dir.push("nested");
            }
            self.dirs.push(dir.clone());
            self.operations
                .push(Operation::CreateDirectory(dir.clone()));
        }
        let leaf = dir.join("leaf");
        self.files.push(leaf.clone());
        self.operations.push(Operation::CreateFile(leaf));
    }

    fn rename_file(&mut self) {
        let Some(at) = self.file() else { return };
        let to = self.place("moved");
        let from = std::mem::replace(&mut self.files[at], to.clone());
        self.operations.push(Operation::Rename { from, to });
    }

    fn rename_directory(&mut self) {
        let Some(at) = self.inner() else { return };
        let from = self.dirs[at].clone();
        let to = self.place("turned");
        if to.starts_with(&from) {
            return;
        }
        for path in self.dirs.iter_mut().chain(&mut self.files) {
            if let Ok(below) = path.strip_prefix(&from) {
                *path = to.components().chain(below.components()).collect();
            }
        }
        self.operations.push(Operation::Rename { from, to });
    }

    fn change_file(&mut self, how: impl Fn(PathBuf) -> Operation) {
        let Some(at) = self.file() else { return };
        self.operations.push(how(self.files[at].clone()));
    }

    fn remove_file(&mut self) {
        let Some(at) = self.file() else { return };
        self.operations
            .push(Operation::RemoveFile(self.files.swap_remove(at)));
    }

    fn remove_directory(&mut self) {
        let Some(at) = self.inner() else { return };
        let top = self.dirs[at].clone();
        self.dirs.retain(|path| !path.starts_with(&top));
        self.files.retain(|path| !path.starts_with(&top));
        self.operations.push(Operation::RemoveDirectory(top));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_mix_can_be_done() -> Result<()> {
        let root = everwatch_testing::scratch::temp();
        let operations = plan(root.path(), 3_000, 7);
        operations.iter().try_for_each(Operation::run)?;
        assert!(fs::read_dir(root.path())?.next().is_some());
        Ok(())
    }
}
