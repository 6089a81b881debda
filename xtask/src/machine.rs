//! What has to be installed, and installing it where that may be done: on Debian, as root.

use std::path::Path;

use crate::process::{command, output_of, run_plain};

/// A program that tests start, and the Debian package that it is in.
const PROGRAMS: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("c++", "g++"),
    ("strace", "strace"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
];

/// The triple that the portable crates are checked for.
pub(crate) const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// Installs the programs that are missing, or says in one sentence which are and how to get them.
pub(crate) fn need_programs() -> Result<(), String> {
    let mut packages: Vec<&str> = Vec::new();
    for (_, package) in PROGRAMS.iter().filter(|(program, _)| !is_on_path(program)) {
        if !packages.contains(package) {
            packages.push(package);
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    let packages = packages.join(" ");
    if !(is_on_path("apt-get") && is_root()) {
        return Err(format!(
            "missing: {packages}; on Debian: sudo apt-get install -y {packages}"
        ));
    }
    let quiet = &[("DEBIAN_FRONTEND", "noninteractive")];
    run_plain(command("apt-get update -q", quiet))?;
    let line = format!("apt-get install -qy --no-install-recommends {packages}");
    run_plain(command(&line, quiet))
}

/// Makes sure of rustfmt and clippy, which a minimal toolchain lacks.
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

/// Makes sure that code for Windows can be type-checked. An error says how to get there.
pub(crate) fn need_windows() -> Result<(), String> {
    let why =
        format!("no standard library for {WINDOWS}; get it with: rustup target add {WINDOWS}");
    let installed = output_of("rustup target list --installed").ok_or_else(|| why.clone())?;
    if installed.lines().any(|line| line.trim() == WINDOWS) {
        return Ok(());
    }
    run_plain(command(&format!("rustup target add {WINDOWS}"), &[])).map_err(|_| why)
}

/// Makes sure of a nightly toolchain. None is installed: that is for a person to decide.
pub(crate) fn need_nightly(what: &str) -> Result<(), String> {
    match output_of("cargo +nightly --version") {
        Some(_) => Ok(()),
        None => Err(format!(
            "{what} needs a nightly toolchain; get it with: rustup toolchain install nightly"
        )),
    }
}

/// Makes sure of Miri for the nightly toolchain that is there.
pub(crate) fn need_miri() -> Result<(), String> {
    need_nightly("Miri")?;
    if output_of("cargo +nightly miri --version").is_some() {
        return Ok(());
    }
    let line = "rustup component add miri rust-src --toolchain nightly";
    run_plain(command(line, &[])).map_err(|_| format!("Miri is missing; get it with: {line}"))
}

/// Says how to get cargo-fuzz if it is not there.
pub(crate) fn need_cargo_fuzz() -> Result<(), String> {
    match output_of("cargo fuzz --version") {
        Some(_) => Ok(()),
        None => Err("cargo-fuzz is missing; get it with: cargo install cargo-fuzz".to_owned()),
    }
}

fn is_root() -> bool {
    output_of("id -u").is_some_and(|id| id.trim() == "0")
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([
            Path::new("/usr/sbin").to_owned(),
            Path::new("/sbin").to_owned(),
        ])
        .any(|directory| directory.join(program).is_file())
}
