//! The work of other processes: random system calls, alone and in the patterns of real programs.
//!
//! Names come from a small alphabet, so that they collide all the time. A pattern (`rm -r`, an
//! atomic save) is a script whose calls come one by one among those of others, by path, as a
//! program would make them; one whose ground is pulled away gives up.

pub(crate) mod ignore_files;
pub(crate) mod mix;
mod scripts;

use crate::disk::Ino;
use crate::disk::paths::Found;
use crate::random::Random;
use crate::system::System;
use crate::system::calls::{Kind, Permissions};
use crate::workload::mix::{Mix, OPERATIONS, Operation};
use crate::workload::scripts::Script;
use crate::world::Processes;

/// Where everything happens. Its entries are the roots and what is outside of them.
pub(crate) const GROUND: &[u8] = b"/w";

/// A symbolic link to a root, on the ground.
pub(crate) const LINK: &[u8] = b"l";

/// Most entries there are, roughly.
const CROWD: usize = 50;

const NAMES: [&[u8]; 9] = [
    b"a", b"b", b"c", b"d", b"e", b"f", b"\xff", b"g h\n\t", b".tmp",
];

#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) random: Random,
    mix: Mix,
    /// The names that entries are given.
    pub(crate) names: &'static [&'static [u8]],
    pub(crate) scripts: Vec<Script>,
    /// Ignore files are made and changed.
    pub(crate) makes_rules: bool,
    /// File systems are mounted and unmounted.
    pub(crate) mounts: bool,
    /// Two names are swapped by one call.
    pub(crate) exchanges: bool,
    /// A root must not turn into a link in another root: to one it is a directory, to the other not.
    pub(crate) links_lead_nowhere: bool,
    /// Calls made.
    pub(crate) done: usize,
    /// Calls that are made at most.
    pub(crate) limit: usize,
}

impl Workload {
    pub(crate) fn new(random: Random, mix: Mix, limit: usize) -> Workload {
        Workload {
            random,
            mix,
            names: &NAMES,
            scripts: Vec::new(),
            makes_rules: false,
            mounts: true,
            exchanges: true,
            links_lead_nowhere: false,
            done: 0,
            limit,
        }
    }

    pub(crate) fn into_random(self) -> Random {
        self.random
    }

    /// Makes one call. Returns false if there are no more.
    pub(crate) fn step(&mut self, system: &mut System) -> bool {
        if self.done >= self.limit {
            return false;
        }
        self.done += 1;
        if !self.scripts.is_empty() && self.random.chance(600) {
            let at = self.random.below(self.scripts.len());
            let script = self.scripts.swap_remove(at);
            if let Some(rest) = self.go_on(system, script) {
                self.scripts.push(rest);
            }
        } else {
            let weights = self.mix.weights();
            let operation = OPERATIONS[self.random.weighted(&weights)];
            self.start(system, operation);
        }
        true
    }

    pub(crate) fn name(&mut self) -> &'static [u8] {
        if self.makes_rules && self.random.chance(100) {
            return ignore_files::FILE;
        }
        self.random.pick(self.names)
    }

    /// A random entry below what the ground contains.
    fn entry(&mut self, system: &System, fits: impl Fn(&Found) -> bool) -> Option<Found> {
        let ground = system.disk.resolve(GROUND).ok()?;
        let mut found = system.disk.walk(ground);
        found.retain(|found| found.depth > 1 && fits(found));
        (!found.is_empty()).then(|| found.swap_remove(self.random.below(found.len())))
    }

    /// A random directory, one of those that the ground contains or below.
    fn dir(&mut self, system: &System) -> Option<Ino> {
        let ground = system.disk.resolve(GROUND).ok()?;
        let mut found = system.disk.walk(ground);
        found.retain(|found| system.disk.is_dir(found.inode));
        (!found.is_empty()).then(|| found[self.random.below(found.len())].inode)
    }

    /// A random entry of the ground itself.
    fn root(&mut self, system: &System) -> Option<(Ino, Found)> {
        let ground = system.disk.resolve(GROUND).ok()?;
        let mut found = system.disk.walk(ground);
        found.retain(|found| found.depth == 1 && system.disk.is_dir(found.inode));
        let found = (!found.is_empty()).then(|| found.swap_remove(self.random.below(found.len())));
        found.map(|found| (ground, found))
    }

    pub(crate) fn path(system: &System, dir: Ino, name: &[u8]) -> Option<Vec<u8>> {
        let mut path = system.disk.raw_path_of(dir)?;
        path.push(b'/');
        path.extend_from_slice(name);
        Some(path)
    }

    pub(crate) fn note(
        &self,
        system: &mut System,
        operation: &str,
        dir: Ino,
        name: &[u8],
        result: &str,
    ) {
        let path = Self::path(system, dir, name).unwrap_or_default();
        let (done, now) = (self.done, system.disk.now);
        system
            .trace
            .note(|| format!("#{done} {now} {operation} {} {result}", path.escape_ascii()));
    }

    fn start(&mut self, system: &mut System, operation: Operation) -> Option<()> {
        match operation {
            Operation::Create => self.create(system, Kind::File, "create"),
            Operation::MakeDir => self.create(system, Kind::Dir, "mkdir"),
            Operation::MakeOther => self.create(system, Kind::Other, "mkfifo"),
            Operation::Symlink => {
                let target = self.link_target();
                self.create(system, Kind::Symlink(target), "symlink")
            }
            Operation::MakeDeep => {
                let dir = self.dir(system)?;
                let dir = system.disk.raw_path_of(dir)?;
                let left = 2 + self.random.below(3);
                self.go_on_later(system, Script::Deep { dir, left })
            }
            Operation::Write => {
                let found = self.entry(system, |found| is_file(system, found))?;
                self.note(system, "write", found.dir, &found.name, "");
                system.write(found.dir, &found.name).ok()
            }
            Operation::RenameFile => {
                let found = self.entry(system, |found| !system.disk.is_dir(found.inode))?;
                self.rename(system, &found)
            }
            Operation::RenameDir => {
                let found = self.entry(system, |found| system.disk.is_dir(found.inode))?;
                self.rename(system, &found)
            }
            Operation::Exchange if !self.exchanges => None,
            Operation::Exchange => {
                let (one, other) = (self.entry(system, |_| true)?, self.entry(system, |_| true)?);
                self.move_to(system, (one.dir, &one.name), (other.dir, &other.name), true)
            }
            Operation::Replace | Operation::SwapLink => {
                self.replace(system, matches!(operation, Operation::SwapLink))
            }
            // A write through another name would change the rules without a record.
            Operation::Link if self.makes_rules => None,
            Operation::Link => {
                let found = self.entry(system, |found| is_file(system, found))?;
                let (dir, name) = (self.dir(system)?, self.name());
                let of = Self::path(system, found.dir, &found.name)?
                    .escape_ascii()
                    .to_string();
                self.note(system, "link", dir, name, &of);
                system.link(found.inode, dir, name).ok()
            }
            Operation::Unlink => {
                let found = self.entry(system, |found| !system.disk.is_dir(found.inode))?;
                self.note(system, "unlink", found.dir, &found.name, "");
                system.unlink(found.dir, &found.name).ok()
            }
            Operation::RemoveDir => {
                let found = self.entry(system, |found| is_empty_dir(system, found))?;
                self.note(system, "rmdir", found.dir, &found.name, "");
                system.rmdir(found.dir, &found.name).ok()
            }
            Operation::RemoveTree => {
                let found = self.entry(system, |found| system.disk.is_dir(found.inode))?;
                let top = Self::path(system, found.dir, &found.name)?;
                self.go_on_later(
                    system,
                    Script::RemoveTree {
                        top,
                        remakes: false,
                    },
                )
            }
            Operation::Permit => {
                let found = self.entry(system, |_| true)?;
                let (readable, searchable) =
                    self.random
                        .pick(&[(true, true), (true, true), (false, false), (true, false)]);
                let mode = format!("{readable} {searchable}");
                self.note(system, "chmod", found.dir, &found.name, &mode);
                system
                    .chmod(
                        found.dir,
                        &found.name,
                        Permissions {
                            readable,
                            searchable,
                        },
                    )
                    .ok()
            }
            Operation::RemakeRoot => {
                let (ground, found) = self.root(system)?;
                let top = Self::path(system, ground, &found.name)?;
                self.go_on_later(system, Script::RemoveTree { top, remakes: true })
            }
            Operation::RootAway => self.root_away(system),
            Operation::Relink => {
                let ground = system.disk.resolve(GROUND).ok()?;
                system.disk.entry(ground, LINK)?;
                let target = self.random.pick(&[&b"r0"[..], b"/w/r1", b"o"]);
                self.note(system, "symlink", ground, b".link", "to relink");
                let made = system.make(ground, b".link", Kind::Symlink(target));
                made.ok()?;
                let temporary = Self::path(system, ground, b".link")?;
                let target = Self::path(system, ground, LINK)?;
                self.scripts.push(Script::Replace {
                    temporary,
                    target,
                    is_written: true,
                });
                Some(())
            }
            Operation::Mount if !self.mounts => None,
            Operation::Mount => {
                let dir = self.dir(system)?;
                self.note(system, "mount", dir, b"", "");
                system.mount(dir, None).ok().map(drop)
            }
            Operation::Unmount => {
                let mounts = system.disk.mounts.clone();
                let mount = (!mounts.is_empty()).then(|| self.random.pick(&mounts))?;
                let lazily = self.random.chance(500);
                self.note(
                    system,
                    "unmount",
                    mount.covered,
                    b"",
                    if lazily { "lazily" } else { "" },
                );
                system.unmount(mount.covered, lazily).ok()
            }
        }
    }

    /// What a new symbolic link points to.
    fn link_target(&mut self) -> &'static [u8] {
        let targets = [&b"a"[..], b"../b", b"/w/r0", b"nowhere"];
        let target = self.random.pick(&targets);
        if self.links_lead_nowhere {
            b"nowhere"
        } else {
            target
        }
    }

    /// Creates an entry somewhere, less often once there are many.
    fn create(&mut self, system: &mut System, kind: Kind<'_>, operation: &str) -> Option<()> {
        let ground = system.disk.resolve(GROUND).ok()?;
        if system.disk.walk(ground).len() > CROWD && self.random.chance(800) {
            return None;
        }
        let (dir, name) = (self.dir(system)?, self.name());
        self.note(system, operation, dir, name, "");
        system.make(dir, name, kind).ok().map(drop)
    }

    /// Gives an entry another name, another directory, both, or the place of another entry.
    fn rename(&mut self, system: &mut System, found: &Found) -> Option<()> {
        let (dir, name) = match self.random.below(4) {
            0 => (found.dir, self.name()),
            1 => (self.dir(system)?, &*found.name),
            2 => (self.dir(system)?, self.name()),
            _ => {
                let other = self.entry(system, |_| true)?;
                return self.move_to(
                    system,
                    (found.dir, &found.name),
                    (other.dir, &other.name),
                    false,
                );
            }
        };
        self.move_to(system, (found.dir, &found.name), (dir, name), false)
    }

    /// Renames an entry, and notes what came of it.
    pub(crate) fn move_to(
        &mut self,
        system: &mut System,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        exchange: bool,
    ) -> Option<()> {
        let target = Self::path(system, to.0, to.1)?.escape_ascii().to_string();
        let operation = if exchange { "exchange" } else { "rename" };
        self.note(system, operation, from.0, from.1, &target);
        let done = system.rename(from, to, exchange);
        if let Err(errno) = done {
            system.trace.note(|| format!("        refused: {errno:?}"));
        }
        done.ok()
    }

    /// Saves a file as editors do: a temporary file is written, and renamed over the old one.
    fn replace(&mut self, system: &mut System, by_link: bool) -> Option<()> {
        let target = self.entry(system, |found| !system.disk.is_dir(found.inode))?;
        let temporary = Self::path(system, target.dir, b".tmp")?;
        let path = Self::path(system, target.dir, &target.name)?;
        self.note(system, "create", target.dir, b".tmp", "to replace");
        let kind = match by_link {
            true => Kind::Symlink(self.link_target()),
            false => Kind::File,
        };
        system.make(target.dir, b".tmp", kind).ok()?;
        let script = Script::Replace {
            temporary,
            target: path,
            is_written: by_link,
        };
        self.scripts.push(script);
        Some(())
    }

    /// Moves a root, or rarely the directory of all roots, away; it comes back some calls later.
    fn root_away(&mut self, system: &mut System) -> Option<()> {
        let (ground, found) = self.root(system)?;
        let from = Self::path(system, ground, &found.name)?;
        if self.random.chance(100) {
            let top = system.disk.top();
            self.scripts.push(Script::Back {
                from: b"/away".to_vec(),
                to: GROUND.to_vec(),
                in_calls: 1 + self.random.below(10),
            });
            return self.move_to(system, (top, b"w"), (top, b"away"), false);
        }
        let (dir, name) = match self.random.chance(500) {
            true => (ground, self.name()),
            false => (self.dir(system)?, self.name()),
        };
        let to = Self::path(system, dir, name)?;
        self.move_to(system, (ground, &found.name), (dir, name), false)?;
        self.scripts.push(Script::Back {
            from: to,
            to: from,
            in_calls: self.random.below(10),
        });
        Some(())
    }
}

impl Processes for Workload {
    fn step(&mut self, system: &mut System) -> bool {
        Workload::step(self, system)
    }

    fn text(&self, version: u64) -> &[u8] {
        ignore_files::text(version).as_bytes()
    }
}

fn is_file(system: &System, found: &Found) -> bool {
    system.disk.kind(found.inode) == everwatch_core::entry::FileType::File
}

fn is_empty_dir(system: &System, found: &Found) -> bool {
    system
        .disk
        .directory(found.inode)
        .is_some_and(|directory| directory.entries.is_empty())
}
