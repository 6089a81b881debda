//! Wine, where it differs from Windows: it reports what is below a renamed directory by its old path, or not
//! at all. Neither module is in use on Windows.

pub(super) mod seen_dirs;
pub(super) mod stale_paths;
