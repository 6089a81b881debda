//! The filter: the globs of the caller and the ignore files of a watcher, asked for each entry.

use hashbrown::HashMap;

#[cfg(feature = "globs")]
use super::matcher::BadGlob;
use super::matcher::Rules;
use super::rules::{AncestorIgnores, IgnoreFiles, RulesFile};
use crate::mirror::{Mirror, NodeId};
use crate::path::to_path;

/// What hides entries. The default hides nothing.
#[derive(Debug, Default)]
pub struct Filter {
    globs: Option<Rules>,
    files: IgnoreFiles,
    /// The rules in the ignore file of a directory, of directories that have one.
    rules: HashMap<NodeId, Rules>,
    /// The rules above a root, by the top of its tree; the nearest come first.
    outer: HashMap<NodeId, Vec<AncestorIgnores>>,
}

impl Filter {
    /// Hides what one of the globs matches, relative to the root, with git's rules, and what ignore files say:
    /// a glob without a slash matches at any depth, a leading `!` takes back what an earlier glob hid.
    ///
    /// # Errors
    ///
    /// The first glob that cannot be understood.
    #[cfg(feature = "globs")]
    pub fn new<S: AsRef<str>>(globs: &[S], files: IgnoreFiles) -> Result<Filter, BadGlob> {
        Ok(Filter {
            globs: Rules::of_globs(globs)?,
            files,
            ..Filter::default()
        })
    }

    /// Whether anything can be hidden at all.
    pub(crate) fn is_active(&self) -> bool {
        self.reads_rules() || self.globs.is_some()
    }

    /// Whether `.gitignore` files are read.
    pub fn reads_rules(&self) -> bool {
        self.files == IgnoreFiles::Git
    }

    /// Takes over the rules above a root, whose tree begins at `root`.
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
        known.rules = text.as_deref().and_then(Rules::parse);
        known.text = text;
        true
    }

    /// Takes over the text of a directory's rules; `None` if it has none.
    pub(crate) fn set_rules(&mut self, dir: NodeId, text: Option<&[u8]>) {
        match text.and_then(Rules::parse) {
            Some(rules) => self.rules.insert(dir, rules),
            None => self.rules.remove(&dir),
        };
    }

    /// Forgets the rules of a directory that goes.
    pub(crate) fn forget(&mut self, dir: NodeId) {
        self.rules.remove(&dir);
        self.outer.remove(&dir);
    }

    /// Whether the entry `name` of `parent` is hidden.
    pub(crate) fn hides(&self, mirror: &Mirror, parent: NodeId, name: &[u8], is_dir: bool) -> bool {
        if !self.is_active() {
            return false;
        }
        if self.reads_rules() && name == b".git" {
            return true;
        }
        // Below a root the relative path grows at the front as the walk goes up, and each
        // directory's rules see the part below that directory. The innermost rule wins.
        let mut relative = name.to_vec();
        let mut above = Some(parent);
        while let Some(dir) = above {
            if let Some(rules) = self.rules.get(&dir)
                && let Some(hidden) = rules.verdict(&to_path(relative.clone()), is_dir)
            {
                return hidden || self.globs_hide(mirror, parent, name, is_dir);
            }
            if mirror.is_root(dir) {
                for outer in self.outer.get(&dir).into_iter().flatten() {
                    let path = outer.prefix.join(to_path(relative.clone()));
                    let rules = outer.rules.as_ref();
                    if let Some(hidden) = rules.and_then(|rules| rules.verdict(&path, is_dir)) {
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

    /// Whether the globs of the caller hide the entry. They see its path below the root.
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
        globs.verdict(&to_path(relative), is_dir).unwrap_or(false)
    }
}
