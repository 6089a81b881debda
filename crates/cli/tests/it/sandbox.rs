//! Sandboxes that refuse system calls for good: another way is taken, or it is polled and said so.
//!
//! strace(1) refuses them as seccomp(2) does, with an error and without the call.

use std::process::Command;
use std::time::{Duration, Instant};

use everwatch::FileType;
use everwatch_testing::scratch::temp;
use everwatch_testing::walk::walk;

use crate::faults::{is_strace_usable, plant, work};
use crate::support::replica::Replica;
use crate::support::{COMMAND, PATIENCE, Session};

const ERRORS: &[&str] = &["EPERM", "EACCES", "ENOSYS"];

/// The command on a tree, with `calls` refused. Polls every 20 ms where it must poll.
fn refused(calls: &[&str], error: &str, arguments: &[&str], root: &std::path::Path) -> Session {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null"]);
    command.arg("-e").arg(format!("trace={}", calls.join(",")));
    for call in calls {
        command
            .arg("-e")
            .arg(format!("inject={call}:error={error}"));
    }
    command.args([COMMAND, "watch", "--snapshot", "--format", "json"]);
    command.args(["--poll-interval", "20ms"]).args(arguments);
    Session::bare(command.arg(root).env_remove("RUST_BACKTRACE"))
}

/// Whether the lines lead to the tree on disk after some work.
fn assert_follows(session: &Session, root: &std::path::Path, what: &str) {
    work(root);
    let mut real = walk(root);
    real.insert(root, FileType::Dir);
    let lies = || {
        let mut replica = Replica::read(&session.out());
        // The root itself exists, whether or not it is among the lines.
        replica.tree.insert(root, FileType::Dir);
        replica.lies(&real)
    };
    let begin = Instant::now();
    while !lies().is_empty() {
        assert!(begin.elapsed() < PATIENCE, "{what}: {:#?}", lies());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn without_permission_to_ask_for_notification_it_is_polled_and_the_reason_is_named() {
    let test = "without_permission_to_ask_for_notification_it_is_polled_and_the_reason_is_named";
    if !is_strace_usable(test) {
        return;
    }
    for call in ["inotify_init1", "inotify_add_watch"] {
        for error in ERRORS {
            let place = temp();
            let root = place.path().join("root");
            plant(&root);
            let session = refused(&[call], error, &[], &root);
            let reason = match *error {
                "ENOSYS" => "no-notification",
                _ => "refused",
            };
            session.expect(&format!(r#""state":"polled","reason":"{reason}""#));
            assert_follows(&session, &root, &format!("{call} {error}"));
        }
    }
}

#[test]
fn other_calls_that_are_refused_have_substitutes() {
    let test = "other_calls_that_are_refused_have_substitutes";
    if !is_strace_usable(test) {
        return;
    }
    for calls in [
        &["unshare"][..],
        &["statx"],
        &["eventfd2"],
        &["unshare", "statx", "eventfd2", "fchdir"],
    ] {
        for error in ERRORS {
            let place = temp();
            let root = place.path().join("root");
            plant(&root);
            let session = refused(calls, error, &[], &root);
            let what = format!("{calls:?} {error}");
            session.expect(r#""type":"ready""#);
            assert_follows(&session, &root, &what);
            let out = String::from_utf8_lossy(&session.out()).into_owned();
            assert!(out.contains(r#""backend":"inotify""#), "{what}: {out}");
            assert!(!out.contains(r#""state":"polled""#), "{what}: {out}");
        }
    }
}

#[test]
fn a_backend_by_choice_that_is_refused_names_the_call() {
    let test = "a_backend_by_choice_that_is_refused_names_the_call";
    if !is_strace_usable(test) {
        return;
    }
    let place = temp();
    let arguments = ["--backend", "inotify"];
    let said = refused(&["inotify_init1"], "EPERM", &arguments, place.path()).wait();
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(
        said.err,
        "everwatch: cannot start a watcher: a sandbox refuses inotify_init1 (error 1); allow it; use the poll backend\n"
    );
}
