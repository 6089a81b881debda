//! The system that the test runs on, found out at run time.
//!
//! A Windows program cannot know at build time whether Windows or Wine will run it.

use std::path::Path;

/// Whether this is Wine: a Windows program sees the tools that come with it.
pub fn is_wine() -> bool {
    cfg!(windows) && Path::new(r"C:\windows\system32\winecfg.exe").exists()
}
