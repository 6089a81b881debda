//! Filters: which entries do not exist as far as Everwatch is concerned.
//!
//! What is hidden gets no entry in the mirror, no watch and no listing. Two sources decide: globs
//! that the caller gives, and `.gitignore` files in the tree, both with git's rules (gitignore(5)).
//! The rules of a directory are read through its open handle when it is listed, never by path.

use ::ignore::gitignore::{Gitignore, GitignoreBuilder};
use hashbrown::HashMap;
use std::fmt;

use super::rules::{AncestorIgnores, RulesFile, parse, verdict};
use crate::mirror::{Mirror, NodeId};
use crate::path::to_path;

/// A glob that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadGlob {
    /// The glob.
    pub glob: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for BadGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.glob, self.reason)
    }
}

impl std::error::Error for BadGlob {}

/// What hides entries. The default hides nothing.
#[derive(Debug, Default)]
pub struct Filter {
    globs: Option<Gitignore>,
    reads_rules: bool,
    rules: HashMap<NodeId, Gitignore>,
    outer: HashMap<NodeId, Vec<AncestorIgnores>>,
}

impl Filter {
    /// Hides what one of the globs matches, relative to the root, with git's rules: a glob without
    /// a slash matches at any depth, a leading `!` takes back what an earlier glob hid.
    pub fn new<S: AsRef<str>>(globs: &[S], gitignore: bool) -> Result<Filter, BadGlob> {
        let mut builder = GitignoreBuilder::new("");
        for glob in globs {
            let glob = glob.as_ref();
            builder.add_line(None, glob).map_err(|error| BadGlob {
                glob: glob.to_owned(),
                reason: reason(error),
            })?;
        }
        let globs = match globs {
            [] => None,
            _ => Some(builder.build().map_err(|error| BadGlob {
                glob: String::new(),
                reason: error.to_string(),
            })?),
        };
        Ok(Filter {
            globs,
            reads_rules: gitignore,
            ..Filter::default()
        })
    }

    /// Whether anything can be hidden at all.
    pub(crate) fn is_active(&self) -> bool {
        self.reads_rules || self.globs.is_some()
    }

    /// Whether `.gitignore` files are read.
    pub fn reads_rules(&self) -> bool {
        self.reads_rules
    }

    pub(crate) fn set_outer(&mut self, root: NodeId, outer: Vec<AncestorIgnores>) {
        if !outer.is_empty() {
            self.outer.insert(root, outer);
        }
    }

    /// The files above `root` that have rules for it.
    pub(crate) fn outer_files(&self, root: NodeId) -> Vec<RulesFile> {
        let outer = self.outer.get(&root).into_iter().flatten();
        outer.filter_map(|rules| rules.file.clone()).collect()
    }

    /// Takes over the text of a file above `root`; `None` if there is none. Returns whether it is
    /// another text than before.
    pub(crate) fn set_outer_text(
        &mut self,
        root: NodeId,
        file: &RulesFile,
        text: Option<Vec<u8>>,
    ) -> bool {
        let mut outer = self.outer.get_mut(&root).into_iter().flatten();
        let known = outer.find(|rules| rules.file.as_ref() == Some(file));
        let Some(known) = known.filter(|known| known.text != text) else {
            return false;
        };
        known.rules = text.as_deref().map_or_else(Gitignore::empty, parse);
        known.text = text;
        true
    }

    /// Takes over the text of a directory's rules; `None` if it has none.
    pub(crate) fn set_rules(&mut self, dir: NodeId, text: Option<&[u8]>) {
        match text.map(parse) {
            Some(rules) if !rules.is_empty() => {
                self.rules.insert(dir, rules);
            }
            _ => {
                self.rules.remove(&dir);
            }
        }
    }

    pub(crate) fn forget(&mut self, dir: NodeId) {
        self.rules.remove(&dir);
        self.outer.remove(&dir);
    }

    /// Whether the entry `name` of `parent` is hidden.
    pub(crate) fn hides(&self, mirror: &Mirror, parent: NodeId, name: &[u8], is_dir: bool) -> bool {
        if self.globs.is_none() && !self.reads_rules {
            return false;
        }
        if self.reads_rules && name == b".git" {
            return true;
        }
        // Below a root the relative path grows at the front as the walk goes up, and each
        // directory's rules see the part below that directory. The innermost rule wins.
        let mut relative = name.to_vec();
        let mut above = Some(parent);
        while let Some(dir) = above {
            if let Some(rules) = self.rules.get(&dir)
                && let Some(hidden) = verdict(rules, &to_path(relative.clone()), is_dir)
            {
                return hidden || self.globs_hide(mirror, parent, name, is_dir);
            }
            if mirror.is_root(dir) {
                for outer in self.outer.get(&dir).into_iter().flatten() {
                    let path = outer.prefix.join(to_path(relative.clone()));
                    if let Some(hidden) = verdict(&outer.rules, &path, is_dir) {
                        return hidden || self.globs_hide(mirror, parent, name, is_dir);
                    }
                }
            } else {
                let mut longer = mirror.name(dir).to_vec();
                longer.push(b'/');
                longer.append(&mut relative);
                relative = longer;
            }
            above = mirror.parent(dir);
        }
        self.globs_hide(mirror, parent, name, is_dir)
    }

    fn globs_hide(&self, mirror: &Mirror, parent: NodeId, name: &[u8], is_dir: bool) -> bool {
        let Some(globs) = &self.globs else {
            return false;
        };
        let mut relative = Vec::new();
        let mut names = vec![name];
        let mut above = Some(parent);
        while let Some(dir) = above.filter(|&dir| !mirror.is_root(dir)) {
            names.push(mirror.name(dir));
            above = mirror.parent(dir);
        }
        for name in names.into_iter().rev() {
            if !relative.is_empty() {
                relative.push(b'/');
            }
            relative.extend_from_slice(name);
        }
        verdict(globs, &to_path(relative), is_dir).unwrap_or(false)
    }
}

/// What is wrong with a glob, without the glob itself.
fn reason(error: ::ignore::Error) -> String {
    match error {
        ::ignore::Error::Glob { err, .. } => err,
        ::ignore::Error::WithLineNumber { err, .. } | ::ignore::Error::WithPath { err, .. } => {
            reason(*err)
        }
        other => other.to_string(),
    }
}
