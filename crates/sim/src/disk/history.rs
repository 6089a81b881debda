//! The history of names: which inodes ever had which path.
//!
//! A consumer that reads of a move knows two paths and no inode. Whether one entry had both at some time is
//! known here alone.

use std::collections::BTreeSet;

use everwatch_core::time::FileTime;

use crate::disk::{Content, Disk, Ino, Inode};

/// All by which programs can tell an inode from others, now and later: device, number, birth.
type Identity = (usize, u64, Option<FileTime>);

/// Every name that was ever given, and to what.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Of each inode.
    identities: Vec<Identity>,
    names: BTreeSet<(Ino, Box<[u8]>, Ino)>,
    /// What was ever mounted, and on what.
    mounts: BTreeSet<(Ino, Ino)>,
}

impl History {
    /// An inode is new. Keys grow by one.
    pub(crate) fn born(&mut self, inode: &Inode) {
        let identity = (inode.device, inode.number, inode.created_at);
        self.identities.push(identity);
    }

    pub(crate) fn name(&mut self, dir: Ino, name: &[u8], ino: Ino) {
        self.names.insert((dir, name.into(), ino));
    }

    pub(crate) fn mount(&mut self, covered: Ino, top: Ino) {
        self.mounts.insert((covered, top));
    }
}

impl Disk {
    /// Whether one entry may have had both of these absolute paths, one after the other or at once. Inodes
    /// that no program can tell from each other count as one, also the directories on the way.
    pub(crate) fn were_one(&self, path: &[u8], other: &[u8]) -> bool {
        let (Some(here), Some(there)) = (self.ever_at(path), self.ever_at(other)) else {
            return true;
        };
        !here.is_disjoint(&there)
    }

    /// All that ever had the path, or `None` if a symbolic link may have led there.
    fn ever_at(&self, path: &[u8]) -> Option<BTreeSet<Ino>> {
        let mut at = self.with_equals(BTreeSet::from([self.top()]));
        let mut names = path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
            .peekable();
        while let Some(name) = names.next() {
            let mut next = BTreeSet::new();
            for &dir in &at {
                let first = (dir, Box::default(), Ino(0));
                let given = self.history.names.range(first..);
                let given = given.take_while(|(of, ..)| *of == dir);
                next.extend(
                    given
                        .filter(|(_, given, _)| self.is_same_name(given, name))
                        .map(|&(.., ino)| ino),
                );
            }
            let is_link = |ino: &Ino| matches!(self.inode(*ino).content, Content::Symlink(_));
            if names.peek().is_some() && next.iter().any(is_link) {
                return None;
            }
            at = self.with_equals(next);
        }
        Some(at)
    }

    /// These, all that was ever mounted on one of them, and all that looks like one of them.
    fn with_equals(&self, mut inodes: BTreeSet<Ino>) -> BTreeSet<Ino> {
        loop {
            let before = inodes.len();
            let mounts = self.history.mounts.iter();
            let tops = mounts.filter(|(covered, _)| inodes.contains(covered));
            let tops: Vec<Ino> = tops.map(|&(_, top)| top).collect();
            inodes.extend(tops);
            let identities = &self.history.identities;
            let looks: BTreeSet<Identity> = inodes
                .iter()
                .map(|ino| identities[ino.0 as usize])
                .collect();
            let equals = (0..)
                .zip(identities)
                .filter(|(_, identity)| looks.contains(identity));
            inodes.extend(equals.map(|(ino, _)| Ino(ino)));
            if inodes.len() == before {
                return inodes;
            }
        }
    }

    fn is_same_name(&self, one: &[u8], other: &[u8]) -> bool {
        match self.traits.folds_names {
            true => one.eq_ignore_ascii_case(other),
            false => one == other,
        }
    }
}
