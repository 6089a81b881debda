//! The scope of a root: which paths are reported to its consumers.

/// A root as its consumers know it. Paths are absolute, as bytes with `/` between the names.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The watched directory.
    pub(crate) dir: Vec<u8>,
    /// The one entry of `dir` that is watched, if the root is a single file.
    pub(crate) only: Option<Vec<u8>>,
    /// Everything below is watched, not only the entries of `dir` itself.
    pub(crate) recursive: bool,
    /// Ignore files hide what they match.
    pub(crate) obeys_rules: bool,
}

impl Scope {
    /// The path that the caller asked to watch.
    pub(crate) fn root_path(&self) -> Vec<u8> {
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
