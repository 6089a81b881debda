//! What this system does differently, found out at run time. A test that needs to know asks here, by
//! name, and still asserts what holds.

use std::path::Path;

/// Whether this is Wine: a Windows program sees the tools that come with it.
pub(crate) fn is_wine() -> bool {
    cfg!(windows) && Path::new(r"C:\windows\system32\winecfg.exe").exists()
}
