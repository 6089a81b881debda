//! Running one test of the calling binary again in a child process: as another user, or in
//! namespaces of its own where limits and mounts can be set without disturbing anybody.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// Tells the child that it is the child.
const ROLE: &str = "EVERWATCH_TEST_ROLE";

/// Whether this process is the child.
pub(crate) fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

pub(crate) fn is_root() -> bool {
    rustix_uid() == 0
}

fn rustix_uid() -> u32 {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("/proc is there"))
}

/// Runs the body as a user whom permissions bind: in this process unless it is root's.
pub(crate) fn as_nobody(test: &str, body: impl FnOnce()) {
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

/// Runs the body as the root of a user namespace with its own limits and mounts. Where the system
/// forbids such namespaces the test is skipped, and says so.
pub(crate) fn in_namespaces(test: &str, body: impl FnOnce()) {
    if is_child() {
        return body();
    }
    let allowed = Command::new(UNSHARE[0])
        .args(&UNSHARE[1..])
        .arg("true")
        .status();
    match allowed {
        Ok(status) if status.success() => run_again(test, &UNSHARE),
        _ => eprintln!("SKIPPED {test}: no user namespaces here (unshare --user fails)"),
    }
}

/// Sets a limit of this user namespace, such as `max_inotify_watches`.
pub(crate) fn set_limit(name: &str, value: u64) {
    assert!(is_child(), "only the namespace of a child may be touched");
    std::fs::write(format!("/proc/sys/user/{name}"), value.to_string()).expect("the limit is set");
}

/// Runs mount(8) or umount(8) in this mount namespace.
pub(crate) fn mount(command: &str, arguments: &[&std::ffi::OsStr]) {
    assert!(is_child(), "only the namespace of a child may be touched");
    let status = Command::new(command)
        .args(arguments)
        .status()
        .expect("mount runs");
    assert!(status.success(), "{command} {arguments:?}");
}

fn run_again(test: &str, launcher: &[&str]) {
    // The other user may not be allowed to go where the build put this binary.
    let place = super::temp();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
    let binary: PathBuf = place.path().join("test");
    let own = std::env::current_exe().expect("the path of this binary");
    std::fs::copy(own, &binary).expect("a copy of this binary");
    std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).expect("chmod");
    let output = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg(&binary)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, "child")
        .current_dir("/")
        .output()
        .unwrap_or_else(|error| panic!("{} does not run: {error}", launcher[0]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "in the child: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
