//! Ignore rules: which entries do not exist as far as Everwatch is concerned.
//!
//! What is hidden gets no entry in the mirror, no watch and no listing. Two sources decide: globs
//! that the caller gives, and `.gitignore` files in the tree, both with git's rules (gitignore(5)).
//! The rules of a directory are read through its open handle when it is listed, never by path.
//!
//! Everything that can hide an entry needs the feature `globs`, which brings the crate `ignore` and its
//! regular expressions: more than half of the time that this crate takes to build. Without it, the one
//! [`Filter`] is the default one, which hides nothing.

mod filter;
#[cfg(feature = "globs")]
mod line;
mod matcher;
mod rules;

pub use filter::Filter;
#[cfg(feature = "globs")]
pub use matcher::{BadGlob, excludes_file_of_user};
pub use rules::{AncestorIgnores, IgnoreFiles};
pub(crate) use rules::{RULES_FILE, RULES_LIMIT, RulesFile, whole_lines};
