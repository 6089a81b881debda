//! Limits of watches and of file descriptors: what the command reports about them, and that nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use everwatch_testing::scratch::temp;

use crate::support::{COMMAND, Session};

/// The command on `root` in a user namespace with a limit of `watches`. Once the file `raise` exists, the
/// limit is raised to the number in it.
fn limited(watches: u32, raise: &Path, arguments: &[&str], root: &Path) -> Option<Command> {
    let unshare = ["--user", "--map-root-user"];
    let allowed = Command::new("unshare").args(unshare).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no user namespaces here (unshare --user fails)");
        return None;
    }
    let script = r#"
        limit=/proc/sys/user/max_inotify_watches
        echo "$1" > $limit
        raise=$2
        shift 2
        (while ! [ -e "$raise" ]; do [ -d "${raise%/*}" ] || exit; sleep 0.02; done; cat "$raise" > $limit) >&- 2>&- &
        exec "$@"
    "#;
    let mut command = Command::new("unshare");
    command
        .args(unshare)
        .args(["sh", "-c", script, "sh", &watches.to_string()])
        .arg(raise);
    command
        .args([COMMAND, "watch", "--poll-interval", "50ms"])
        .args(arguments)
        .arg(root);
    Some(command)
}

/// A command that raises its limit when asked to, and what it watches.
struct Scene {
    dir: tempfile::TempDir,
    raise: tempfile::TempDir,
}

impl Scene {
    fn new(directories: usize) -> Scene {
        let dir = temp();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
        for at in 0..directories {
            fs::create_dir_all(dir.path().join(format!("{}/{at}", at % 7))).expect("directories");
        }
        Scene { dir, raise: temp() }
    }

    fn command(&self, watches: u32, arguments: &[&str]) -> Option<Command> {
        limited(
            watches,
            &self.raise.path().join("to"),
            arguments,
            self.dir.path(),
        )
    }

    fn raise(&self) {
        let to = self.raise.path().join("to");
        fs::write(to.with_extension("new"), "100000\n").expect("a file");
        fs::rename(to.with_extension("new"), &to).expect("moved");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Ends the shell in the background, also when the test fails.
        self.raise();
    }
}

fn numbers_after(text: &str, word: &str) -> Option<u64> {
    let (_, tail) = text.split_once(word)?;
    let digits: String = tail
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[test]
fn the_watch_limit_is_reported_once_with_have_and_need_and_the_sysctl() {
    for format in ["text", "json", "nul"] {
        let scene = Scene::new(100);
        let Some(mut command) = scene.command(30, &["--format", format]) else {
            return;
        };
        let session = Session::bare(&mut command);
        session.expect_err("\n");
        for at in 0..20 {
            fs::create_dir(scene.dir.path().join(format!("new{at}"))).expect("a directory");
            fs::write(scene.dir.path().join(format!("new{at}/f")), "").expect("a file");
        }
        session.expect("new19/f");
        let said = session.stop();
        assert_eq!(said.code, Some(0), "{said:?}");
        let lines: Vec<&str> = said.err.lines().collect();
        let [notice] = lines[..] else {
            panic!("{format}: one line is expected: {lines:#?}")
        };
        assert!(
            notice.starts_with("everwatch: the limit of inotify watches is reached"),
            "{notice}"
        );
        let need = numbers_after(notice, "need").expect("need");
        assert!((108..200).contains(&need), "{notice}");
        let have = numbers_after(notice, "have").expect("have");
        assert_eq!(
            have, 30,
            "the limit that holds is the namespace's: {notice}"
        );
        let advice = numbers_after(notice, "max_user_watches=")
            .or_else(|| numbers_after(notice, "max_inotify_watches="));
        let advice = advice.expect("a command to run");
        assert!(advice > need && advice > have, "{notice}");
    }
}

#[test]
fn nothing_is_lost_beyond_the_watch_limit_and_recovery_is_reported_once() {
    let scene = Scene::new(60);
    let Some(mut command) = scene.command(20, &["--format", "json"]) else {
        return;
    };
    let session = Session::bare(&mut command);
    session.expect(r#""state":"polled","reason":"watch-limit""#);
    for at in 0..60 {
        fs::write(scene.dir.path().join(format!("{}/{at}/f", at % 7)), "").expect("a file");
    }
    for at in 0..60 {
        session.expect(&format!("{}/{at}/f\"", at % 7));
    }
    scene.raise();
    session.expect_err("all is watched\n");
    fs::write(scene.dir.path().join("6/6/after"), "").expect("a file");
    session.expect("6/6/after\"");
    let said = session.stop();
    assert_eq!(said.code, Some(0));
    assert_eq!(said.err.lines().count(), 2, "{}", said.err);
    let text = String::from_utf8(said.out).expect("text");
    let after = text
        .lines()
        .find(|line| line.contains("6/6/after"))
        .expect("the change");
    assert!(after.contains(r#""cause":"notified""#), "{after}");
}

/// The command with at most `most` file descriptors, including the three standard ones.
fn with_descriptors(most: u32, root: &Path) -> Command {
    let script = r#"ulimit -n "$1"; shift; exec "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", &most.to_string()]);
    command.args([COMMAND, "watch", "--format", "json"]);
    command.args(["--poll-interval", "50ms"]).arg(root);
    command
}

#[test]
fn a_tree_that_is_deeper_than_there_are_file_descriptors_is_watched_to_its_bottom() {
    let dir = temp();
    let bottom = dir.path().join(["d"; 60].join("/"));
    fs::create_dir_all(&bottom).expect("directories");
    for most in [9, 12, 16] {
        let session = Session::bare(&mut with_descriptors(most, dir.path()));
        session.expect("\"ready\"");
        fs::write(bottom.join(format!("at-{most}")), "").expect("a file");
        session.expect(&format!("/at-{most}\""));
        assert!(!String::from_utf8_lossy(&session.out()).contains("\"lost\""));
        assert_eq!(session.stop().code, Some(0));
    }
}

#[test]
fn a_lack_of_file_descriptors_is_named_or_refused() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("a/b/c")).expect("directories");
    for most in 4..9 {
        let mut session = Session::bare(&mut with_descriptors(most, dir.path()));
        let begin = std::time::Instant::now();
        while !session.has_ended() && session.out().is_empty() {
            assert!(
                begin.elapsed() < crate::support::PATIENCE,
                "with {most}: neither ready nor over"
            );
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        if session.has_ended() {
            let said = session.wait();
            assert_eq!(said.code, Some(2), "with {most}: {said:?}");
            assert!(said.err.contains("ulimit -n"), "with {most}: {said:?}");
        } else {
            fs::write(dir.path().join(format!("a/b/c/at-{most}")), "").expect("a file");
            let begin = std::time::Instant::now();
            let is_reported = |out: &str| {
                out.contains(&format!("/at-{most}\"")) || out.contains("\"open-files\"")
            };
            while !is_reported(&String::from_utf8_lossy(&session.out())) {
                assert!(
                    begin.elapsed() < crate::support::PATIENCE,
                    "with {most}: neither seen nor named"
                );
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            assert_eq!(session.stop().code, Some(0));
        }
    }
}
