//! Faults: strace(1) makes each system call that can fail do so, one at a time.
//!
//! The command must not panic. It must either end with one sentence, or continue; then a consumer of its
//! lines must know the tree that is on disk, except where the coverage says that changes are not seen.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use everwatch::FileType;
use everwatch_testing::scratch::{memory, temp};
use everwatch_testing::walk::walk;

use crate::support::replica::Replica;
use crate::support::{COMMAND, Said, Session, Signal};

/// The longest time until the lines describe the disk. Polling and recovery run every 20 ms here.
const TRUTH: Duration = Duration::from_secs(8);

/// One injection: `error` at the `when`th call of `syscall` on each thread (strace(1)).
#[derive(Clone, Debug)]
struct Fault {
    syscall: &'static str,
    error: &'static str,
    when: String,
}

pub(crate) fn is_strace_usable(test: &str) -> bool {
    let run = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    let is_usable = run.is_ok_and(|output| output.status.success());
    if !is_usable {
        eprintln!("SKIPPED {test}: strace is missing or not permitted to trace here");
    }
    is_usable
}

/// Each error at each call.
fn cases(syscall: &'static str, errors: &[&'static str], when: &[&str]) -> Vec<Fault> {
    let of_error = |error: &&'static str| {
        let error = *error;
        when.iter().map(move |when| Fault {
            syscall,
            error,
            when: (*when).to_owned(),
        })
    };
    errors.iter().flat_map(of_error).collect()
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a name")).expect("directories");
    fs::write(path, text).expect("a file");
}

/// A small tree with a bit of everything.
pub(crate) fn plant(root: &Path) {
    for name in [
        "a/b/1",
        "a/b/2",
        "a/3",
        "c/4",
        "d/e/f/5",
        "top",
        "early",
        "c/early",
        "written",
        "c/written",
    ] {
        write(root, name, "old");
    }
    symlink("top", root.join("link")).expect("a link");
}

/// Work that needs every call: new directories, moves, removals, and writes.
pub(crate) fn work(root: &Path) {
    let path = |name: &str| root.join(name);
    for name in ["early", "c/early"] {
        fs::write(path(name), "another text").expect("written");
    }
    for round in 0..3 {
        write(root, &format!("n{round}/x/y/new"), "new");
        write(root, &format!("a/b/{round}-new"), "new");
        fs::rename(path(&format!("n{round}/x")), path(&format!("c/x{round}"))).expect("moved");
        fs::create_dir(path("d/late")).expect("a directory");
        fs::rename(path("d"), path("moved")).expect("moved");
        write(root, "moved/e/f/6", "new");
        fs::rename(path("moved"), path("d")).expect("moved back");
        fs::remove_dir_all(path("d/late")).expect("removed");
        fs::create_dir_all(path("leaves/x")).expect("directories");
        std::thread::sleep(Duration::from_millis(5));
        fs::rename(path("leaves"), path(&format!("../gone{round}"))).expect("moved");
        fs::remove_dir_all(path(&format!("n{round}"))).expect("removed");
        std::thread::sleep(Duration::from_millis(5));
    }
    fs::remove_file(path("top")).expect("removed");
    for name in ["written", "c/written"] {
        fs::write(path(name), "another text").expect("written");
    }
    fs::remove_dir_all(path("a/b")).expect("removed");
    write(root, "last/of/all", "new");
}

fn start(fault: &Fault, root: &Path, log: &Path) -> Session {
    let mut command = Command::new("strace");
    let Fault {
        syscall,
        error,
        when,
    } = fault;
    command.args(["-f", "-qq", "-o"]).arg(log);
    command.arg("-e").arg(format!("trace={syscall}"));
    command
        .arg("-e")
        .arg(format!("inject={syscall}:error={error}:when={when}"));
    // The dynamic linker opens and reads files as well; those calls must not fail.
    let of_interest: Vec<PathBuf> = match *syscall {
        "openat" => {
            let tree = walk(root);
            let below = tree.iter();
            let dirs = below.filter(|(_, entry)| entry.file_type == FileType::Dir);
            let dirs: Vec<_> = dirs.map(|(path, _)| path).collect();
            let dirs = dirs.into_iter();
            dirs.chain(root.ancestors().map(Path::to_owned)).collect()
        }
        "read" => vec!["anon_inode:inotify".into()],
        _ => Vec::new(),
    };
    for path in of_interest {
        command.arg("-P").arg(path);
    }
    command
        .args([
            COMMAND,
            "watch",
            "--snapshot",
            "--format",
            "json",
            "--poll-interval",
            "20ms",
        ])
        .arg(root);
    command.env_remove("RUST_BACKTRACE");
    Session::bare(&mut command)
}

/// The command itself, which is the child of strace.
fn traced(session: &Session) -> Option<u32> {
    let strace = session.id();
    let children = fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn has_written_news(replica: &Replica, root: &Path) -> bool {
    ["early", "c/early", "written", "c/written"]
        .iter()
        .all(|name| {
            let path = root.join(name);
            replica.is_lost(&path) || replica.news.get(&path).is_some_and(|times| *times > 0)
        })
}

/// Runs the command with the fault. Returns whether the call was made, and what the command did wrong.
fn trial(fault: &Fault) -> (bool, Option<String>) {
    let place = temp();
    let log = place.path().join("log");
    let wrong = outcome(fault, &log);
    let log = fs::read_to_string(log).unwrap_or_default();
    (log.contains("(INJECTED)"), wrong)
}

fn outcome(fault: &Fault, log: &Path) -> Option<String> {
    let dir = temp();
    let root = fs::canonicalize(dir.path())
        .expect("the path of a directory")
        .join("root");
    plant(&root);
    let mut session = start(fault, &root, log);
    let begin = Instant::now();
    while !Replica::read(&session.out()).is_ready {
        if session.has_ended() {
            return refusal(&session.wait());
        }
        if begin.elapsed() > TRUTH {
            end(&session);
            return Some(format!("neither ready nor over: {:?}", session.err()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    work(&root);
    let mut real = walk(&root);
    let begin = Instant::now();
    let mut wrong = loop {
        let mut replica = Replica::read(&session.out());
        // The root itself exists, whether or not its return is reported.
        real.insert(&root, FileType::Dir);
        replica.tree.insert(&root, FileType::Dir);
        let lies = replica.lies(&real);
        if lies.is_empty() && has_written_news(&replica, &root) {
            break None;
        }
        if begin.elapsed() > TRUTH || session.has_ended() {
            let out = String::from_utf8_lossy(&session.out()).into_owned();
            break Some(format!(
                "lies: {lies:#?}, err: {:?}, out: {out}",
                session.err()
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    end(&session);
    let said = session.wait();
    if said.code != Some(0) || said.err.contains("panicked") {
        wrong = Some(format!(
            "ended with {:?}: {:?} ({wrong:?})",
            said.code, said.err
        ));
    }
    wrong
}

fn end(session: &Session) {
    if let Some(id) = traced(session) {
        let pid = i32::try_from(id)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid.expect("a process"), Signal::INT);
    }
}

/// What is wrong with the refusal of a command that did not start.
fn refusal(said: &Said) -> Option<String> {
    let is_sentence = said.err.lines().count() == 1 && said.err.starts_with("everwatch: ");
    let is_fine = said.code == Some(2) && is_sentence && said.out.is_empty();
    (!is_fine).then(|| format!("refused badly: {said:?}"))
}

/// Tries all cases and reports those that are wrong, each with the command line that repeats it.
fn assert_survives(test: &str, faults: &[Fault]) {
    if !is_strace_usable(test) {
        return;
    }
    assert_ne!(faults.len(), 0);
    let (mut made, mut wrong) = (0, Vec::new());
    for fault in faults {
        let (was_made, complaint) = trial(fault);
        made += usize::from(was_made);
        let Fault {
            syscall,
            error,
            when,
        } = fault;
        wrong.extend(complaint.map(|complaint| {
            format!("strace -f -e inject={syscall}:error={error}:when={when}\n    {complaint}")
        }));
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {} cases:\n{}",
        faults.len(),
        wrong.join("\n")
    );
    assert!(
        made * 2 > faults.len(),
        "only {made} of {} faults came about",
        faults.len()
    );
}

const EARLY_AND_LATE: &[&str] = &["1", "2", "3", "4", "5", "7", "9", "12", "16", "22", "30"];

#[test]
fn opening_a_directory_may_fail() {
    let errors = [
        "EMFILE", "ENFILE", "EACCES", "ENOENT", "EINTR", "EIO", "ENOMEM", "ELOOP", "ESTALE",
    ];
    assert_survives(
        "opening_a_directory_may_fail",
        &cases("openat", &errors, EARLY_AND_LATE),
    );
}

#[test]
fn adding_a_watch_may_fail() {
    let errors = ["ENOSPC", "ENOMEM", "EACCES", "ENOENT"];
    let when = [
        "1", "2", "3", "4", "5", "6", "8", "10", "14", "18", "3+", "5+", "8+", "12+",
    ];
    assert_survives(
        "adding_a_watch_may_fail",
        &cases("inotify_add_watch", &errors, &when),
    );
}

#[test]
fn listing_a_directory_may_fail() {
    let errors = ["EIO", "ENOENT", "ENOMEM", "EINTR", "EACCES", "ESTALE"];
    let when = ["1", "2", "3", "4", "5", "8", "12", "17", "23", "5+"];
    let mut cases = cases("getdents64", &errors, &when);
    // A directory that can be opened and is "not found" each time it is listed is a known gap,
    // see GUARANTEES.md.
    cases.retain(|case| (case.error, &*case.when) != ("ENOENT", "5+"));
    assert_survives("listing_a_directory_may_fail", &cases);
}

#[test]
fn a_directory_that_could_not_be_read_once_is_read_later() {
    let test = "a_directory_that_could_not_be_read_once_is_read_later";
    if !is_strace_usable(test) {
        return;
    }
    let place = temp();
    let root = place.path().join("root");
    write(&root, "dir/file", "old");
    // Each listing takes two calls, the second of which finds nothing more.
    let fault = cases("getdents64", &["EACCES"], &["3"]).remove(0);
    let session = start(&fault, &root, &place.path().join("log"));
    let dir = root.join("dir").display().to_string();
    session.expect(&format!(
        "{{\"type\":\"coverage\",\"path\":\"{dir}\",\"state\":\"lost\",\"reason\":\"unreadable\"}}"
    ));
    session.expect(&format!(
        "{{\"type\":\"coverage\",\"path\":\"{dir}\",\"state\":\"live\"}}"
    ));
    session.expect("/dir/file");
    end(&session);
    session.wait();
}

#[test]
fn a_signal_while_the_tree_is_armed_ends_the_command_at_once() {
    let test = "a_signal_while_the_tree_is_armed_ends_the_command_at_once";
    if !is_strace_usable(test) {
        return;
    }
    let place = memory();
    let root = place.path().join("root");
    for number in 0..10_000 {
        fs::create_dir_all(root.join(number.to_string())).expect("a directory");
    }
    let log = place.path().join("log");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&log);
    command.args(["-e", "trace=getdents64"]);
    // Listing takes half a minute.
    command.args(["-e", "inject=getdents64:delay_enter=1000"]);
    command.args([COMMAND, "watch"]).arg(&root);
    let mut session = Session::bare(&mut command);
    let begin = Instant::now();
    while !fs::read_to_string(&log).is_ok_and(|log| log.contains("getdents64")) {
        assert!(begin.elapsed() < TRUTH, "nothing is listed");
        std::thread::sleep(Duration::from_millis(2));
    }
    end(&session);
    let begin = Instant::now();
    while !session.has_ended() {
        assert!(begin.elapsed() < TRUTH, "the signal was not obeyed");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(session.wait().code, Some(0));
}

#[test]
fn looking_at_an_entry_may_fail() {
    let errors = ["EIO", "EACCES", "ENOENT", "ENOMEM", "ENOSYS"];
    let when = ["1", "2", "3", "4", "6", "9", "13", "18", "25", "33", "6+"];
    assert_survives(
        "looking_at_an_entry_may_fail",
        &cases("statx", &errors, &when),
    );
}

#[test]
fn reading_records_may_fail() {
    let when = ["1", "2", "3", "5", "7", "10", "14", "20"];
    assert_survives(
        "reading_records_may_fail",
        &cases("read", &["EINTR", "EIO", "ENOMEM"], &when),
    );
}

#[test]
fn ending_a_watch_may_fail() {
    let when = ["1", "2", "3", "1+"];
    let faults = cases("inotify_rm_watch", &["EINVAL", "ENOMEM"], &when);
    assert_survives("ending_a_watch_may_fail", &faults);
}

#[test]
fn waiting_may_fail() {
    let when = ["1", "2", "3", "5", "8", "13"];
    assert_survives(
        "waiting_may_fail",
        &cases("ppoll", &["EINTR", "ENOMEM"], &when),
    );
}

#[test]
fn what_is_needed_from_the_start_may_be_missing() {
    let mut faults = Vec::new();
    for (syscall, error) in [
        ("inotify_init1", "EMFILE"),
        ("inotify_init1", "ENFILE"),
        ("inotify_init1", "ENOMEM"),
        ("inotify_init1", "ENOSYS"),
        ("eventfd2", "EMFILE"),
        ("eventfd2", "ENFILE"),
        ("eventfd2", "ENOMEM"),
        ("unshare", "EPERM"),
        ("unshare", "ENOMEM"),
    ] {
        faults.push(Fault {
            syscall,
            error,
            when: "1".to_owned(),
        });
    }
    for when in 1..=3 {
        faults.push(Fault {
            syscall: "clone3",
            error: "EAGAIN",
            when: when.to_string(),
        });
    }
    assert_survives("what_is_needed_from_the_start_may_be_missing", &faults);
}

#[test]
fn going_into_a_directory_may_fail() {
    let when = ["1", "2", "3", "4", "5", "8", "12", "1+", "6+"];
    let mut faults = cases("fchdir", &["EACCES", "EIO", "ENOMEM"], &when);
    faults.extend(cases("chdir", &["EACCES", "EIO"], &["1", "2", "1+"]));
    assert_survives("going_into_a_directory_may_fail", &faults);
}

#[test]
fn asking_for_the_kind_of_file_system_may_fail() {
    let faults = cases("fstatfs", &["EIO", "ENOSYS"], &["1", "1+"]);
    assert_survives("asking_for_the_kind_of_file_system_may_fail", &faults);
}
