//! Stale paths under Wine.
//!
//! Wine gives a directory its path when it first sees it, and names what is below it by that path for
//! as long as it lives, also after the directory, or one above it, was renamed. It finds out the new
//! path when it has forgotten the directory and sees it again, which `kernel` brings about. Until then,
//! and wherever a directory was made at a path that another one had before, a path does not say which
//! directory is meant. Such a record says no more than that something happened there.
//!
//! On Windows none of this is in use.

use std::collections::HashSet;

use everwatch_core::record::Action;

/// More paths than this are not kept; then no path is trusted.
const MOST_PATHS: usize = 100_000;

/// The paths that more than one directory may be reported by.
#[derive(Debug, Default)]
pub(in crate::windows) struct StalePaths {
    /// Paths that something left.
    left: HashSet<Box<[u8]>>,
}

impl StalePaths {
    /// What the record says, if it cannot be believed as it is: the action to look at the path for.
    pub(in crate::windows) fn review(&mut self, action: Action, path: &[u8]) -> Action {
        let is_doubtful = self.is_doubtful(path);
        if matches!(action, Action::MovedFrom | Action::Departed) && self.left.len() < MOST_PATHS {
            self.left.insert(path.into());
        }
        match action {
            // A file that is taken for another one was reported once too often, and the other is compared
            // when its directory is seen again.
            Action::Modified => action,
            _ if is_doubtful => Action::Created,
            _ => action,
        }
    }

    /// Whether something left the name of a directory on this path.
    fn is_doubtful(&self, path: &[u8]) -> bool {
        if self.left.len() >= MOST_PATHS {
            return true;
        }
        let mut slashes = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
        !self.left.is_empty() && slashes.any(|(at, _)| self.left.contains(&path[..at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_through_a_name_that_was_left_is_only_looked_at() {
        let mut names = StalePaths::default();
        let mut review = |action, path: &str| names.review(action, path.as_bytes());
        assert_eq!(review(Action::Departed, "a/f"), Action::Departed);
        assert_eq!(review(Action::MovedFrom, "a"), Action::MovedFrom);
        assert_eq!(review(Action::MovedTo, "z"), Action::MovedTo);
        assert_eq!(review(Action::Departed, "a/s/f"), Action::Created);
        assert_eq!(review(Action::Departed, "ab/f"), Action::Departed);
        assert_eq!(review(Action::Modified, "z/f"), Action::Modified);
    }
}
