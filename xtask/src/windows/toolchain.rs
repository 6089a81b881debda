//! Compilers for Windows programs: rustup's, or Debian's where rustup cannot fetch the target.
//!
//! Debian packages the source of the standard library but not the library for Windows. It is built for
//! `x86_64-win7-windows-gnu`, which imports fewer functions and runs on Windows 7 and Server 2008 R2.

use std::path::Path;
use std::process::Command;

use crate::prerequisites;
use crate::process::command;

/// The linker, with its Debian package.
const LINKER: &[(&str, &str)] = &[("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64-win32")];

const DEBIAN: &[(&str, &str)] = &[
    ("/usr/bin/rustc", "rustc-web"),
    ("/usr/bin/cargo", "cargo-web"),
    ("/usr/bin/cargo-clippy", "rust-web-clippy"),
    (
        "/usr/lib/rustlib/src/rust/library/Cargo.lock",
        "rust-web-src",
    ),
];

/// The variable that forces Debian's compiler.
const FORCE: &str = "EVERWATCH_WINE_DEBIAN";

/// The source of the compiler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Toolchain {
    Rustup,
    Debian,
}

impl Toolchain {
    /// Finds or installs a toolchain. An error names what each of the two lacks.
    pub(crate) fn get() -> Result<Toolchain, String> {
        prerequisites::need(LINKER)?;
        let rustup = if std::env::var_os(FORCE).is_some() {
            Err(format!("{FORCE} is set"))
        } else {
            prerequisites::need_target(Toolchain::Rustup.target())
        };
        let Err(why) = rustup else {
            return Ok(Toolchain::Rustup);
        };
        eprintln!("xtask: {why}; trying Debian's compiler");
        prerequisites::need(DEBIAN)
            .map(|()| Toolchain::Debian)
            .map_err(|other| format!("{why}; or {other}"))
    }

    /// The target triple.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Toolchain::Rustup => "x86_64-pc-windows-gnu",
            Toolchain::Debian => "x86_64-win7-windows-gnu",
        }
    }

    /// `cargo LINE` for `target`.
    pub(crate) fn cargo(self, line: &str, target: &str) -> Command {
        let mut cargo = match self {
            Toolchain::Rustup => command(&format!("cargo {line} --target {target}"), &[]),
            Toolchain::Debian => command(
                &format!(
                    "/usr/bin/cargo {line} --target {target} -Zbuild-std=std,panic_unwind,test"
                ),
                &[],
            ),
        };
        for (name, value) in self.variables() {
            cargo.env(name, value);
        }
        cargo
    }

    /// Environment variables by which `cargo` finds its compiler.
    pub(crate) fn variables(self) -> Vec<(&'static str, String)> {
        match self {
            Toolchain::Rustup => Vec::new(),
            Toolchain::Debian => {
                let path = std::env::var("PATH").unwrap_or_default();
                vec![
                    ("PATH", format!("/usr/bin:{path}")),
                    ("RUSTC_BOOTSTRAP", "1".to_owned()),
                ]
            }
        }
    }

    /// Installs what checking for Microsoft's target needs, and returns the target triple.
    pub(crate) fn need_msvc(self) -> Result<&'static str, String> {
        const MSVC: &str = "x86_64-pc-windows-msvc";
        match self {
            Toolchain::Rustup => prerequisites::need_target(MSVC)?,
            Toolchain::Debian if Path::new("/usr/bin/cargo-clippy").exists() => {}
            Toolchain::Debian => return Err("rust-web-clippy is missing".to_owned()),
        }
        Ok(MSVC)
    }
}
