//! The `everwatch` command under test: built in the target directory of the suite that runs it.
//!
//! Cargo names a package's own programs to its tests, but not those of another package. The suites
//! here therefore build the command with the profile that they were built with themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The variable that names another command to test.
const VARIABLE: &str = "EVERWATCH_COMMAND";

/// The path of the `everwatch` command. The first call builds it; others block until that is done.
///
/// # Panics
///
/// If the command cannot be built, with the output of cargo.
pub fn everwatch() -> &'static Path {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    COMMAND.get_or_init(|| match std::env::var_os(VARIABLE) {
        Some(command) => command.into(),
        None => build(),
    })
}

/// The directory of this build's profile, such as `target/release`.
fn profile_directory() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this test program");
    // Test programs are in `deps`, which is in the directory of the profile.
    let directory = program.parent().and_then(Path::parent);
    directory.expect("two directories above").to_owned()
}

/// Builds the command with the profile of this program. Cargo does nothing if it is up to date.
fn build() -> PathBuf {
    let directory = profile_directory();
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "everwatch-cli"])
        .args(["--bin", "everwatch", "--profile", profile])
        .arg("--target-dir")
        .arg(directory.parent().unwrap_or(&directory))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("start cargo");
    assert!(
        built.status.success(),
        "the command is not built: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    directory.join("everwatch")
}
