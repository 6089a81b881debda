//! Patterns of real programs: several calls, one after the other, by path.

use crate::disk::Ino;
use crate::disk::paths::Found;
use crate::system::System;
use crate::system::calls::Kind;
use crate::workload::Workload;

#[derive(Clone, Debug)]
pub(crate) enum Script {
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

impl Workload {
    pub(crate) fn go_on_later(&mut self, system: &mut System, script: Script) -> Option<()> {
        if let Some(rest) = self.go_on(system, script) {
            self.scripts.push(rest);
        }
        Some(())
    }

    /// Makes the next call of a script. Returns what is left of it.
    pub(crate) fn go_on(&mut self, system: &mut System, script: Script) -> Option<Script> {
        match script {
            Script::Deep { mut dir, left } => {
                let at = system.disk.resolve(&dir).ok()?;
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

    /// Removes what is deepest in a tree, one entry for each call, as rm(1) does; with `remakes` the top is
    /// made again at the end.
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

/// The directory of a path and its last name.
pub(crate) fn split<'a>(system: &System, path: &'a [u8]) -> Option<(Ino, &'a [u8])> {
    let at = path.iter().rposition(|&byte| byte == b'/')?;
    let dir = system.disk.resolve(&path[..at]).ok()?;
    system.disk.is_dir(dir).then_some((dir, &path[at + 1..]))
}
