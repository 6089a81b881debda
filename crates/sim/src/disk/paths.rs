//! From names to inodes and back: lookups, symbolic links, mounts, walks.

use crate::disk::names::is_named;
use crate::disk::{Content, Dirent, Disk, Errno, Ino};

/// An entry that [`Disk::walk`] found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) dir: Ino,
    pub(crate) name: Box<[u8]>,
    /// What has the name, mounts crossed.
    pub(crate) inode: Ino,
    pub(crate) depth: usize,
}

impl Disk {
    /// What the name stands for, without crossing into what is mounted there.
    pub(crate) fn entry(&self, dir: Ino, name: &[u8]) -> Option<Ino> {
        self.dirent(dir, name).map(|entry| entry.inode)
    }

    /// What the directory lists for the name.
    pub(crate) fn dirent(&self, dir: Ino, name: &[u8]) -> Option<&Dirent> {
        let folds_names = self.traits().folds_names;
        let entries = &self.directory(dir)?.entries;
        entries
            .iter()
            .find(|entry| is_named(entry, name, folds_names))
    }

    /// The top of what is mounted on the inode, or the inode.
    pub(crate) fn cross(&self, ino: Ino) -> Ino {
        let mount = self.mounts.iter().rev().find(|mount| mount.covered == ino);
        mount.map_or(ino, |mount| self.cross(mount.top))
    }

    pub(crate) fn is_mount_point(&self, ino: Ino) -> bool {
        self.mounts.iter().any(|mount| mount.covered == ino)
    }

    /// The inode of a name; at a mount point, what is mounted there.
    pub(crate) fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Ino, Errno> {
        if !self.is_dir(dir) {
            return Err(Errno::NotDirectory);
        }
        self.entry(dir, name)
            .map(|ino| self.cross(ino))
            .ok_or(Errno::NoEntry)
    }

    /// Resolves an absolute path, following all symbolic links in it, as a process with all permissions.
    pub(crate) fn resolve(&self, path: &[u8]) -> Result<Ino, Errno> {
        self.resolve_from(self.top(), path, false, 0)
    }

    /// The same as a process whose permissions count: directories that it passes must be searchable.
    pub(crate) fn resolve_permitted(&self, path: &[u8]) -> Result<Ino, Errno> {
        self.resolve_from(self.top(), path, true, 0)
    }

    /// Resolves a path from a directory. Links in links lead eight deep at most (ELOOP).
    fn resolve_from(
        &self,
        start: Ino,
        path: &[u8],
        needs_permission: bool,
        depth: usize,
    ) -> Result<Ino, Errno> {
        if depth > 8 {
            return Err(Errno::Loop);
        }
        let mut at = if path.starts_with(b"/") {
            self.cross(self.top())
        } else {
            start
        };
        for name in path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
        {
            if needs_permission && self.is_dir(at) && !self.inode(at).is_searchable {
                return Err(Errno::Denied);
            }
            let next = self.lookup(at, name)?;
            at = match &self.inode(next).content {
                Content::Symlink(target) => {
                    self.resolve_from(at, target, needs_permission, depth + 1)?
                }
                _ => next,
            };
        }
        Ok(at)
    }

    /// Where the symbolic link at `path` points.
    pub(crate) fn link_at(&self, path: &[u8]) -> Option<Vec<u8>> {
        let end = path.iter().rposition(|&byte| byte == b'/')?;
        let dir = self.resolve_permitted(&path[..end]).ok()?;
        match &self.inode(self.entry(dir, &path[end + 1..])?).content {
            Content::Symlink(target) => Some(target.to_vec()),
            _ => None,
        }
    }

    /// Whether `ino` is `ancestor` or below it on the same file system.
    pub(crate) fn is_within(&self, ino: Ino, ancestor: Ino) -> bool {
        let above = |&ino: &Ino| self.directory(ino).and_then(|directory| directory.parent);
        std::iter::successors(Some(ino), above).any(|ino| ino == ancestor)
    }

    /// All entries below `dir`, mounts crossed, parents before children.
    pub(crate) fn walk(&self, dir: Ino) -> Vec<Found> {
        let mut found = Vec::new();
        self.walk_into(dir, 1, &mut found);
        found
    }

    fn walk_into(&self, dir: Ino, depth: usize, found: &mut Vec<Found>) {
        let Some(directory) = self.directory(dir) else {
            return;
        };
        for entry in &directory.entries {
            let inode = self.cross(entry.inode);
            found.push(Found {
                dir,
                name: entry.name.clone(),
                inode,
                depth,
            });
            self.walk_into(inode, depth + 1, found);
        }
    }

    /// The path of a directory that is in the tree.
    pub(crate) fn raw_path_of(&self, dir: Ino) -> Option<Vec<u8>> {
        if let Some(mount) = self.mounts.iter().find(|mount| mount.top == dir) {
            return self.raw_path_of(mount.covered);
        }
        if dir == self.top() {
            return Some(Vec::new());
        }
        let parent = self.directory(dir)?.parent?;
        let entry = self
            .directory(parent)?
            .entries
            .iter()
            .find(|entry| entry.inode == dir)?;
        let mut path = self.raw_path_of(parent)?;
        path.push(b'/');
        path.extend_from_slice(&entry.name);
        Some(path)
    }

    /// The path of a directory, for people.
    pub(crate) fn path_of(&self, dir: Ino) -> String {
        match self.raw_path_of(dir) {
            Some(path) if path.is_empty() => "/".to_owned(),
            Some(path) => path.escape_ascii().to_string(),
            None => format!("(removed {})", dir.0),
        }
    }
}
