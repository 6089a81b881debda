//! Child processes. The children are this program, with a part to play.

use std::future::Future;
use std::io::{Read, Write};
use std::os::windows::io::{AsHandle, FromRawHandle, OwnedHandle};
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use everwatch_proactor::fault_injection::{Call, Session};
use everwatch_proactor::{
    Stream,
    process::{Child, Start},
};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE};

use crate::support::{Clean, poll_once};
use everwatch_testing::alone::{alone, child_test, cycles, rounds, settles};
use everwatch_testing::census::Census;

const PART: &str = "EVERWATCH_PROACTOR_PART";

/// Long enough for anything that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test, but what children do.
#[test]
fn plays_its_part() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let (mut input, mut output) = (std::io::stdin(), std::io::stdout());
    match part.split_once(' ').unwrap_or((&part, "")) {
        ("exit", code) => std::process::exit(code.parse().expect("a number")),
        ("exit-at-end-of-input", code) => {
            input.read_to_end(&mut Vec::new()).expect("read");
            std::process::exit(code.parse().expect("a number"));
        }
        ("echo", _) => {
            let mut bytes = Vec::new();
            input.read_to_end(&mut bytes).expect("read");
            output.write_all(&bytes).expect("written");
            output.flush().expect("written");
            eprintln!("{} bytes", bytes.len());
            std::process::exit(0);
        }
        ("live", _) => std::thread::sleep(Duration::from_secs(600)),
        ("parent", _) => {
            let mut child = part_of("live").spawn().expect("a child");
            println!("grandchild {}", child.id());
            output.flush().expect("written");
            child.wait().expect("its end");
        }
        other => panic!("{other:?}"),
    }
}

fn part_of(part: &str) -> Command {
    let mut command = child_test("processes::plays_its_part");
    command.env(PART, part);
    command
}

fn start(part: &str) -> Start {
    let mut command = part_of(part);
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    Start::new(command).without_window()
}

async fn read_to_end(stream: &Stream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = Vec::with_capacity(8192);
    loop {
        let (read, bytes) = stream.read(buffer).await;
        if read.expect("read") == 0 {
            return all;
        }
        all.extend_from_slice(&bytes);
        buffer = bytes;
    }
}

/// Opens a process by its number, to see it end.
fn open(id: u32) -> Option<OwnedHandle> {
    // SAFETY: a handle that is not null is fresh.
    unsafe {
        let raw = OpenProcess(PROCESS_SYNCHRONIZE, 0, id);
        (!raw.is_null()).then(|| OwnedHandle::from_raw_handle(raw))
    }
}

#[test]
fn a_child_is_waited_for_and_has_an_exit_status() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    for code in [0, 7, 259, -1] {
        let start = start(&format!("exit-at-end-of-input {code}")).stdin();
        let mut child = start.spawn(&remote).expect("a child");
        assert!(child.try_status().expect("asked").is_none());
        proactor.get().block_on(async {
            let mut status = pin!(child.status());
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..50 {
                assert!(status.as_mut().poll(&mut context).is_pending(), "it lives");
                remote.sleep(Duration::from_millis(1)).await.expect("slept");
            }
        });
        child.stdin = None;
        let status = proactor.get().block_on(child.status()).expect("exited");
        assert_eq!(status.code(), Some(code));
        let again = child.try_status().expect("asked").expect("exited");
        assert_eq!(again.code(), Some(code));
    }
    assert_eq!(remote.in_flight(), 0);
}

#[test]
fn a_child_is_spoken_to_over_streams() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let start = Start::new(part_of("echo")).without_window();
    let mut child = start
        .stdin()
        .stdout()
        .stderr()
        .spawn(&remote)
        .expect("a child");
    let text: Vec<u8> = (0..300_000_u32)
        .map(|number| b'a' + (number % 23) as u8)
        .collect();
    let (output, errors) = proactor.get().block_on(async {
        let stdin = child.stdin.take().expect("a stream");
        for part in text.chunks(50_000) {
            let (written, _) = stdin.write(part.to_vec()).await;
            assert_eq!(written.expect("written"), part.len());
        }
        drop(stdin);
        let output = read_to_end(child.stdout.as_ref().expect("a stream")).await;
        let errors = read_to_end(child.stderr.as_ref().expect("a stream")).await;
        assert!(child.status().await.expect("exited").success());
        (output, errors)
    });
    // Around it is what the test harness of the child says.
    assert!(
        output.windows(text.len()).any(|part| part == text),
        "{}",
        output.len()
    );
    assert!(String::from_utf8_lossy(&errors).contains("300000 bytes"));
}

#[test]
fn a_killed_child_has_exited_and_to_kill_it_again_is_harmless() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    for start in [start("live"), start("live").outlives()] {
        let child = start.spawn(&remote).expect("a child");
        assert!(child.try_status().expect("asked").is_none());
        child.kill().expect("killed");
        let status = proactor.get().block_on(child.status()).expect("exited");
        assert_eq!(status.code(), Some(1));
        child.kill().expect("harmless");
    }
}

#[test]
fn what_a_child_has_started_ends_with_it() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    for ends_by_drop in [false, true] {
        let child = Start::new(part_of("parent")).without_window().stdout();
        let child = child.spawn(&remote).expect("a child");
        let grandchild = proactor.get().block_on(async {
            let stdout = child.stdout.as_ref().expect("a stream");
            let mut text = String::new();
            loop {
                let (read, bytes) = stdout.read(Vec::with_capacity(1000)).await;
                assert!(read.expect("read") > 0, "{text}");
                text += &String::from_utf8_lossy(&bytes);
                let id = text
                    .split_once("grandchild ")
                    .and_then(|(_, id)| id.split_once('\n'));
                if let Some((id, _)) = id {
                    break id.trim().parse::<u32>().expect("a number");
                }
            }
        });
        let both = [
            open(grandchild).expect("it lives"),
            child.as_handle().try_clone_to_owned().expect("a handle"),
        ];
        for process in &both {
            let mut exited = remote.wait_for_handle(process, None);
            proactor.get().poll(Some(Duration::ZERO));
            assert!(poll_once(&mut exited).is_pending());
        }
        match ends_by_drop {
            true => drop(child),
            false => child.kill().expect("killed"),
        }
        for process in &both {
            let exited = remote.wait_for_handle(process, Some(PATIENCE));
            assert!(proactor.get().block_on(exited).expect("waited"));
        }
    }
}

#[test]
fn a_child_that_is_to_outlive_does() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let child = start("exit-at-end-of-input 3").outlives().stdin();
    let mut child = child.spawn(&remote).expect("a child");
    let stdin = child.stdin.take();
    let process = child.as_handle().try_clone_to_owned().expect("a handle");
    drop(child);
    let lives = remote.wait_for_handle(&process, Some(Duration::from_millis(100)));
    assert!(!proactor.get().block_on(lives).expect("waited"));
    drop(stdin);
    let exited = remote.wait_for_handle(&process, Some(PATIENCE));
    assert!(proactor.get().block_on(exited).expect("waited"));
}

// requirement: S4.5 (wine)
#[test]
fn a_live_child_is_never_reported_as_exited() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let mut child = start("exit-at-end-of-input 5")
        .stdin()
        .spawn(&remote)
        .expect("a child");
    let mut context = Context::from_waker(Waker::noop());
    for round in 0..rounds() {
        let mut status = pin!(child.status());
        assert!(
            status.as_mut().poll(&mut context).is_pending(),
            "round {round}"
        );
        if round % 2 == 0 {
            proactor.get().poll(Some(Duration::ZERO));
            assert!(
                status.as_mut().poll(&mut context).is_pending(),
                "round {round}"
            );
        }
    }
    child.stdin = None;
    // From here on it exits at any moment; it has, when it is said so.
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        let mut status = Box::pin(child.status());
        proactor.get().poll(Some(Duration::ZERO));
        if let Poll::Ready(status) = status.as_mut().poll(&mut context) {
            break status.expect("exited");
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(status.code(), Some(5));
    while remote.in_flight() > 0 {
        proactor.get().poll(Some(PATIENCE));
    }
}

#[test]
fn many_children_are_waited_for_at_once() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let children: Vec<Child> = (0..12)
        .map(|code| {
            start(&format!("exit {code}"))
                .spawn(&remote)
                .expect("a child")
        })
        .collect();
    let mut statuses: Vec<_> = children
        .iter()
        .map(|child| Box::pin(child.status()))
        .collect();
    let codes = proactor.get().block_on(async {
        // All waits are begun before the first is waited for.
        let mut context = Context::from_waker(Waker::noop());
        let mut codes = vec![None; statuses.len()];
        for (status, code) in statuses.iter_mut().zip(&mut codes) {
            if let Poll::Ready(status) = status.as_mut().poll(&mut context) {
                *code = status.expect("exited").code();
            }
        }
        for (status, code) in statuses.iter_mut().zip(&mut codes) {
            if code.is_none() {
                *code = status.await.expect("exited").code();
            }
        }
        codes
    });
    let expected: Vec<_> = (0..12).map(Some).collect();
    assert_eq!(codes, expected);
}

#[test]
fn a_child_that_cannot_be_started_to_the_end_is_an_error_and_none_is_left() {
    let name = "processes::a_child_that_cannot_be_started_to_the_end_is_an_error_and_none_is_left";
    alone(name, || {
        let session = Session::open();
        let mut proactor = Clean::new();
        let remote = proactor.get().remote();
        let calls = [
            (Call::CreateNamedPipe, 0),
            (Call::CreateNamedPipe, 1),
            (Call::ConnectNamedPipe, 0),
            (Call::ConnectNamedPipe, 1),
            (Call::CreateIoCompletionPort, 0),
            (Call::CreateJobObject, 0),
            (Call::AssignProcessToJobObject, 0),
            (Call::ResumeProcess, 0),
        ];
        let start = || start("live").stdin().stdout();
        drop(start().spawn(&remote).expect("a child"));
        let baseline = Census::take();
        for (call, passing) in calls {
            session.fail(call, passing, 1450);
            let error = start().spawn(&remote).expect_err("refused");
            assert_eq!(error.raw_os_error(), Some(1450), "{call:?}");
            assert!(session.is_spent(), "{call:?}");
            settles(&baseline, &format!("{call:?} failed"));
        }
        let ended = session.records_of(Call::TerminateProcess);
        let ended: Vec<_> = ended.iter().map(|record| record.error).collect();
        assert_eq!(ended, [0; 3], "children that were there already");
        drop(start().spawn(&remote).expect("a child"));
        // Before it ran it was in its job.
        let records = session.records();
        let order = |call| records.iter().rposition(|record| record.call == call);
        assert!(order(Call::AssignProcessToJobObject) < order(Call::ResumeProcess));
        let missing = Start::new(Command::new("no-such-program.exe")).stdout();
        assert!(missing.spawn(&remote).is_err());
        settles(&baseline, "no program");
    });
}

#[test]
fn children_leave_nothing_behind() {
    alone("processes::children_leave_nothing_behind", || {
        let mut proactor = Clean::new();
        let remote = proactor.get().remote();
        let mut cycle = |number: u64| {
            let child = start("exit-at-end-of-input 0").stdin().stdout().stderr();
            let mut child = child.spawn(&remote).expect("a child");
            let mut status = Box::pin(child.status());
            let mut context = Context::from_waker(Waker::noop());
            assert!(status.as_mut().poll(&mut context).is_pending());
            drop(status);
            if number.is_multiple_of(3) {
                child.kill().expect("killed");
            }
            child.stdin = None;
            if number % 3 < 2 {
                proactor.get().block_on(child.status()).expect("exited");
            }
        };
        (0..3).for_each(&mut cycle);
        let baseline = Census::take();
        (0..cycles(12, 500)).for_each(&mut cycle);
        settles(&baseline, "children");
    });
}
