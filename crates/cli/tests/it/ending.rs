//! The end of the command: by a signal, or because the reader has gone.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use everwatch_testing::scratch::{memory, temp};

use crate::support::{PATIENCE, Session, Signal, everwatch, said};

#[test]
fn interrupt_and_termination_end_it_after_everything_before_is_printed() {
    for signal in [Signal::INT, Signal::TERM] {
        let dir = memory();
        let session = Session::watch(&["--format", "json"], dir.path());
        for at in 0..3_000 {
            fs::write(dir.path().join(format!("f{at}")), "").expect("a file");
        }
        session.signal(signal);
        let said = session.wait();
        assert_eq!((said.code, &*said.err), (Some(0), ""), "{signal:?}");
        let text = String::from_utf8(said.out).expect("text");
        let created = text
            .lines()
            .filter(|line| line.contains(r#""kind":"created""#));
        let below = dir.path().to_string_lossy().into_owned();
        assert_eq!(
            created.filter(|line| line.contains(&below)).count(),
            3_000,
            "{signal:?}"
        );
        assert!(text.ends_with('\n'), "the last line is whole");
    }
}

#[test]
fn what_has_not_settled_is_printed_before_it_ends() {
    let dir = temp();
    let session = Session::watch(&["--settle", "500"], dir.path());
    fs::write(dir.path().join("late"), "").expect("a file");
    let said = session.stop();
    assert_eq!(said.code, Some(0));
    assert!(String::from_utf8_lossy(&said.out).contains("/late\n"));
}

#[test]
fn it_ends_by_a_signal_while_a_large_tree_is_being_armed() {
    let dir = memory();
    for at in 0..4_000 {
        fs::create_dir_all(dir.path().join(format!("{}/{at}", at % 40))).expect("directories");
    }
    for delay in [0, 1, 3, 10, 20, 40] {
        let session = Session::bare(everwatch(["watch", "--format", "json"]).arg(dir.path()));
        std::thread::sleep(Duration::from_millis(delay));
        session.signal(Signal::TERM);
        let said = session.wait();
        // Before the handler is set up the signal itself ends the process.
        assert!(matches!(said.code, Some(0) | None), "{delay} ms: {said:?}");
        assert_eq!(said.err, "", "{delay} ms");
    }
}

#[test]
fn it_ends_by_a_signal_under_load_in_bounded_time() {
    let dir = temp();
    let session = Session::watch(&["--format", "json"], dir.path());
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (root, is_over) = (dir.path(), &is_over);
            scope.spawn(move || {
                let begin = Instant::now();
                while !is_over.load(std::sync::atomic::Ordering::Relaxed)
                    && begin.elapsed() < PATIENCE
                {
                    let sub = root.join(format!("w{writer}"));
                    fs::create_dir_all(sub.join("a/b")).expect("directories");
                    fs::write(sub.join("a/b/f"), "x").expect("a file");
                    fs::remove_dir_all(&sub).expect("removed");
                }
            });
        }
        session.expect("/w2\"");
        let begin = Instant::now();
        let said = session.stop();
        let took = begin.elapsed();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(said.code, Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(said.out.ends_with(b"\n"), "the last line is whole");
    });
}

/// Runs the command with a pipe that is not read, and fills the pipe.
fn blocked(root: &std::path::Path) -> std::process::Child {
    let mut child = everwatch(["watch", "--format", "json"])
        .arg(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut ready = String::new();
    let out = child.stdout.as_mut().expect("piped");
    // One byte at a time, so that nothing after the line is read.
    let mut byte = [0];
    while byte != *b"\n" {
        out.read_exact(&mut byte).expect("output");
        ready.push(char::from(byte[0]));
    }
    assert!(ready.contains("ready"), "{ready}");
    for at in 0..3_000 {
        fs::write(root.join(format!("{at:0>100}")), "").expect("a file");
    }
    child
}

fn wait_for_end(child: &mut std::process::Child, most: Duration) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return status.code();
        }
        if begin.elapsed() > most {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            panic!("did not end in {most:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &std::process::Child, signal: Signal) {
    let id = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(id.expect("a process"), signal).expect("the child is ours");
}

#[test]
fn a_signal_ends_it_although_the_pipe_is_not_read() {
    let dir = memory();
    let mut child = blocked(dir.path());
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, Signal::TERM);
    assert_eq!(wait_for_end(&mut child, PATIENCE), Some(1));
    assert_eq!(
        standard_error(&mut child),
        "everwatch: the reader of standard output stands still; changes that were not printed yet are lost\n"
    );
}

/// Kinds of standard output whose writes do not block, each with the end that is read.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Pipe,
    Socket,
    Terminal,
}

impl Stream {
    /// The end that is read, and the one that is written to and does not block.
    fn open(self) -> (OwnedFd, OwnedFd) {
        let (reader, writer) = match self {
            Stream::Pipe => rustix::pipe::pipe().expect("a pipe"),
            Stream::Socket => {
                let (reader, writer) = UnixStream::pair().expect("a pair");
                (reader.into(), writer.into())
            }
            Stream::Terminal => {
                use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

                let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
                grantpt(&master).expect("a terminal");
                unlockpt(&master).expect("a terminal");
                let peer = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY);
                (master, peer.expect("its other end"))
            }
        };
        rustix::io::ioctl_fionbio(&writer, true).expect("a mode of the description");
        (reader, writer)
    }
}

#[test]
fn a_slow_reader_gets_every_line_from_a_stream_that_does_not_block() {
    for stream in [Stream::Pipe, Stream::Socket, Stream::Terminal] {
        let dir = memory();
        let (reader, writer) = stream.open();
        let mut child = everwatch(["watch", "--format", "json"])
            .arg(dir.path())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut lines = BufReader::with_capacity(1, fs::File::from(reader)).lines();
        let ready = lines.next().expect("a line").expect("text");
        assert!(ready.contains("ready"), "{stream:?}: {ready}");
        const COUNT: usize = 3_000;
        for at in 0..COUNT {
            fs::create_dir(dir.path().join(format!("{at:0>100}"))).expect("a directory");
        }
        // Nothing is read meanwhile: the stream is full long before the last line.
        let created = lines
            .map(|line| line.expect("text"))
            .filter(|line| line.contains(r#""kind":"created""#));
        assert_eq!(created.take(COUNT).count(), COUNT, "{stream:?}");
        signal(&child, Signal::TERM);
        assert_eq!(wait_for_end(&mut child, PATIENCE), Some(0), "{stream:?}");
        assert_eq!(standard_error(&mut child), "", "{stream:?}");
    }
}

#[test]
fn after_a_signal_a_reader_that_moves_by_a_byte_gets_every_line() {
    let dir = memory();
    let mut child = blocked(dir.path());
    signal(&child, Signal::TERM);
    let mut out = child.stdout.take().expect("piped");
    let mut text = Vec::new();
    // Six seconds of a byte each: three times as long as the command waits for a reader that stands still.
    for _ in 0..6 {
        let mut byte = [0];
        out.read_exact(&mut byte).expect("output");
        text.push(byte[0]);
        std::thread::sleep(Duration::from_secs(1));
    }
    out.read_to_end(&mut text).expect("output");
    let text = String::from_utf8(text).expect("text");
    assert_eq!(text.matches(r#""kind":"created""#).count(), 3_000);
    assert_eq!(wait_for_end(&mut child, PATIENCE), Some(0));
}

fn standard_error(child: &mut std::process::Child) -> String {
    let mut err = String::new();
    let mut pipe = child.stderr.take().expect("piped");
    pipe.read_to_string(&mut err).expect("text");
    err
}

#[test]
fn a_second_signal_ends_it_at_once_although_the_pipe_is_not_read() {
    let dir = memory();
    let mut child = blocked(dir.path());
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, Signal::INT);
    assert_eq!(wait_for_end(&mut child, Duration::from_secs(1)), Some(1));
    assert_eq!(
        standard_error(&mut child),
        "everwatch: a second signal came; changes that were not printed yet are lost\n"
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly_also_when_nothing_happens() {
    for format in ["text", "json", "nul"] {
        let dir = temp();
        let mut child = everwatch(["watch", "--snapshot", "--format", format])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        std::thread::sleep(Duration::from_millis(100));
        drop(child.stdout.take());
        assert_eq!(wait_for_end(&mut child, PATIENCE), Some(0), "{format}");
        let mut err = String::new();
        child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut err)
            .expect("text");
        assert_eq!(err, "", "{format}");
    }
}

#[test]
fn a_reader_that_takes_one_line_and_goes_ends_it_quietly() {
    for _ in 0..10 {
        let dir = memory();
        for at in 0..2_000 {
            fs::write(dir.path().join(at.to_string()), "").expect("a file");
        }
        let mut child = everwatch(["watch", "--snapshot"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        assert!(line.starts_with("created"), "{line}");
        assert_eq!(wait_for_end(&mut child, PATIENCE), Some(0));
        let mut err = String::new();
        child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut err)
            .expect("text");
        assert_eq!(err, "");
    }
}

#[test]
fn a_reader_of_both_outputs_that_goes_away_ends_it_without_a_panic() {
    let dir = temp();
    let root = dir.path().join("root");
    fs::create_dir(&root).expect("a directory");
    let mut child = everwatch(["watch"])
        .arg(&root)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    std::thread::sleep(Duration::from_millis(200));
    drop(child.stderr.take());
    // Lines about coverage go to standard error, which is closed.
    fs::remove_dir(&root).expect("removed");
    std::thread::sleep(Duration::from_millis(300));
    if child.try_wait().expect("the child is ours").is_none() {
        signal(&child, Signal::INT);
    }
    assert_eq!(wait_for_end(&mut child, PATIENCE), Some(0));
}

#[test]
fn doctor_and_help_into_a_closed_pipe_end_quietly() {
    let dir = temp();
    let path = dir.path().to_str().expect("text");
    for arguments in [&["doctor", path][..], &["--help"], &["watch", "--help"]] {
        let mut child = everwatch(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        drop(child.stdout.take());
        let code = wait_for_end(&mut child, PATIENCE * 3);
        let mut err = String::new();
        child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut err)
            .expect("text");
        assert_eq!((code, &*err), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn standard_output_that_is_closed_from_the_start_is_no_panic() {
    let dir = temp();
    let script = "exec \"$1\" watch --snapshot \"$2\" >&-";
    let mut command = std::process::Command::new("timeout");
    command
        .args([
            "-s",
            "INT",
            "1",
            "sh",
            "-c",
            script,
            "sh",
            crate::support::COMMAND,
        ])
        .arg(dir.path());
    let said = said(&mut command);
    assert!(!said.err.contains("panicked"), "{}", said.err);
}
