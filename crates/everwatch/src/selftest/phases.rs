//! The phases of a run: what is done to the disk, and what is compared afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

use super::judge::{Facts, Judge};
use super::outcome::Guarantee;
use super::run::Run;
use super::writer::Writer;
use super::writing;

/// Operations between two reports of progress, and between two barriers in long phases.
const STRIDE: usize = 200;

impl Run<'_> {
    /// All of them.
    pub(crate) fn all_phases(&mut self) -> Result<(), Error> {
        self.arming()?;
        self.bursts()?;
        self.chains()?;
        self.mixture()?;
        self.moves()?;
        self.renames_at_once()?;
        self.saves()?;
        self.links_and_names()?;
        self.barriers()?;
        self.slow_reader()?;
        self.overflow()?;
        self.roots_that_return()?;
        Ok(())
    }

    /// Runs `work` on the writer in steps, with progress in between.
    fn steps(
        &mut self,
        count: usize,
        mut work: impl FnMut(&mut Writer, usize) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        for step in 0..count {
            work(&mut self.writer, step).map_err(|error| writing(&error, self.scratch))?;
            if step % STRIDE == 0 {
                self.pulse()?;
            }
        }
        Ok(())
    }

    /// What is created on the line behind `watch` is reported; what was there before is not; a snapshot and its
    /// feed join while another thread writes.
    fn arming(&mut self) -> Result<(), Error> {
        self.phase("arming")?;
        let old = self.scratch.join("arming");
        self.steps(1, |writer, _| writer.make_dir(&old.join("old")))?;
        for round in 0..(self.size / 1000).clamp(5, 100) {
            self.pulse()?;
            let deep = old.join("old").join(format!("d{round}"));
            self.steps(1, |writer, _| {
                writer.make_dir(&deep)?;
                writer.write(&deep.join("old"))
            })?;
            let known = super::disk::Disk::walk(std::slice::from_ref(&old));
            let known = known.map_err(|error| self.refused(&error))?;
            let watcher = self.options.clone().build()?;
            let mut feed = watcher.feed()?;
            let mut judge = Judge::of(std::slice::from_ref(&old), &known);
            watcher.watch(&old)?;
            self.writer
                .write(&deep.join("new"))
                .map_err(|error| writing(&error, self.scratch))?;
            // Something else that goes on while the snapshot is taken.
            let target = deep.clone();
            let writing_on = std::thread::spawn(move || {
                (0..50).try_for_each(|number| fs::write(target.join(format!("w{number}")), "w"))
            });
            let mut snapshot = watcher.snapshot()?;
            let mut tree = snapshot.tree();
            if let Ok(Err(error)) = writing_on.join() {
                return Err(self.refused(&error));
            }
            self.writer.operations += 50;
            watcher.sync()?;
            while let Some(event) = feed.try_next()? {
                judge.take(&event);
            }
            let mut misfits = 0;
            while let Some(event) = snapshot.feed.try_next()? {
                self.figures.events += 1;
                misfits += u64::from(tree.apply(&event).is_err());
            }
            let disk = super::disk::Disk::walk(std::slice::from_ref(&old));
            let disk = disk.map_err(|error| self.refused(&error))?;
            let facts = Facts {
                untouched: Some(deep.join("old")),
                ..Facts::default()
            };
            let found = judge.compare(&disk, &facts);
            self.figures.events += judge.events;
            let is_joined = tree.len() == disk.entries.len()
                && disk.entries.keys().all(|path| tree.get(path).is_some());
            let mut notes = found.notes.clone();
            if !is_joined {
                notes.push("a snapshot and its feed give another tree than the disk".to_owned());
            }
            let failures = found.of_tree() + found.needless + misfits + u64::from(!is_joined);
            self.check_no_gap(failures, notes, &old, &mut judge, &mut feed)?;
        }
        Ok(())
    }

    /// Notes a failure of arming, unless what is missing comes later where barriers are best effort.
    fn check_no_gap(
        &mut self,
        failures: u64,
        notes: Vec<String>,
        root: &PathBuf,
        judge: &mut Judge,
        feed: &mut crate::Feed,
    ) -> Result<(), Error> {
        if failures > 0 && super::run::is_wine() {
            std::thread::sleep(std::time::Duration::from_secs(1));
            while let Some(event) = feed.try_next()? {
                judge.take(&event);
            }
            let disk = super::disk::Disk::walk(std::slice::from_ref(root));
            let disk = disk.map_err(|error| self.refused(&error))?;
            let later = judge.compare(&disk, &Facts::default());
            self.figures.late += failures;
            self.check(Guarantee::Barrier, failures, notes.clone());
            self.check(Guarantee::NoGap, later.of_tree(), later.notes);
            return Ok(());
        }
        self.check(Guarantee::NoGap, failures, notes);
        Ok(())
    }

    /// Files at full speed in many directories, half of which go again.
    fn bursts(&mut self) -> Result<(), Error> {
        self.phase("bursts in many directories")?;
        let root = self.roots[0].join("bursts");
        for part in 0..4 {
            let root = root.join(format!("part{part}"));
            self.steps(self.size / 40, |writer, step| {
                let directory = root.join(format!("d{}", step % 20));
                if step < 20 {
                    writer.make_dir(&directory)?;
                }
                let file = directory.join(format!("f{step}"));
                writer.write(&file)?;
                match writer.random.below(2) {
                    0 => writer.remove_file(&file),
                    _ => writer.append(&file),
                }
            })?;
            self.compare(Guarantee::Convergence, &Facts::default())?;
        }
        Ok(())
    }

    /// Deep directories that have contents before anything can watch them.
    fn chains(&mut self) -> Result<(), Error> {
        self.phase("deep new chains")?;
        let root = self.roots[1].join("chains");
        self.steps(self.size / 60, |writer, step| {
            let mut deep = root.join(format!("c{step}"));
            for level in 0..3 + writer.random.below(5) {
                deep.push(format!("l{level}"));
            }
            writer.make_dir(&deep)?;
            writer.write(&deep.join("file"))?;
            if writer.random.below(4) == 0 {
                writer.remove_tree(&root.join(format!("c{step}")))?;
            }
            Ok(())
        })?;
        self.compare(Guarantee::Convergence, &Facts::default())
    }

    /// Creations, writes, appends, renames and removals of files and directories, drawn by the seed.
    fn mixture(&mut self) -> Result<(), Error> {
        self.phase("a mixture of everything")?;
        // Many of its operations are refused because they make no sense.
        self.writer.attempts = 2;
        for part in 0..5 {
            let roots = self
                .roots
                .clone()
                .map(|root| root.join(format!("mixture{part}")));
            self.steps(2, |writer, step| writer.make_dir(&roots[step]))?;
            self.steps(self.size / 20, |writer, _| mixed_step(writer, &roots))?;
            self.compare(Guarantee::Convergence, &Facts::default())?;
        }
        self.writer.attempts = super::writer::ATTEMPTS;
        Ok(())
    }

    /// Moves of files and directories within a directory, across directories and across roots, each of them once.
    /// Between them others move out of the tree and into it, whose halves have no partner.
    fn moves(&mut self) -> Result<(), Error> {
        self.phase("moves")?;
        let count = (self.size / 40).clamp(10, 2000);
        let places = [
            self.roots[0].join("from"),
            self.roots[0].join("to"),
            self.roots[1].join("to"),
        ];
        let outside = self.scratch.join("outside");
        self.steps(3, |writer, step| writer.make_dir(&places[step]))?;
        self.steps(1, |writer, _| writer.make_dir(&outside))?;
        self.steps(count, |writer, step| {
            writer.write(&places[1].join(format!("leaves{step}")))?;
            writer.write(&outside.join(format!("comes{step}")))?;
            let path = places[0].join(format!("m{step}"));
            if step % 5 == 0 {
                writer.make_dir(&path)?;
                writer.write(&path.join("child"))
            } else {
                writer.write(&path)
            }
        })?;
        self.compare(Guarantee::Convergence, &Facts::default())?;
        if super::run::is_wine() {
            self.skip("moves across two roots: Wine gives no birth times, by which they are found");
        }
        let mut moves = Vec::new();
        self.steps(count, |writer, step| {
            let from = places[0].join(format!("m{step}"));
            let to = match writer.random.below(4) {
                0 => places[0].join(format!("n{step}")),
                1 => places[1].join(format!("m{step}")),
                2 if !super::run::is_wine() => places[2].join(format!("m{step}")),
                // The case alone changes, which is a move on every file system that keeps it.
                _ => places[0].join(format!("M{step}")),
            };
            let leaving = format!("leaves{step}");
            writer.rename(&places[1].join(&leaving), &outside.join(&leaving))?;
            writer.rename(&from, &to)?;
            moves.push((from, to));
            let coming = format!("comes{step}");
            writer.rename(&outside.join(&coming), &places[1].join(&coming))
        })?;
        self.compare_moves(moves)
    }

    /// Renames in two directories by two threads, as parallel builds do them.
    fn renames_at_once(&mut self) -> Result<(), Error> {
        self.phase("renames in two directories at once")?;
        let count = (self.size / 80).clamp(10, 1000);
        let places = self.roots.clone().map(|root| root.join("at once"));
        self.steps(2 * count, |writer, step| {
            let place = &places[step % 2];
            if step < 2 {
                writer.make_dir(place)?;
            }
            writer.write(&place.join(format!("t{step}.tmp")))
        })?;
        self.compare(Guarantee::Convergence, &Facts::default())?;
        let mut threads = Vec::new();
        for (first, place) in places.into_iter().enumerate() {
            let mut writer = Writer::new(self.writer.random.clone());
            threads.push(std::thread::spawn(move || {
                let mut moves = Vec::new();
                for step in (first..2 * count).step_by(2) {
                    let from = place.join(format!("t{step}.tmp"));
                    let to = place.join(format!("t{step}"));
                    writer.rename(&from, &to)?;
                    moves.push((from, to));
                }
                Ok((writer, moves))
            }));
        }
        let mut all = Vec::new();
        for thread in threads {
            let result: std::io::Result<(Writer, Vec<_>)> = thread
                .join()
                .unwrap_or_else(|_| Err(std::io::Error::other("a writer panicked")));
            let (writer, moves) = result.map_err(|error| self.refused(&error))?;
            self.writer.operations += writer.operations;
            self.writer.retried += writer.retried;
            all.extend(moves);
        }
        self.compare_moves(all)
    }

    /// Compares after moves, each of which must be reported as one.
    fn compare_moves(&mut self, mut moves: Vec<(PathBuf, PathBuf)>) -> Result<(), Error> {
        let disk = self.walk()?;
        let made = moves.len();
        moves.retain(|(_, to)| disk.entries.contains_key(to));
        if moves.len() < made {
            let undone = made - moves.len();
            self.skip(format!(
                "{undone} changes of case alone, which the system did not make"
            ));
        }
        let facts = Facts {
            moves: Some(moves),
            ..Facts::default()
        };
        self.compare(Guarantee::Convergence, &facts)
    }

    /// Atomic saves: a temporary file is written and renamed over the file, again and again.
    fn saves(&mut self) -> Result<(), Error> {
        self.phase("atomic saves")?;
        let place = self.roots[0].join("saves");
        self.steps(1, |writer, _| writer.make_dir(&place))?;
        for _ in 0..3 {
            self.steps(self.size / 60, |writer, step| {
                let file = place.join(format!("s{}", writer.random.below(10)));
                let temporary = place.join(format!(".s{step}.tmp"));
                writer.write(&temporary)?;
                writer.rename(&temporary, &file)
            })?;
            self.compare(Guarantee::Convergence, &Facts::default())?;
        }
        Ok(())
    }

    /// Symbolic and hard links, long names and odd names. What the system or the file system refuses is named.
    fn links_and_names(&mut self) -> Result<(), Error> {
        self.phase("links and names")?;
        let place = self.roots[1].join("names");
        self.steps(1, |writer, _| {
            writer.make_dir(&place.join("directory"))?;
            writer.write(&place.join("file"))
        })?;
        let names = [
            "x".repeat(255),
            "ä ö ü ß".to_owned(),
            "a\u{308}".to_owned(),
            "日本語 🦀".to_owned(),
            " begins with a blank".to_owned(),
            "-rf".to_owned(),
            "#%&{}$!'@+`=~1".to_owned(),
            "line\nbreak".to_owned(),
            "ends in a dot.".to_owned(),
            "a:b*c?d\"e<f>g|h".to_owned(),
        ];
        for name in names {
            // Windows reads these as streams, or drops the end.
            if cfg!(windows) && (name.contains(':') || name.ends_with('.')) {
                continue;
            }
            self.attempt(&format!("the name {:?}", cut(&name)), |_| {
                fs::write(place.join(&name), &name)
            })?;
        }
        self.attempt("a hard link", |_| {
            fs::hard_link(place.join("file"), place.join("hard"))
        })?;
        self.attempt("a symbolic link to a file", |_| {
            symlink(Path::new("file"), &place.join("soft"), Target::File)
        })?;
        self.attempt("a symbolic link to a directory", |_| {
            symlink(
                Path::new("directory"),
                &place.join("soft directory"),
                Target::Directory,
            )
        })?;
        self.compare(Guarantee::Convergence, &Facts::default())?;
        // A write through one name of two is seen at that name.
        self.steps(20, |writer, _| writer.append(&place.join("file")))?;
        self.compare_links(&place)
    }

    /// Replaces a link and a file by each other.
    fn compare_links(&mut self, place: &Path) -> Result<(), Error> {
        // Whether the other name is reported as well depends on the system: the content is known from here on.
        self.sync()?;
        let is_reported = self.judge.has_reported(&place.join("file"));
        let note = "an append through one of two names was not reported at that name";
        let notes = if is_reported {
            Vec::new()
        } else {
            vec![note.to_owned()]
        };
        if super::run::is_wine() && !is_reported {
            self.check(Guarantee::Barrier, 1, notes);
        } else {
            self.check(Guarantee::Convergence, u64::from(!is_reported), notes);
        }
        let disk = self.walk()?;
        self.judge.begin(&disk);
        self.attempt("the removal of a link", |writer| {
            writer.remove_file(&place.join("hard"))?;
            writer.remove_file(&place.join("soft"))?;
            writer.write(&place.join("soft"))
        })?;
        self.attempt("a link in the place of a file", |writer| {
            writer.remove_file(&place.join("soft"))?;
            symlink(Path::new("file"), &place.join("soft"), Target::File)
        })?;
        self.compare(Guarantee::Convergence, &Facts::default())
    }

    /// Does what may be impossible here, and names it if it is.
    fn attempt(
        &mut self,
        what: &str,
        operation: impl FnOnce(&mut Writer) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        self.writer.operations += 1;
        if let Err(error) = operation(&mut self.writer) {
            if error.kind() == std::io::ErrorKind::StorageFull {
                return Err(self.refused(&error));
            }
            self.skip(format!("{what}: {error}"));
        }
        Ok(())
    }

    /// One operation, one barrier, and its event must be there.
    fn barriers(&mut self) -> Result<(), Error> {
        self.phase("barriers")?;
        let place = self.roots[0].join("barriers");
        self.steps(1, |writer, _| writer.make_dir(&place))?;
        self.compare(Guarantee::Convergence, &Facts::default())?;
        let count = match self.is_polled {
            true => 5,
            false => (self.size / 100).clamp(10, 1000),
        };
        for round in 0..count {
            let path = place.join(format!("b{round}"));
            self.steps(1, |writer, _| writer.write(&path))?;
            self.sync()?;
            let is_late = !self.judge.has_reported(&path);
            self.figures.late += u64::from(is_late);
            let note = format!("{} was not reported before sync() returned", path.display());
            let notes = if is_late { vec![note] } else { Vec::new() };
            self.check(Guarantee::Barrier, u64::from(is_late), notes);
        }
        self.compare(Guarantee::Convergence, &Facts::default())
    }
}

/// The beginning of a long name.
fn cut(name: &str) -> String {
    name.chars().take(20).collect()
}

/// One operation of the mixture. What it needs may be absent, which is no failure.
fn mixed_step(writer: &mut Writer, roots: &[PathBuf; 2]) -> std::io::Result<()> {
    let place = |writer: &mut Writer| {
        let root = &roots[writer.random.below(2)];
        root.join(format!("d{}", writer.random.below(6)))
    };
    let directory = place(writer);
    let file = directory.join(format!("f{}", writer.random.below(12)));
    let result = match writer.random.below(12) {
        0..=3 => {
            writer.make_dir(&directory)?;
            writer.write(&file)
        }
        4 | 5 => writer.append(&file),
        6 => writer.remove_file(&file),
        7 | 8 => {
            let target = place(writer).join(format!("f{}", writer.random.below(12)));
            writer.rename(&file, &target)
        }
        9 => {
            let target = place(writer);
            writer.rename(&directory, &target)
        }
        10 => {
            let target = place(writer).join("below");
            writer.rename(&directory, &target)
        }
        _ => writer.remove_tree(&directory),
    };
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Err(error),
        // Absent, not empty, below itself, or another kind: the draw made no sense.
        _ => Ok(()),
    }
}

/// What a symbolic link leads to, which Windows wants to know.
#[derive(Clone, Copy)]
enum Target {
    File,
    Directory,
}

#[cfg(unix)]
fn symlink(original: &Path, link: &Path, target: Target) -> std::io::Result<()> {
    let (Target::File | Target::Directory) = target;
    std::os::unix::fs::symlink(original, link)
}

#[cfg(windows)]
fn symlink(original: &Path, link: &Path, target: Target) -> std::io::Result<()> {
    match target {
        Target::File => std::os::windows::fs::symlink_file(original, link),
        Target::Directory => std::os::windows::fs::symlink_dir(original, link),
    }
}
