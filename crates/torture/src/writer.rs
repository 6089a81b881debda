//! A writer of a workload: the operations, and the paths that it remembers.
//!
//! A writer remembers paths that existed once. Renames, its own and those of others, make them stale; an
//! operation that fails forgets the paths that it used.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use everwatch_testing::random::Random;

use crate::names::Names;

/// How many files, and how many directories, a writer remembers.
const REMEMBERED: usize = 512;

/// Number of names for each sort of entry: few, so that they recur.
const VARIETY: usize = 60;

/// No path that is made is longer, in bytes. PATH_MAX is 4096.
const LONGEST_PATH: usize = 3500;

/// Operations that only Unix has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peculiar {
    /// Gives a file another name.
    HardLink,
    /// Makes a symbolic link.
    Symlink,
    /// Replaces a symbolic link by a rename.
    SwapSymlink,
    /// Swaps two entries by one rename.
    Exchange,
    /// Changes permissions.
    ChangeMode,
    /// Makes a named pipe.
    Pipe,
}

/// A writer: a seed, a number, and the paths that it remembers.
pub struct Writer<'a> {
    /// Decides what is done.
    pub random: Random,
    names: Names,
    number: usize,
    roots: &'a [PathBuf],
    dirs: Vec<PathBuf>,
    /// Files that are remembered.
    pub files: Vec<PathBuf>,
    /// The number of the last name that only this writer uses.
    serial: usize,
}

/// Remembers a path, in the place of a random one if there are too many.
fn remember(known: &mut Vec<PathBuf>, random: &mut Random, path: PathBuf) {
    if known.len() < REMEMBERED {
        known.push(path);
    } else {
        let at = random.below(known.len());
        known[at] = path;
    }
}

/// The error of an operation that finds nothing to work on.
pub fn nothing_known() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl<'a> Writer<'a> {
    /// A writer that remembers nothing. `number` distinguishes the writers of a workload.
    pub fn new(random: Random, names: Names, number: usize, roots: &'a [PathBuf]) -> Writer<'a> {
        Writer {
            random,
            names,
            number,
            roots,
            dirs: Vec::new(),
            files: Vec::new(),
            serial: 0,
        }
    }

    /// One of the directories that the workload fills.
    pub fn root(&mut self) -> PathBuf {
        self.random.choose(self.roots).cloned().unwrap_or_default()
    }

    /// A directory to work in: one that is remembered, or a root.
    pub fn dir(&mut self) -> PathBuf {
        if self.random.chance(150) {
            return self.root();
        }
        match self.random.choose(&self.dirs).cloned() {
            Some(dir) if dir.as_os_str().len() < LONGEST_PATH => dir,
            _ => self.root(),
        }
    }

    /// A name that other writers use as well.
    pub fn name(&mut self, letter: char) -> OsString {
        self.names.one_of(&mut self.random, letter, VARIETY)
    }

    /// A path for a new entry, at which another one may exist.
    pub fn place(&mut self, letter: char) -> PathBuf {
        let dir = self.dir();
        dir.join(self.name(letter))
    }

    /// A path that no other writer uses.
    pub fn own_place(&mut self, what: &str) -> PathBuf {
        self.serial += 1;
        self.root()
            .join(format!("{what}-{}-{}", self.number, self.serial))
    }

    /// A file that existed once. An error if none is remembered.
    pub fn known_file(&mut self) -> io::Result<PathBuf> {
        self.random
            .choose(&self.files)
            .cloned()
            .ok_or_else(nothing_known)
    }

    /// A directory that existed once. An error if none is remembered.
    pub fn known_dir(&mut self) -> io::Result<PathBuf> {
        self.random
            .choose(&self.dirs)
            .cloned()
            .ok_or_else(nothing_known)
    }

    /// A file or a directory that existed once.
    pub fn known(&mut self) -> io::Result<PathBuf> {
        if self.random.chance(500) {
            self.known_dir()
        } else {
            self.known_file()
        }
    }

    /// Forgets these paths if the operation failed, and returns its result.
    pub fn check<T>(&mut self, paths: &[&Path], result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.files.retain(|known| !paths.contains(&known.as_path()));
            self.dirs.retain(|known| !paths.contains(&known.as_path()));
        }
        result
    }

    /// Remembers a file.
    pub fn has_file(&mut self, path: PathBuf) {
        remember(&mut self.files, &mut self.random, path);
    }

    /// Remembers a directory.
    pub fn has_dir(&mut self, path: PathBuf) {
        remember(&mut self.dirs, &mut self.random, path);
    }

    /// Fails: there are no such operations on this system.
    #[cfg(not(unix))]
    pub fn peculiar(&mut self, _: Peculiar) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether too few entries are remembered for a storm of renames.
    pub fn is_poor(&self) -> bool {
        self.dirs.len() < 20 || self.files.len() < 20
    }

    /// A new file with the next number, in each root in turn.
    pub fn create_next(&mut self) -> io::Result<()> {
        self.serial += 1;
        let root = self
            .roots
            .iter()
            .cycle()
            .nth(self.serial % self.roots.len().max(1));
        let root = root.ok_or_else(nothing_known)?;
        fs::File::create(root.join(format!("{}-{}", self.number, self.serial)))?;
        Ok(())
    }

    /// Creates a chain of up to eight directories with a file at its end, sometimes below another chain.
    pub fn make_chain(&mut self) -> io::Result<()> {
        let mut path = match self.random.chance(300) {
            true => self.dir(),
            false => self.own_place("chain"),
        };
        for _ in 0..self.random.below(9) {
            path.push(self.name('d'));
        }
        fs::create_dir_all(&path)?;
        let leaf = path.join(self.name('f'));
        self.has_dir(path);
        fs::write(leaf, "leaf")
    }

    /// Creates a file, or overwrites one.
    pub fn create(&mut self) -> io::Result<()> {
        let path = self.place('f');
        let length = self.random.below(64);
        let made = fs::write(&path, &[b'x'; 64][..length]);
        self.check(&[], made)?;
        self.has_file(path);
        Ok(())
    }

    /// Creates a directory.
    pub fn make_dir(&mut self) -> io::Result<()> {
        let path = self.place('d');
        fs::create_dir(&path)?;
        self.has_dir(path);
        Ok(())
    }

    /// Creates directories in each other at once, with a file in the innermost.
    pub fn make_nested(&mut self) -> io::Result<()> {
        let mut path = self.place('d');
        for _ in 0..1 + self.random.below(4) {
            path.push(self.name('d'));
        }
        fs::create_dir_all(&path)?;
        let file = path.join(self.name('f'));
        fs::write(&file, "nested")?;
        self.has_file(file);
        self.has_dir(path);
        Ok(())
    }

    /// Renames a file within its directory, or to another one, over what is there.
    pub fn rename_file(&mut self) -> io::Result<()> {
        let from = self.known_file()?;
        let to = match (self.random.chance(400), from.parent()) {
            (true, Some(dir)) => dir.join(self.name('f')),
            _ => self.place('f'),
        };
        let moved = fs::rename(&from, &to);
        self.check(&[&from], moved)?;
        self.files.retain(|known| *known != from);
        self.has_file(to);
        Ok(())
    }

    /// Renames a directory with its contents, within its parent or into another directory; sometimes over
    /// an empty one.
    pub fn rename_dir(&mut self) -> io::Result<()> {
        let from = self.known_dir()?;
        let to = match (self.random.chance(300), from.parent()) {
            (true, Some(dir)) => dir.join(self.name('d')),
            _ => self.place('d'),
        };
        let moved = fs::rename(&from, &to);
        if to.starts_with(&from) {
            return moved;
        }
        self.check(&[&from], moved)?;
        self.dirs.retain(|known| !known.starts_with(&from));
        self.has_dir(to);
        Ok(())
    }

    /// Writes a new version beside the file and renames it over the old one.
    pub fn replace(&mut self) -> io::Result<()> {
        let target = match self.random.chance(700) {
            true => self.known_file().unwrap_or_else(|_| self.place('f')),
            false => self.place('f'),
        };
        let mut beside = target.clone();
        beside.set_file_name(format!(".new-{}-{}", self.number, self.serial));
        self.serial += 1;
        let written = fs::write(&beside, "new version");
        self.check(&[&target], written)?;
        if let Err(error) = fs::rename(&beside, &target) {
            fs::remove_file(&beside)?;
            return Err(error);
        }
        self.has_file(target);
        Ok(())
    }

    /// Swaps two entries by three renames.
    pub fn swap(&mut self) -> io::Result<()> {
        let (one, other) = match self.random.chance(500) {
            true => (self.known_dir()?, self.known_dir()?),
            false => (self.known_file()?, self.known_file()?),
        };
        let parked = self.own_place("swap");
        let done = fs::rename(&one, &parked);
        self.check(&[&one], done)?;
        let done = fs::rename(&other, &one).and_then(|()| fs::rename(&parked, &other));
        if done.is_err() {
            // If this fails as well, the entry stays under its temporary name.
            let _ = fs::rename(&parked, &one);
        }
        done
    }

    /// Renames an entry away and back at once.
    pub fn away_and_back(&mut self) -> io::Result<()> {
        let home = self.known()?;
        let away = self.own_place("away");
        let done = fs::rename(&home, &away).and_then(|()| fs::rename(&away, &home));
        self.check(&[&home], done)
    }

    /// Removes a file.
    pub fn delete(&mut self) -> io::Result<()> {
        let path = self.known_file()?;
        self.files.retain(|known| *known != path);
        fs::remove_file(path)
    }

    /// Removes a directory with its contents, which others may be writing to.
    pub fn delete_all(&mut self) -> io::Result<()> {
        let path = self.known_dir()?;
        self.dirs.retain(|known| !known.starts_with(&path));
        fs::remove_dir_all(path)
    }

    /// Replaces a directory by a file.
    pub fn become_file(&mut self) -> io::Result<()> {
        let path = self.known_dir()?;
        self.dirs.retain(|known| !known.starts_with(&path));
        fs::remove_dir_all(&path)?;
        fs::write(&path, "was a directory")?;
        self.has_file(path);
        Ok(())
    }

    /// Replaces a file by a directory.
    pub fn become_dir(&mut self) -> io::Result<()> {
        let path = self.known_file()?;
        self.files.retain(|known| *known != path);
        fs::remove_file(&path)?;
        fs::create_dir(&path)?;
        self.has_dir(path);
        Ok(())
    }

    /// Appends to a file.
    pub fn write_more(&mut self) -> io::Result<()> {
        let path = self.known_file()?;
        let done = fs::OpenOptions::new().append(true).open(&path);
        let done = done.and_then(|mut file| file.write_all(b"more"));
        self.check(&[&path], done)
    }

    /// Lists a directory and remembers up to eight of its entries.
    pub fn discover(&mut self) -> io::Result<()> {
        let dir = self.dir();
        let listing = fs::read_dir(&dir);
        let mut entries: Vec<_> = self
            .check(&[&dir], listing)?
            .filter_map(Result::ok)
            .take(100)
            .collect();
        if entries.is_empty() {
            return Err(nothing_known());
        }
        for _ in 0..8.min(entries.len()) {
            let entry = entries.swap_remove(self.random.below(entries.len()));
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.has_dir(entry.path()),
                Ok(kind) if kind.is_file() || kind.is_symlink() => self.has_file(entry.path()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Creates a tree of three levels with four files in each.
    pub fn make_population(&mut self) -> io::Result<()> {
        let mut path = self.own_place("tree");
        for level in 0..3 {
            fs::create_dir(&path)?;
            self.has_dir(path.clone());
            for number in 0..4 {
                let file = path.join(format!("file-{number}"));
                fs::write(&file, "")?;
                self.has_file(file);
            }
            path.push(format!("level-{level}"));
        }
        Ok(())
    }

    /// Fills a new directory and moves it to another name at once.
    pub fn become_populated(&mut self) -> io::Result<()> {
        let (fresh, place) = (self.own_place("fresh"), self.place('d'));
        fs::create_dir(&fresh)?;
        fs::write(fresh.join("inside"), "")?;
        if fs::rename(&fresh, &place).is_err() {
            return fs::remove_dir_all(&fresh);
        }
        self.has_dir(place);
        Ok(())
    }

    /// Creates a file and removes it at once.
    pub fn temporary_file(&mut self) -> io::Result<()> {
        let path = match self.random.chance(500) {
            true => self.own_place("tmp"),
            false => self.place('t'),
        };
        fs::write(&path, "temporary")?;
        fs::remove_file(path)
    }

    /// Creates a small tree and removes it at once.
    pub fn temporary_dir(&mut self) -> io::Result<()> {
        let path = self.own_place("tmpdir");
        fs::create_dir_all(path.join("a/b"))?;
        for number in 0..self.random.below(6) {
            fs::write(path.join(format!("a/f{number}")), "")?;
        }
        fs::remove_dir_all(path)
    }

    /// Rotates a log: log.3 becomes log.4 and so on down to log, and a new log is written.
    pub fn rotate(&mut self) -> io::Result<()> {
        let log = self.root().join(format!("log{}", self.random.below(4)));
        let version = |number: usize| {
            let mut path = log.clone().into_os_string();
            path.push(format!(".{number}"));
            PathBuf::from(path)
        };
        for number in (1..4).rev() {
            match fs::rename(version(number), version(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // The first log has none before it.
        let _ = fs::rename(&log, version(1));
        fs::write(&log, log.as_os_str().as_encoded_bytes())?;
        self.has_file(log);
        Ok(())
    }
}
