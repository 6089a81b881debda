//! The tree that a consumer should have: what is on the disk, within its roots, and not hidden.

use std::path::{Path, PathBuf};

use everwatch_core::entry::FileType;
use everwatch_core::path::to_path;
use everwatch_core::tree::Tree;

use crate::disk::{Disk, Errno, Ino};
use crate::schedule::scope::Scope;
use crate::workload::ignore_files;

/// Whether the path of a root can be followed. Where it leads through a directory that must not be
/// searched, the root cannot be opened (path_resolution(7)). On Windows everybody may go through every
/// directory to what is named in it (SeChangeNotifyPrivilege, which all users have by default); there it
/// matters for a root in the tree of another one, which is named as lost with what is above it.
fn is_reached(disk: &Disk, scope: &Scope, scopes: &[Scope]) -> bool {
    let is_around = |other: &Scope| {
        let below = scope.dir.strip_prefix(&*other.dir);
        other.only.is_none() && below.is_some_and(|below| below.starts_with(b"/"))
    };
    let asks = !disk.traits().folds_names || scopes.iter().any(is_around);
    !asks || disk.resolve_permitted(&scope.dir) != Err(Errno::Denied)
}

/// What there is to know, computed from the disk alone.
pub(crate) struct ExpectedTree {
    /// The entries, each with its inode.
    pub(crate) tree: Tree<Option<Ino>>,
    /// Directories that cannot be read: of what is below nothing is expected.
    unreadable: Vec<PathBuf>,
    /// Roots that cannot be read. They may be known or not: one that comes back like this is reported once it
    /// can be opened.
    optional: Vec<PathBuf>,
}

impl ExpectedTree {
    /// The tree of a consumer whose watcher has these roots.
    pub(crate) fn of(disk: &Disk, scopes: &[Scope]) -> ExpectedTree {
        let mut expected = ExpectedTree {
            tree: Tree::default(),
            unreadable: Vec::new(),
            optional: Vec::new(),
        };
        for scope in scopes {
            if !is_reached(disk, scope, scopes) {
                expected.optional.push(to_path(scope.dir.clone()));
                expected.unreadable.push(to_path(scope.dir.clone()));
                continue;
            }
            let top = disk.resolve(&scope.dir);
            let Some(top) = top.ok().filter(|&top| disk.is_dir(top)) else {
                continue;
            };
            let path = to_path(scope.dir.clone());
            if !disk.inode(top).is_readable {
                expected.optional.push(path.clone());
            } else if scope.only.is_none() {
                expected.insert(&path, top, FileType::Dir);
            }
            expected.add_below(disk, &mut vec![(top, &b""[..])], &path, scope);
        }
        expected
    }

    fn insert(&mut self, path: &Path, ino: Ino, file_type: FileType) {
        self.tree.insert(path, file_type);
        if let Some(value) = self.tree.value_mut(path) {
            *value = Some(ino);
        }
    }

    /// Adds what is below `path`. `ancestors` are the directories from the root down to it, each with its
    /// name.
    fn add_below<'a>(
        &mut self,
        disk: &'a Disk,
        ancestors: &mut Vec<(Ino, &'a [u8])>,
        path: &Path,
        scope: &Scope,
    ) {
        let Some(&(dir, _)) = ancestors.last() else {
            return;
        };
        let inode = disk.inode(dir);
        if !inode.is_readable || !inode.is_searchable {
            self.unreadable.push(path.to_owned());
            return;
        }
        let entries = disk.directory(dir).map(|directory| &directory.entries);
        for entry in entries.into_iter().flatten() {
            if scope
                .only
                .as_ref()
                .is_some_and(|only| **only != *entry.name)
            {
                continue;
            }
            let inode = disk.cross(entry.inode);
            let is_dir = disk.is_dir(inode);
            if scope.obeys_rules && ignore_files::hide(disk, ancestors, &entry.name, is_dir) {
                continue;
            }
            let path = path.join(to_path(entry.name.to_vec()));
            self.insert(&path, inode, disk.kind(inode));
            if scope.recursive && is_dir {
                ancestors.push((inode, &entry.name));
                self.add_below(disk, ancestors, &path, scope);
                ancestors.pop();
            }
        }
    }

    /// Whether a consumer may know the path although it is not expected.
    pub(crate) fn may_be_known(&self, path: &Path) -> bool {
        self.optional.iter().any(|root| root == path)
            || self
                .unreadable
                .iter()
                .any(|dir| path != dir && path.starts_with(dir))
    }
}
