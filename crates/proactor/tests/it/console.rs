//! Ctrl-C. Under Wine a real one, which is what it makes of SIGINT; elsewhere Ctrl-Break.
//!
//! Events are those of the whole process, so each test has one of its own.

use std::io::{BufRead, BufReader, Write};
use std::os::windows::process::CommandExt;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use everwatch_proactor::fault_injection::{Call, Session, console_event};
use everwatch_proactor::{Proactor, console::ConsoleEvent};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, GenerateConsoleCtrlEvent,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

use crate::support::{Clean, pipe_name};
use everwatch_testing::alone::{alone, child_test};

const PART: &str = "EVERWATCH_PROACTOR_LISTENS";
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// Long enough for anything that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

fn is_wine() -> bool {
    // SAFETY: both names end with a zero.
    unsafe {
        let ntdll = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()).is_some()
    }
}

/// Not a test, but what the child of one does: listens, says so, and says what it has heard.
#[test]
fn listens() {
    if std::env::var_os(PART).is_none() {
        return;
    }
    let mut proactor = Proactor::new().expect("a port");
    let remote = proactor.remote();
    let ctrl_c = remote.ctrl_c().expect("a handler");
    println!("\nlistening");
    proactor.block_on(async {
        for _ in 0..3 {
            let event = ctrl_c.next().await.expect("an event");
            println!("heard {event:?}");
            std::io::stdout().flush().expect("written");
        }
    });
    drop(ctrl_c);
    println!("deaf");
    std::thread::sleep(Duration::from_secs(600));
}

/// Presses Ctrl-C, or Ctrl-Break where there is no other way to press it for one process alone.
fn press(child: &Child, mark: &str) {
    if !is_wine() {
        // SAFETY: no preconditions.
        let is_fine = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) };
        assert_ne!(is_fine, 0, "{}", std::io::Error::last_os_error());
        return;
    }
    // A program of Linux. The brackets keep it from finding itself.
    let rest = mark.strip_prefix('e').expect("the mark begins so");
    let script = format!(
        "for file in $(grep -la '[e]{rest}' /proc/[0-9]*/cmdline); \
         do file=${{file#/proc/}}; kill -INT ${{file%/cmdline}}; done 2>/dev/null"
    );
    let pressed = Command::new(r"Z:\bin\sh").args(["-c", &script]).spawn();
    // Wine has no handle of such a process, so that this is no wait.
    let _ = pressed.expect("a shell of Linux").wait();
}

#[test]
fn ctrl_c_reaches_who_listens_and_ends_who_does_not() {
    let mark = pipe_name().replace(r"\\.\pipe\", "");
    let mut child = child_test("console::listens")
        .args(["--skip", &mark])
        .env(PART, "1")
        .creation_flags(if is_wine() {
            0
        } else {
            CREATE_NEW_PROCESS_GROUP
        })
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = |wanted: &str| {
        let mut found = lines.by_ref().map(|line| line.expect("a line"));
        found.find(|line| line.starts_with(wanted)).expect("a line")
    };
    next("listening");
    let name = if is_wine() {
        "heard CtrlC"
    } else {
        "heard CtrlBreak"
    };
    for _ in 0..3 {
        press(&child, &mark);
        assert_eq!(next("heard"), name);
    }
    next("deaf");
    press(&child, &mark);
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("asked").is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_listener_of_every_proactor_hears_every_event() {
    alone(
        "console::every_listener_of_every_proactor_hears_every_event",
        || {
            let session = Session::open();
            assert!(!console_event(CTRL_C_EVENT), "no handler is registered");
            let mut proactors = [Clean::new(), Clean::new()];
            let listeners: Vec<_> = (0..6)
                .map(|number| {
                    proactors[number % 2]
                        .get()
                        .remote()
                        .ctrl_c()
                        .expect("a handler")
                })
                .collect();
            assert_eq!(session.records_of(Call::SetConsoleCtrlHandler).len(), 1);
            let mut waiting: Vec<_> = listeners.iter().map(|one| Box::pin(one.next())).collect();
            let mut context = Context::from_waker(Waker::noop());
            assert!(
                waiting
                    .iter_mut()
                    .all(|one| one.as_mut().poll(&mut context).is_pending())
            );
            let handler = std::thread::spawn(|| console_event(CTRL_C_EVENT));
            assert!(handler.join().expect("a thread"));
            for (number, one) in waiting.into_iter().enumerate() {
                let heard = proactors[number % 2].get().block_on(one);
                assert_eq!(heard.expect("an event"), ConsoleEvent::CtrlC);
            }
            // One that listens from now on has not heard it.
            let late = proactors[0].get().remote().ctrl_c().expect("a handler");
            let mut late = pin!(late.next());
            assert!(late.as_mut().poll(&mut context).is_pending());
        },
    );
}

#[test]
fn nothing_is_lost_between_two_waits_or_with_a_dropped_one() {
    alone(
        "console::nothing_is_lost_between_two_waits_or_with_a_dropped_one",
        || {
            let mut proactor = Clean::new();
            let remote = proactor.get().remote();
            let ctrl_c = remote.ctrl_c().expect("a handler");
            let mut context = Context::from_waker(Waker::noop());
            for polls in [false, true] {
                assert!(pin!(ctrl_c.next()).poll(&mut context).is_pending());
                let mut dropped = Box::pin(ctrl_c.next());
                assert!(dropped.as_mut().poll(&mut context).is_pending());
                for kind in [
                    CTRL_C_EVENT,
                    CTRL_C_EVENT,
                    CTRL_CLOSE_EVENT,
                    CTRL_BREAK_EVENT,
                ] {
                    assert!(console_event(kind));
                }
                if polls {
                    proactor.get().poll(Some(PATIENCE));
                }
                drop(dropped);
                let heard: Vec<_> = (0..4)
                    .map(|_| proactor.get().block_on(ctrl_c.next()).expect("an event"))
                    .collect();
                let expected = [
                    ConsoleEvent::CtrlC,
                    ConsoleEvent::CtrlC,
                    ConsoleEvent::CtrlBreak,
                    ConsoleEvent::Close,
                ];
                assert_eq!(heard, expected);
                assert!(pin!(ctrl_c.next()).poll(&mut context).is_pending());
                while remote.in_flight() > 0 {
                    proactor.get().poll(Some(PATIENCE));
                }
            }
        },
    );
}

#[test]
fn listening_ends_with_the_proactor() {
    alone("console::listening_ends_with_the_proactor", || {
        let mut proactor = Clean::new();
        let remote = proactor.get().remote();
        let ctrl_c = remote.ctrl_c().expect("a handler");
        let mut next = pin!(ctrl_c.next());
        let mut context = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut context).is_pending());
        drop(proactor);
        assert!(matches!(
            next.as_mut().poll(&mut context),
            Poll::Ready(Err(_))
        ));
        // The handler finds no packet to post.
        assert!(console_event(CTRL_C_EVENT));
        assert_eq!((remote.in_flight(), remote.stray_packets()), (0, 0));
    });
}

#[test]
fn an_event_and_a_cancel_at_the_same_time_leave_no_packet() {
    alone(
        "console::an_event_and_a_cancel_at_the_same_time_leave_no_packet",
        || {
            let mut proactor = Clean::new();
            let remote = proactor.get().remote();
            let ctrl_c = remote.ctrl_c().expect("a handler");
            let (start, started) = std::sync::mpsc::sync_channel::<()>(0);
            let presser = std::thread::spawn(move || {
                let mut pressed = 0;
                while started.recv().is_ok() {
                    pressed += u64::from(console_event(CTRL_C_EVENT));
                }
                pressed
            });
            let mut context = Context::from_waker(Waker::noop());
            let mut heard = 0;
            let rounds = everwatch_testing::alone::rounds();
            for round in 0..rounds {
                let mut next = Box::pin(ctrl_c.next());
                if next.as_mut().poll(&mut context).is_ready() {
                    heard += 1;
                    next = Box::pin(ctrl_c.next());
                    heard += u64::from(next.as_mut().poll(&mut context).is_ready());
                }
                start.send(()).expect("it listens");
                let before = Instant::now();
                while before.elapsed() < Duration::from_micros(round % 40) {
                    std::hint::spin_loop();
                }
                drop(next);
                proactor.get().poll(Some(Duration::ZERO));
            }
            drop(start);
            let pressed = presser.join().expect("a thread");
            assert_eq!(pressed, rounds);
            while heard < pressed {
                proactor.get().block_on(ctrl_c.next()).expect("an event");
                heard += 1;
            }
            assert!(
                pin!(ctrl_c.next()).poll(&mut context).is_pending(),
                "not one too many"
            );
            while remote.in_flight() > 0 {
                proactor.get().poll(Some(PATIENCE));
            }
        },
    );
}
