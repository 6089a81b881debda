//! A consumer: applies the events of one outlet, and nothing else, to the tree it began with.
//!
//! It applies them as the promise says: created, modified and metadata mean that the path exists
//! with that kind; removed drops it and all below; moved drops what was at the target and moves the
//! source with all below. What makes no sense is an error: a move of something unknown, the removal
//! of something unknown, an entry in something that is no directory, a number that does not grow.
//!
//! Whenever a file is created or modified, the consumer reads it. At the end it must have read what
//! is on the disk.

use std::collections::BTreeMap;
use std::path::Path;

use everwatch_core::entry::FileType;
use everwatch_core::event::{ChangeKind, Event};
use everwatch_core::path::to_bytes;

use crate::disk::{Content, Disk, Ino};
use crate::workload::ignore_files as rules;

/// A root as the consumer knows it.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) dir: Vec<u8>,
    pub(crate) only: Option<Vec<u8>>,
    pub(crate) recursive: bool,
    /// Ignore files hide what they say.
    pub(crate) obeys_rules: bool,
}

impl Scope {
    /// The path that the caller asked to watch.
    pub(crate) fn told_path(&self) -> Vec<u8> {
        match &self.only {
            Some(name) => [&self.dir, &b"/"[..], name].concat(),
            None => self.dir.clone(),
        }
    }

    /// Whether an entry of this path would be in the root.
    pub(crate) fn covers(&self, path: &[u8]) -> bool {
        let Some(below) = path.strip_prefix(&self.dir[..]) else {
            return false;
        };
        match (below.strip_prefix(b"/"), &self.only) {
            (Some(below), Some(only)) => below == only,
            (Some(below), None) => self.recursive || !below.contains(&b'/'),
            (None, only) => below.is_empty() && only.is_none(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Known {
    kind: FileType,
    /// The version that was read when the file was last reported; `None` if there was no file.
    read: Option<u64>,
    /// The number of the last write to any file at that moment.
    told: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Replica {
    entries: BTreeMap<Vec<u8>, Known>,
    last_seq: u64,
    /// Roots in the trees of other roots: they are not told of when they begin, and may or may not
    /// be told to go.
    pub(crate) vague: Vec<Vec<u8>>,
    /// What made no sense.
    pub(crate) complaints: Vec<String>,
}

impl Replica {
    /// The consumer's tree begins with this entry.
    pub(crate) fn begin(&mut self, path: &Path, kind: FileType, disk: &Disk) {
        let path = to_bytes(path);
        let known = look(disk, &path, kind);
        self.entries.entry(path).or_insert(known);
    }

    /// A root is no longer watched: what only that one had is of no interest any more.
    pub(crate) fn end(&mut self, scope: &Scope, left: &[Scope]) {
        self.entries
            .retain(|path, _| !scope.covers(path) || left.iter().any(|other| other.covers(path)));
    }

    pub(crate) fn apply(&mut self, event: &Event, disk: &Disk) {
        let Event::Change(change) = event else { return };
        if change.seq <= self.last_seq {
            self.complain(format!("number {} after {}", change.seq, self.last_seq));
        }
        self.last_seq = change.seq;
        let path = to_bytes(&change.path);
        match &change.kind {
            ChangeKind::Created | ChangeKind::Modified => {
                let is_known = self.entries.contains_key(&path);
                if change.kind == ChangeKind::Modified && !is_known {
                    self.complain(format!("modified, but unknown: {}", change.path.display()));
                }
                self.check_parent(&path);
                if change.file_type != FileType::Dir {
                    self.check_childless(&path);
                }
                self.entries
                    .insert(path.clone(), look(disk, &path, change.file_type));
            }
            ChangeKind::Metadata => match self.entries.get_mut(&path) {
                Some(known) => known.kind = change.file_type,
                None => {
                    self.complain(format!("metadata, but unknown: {}", change.path.display()));
                    self.entries
                        .insert(path.clone(), look(disk, &path, change.file_type));
                }
            },
            ChangeKind::Removed => {
                if !self.entries.contains_key(&path) && !self.vague.contains(&path) {
                    self.complain(format!("removed, but unknown: {}", change.path.display()));
                }
                self.take(&path);
            }
            ChangeKind::Moved { from } => self.apply_move(from, &change.path, change.file_type),
            _ => {}
        }
    }

    fn apply_move(&mut self, from: &Path, path: &Path, kind: FileType) {
        let (source, target) = (to_bytes(from), to_bytes(path));
        if target.starts_with(&[&source[..], b"/"].concat()) {
            self.complain(format!(
                "moved into itself: {} -> {}",
                from.display(),
                path.display()
            ));
            return;
        }
        if !self.entries.contains_key(&source) {
            self.complain(format!("moved, but unknown: {}", from.display()));
        }
        let moved = self.take(&source);
        self.take(&target);
        self.check_parent(&target);
        for (name, mut known) in moved {
            if name == source {
                known.kind = kind;
            }
            let path = [&target[..], &name[source.len()..]].concat();
            self.entries.insert(path, known);
        }
    }

    /// Drops an entry with all below it, and returns them.
    fn take(&mut self, path: &[u8]) -> Vec<(Vec<u8>, Known)> {
        let mut taken = Vec::new();
        taken.extend(self.entries.remove_entry(path));
        for below in self.below(path) {
            taken.extend(self.entries.remove_entry(&below));
        }
        taken
    }

    fn below(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let first = [path, b"/"].concat();
        let behind = [path, b"0"].concat();
        self.entries
            .range(first..behind)
            .map(|(path, _)| path.clone())
            .collect()
    }

    fn check_parent(&mut self, path: &[u8]) {
        let Some(end) = path.iter().rposition(|&byte| byte == b'/') else {
            return;
        };
        if self.vague.iter().any(|vague| vague == path) {
            return;
        }
        let fits = match self.entries.get(&path[..end]) {
            Some(parent) => parent.kind == FileType::Dir,
            // The parent of a root is not known.
            None => !self
                .entries
                .keys()
                .any(|other| path.starts_with(&[other, &b"/"[..]].concat())),
        };
        if !fits {
            self.complain(format!("no directory to be in: {}", path.escape_ascii()));
        }
    }

    fn check_childless(&mut self, path: &[u8]) {
        if !self.below(path).is_empty() {
            self.complain(format!(
                "no directory, but entries in it: {}",
                path.escape_ascii()
            ));
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < 8 {
            self.complaints.push(complaint);
        }
    }

    /// The differences between the consumer's tree and the disk.
    pub(crate) fn compare(&self, disk: &Disk, scopes: &[Scope]) -> Vec<String> {
        let truth = Truth::of(disk, scopes);
        let mut differences = self.complaints.clone();
        for (path, &(ino, kind)) in &truth.entries {
            let shown = path.escape_ascii();
            match self.entries.get(path) {
                None => differences.push(format!("missing: {shown} ({kind})")),
                Some(known) if known.kind != kind => {
                    differences.push(format!("kind: {shown} is {kind}, known as {}", known.kind));
                }
                Some(known) => {
                    // A write through another name of the file is reported for that name only.
                    if let Content::File(version) = disk.inode(ino).content
                        && !disk.inode(ino).was_linked
                        && known.read != Some(version)
                        && known.told < version
                    {
                        differences.push(format!(
                            "content: {shown} was written ({version}) after it was last reported \
                             ({}, read {:?})",
                            known.told, known.read
                        ));
                    }
                }
            }
        }
        for path in self.entries.keys() {
            if !truth.entries.contains_key(path) && !truth.is_blind(path) {
                differences.push(format!("ghost: {}", path.escape_ascii()));
            }
        }
        differences
    }
}

/// What looking at the path shows to the consumer.
fn look(disk: &Disk, path: &[u8], kind: FileType) -> Known {
    let read = disk
        .resolve(path, false)
        .ok()
        .and_then(|ino| match disk.inode(ino).content {
            Content::File(version) => Some(version),
            _ => None,
        });
    Known {
        kind,
        read,
        told: disk.version,
    }
}

/// What there is to know.
struct Truth {
    entries: BTreeMap<Vec<u8>, (Ino, FileType)>,
    /// Directories that cannot be read: nothing is said of what is below.
    blind: Vec<Vec<u8>>,
    /// Entries of which nothing is said.
    vague: Vec<Vec<u8>>,
}

impl Truth {
    fn of(disk: &Disk, scopes: &[Scope]) -> Truth {
        let mut truth = Truth {
            entries: BTreeMap::new(),
            blind: Vec::new(),
            vague: Vec::new(),
        };
        for scope in scopes {
            let top = disk.resolve(&scope.dir, false);
            let Some(top) = top.ok().filter(|&top| disk.is_dir(top)) else {
                continue;
            };
            if !disk.inode(top).is_readable {
                // A root that comes back like this is told once it can be opened.
                truth.vague.push(scope.dir.clone());
            } else if scope.only.is_none() {
                truth
                    .entries
                    .insert(scope.dir.clone(), (top, FileType::Dir));
            }
            truth.walk(disk, &mut vec![(top, &b""[..])], &scope.dir, scope);
        }
        truth
    }

    fn walk<'a>(
        &mut self,
        disk: &'a Disk,
        way: &mut Vec<(Ino, &'a [u8])>,
        path: &[u8],
        scope: &Scope,
    ) {
        let Some(&(dir, _)) = way.last() else { return };
        let inode = disk.inode(dir);
        if !inode.is_readable || !inode.is_searchable {
            self.blind.push(path.to_vec());
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
            if scope.obeys_rules && rules::hide(disk, way, &entry.name, is_dir) {
                continue;
            }
            let path = [path, b"/", &entry.name].concat();
            self.entries.insert(path.clone(), (inode, disk.kind(inode)));
            if scope.recursive && is_dir {
                way.push((inode, &entry.name));
                self.walk(disk, way, &path, scope);
                way.pop();
            }
        }
    }

    fn is_blind(&self, path: &[u8]) -> bool {
        self.vague.iter().any(|vague| vague == path)
            || self
                .blind
                .iter()
                .any(|blind| path.starts_with(&[blind, &b"/"[..]].concat()))
    }
}
