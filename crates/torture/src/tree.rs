//! A tree of names and kinds: what the replica holds and what a walk finds.
//!
//! Nested maps, so that moving or dropping a directory costs no more than its depth.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// What an entry is, as the lines name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Dir,
    Symlink,
    Other,
}

impl Kind {
    pub fn from_line(name: &str) -> Option<Kind> {
        Some(match name {
            "file" => Kind::File,
            "dir" => Kind::Dir,
            "symlink" => Kind::Symlink,
            "other" => Kind::Other,
            _ => return None,
        })
    }
}

/// An entry with all below it.
#[derive(Clone, Debug)]
pub struct Tree {
    pub kind: Kind,
    /// On disk: when the content of a file was last written. In a replica: when that was last
    /// reported. In nanoseconds since 1970; 0 if it is not known or does not matter.
    pub content: i64,
    below: HashMap<Box<[u8]>, Tree>,
}

/// The names that lead to an absolute path.
pub fn names(path: &Path) -> impl Iterator<Item = &[u8]> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.as_bytes()),
        _ => None,
    })
}

impl Tree {
    pub fn new(kind: Kind) -> Tree {
        Tree {
            kind,
            content: 0,
            below: HashMap::new(),
        }
    }

    /// Number of entries below.
    pub fn count(&self) -> usize {
        self.below.values().map(|child| 1 + child.count()).sum()
    }

    pub fn get(&self, path: &Path) -> Option<&Tree> {
        names(path).try_fold(self, |tree, name| tree.below.get(name))
    }

    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Tree> {
        names(path).try_fold(self, |tree, name| tree.below.get_mut(name))
    }

    pub fn add(&mut self, name: &[u8], child: Tree) {
        self.below.insert(name.into(), child);
    }

    /// Puts an entry at a path. Returns whether its parent was there; if not, it is made up.
    pub fn put(&mut self, path: &Path, entry: Tree) -> bool {
        let mut had_parent = true;
        let mut names: Vec<&[u8]> = names(path).collect();
        let Some(last) = names.pop() else {
            return false;
        };
        let mut tree = self;
        for name in names {
            if !tree.below.contains_key(name) {
                had_parent = false;
                tree.add(name, Tree::new(Kind::Dir));
            }
            tree = tree.below.get_mut(name).expect("just looked or added");
        }
        tree.add(last, entry);
        had_parent
    }

    /// Takes an entry with all below it out of the tree.
    pub fn take(&mut self, path: &Path) -> Option<Tree> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        self.get_mut(parent)?.below.remove(name.as_bytes())
    }

    /// Says that the content of all files is reported as it is at this moment.
    pub fn report_all(&mut self, moment: i64) {
        self.content = moment;
        for child in self.below.values_mut() {
            child.report_all(moment);
        }
    }

    /// Drops entries, with all below them, that are not to be kept. Asks for each by its path.
    pub fn retain(&mut self, above: &Path, keep: &impl Fn(&Path, Kind) -> bool) {
        self.below.retain(|name, child| {
            let path = above.join(OsStr::from_bytes(name));
            let stays = keep(&path, child.kind);
            if stays {
                child.retain(&path, keep);
            }
            stays
        });
    }
}

/// How a replica differs from the disk.
#[derive(Clone, Default, Debug)]
pub struct Difference {
    pub missing: usize,
    pub ghosts: usize,
    pub wrong_kinds: usize,
    /// Files that were written after they were last reported.
    pub unreported: usize,
    /// The first few, for people.
    pub examples: Vec<String>,
}

const EXAMPLES: usize = 12;

impl Difference {
    pub fn is_none(&self) -> bool {
        self.missing + self.ghosts + self.wrong_kinds + self.unreported == 0
    }

    /// Compares what is at `path`; either side may have nothing there.
    pub fn add(&mut self, path: &Path, replica: Option<&Tree>, disk: Option<&Tree>) {
        match (replica, disk) {
            (None, None) => {}
            (None, Some(disk)) => {
                self.missing += 1 + disk.count();
                self.example("missing", path);
            }
            (Some(replica), None) => {
                self.ghosts += 1 + replica.count();
                self.example("ghost", path);
            }
            (Some(replica), Some(disk)) => {
                if replica.kind != disk.kind {
                    self.wrong_kinds += 1;
                    self.example(&format!("{:?} for {:?}", replica.kind, disk.kind), path);
                }
                if replica.content < disk.content {
                    self.unreported += 1;
                    let late = (disk.content - replica.content) / 1000;
                    self.example(&format!("written {late} us after it was reported"), path);
                }
                for (name, theirs) in &disk.below {
                    let path = path.join(OsStr::from_bytes(name));
                    self.add(&path, replica.below.get(name), Some(theirs));
                }
                for (name, ours) in &replica.below {
                    if !disk.below.contains_key(name) {
                        self.add(&path.join(OsStr::from_bytes(name)), Some(ours), None);
                    }
                }
            }
        }
    }

    fn example(&mut self, what: &str, path: &Path) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("{what}: {path:?}"));
        }
    }
}

#[test]
fn a_difference_counts_what_is_below_as_well() {
    let mut replica = Tree::new(Kind::Dir);
    assert!(replica.put(Path::new("/a"), Tree::new(Kind::Dir)));
    assert!(!replica.put(Path::new("/x/y"), Tree::new(Kind::File)));
    let mut disk = Tree::new(Kind::Dir);
    disk.put(Path::new("/a"), Tree::new(Kind::File));
    disk.put(Path::new("/b/c"), Tree::new(Kind::File));
    let mut difference = Difference::default();
    difference.add(Path::new("/"), Some(&replica), Some(&disk));
    let counts = (
        difference.missing,
        difference.ghosts,
        difference.wrong_kinds,
    );
    assert_eq!(counts, (2, 2, 1), "{:?}", difference.examples);
}
