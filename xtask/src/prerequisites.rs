//! Programs, toolchains and targets that the stages need. Missing programs are installed on Debian as root;
//! elsewhere an error names them and the command that installs them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{command, output_of, prepare, run_plain};

/// The time limit of a download.
const FETCHING: Duration = Duration::from_secs(600);

/// Programs that tests start, each with its Debian package.
const PROGRAMS: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("c++", "g++"),
    ("strace", "strace"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
];

/// Programs that make file systems to test on, each with its Debian package. Tests skip what is missing.
const FILE_SYSTEMS: &[(&str, &str)] = &[
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("bindfs", "bindfs"),
];

/// Installs missing [`PROGRAMS`]. An error names them and how to get them. Where root runs the tests,
/// missing programs of [`FILE_SYSTEMS`] are installed if that is possible.
pub(crate) fn need_programs() -> Result<(), String> {
    need(PROGRAMS)?;
    if is_root()
        && let Err(why) = need(FILE_SYSTEMS)
    {
        println!("tests on some file systems will be skipped: {why}");
    }
    Ok(())
}

/// Installs missing programs, each given with its Debian package.
pub(crate) fn need(programs: &[(&str, &str)]) -> Result<(), String> {
    let mut packages: Vec<&str> = Vec::new();
    for (_, package) in programs.iter().filter(|(program, _)| !is_there(program)) {
        if !packages.contains(package) {
            packages.push(package);
        }
    }
    install(&packages)
}

/// Installs Debian packages, or says in one sentence which are missing.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let packages = packages.join(" ");
    if !(is_there("apt-get") && is_root()) {
        return Err(format!(
            "missing: {packages}; on Debian: sudo apt-get install -y --no-install-recommends {packages}"
        ));
    }
    let quiet = &[("DEBIAN_FRONTEND", "noninteractive")];
    prepare(command("apt-get update -q", quiet), FETCHING)?;
    let line = format!("apt-get install -qy --no-install-recommends {packages}");
    prepare(command(&line, quiet), FETCHING)
}

/// Installs rustfmt and clippy, which a minimal toolchain lacks.
pub(crate) fn need_components() -> Result<(), String> {
    for (program, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if output_of(&format!("{program} --version")).is_none() {
            run_plain(command(&format!("rustup component add {component}"), &[])).map_err(
                |_| {
                    format!(
                        "{component} is missing; install it with: rustup component add {component}"
                    )
                },
            )?;
        }
    }
    Ok(())
}

/// Installs the standard library for another system. An error says how to get it.
pub(crate) fn need_target(target: &str) -> Result<(), String> {
    let add = format!("rustup target add {target}");
    let why = format!("no standard library for {target}; install it with: {add}");
    let installed = output_of("rustup target list --installed").ok_or_else(|| why.clone())?;
    if installed.lines().any(|line| line.trim() == target) {
        return Ok(());
    }
    prepare(command(&add, &[]), FETCHING).map_err(|_| why)
}

/// Checks for a nightly toolchain. None is installed: a person decides that.
pub(crate) fn need_nightly(what: &str) -> Result<(), String> {
    match output_of("cargo +nightly --version") {
        Some(_) => Ok(()),
        None => Err(format!(
            "{what} needs a nightly toolchain; install it with: rustup toolchain install nightly"
        )),
    }
}

/// Installs Miri into the nightly toolchain.
pub(crate) fn need_miri() -> Result<(), String> {
    need_nightly("Miri")?;
    if output_of("cargo +nightly miri --version").is_some() {
        return Ok(());
    }
    let line = "rustup component add miri rust-src --toolchain nightly";
    run_plain(command(line, &[])).map_err(|_| format!("Miri is missing; install it with: {line}"))
}

/// Checks for cargo-fuzz. An error says how to get it.
pub(crate) fn need_cargo_fuzz() -> Result<(), String> {
    match output_of("cargo fuzz --version") {
        Some(_) => Ok(()),
        None => Err("cargo-fuzz is missing; install it with: cargo install cargo-fuzz".to_owned()),
    }
}

/// Installs a toolchain by its version, without rustfmt, clippy and documentation. An error says how to get it.
pub(crate) fn need_toolchain(version: &str) -> Result<(), String> {
    if output_of(&format!("cargo +{version} --version")).is_some() {
        return Ok(());
    }
    let line = format!("rustup toolchain install {version} --profile minimal");
    let why = format!("Rust {version} is missing; install it with: {line}");
    if !is_there("rustup") {
        return Err(why);
    }
    prepare(command(&line, &[]), FETCHING).map_err(|_| why)
}

/// Installs the standard library for another system into a toolchain. An error says how to get it.
pub(crate) fn need_target_in(version: &str, target: &str) -> Result<(), String> {
    let line = format!("rustup target add {target} --toolchain {version}");
    prepare(command(&line, &[]), FETCHING).map_err(|_| format!("install it with: {line}"))
}

/// The absolute path of cargo's target directory.
pub(crate) fn target_directory() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    std::path::absolute(&target).unwrap_or(target)
}

fn is_root() -> bool {
    output_of("id -u").is_some_and(|id| id.trim() == "0")
}

/// Whether a program is on `PATH`, or exists if it is given by a path.
pub(crate) fn is_there(program: &str) -> bool {
    find(program).is_some()
}

/// The path of a program. `sbin` directories are searched after those of `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([
            Path::new("/usr/sbin").to_owned(),
            Path::new("/sbin").to_owned(),
        ])
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}
