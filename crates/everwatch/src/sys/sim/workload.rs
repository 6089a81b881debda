//! What other processes do: random system calls, alone and in the patterns of real programs.
//!
//! Names come from a small alphabet, so that they collide all the time. A pattern (`rm -r`, an
//! atomic save) is a script whose calls come one by one among those of others, by path, as a
//! program would make them; one whose ground is pulled away gives up.

use super::calls::{Kind, System};
use super::disk::{Found, Ino};
use super::random::Random;
use super::rules;

/// What happens often in a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mix {
    Everything,
    DirectoryRenames,
    FileRenames,
    Churn,
    Saves,
    Roots,
    Permissions,
    Mounts,
}

impl Mix {
    pub(super) const ALL: [Mix; 8] = [
        Mix::Everything,
        Mix::DirectoryRenames,
        Mix::FileRenames,
        Mix::Churn,
        Mix::Saves,
        Mix::Roots,
        Mix::Permissions,
        Mix::Mounts,
    ];

    /// How often each of `DEEDS` is done.
    #[rustfmt::skip]
    fn weights(self) -> [u32; DEEDS.len()] {
        match self {
            // create write mkdir deep, rename-file rename-dir exchange replace swap-link, link unlink rmdir rm-r,
            // symlink other chmod, remake-root root-away relink, mount unmount
            Mix::Everything => [8, 6, 6, 3, 6, 6, 2, 4, 2, 2, 5, 2, 3, 2, 1, 2, 1, 1, 1, 1, 1],
            Mix::DirectoryRenames => [4, 3, 6, 2, 2, 24, 3, 1, 1, 1, 2, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0],
            Mix::FileRenames => [8, 6, 2, 1, 24, 3, 3, 3, 1, 4, 4, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0],
            Mix::Churn => [8, 4, 8, 6, 2, 4, 0, 1, 0, 1, 5, 5, 9, 1, 1, 0, 0, 0, 0, 0, 0],
            Mix::Saves => [3, 12, 1, 0, 2, 2, 1, 14, 4, 1, 2, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0],
            Mix::Roots => [6, 4, 4, 2, 4, 6, 2, 1, 1, 1, 2, 1, 1, 1, 0, 0, 6, 8, 5, 0, 0],
            Mix::Permissions => [6, 4, 5, 2, 4, 6, 1, 1, 0, 1, 3, 1, 2, 1, 0, 14, 0, 0, 0, 0, 0],
            Mix::Mounts => [6, 4, 5, 2, 4, 6, 1, 1, 0, 1, 3, 1, 2, 1, 0, 0, 1, 1, 1, 9, 8],
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Create,
    Write,
    MakeDir,
    MakeDeep,
    RenameFile,
    RenameDir,
    Exchange,
    Replace,
    SwapLink,
    Link,
    Unlink,
    RemoveDir,
    RemoveTree,
    Symlink,
    MakeOther,
    Permit,
    RemakeRoot,
    RootAway,
    Relink,
    Mount,
    Unmount,
}

const DEEDS: [Deed; 21] = [
    Deed::Create,
    Deed::Write,
    Deed::MakeDir,
    Deed::MakeDeep,
    Deed::RenameFile,
    Deed::RenameDir,
    Deed::Exchange,
    Deed::Replace,
    Deed::SwapLink,
    Deed::Link,
    Deed::Unlink,
    Deed::RemoveDir,
    Deed::RemoveTree,
    Deed::Symlink,
    Deed::MakeOther,
    Deed::Permit,
    Deed::RemakeRoot,
    Deed::RootAway,
    Deed::Relink,
    Deed::Mount,
    Deed::Unmount,
];

#[derive(Clone, Debug)]
enum Script {
    /// Directories one in the other, and a file in the last.
    Deep { dir: Vec<u8>, left: usize },
    /// `rm -r`; with `remakes`, and `mkdir` after that.
    RemoveTree { top: Vec<u8>, remakes: bool },
    /// Write the temporary file, then rename it over the other.
    Replace {
        temporary: Vec<u8>,
        target: Vec<u8>,
        is_written: bool,
    },
    /// Rename back what was renamed away.
    Back {
        from: Vec<u8>,
        to: Vec<u8>,
        in_calls: usize,
    },
}

/// Where everything happens. Its entries are the roots and what is outside of them.
pub(super) const GROUND: &[u8] = b"/w";

/// A symbolic link to a root, on the ground.
pub(super) const LINK: &[u8] = b"l";

/// Most entries there are, roughly.
const CROWD: usize = 50;

const NAMES: [&[u8]; 9] = [
    b"a", b"b", b"c", b"d", b"e", b"f", b"\xff", b"g h\n\t", b".tmp",
];

#[derive(Debug)]
pub(super) struct Workload {
    random: Random,
    mix: Mix,
    scripts: Vec<Script>,
    /// Ignore files are made and changed.
    pub(super) makes_rules: bool,
    /// File systems are mounted and unmounted.
    pub(super) mounts: bool,
    /// A root may not turn into a link in another root: to one it is a directory, to the other not.
    pub(super) links_lead_nowhere: bool,
    /// Calls made.
    pub(super) done: usize,
    /// Calls that are made at most.
    pub(super) limit: usize,
}

impl Workload {
    pub(super) fn new(random: Random, mix: Mix, limit: usize) -> Workload {
        Workload {
            random,
            mix,
            scripts: Vec::new(),
            makes_rules: false,
            mounts: true,
            links_lead_nowhere: false,
            done: 0,
            limit,
        }
    }

    pub(super) fn into_random(self) -> Random {
        self.random
    }

    /// Makes one call. Returns false if there are no more.
    pub(super) fn step(&mut self, system: &mut System) -> bool {
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
            let deed = DEEDS[self.random.weighted(&weights)];
            self.start(system, deed);
        }
        true
    }

    fn name(&mut self) -> &'static [u8] {
        if self.makes_rules && self.random.chance(100) {
            return rules::FILE;
        }
        self.random.pick(&NAMES)
    }

    /// A random entry below what the ground contains.
    fn entry(&mut self, system: &System, fits: impl Fn(&Found) -> bool) -> Option<Found> {
        let ground = system.disk.resolve(GROUND, false).ok()?;
        let mut found = system.disk.walk(ground);
        found.retain(|found| found.depth > 1 && fits(found));
        (!found.is_empty()).then(|| found.swap_remove(self.random.below(found.len())))
    }

    /// A random directory, one of those that the ground contains or below.
    fn dir(&mut self, system: &System) -> Option<Ino> {
        let ground = system.disk.resolve(GROUND, false).ok()?;
        let mut found = system.disk.walk(ground);
        found.retain(|found| system.disk.is_dir(found.inode));
        (!found.is_empty()).then(|| found[self.random.below(found.len())].inode)
    }

    /// A random entry of the ground itself.
    fn root(&mut self, system: &System) -> Option<(Ino, Found)> {
        let ground = system.disk.resolve(GROUND, false).ok()?;
        let mut found = system.disk.walk(ground);
        found.retain(|found| found.depth == 1 && system.disk.is_dir(found.inode));
        let found = (!found.is_empty()).then(|| found.swap_remove(self.random.below(found.len())));
        found.map(|found| (ground, found))
    }

    fn path(system: &System, dir: Ino, name: &[u8]) -> Option<Vec<u8>> {
        let mut path = system.disk.raw_path_of(dir)?;
        path.push(b'/');
        path.extend_from_slice(name);
        Some(path)
    }

    fn note(&self, system: &mut System, deed: &str, dir: Ino, name: &[u8], result: &str) {
        let path = Self::path(system, dir, name).unwrap_or_default();
        let (done, now) = (self.done, system.disk.now);
        system
            .trace
            .note(|| format!("#{done} {now} {deed} {} {result}", path.escape_ascii()));
    }

    fn start(&mut self, system: &mut System, deed: Deed) -> Option<()> {
        match deed {
            Deed::Create => self.create(system, Kind::File, "create"),
            Deed::MakeDir => self.create(system, Kind::Dir, "mkdir"),
            Deed::MakeOther => self.create(system, Kind::Other, "mkfifo"),
            Deed::Symlink => {
                let target = self.link_target();
                self.create(system, Kind::Symlink(target), "symlink")
            }
            Deed::MakeDeep => {
                let dir = self.dir(system)?;
                let dir = system.disk.raw_path_of(dir)?;
                let left = 2 + self.random.below(3);
                self.go_on_later(system, Script::Deep { dir, left })
            }
            Deed::Write => {
                let found = self.entry(system, |found| is_file(system, found))?;
                self.note(system, "write", found.dir, &found.name, "");
                system.write(found.dir, &found.name).ok()
            }
            Deed::RenameFile => {
                let found = self.entry(system, |found| !system.disk.is_dir(found.inode))?;
                self.rename(system, &found)
            }
            Deed::RenameDir => {
                let found = self.entry(system, |found| system.disk.is_dir(found.inode))?;
                self.rename(system, &found)
            }
            Deed::Exchange => {
                let (one, other) = (self.entry(system, |_| true)?, self.entry(system, |_| true)?);
                self.move_to(system, (one.dir, &one.name), (other.dir, &other.name), true)
            }
            Deed::Replace | Deed::SwapLink => self.replace(system, matches!(deed, Deed::SwapLink)),
            // A write through another name would change the rules without a record.
            Deed::Link if self.makes_rules => None,
            Deed::Link => {
                let found = self.entry(system, |found| is_file(system, found))?;
                let (dir, name) = (self.dir(system)?, self.name());
                let of = Self::path(system, found.dir, &found.name)?
                    .escape_ascii()
                    .to_string();
                self.note(system, "link", dir, name, &of);
                system.link(found.inode, dir, name).ok()
            }
            Deed::Unlink => {
                let found = self.entry(system, |found| !system.disk.is_dir(found.inode))?;
                self.note(system, "unlink", found.dir, &found.name, "");
                system.unlink(found.dir, &found.name).ok()
            }
            Deed::RemoveDir => {
                let found = self.entry(system, |found| is_empty_dir(system, found))?;
                self.note(system, "rmdir", found.dir, &found.name, "");
                system.rmdir(found.dir, &found.name).ok()
            }
            Deed::RemoveTree => {
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
            Deed::Permit => {
                let found = self.entry(system, |_| true)?;
                let (readable, searchable) =
                    self.random
                        .pick(&[(true, true), (true, true), (false, false), (true, false)]);
                let mode = format!("{readable} {searchable}");
                self.note(system, "chmod", found.dir, &found.name, &mode);
                system
                    .chmod(found.dir, &found.name, readable, searchable)
                    .ok()
            }
            Deed::RemakeRoot => {
                let (ground, found) = self.root(system)?;
                let top = Self::path(system, ground, &found.name)?;
                self.go_on_later(system, Script::RemoveTree { top, remakes: true })
            }
            Deed::RootAway => self.root_away(system),
            Deed::Relink => {
                let ground = system.disk.resolve(GROUND, false).ok()?;
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
            Deed::Mount if !self.mounts => None,
            Deed::Mount => {
                let dir = self.dir(system)?;
                self.note(system, "mount", dir, b"", "");
                system.mount(dir, None).ok().map(drop)
            }
            Deed::Unmount => {
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

    fn link_target(&mut self) -> &'static [u8] {
        let targets = [&b"a"[..], b"../b", b"/w/r0", b"nowhere"];
        let target = self.random.pick(&targets);
        if self.links_lead_nowhere {
            b"nowhere"
        } else {
            target
        }
    }

    fn create(&mut self, system: &mut System, kind: Kind<'_>, deed: &str) -> Option<()> {
        let ground = system.disk.resolve(GROUND, false).ok()?;
        if system.disk.walk(ground).len() > CROWD && self.random.chance(800) {
            return None;
        }
        let (dir, name) = (self.dir(system)?, self.name());
        self.note(system, deed, dir, name, "");
        system.make(dir, name, kind).ok().map(drop)
    }

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

    fn move_to(
        &mut self,
        system: &mut System,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        exchange: bool,
    ) -> Option<()> {
        let target = Self::path(system, to.0, to.1)?.escape_ascii().to_string();
        let deed = if exchange { "exchange" } else { "rename" };
        self.note(system, deed, from.0, from.1, &target);
        let done = system.rename(from, to, exchange);
        if let Err(errno) = done {
            system.trace.note(|| format!("        refused: {errno:?}"));
        }
        done.ok()
    }

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

    fn go_on_later(&mut self, system: &mut System, script: Script) -> Option<()> {
        if let Some(rest) = self.go_on(system, script) {
            self.scripts.push(rest);
        }
        Some(())
    }

    /// Makes the next call of a script. Returns what is left of it.
    fn go_on(&mut self, system: &mut System, script: Script) -> Option<Script> {
        match script {
            Script::Deep { mut dir, left } => {
                let at = system.disk.resolve(&dir, false).ok()?;
                let name = self.name();
                if left == 0 {
                    self.note(system, "create", at, name, "deep");
                    system.make(at, name, Kind::File).ok()?;
                    return None;
                }
                self.note(system, "mkdir", at, name, "deep");
                // `mkdir -p` does not mind what is there already.
                let _ = system.make(at, name, Kind::Dir);
                dir.push(b'/');
                dir.extend_from_slice(name);
                Some(Script::Deep {
                    dir,
                    left: left - 1,
                })
            }
            Script::RemoveTree { top, remakes } => self.remove_next(system, top, remakes),
            Script::Replace {
                temporary,
                target,
                is_written,
            } => {
                let (dir, name) = split(system, &temporary)?;
                if !is_written {
                    self.note(system, "write", dir, name, "to replace");
                    system.write(dir, name).ok()?;
                    return Some(Script::Replace {
                        is_written: true,
                        temporary,
                        target,
                    });
                }
                let (to, to_name) = split(system, &target)?;
                self.move_to(system, (dir, name), (to, to_name), false)?;
                None
            }
            Script::Back {
                from,
                to,
                in_calls: 0,
            } => {
                let (dir, name) = split(system, &from)?;
                let (back, back_name) = split(system, &to)?;
                self.move_to(system, (dir, name), (back, back_name), false)?;
                None
            }
            Script::Back { from, to, in_calls } => {
                self.done -= 1;
                Some(Script::Back {
                    from,
                    to,
                    in_calls: in_calls - 1,
                })
            }
        }
    }

    fn remove_next(&mut self, system: &mut System, top: Vec<u8>, remakes: bool) -> Option<Script> {
        let (dir, name) = split(system, &top)?;
        let Some(ino) = system.disk.entry(dir, name) else {
            if remakes {
                self.note(system, "mkdir", dir, name, "again");
                system.make(dir, name, Kind::Dir).ok()?;
            }
            return None;
        };
        let mut at = Found {
            dir,
            name: name.into(),
            inode: ino,
            depth: 0,
        };
        while let Some(entry) = system
            .disk
            .directory(at.inode)
            .and_then(|directory| directory.entries.first())
        {
            let (inode, name) = (entry.inode, entry.name.clone());
            at = Found {
                dir: at.inode,
                name,
                inode,
                depth: 0,
            };
        }
        self.note(system, "remove", at.dir, &at.name, "in a tree");
        match system.disk.is_dir(at.inode) {
            true => system.rmdir(at.dir, &at.name).ok()?,
            false => system.unlink(at.dir, &at.name).ok()?,
        }
        (remakes || at.dir != dir).then_some(Script::RemoveTree { top, remakes })
    }
}

fn is_file(system: &System, found: &Found) -> bool {
    system.disk.kind(found.inode) == everwatch_core::change::FileType::File
}

fn is_empty_dir(system: &System, found: &Found) -> bool {
    system
        .disk
        .directory(found.inode)
        .is_some_and(|directory| directory.entries.is_empty())
}

/// The directory of a path and its last name.
fn split<'a>(system: &System, path: &'a [u8]) -> Option<(Ino, &'a [u8])> {
    let at = path.iter().rposition(|&byte| byte == b'/')?;
    let dir = system.disk.resolve(&path[..at], false).ok()?;
    system.disk.is_dir(dir).then_some((dir, &path[at + 1..]))
}
