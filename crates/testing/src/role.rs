//! Roles: running one test of the calling program again in a child process, as another user, or in
//! namespaces of its own, where limits and mounts disturb no other process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::scratch::temp;
use crate::skipped::{self, skipped};

/// The variable that is set in a child.
const ROLE: &str = "EVERWATCH_TEST_ROLE";

/// Whether this process is the child.
fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").expect("/proc is there").uid() == 0
}

/// Runs the body as a user whom permissions bind: in this process, or in a child if this process is
/// root's. `test` is the full name of the calling test, such as `coverage::a_test`.
///
/// # Panics
///
/// If the body does, here or in the child.
pub fn as_plain_user(test: &str, body: impl FnOnce()) {
    if is_child() || !is_root() {
        return body();
    }
    let setpriv = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    run_again(test, &setpriv);
}

const UNSHARE: [&str; 5] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--propagation=private",
];

/// Runs the body as the root of a user namespace with its own limits and mounts, in a child. Where the
/// system forbids such namespaces, the test is skipped and says so.
///
/// # Panics
///
/// If the body does in the child.
pub fn in_namespaces(test: &str, body: impl FnOnce()) {
    if is_child() {
        return body();
    }
    let allowed = Command::new(UNSHARE[0])
        .args(&UNSHARE[1..])
        .arg("true")
        .status();
    match allowed {
        Ok(status) if status.success() => run_again(test, &UNSHARE),
        _ => skipped(test, "no user namespaces here (unshare --user fails)"),
    }
}

/// The launcher of a root with mounts of its own. The child is killed with the thread that started it, so
/// its mounts end even when this program is killed.
const OWN_MOUNTS: [&str; 6] = [
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "--mount",
    "--propagation=private",
];

/// Runs the body as the system's root in a child with a mount namespace of its own, where devices can be
/// mounted. `variables` are set in the child. Where that is not allowed, the test is skipped and says so.
///
/// # Panics
///
/// If the body does in the child.
pub fn as_root_with_mounts(test: &str, variables: &[(&str, &OsStr)], body: impl FnOnce()) {
    if is_child() {
        return body();
    }
    if !is_root() {
        return skipped(test, "only root mounts file systems");
    }
    let allowed = Command::new(OWN_MOUNTS[0])
        .args(&OWN_MOUNTS[1..])
        .arg("true")
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        return skipped(test, "no mount namespaces here (unshare --mount fails)");
    }
    let program = std::env::current_exe().expect("the path of this program");
    run_program(&program, test, &OWN_MOUNTS, variables);
}

/// Sets a limit of this user namespace, such as `max_inotify_watches`.
///
/// # Panics
///
/// Outside of [`in_namespaces`], and if the system refuses.
pub fn set_limit(name: &str, value: u64) {
    assert!(is_child(), "the limits of this system stay as they are");
    fs::write(format!("/proc/sys/user/{name}"), value.to_string()).expect("the limit is set");
}

/// Runs mount(8) or umount(8) in this mount namespace.
///
/// # Panics
///
/// Outside of [`in_namespaces`], and if the command fails.
pub fn mount(command: &str, arguments: &[&OsStr]) {
    assert!(is_child(), "the mounts of this system stay as they are");
    let status = Command::new(command)
        .args(arguments)
        .status()
        .expect("mount runs");
    assert!(status.success(), "{command} {arguments:?}");
}

/// Runs one test of this program in a child that `launcher` starts.
fn run_again(test: &str, launcher: &[&str]) {
    // The other user may have no access to the directory that the build put this program in.
    let place = temp();
    let everybody = || PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path(), everybody()).expect("chmod");
    let binary = place.path().join("test");
    let own = std::env::current_exe().expect("the path of this program");
    fs::copy(own, &binary).expect("a copy of this program");
    fs::set_permissions(&binary, everybody()).expect("chmod");
    run_program(&binary, test, launcher, &[]);
}

/// Runs one test of a copy of this program in a child that `launcher` starts.
fn run_program(binary: &Path, test: &str, launcher: &[&str], variables: &[(&str, &OsStr)]) {
    let output = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg(binary)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied())
        .env(ROLE, "child")
        .current_dir("/")
        .output()
        .unwrap_or_else(|error| panic!("{} does not run: {error}", launcher[0]));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "in the child: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    skipped::pass_on(&printed);
}
