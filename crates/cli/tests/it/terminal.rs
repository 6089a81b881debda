//! Output on a terminal: colours, short paths, a count while a large tree is armed.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use everwatch_testing::scratch::{memory, temp};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{PATIENCE, everwatch};

/// A terminal that is the standard output and error of a command.
struct Screen {
    child: Child,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn of(command: &mut Command) -> Screen {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("the terminal is ours");
        unlockpt(&ours).expect("the terminal is unlocked");
        let name = ptsname(&ours, Vec::new()).expect("the name of the terminal");
        let theirs = || {
            let name = name.to_str().expect("text");
            File::options()
                .read(true)
                .write(true)
                .open(name)
                .expect("the terminal opens")
        };
        command
            .stdin(Stdio::null())
            .stdout(theirs())
            .stderr(theirs());
        let child = command.spawn().expect("the command runs");
        // Only the command keeps copies now, so its end is the end of the text.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let text = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&text);
        std::thread::spawn(move || {
            let mut ours = File::from(ours);
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = ours.read(&mut chunk) {
                into.lock()
                    .expect("not poisoned")
                    .extend_from_slice(&chunk[..length]);
            }
        });
        Screen { child, text }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("not poisoned")).into_owned()
    }

    fn expect(&self, what: &str) {
        self.expect_while(what, || {});
    }

    /// Waits until `what` is shown, and repeats an action meanwhile.
    fn expect_while(&self, what: &str, mut meanwhile: impl FnMut()) {
        let begin = Instant::now();
        while !self.text().contains(what) {
            assert!(
                begin.elapsed() < PATIENCE,
                "{what:?} is not shown: {:?}",
                self.text()
            );
            meanwhile();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The child may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn touch(root: &Path, name: &str) {
    fs::write(root.join(name), "").expect("a file");
    fs::remove_file(root.join(name)).expect("removed");
}

/// The variable NO_COLOR of the command, <https://no-color.org>.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NoColor {
    Set,
    Unset,
}

/// `everwatch watch` in `root` on a terminal, armed.
fn watching(root: &Path, arguments: &[&str], no_color: NoColor) -> Screen {
    let mut command = everwatch(["watch"]);
    command
        .args(arguments)
        .current_dir(root)
        .env("TERM", "xterm-256color");
    if no_color == NoColor::Unset {
        command.env_remove("NO_COLOR");
    }
    let screen = Screen::of(&mut command);
    screen.expect_while("probe", || touch(root, "probe"));
    screen
}

#[test]
fn lines_on_a_terminal_are_coloured_and_their_paths_short() {
    let dir = temp();
    let screen = watching(dir.path(), &[], NoColor::Unset);
    fs::create_dir(dir.path().join("d")).expect("a directory");
    screen.expect("created \x1b[0m  d/\r\n");
    fs::write(dir.path().join("d/\x1b[31mf"), "").expect("a file");
    screen.expect("created \x1b[0m  d/\\u{1b}[31mf\r\n");
    fs::rename(dir.path().join("d"), dir.path().join("e")).expect("moved");
    screen.expect("moved   \x1b[0m  d/ -> e/\r\n");
}

#[test]
fn no_color_means_no_colours() {
    let dir = temp();
    let screen = watching(dir.path(), &[], NoColor::Set);
    fs::create_dir(dir.path().join("d")).expect("a directory");
    screen.expect("created   d/\r\n");
    assert!(!screen.text().contains('\x1b'), "{:?}", screen.text());
}

#[test]
fn paths_elsewhere_are_absolute_on_a_terminal_too() {
    let (dir, here) = (temp(), temp());
    let path = dir.path().to_str().expect("text");
    let mut command = everwatch(["watch", path]);
    let screen = Screen::of(command.current_dir(here.path()));
    screen.expect_while(&format!("created   {path}/probe"), || {
        touch(dir.path(), "probe")
    });
}

#[test]
fn json_lines_are_the_same_on_a_terminal() {
    let dir = temp();
    let screen = watching(dir.path(), &["--format", "json"], NoColor::Unset);
    fs::create_dir(dir.path().join("d")).expect("a directory");
    screen.expect(&format!(r#""path":"{}/d""#, dir.path().display()));
    assert!(!screen.text().contains('\x1b'), "{:?}", screen.text());
}

#[test]
fn a_count_is_shown_while_a_large_tree_is_armed_and_wiped_after() {
    let dir = memory();
    for at in 0..10_000 {
        fs::create_dir_all(dir.path().join(format!("{}/{at}", at % 100))).expect("directories");
    }
    let screen = watching(dir.path(), &[], NoColor::Set);
    let text = screen.text();
    if !text.contains(" entries") {
        eprintln!("SKIPPED: this machine armed 10,000 directories before a count was due");
        return;
    }
    let (_, after) = text.rsplit_once(" entries").expect("shown");
    assert!(after.starts_with("\r\x1b[K"), "{after:?}");
}

#[test]
fn no_count_is_shown_without_a_terminal() {
    let dir = memory();
    for at in 0..5_000 {
        fs::create_dir_all(dir.path().join(format!("{}/{at}", at % 100))).expect("directories");
    }
    let session = crate::support::Session::watch(&[], dir.path());
    assert_eq!(session.stop().err, "");
}
