//! Ignore rules: which entries do not exist as far as Everwatch is concerned.

mod filter;
mod rules;

pub use filter::{BadGlob, Filter};
pub use rules::AncestorIgnores;
pub(crate) use rules::{RULES_FILE, RULES_LIMIT, RulesFile, whole_lines};
