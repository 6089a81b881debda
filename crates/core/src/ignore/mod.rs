//! Ignore rules: which entries do not exist as far as Everwatch is concerned.

mod filter;

pub use filter::{BadGlob, Filter, OuterRules};
pub(crate) use filter::{RULES_FILE, RULES_LIMIT, RulesFile};
