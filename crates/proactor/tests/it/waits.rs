//! Waits for handles, by the thread pool and by wait completion packets.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::time::{Duration, Instant};

use everwatch_proactor::HandleWait;
use everwatch_proactor::fault_injection::Call;

use crate::fake_packets::Fake;
use crate::support::{Clean, event, poll_once, set};
use everwatch_testing::alone::{alone, child_test, is_alone, rounds, settles};
use everwatch_testing::census::Census;

const ABORTED: i32 = 995;

/// Long enough for anything that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

fn a_signalled_handle_ends_it_with_true() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let event = event();
    let mut wait = remote.wait_for_handle(&event, None);
    assert!(poll_once(&mut wait).is_pending());
    assert_eq!(remote.in_flight(), 1);
    set(&event);
    assert!(proactor.get().block_on(wait).expect("waited"));
    let again = remote.wait_for_handle(&event, Some(PATIENCE));
    assert!(proactor.get().block_on(again).expect("waited"));
    assert_eq!(remote.in_flight(), 0);
}

fn a_handle_that_is_signalled_has_no_time_limit() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let event = event();
    set(&event);
    for _ in 0..20 {
        let wait = remote.wait_for_handle(&event, Some(Duration::ZERO));
        assert!(proactor.get().block_on(wait).expect("waited"));
    }
}

fn a_time_limit_is_never_early() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let event = event();
    for milliseconds in [0, 1, 20, 500] {
        let time = Duration::from_millis(milliseconds);
        let before = Instant::now();
        let wait = remote.wait_for_handle(&event, Some(time));
        assert!(!proactor.get().block_on(wait).expect("waited"));
        let waited = before.elapsed();
        let most = time + Duration::from_millis(400);
        assert!((time..most).contains(&waited), "{time:?}: {waited:?}");
    }
    assert_eq!(remote.in_flight(), 0);
}

fn cancelling_twice_or_too_late_is_harmless() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (signalled, silent) = (event(), event());
    set(&signalled);
    let mut done = remote.wait_for_handle(&signalled, None);
    while remote.in_flight() > 0 {
        proactor.get().poll(Some(PATIENCE));
    }
    done.cancel();
    done.cancel();
    assert!(matches!(poll_once(&mut done), Poll::Ready(Ok(true))));
    done.cancel();
    let mut twice = remote.wait_for_handle(&silent, None);
    twice.cancel();
    twice.cancel();
    let Poll::Ready(Err(error)) = poll_once(&mut twice) else {
        panic!("it was cancelled");
    };
    assert_eq!(error.raw_os_error(), Some(ABORTED));
    twice.cancel();
    assert_eq!(remote.in_flight(), 0);
}

/// A cancel and a signal at the same time. What is reported is true, and what comes later belongs to nothing.
fn no_round_of_a_race_is_wrong(rounds: u64) {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let live = event();
    let (start, over) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
    let (has_begun, shared) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(std::sync::Mutex::new(None)),
    );
    let signaller = std::thread::spawn({
        let (start, over) = (Arc::clone(&start), Arc::clone(&over));
        let (has_begun, shared) = (Arc::clone(&has_begun), Arc::clone(&shared));
        move || loop {
            start.wait();
            if over.load(Ordering::SeqCst) {
                return;
            }
            let event = shared.lock().expect("a lock").take().expect("an event");
            has_begun.fetch_add(1, Ordering::SeqCst);
            set(&event);
        }
    });
    let mut seen = [0_u64; 3];
    for round in 0..rounds {
        let event = event();
        let mut wait = remote.wait_for_handle(&event, None);
        let begun = has_begun.load(Ordering::SeqCst);
        *shared.lock().expect("a lock") = Some(event.try_clone().expect("a handle"));
        start.wait();
        // From far too early to far too late; the thread pool is fast, the fake is not.
        let scale = if round % 16 < 12 { 1 } else { 40 };
        let delay = Duration::from_micros(round % 61 * scale);
        let before = Instant::now();
        while before.elapsed() < delay {
            std::hint::spin_loop();
        }
        if round % 4 == 3 {
            drop(wait);
            seen[2] += 1;
        } else {
            if round % 4 == 2 {
                proactor.get().poll(Some(Duration::ZERO));
            }
            wait.cancel();
            match proactor.get().block_on(&mut wait) {
                Ok(true) => {
                    seen[0] += 1;
                    assert_ne!(
                        has_begun.load(Ordering::SeqCst),
                        begun,
                        "nothing was signalled"
                    );
                }
                Ok(false) => panic!("it has no time limit"),
                Err(error) => {
                    seen[1] += 1;
                    assert_eq!(error.raw_os_error(), Some(ABORTED));
                }
            }
        }
        // In the slot of the one before, for something that never happens.
        let mut next = remote.wait_for_handle(&live, None);
        proactor.get().poll(Some(Duration::ZERO));
        assert!(poll_once(&mut next).is_pending(), "round {round}");
        while has_begun.load(Ordering::SeqCst) == begun {
            std::thread::yield_now();
        }
        proactor.get().poll(Some(Duration::ZERO));
        assert!(poll_once(&mut next).is_pending(), "round {round}");
        next.cancel();
        assert!(proactor.get().block_on(next).is_err(), "round {round}");
        assert_eq!(remote.stray_packets(), 0, "round {round}");
    }
    over.store(true, Ordering::SeqCst);
    start.wait();
    signaller.join().expect("a thread");
    while remote.in_flight() > 0 {
        proactor.get().poll(Some(PATIENCE));
    }
    let [signalled, cancelled, dropped] = seen;
    println!("{rounds} races: {signalled} signalled, {cancelled} cancelled, {dropped} dropped");
}

/// Waits for a process that lives, ended in every way that there is, never say that it has exited.
fn no_live_process_is_reported_as_exited(rounds: u64) {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let mut child = child_test("waits::lives_until_it_is_ended")
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a child");
    let decoy = event();
    set(&decoy);
    for round in 0..rounds {
        // A packet that is about to come, in a slot that was just given up.
        let other = remote.wait_for_handle(&decoy, None);
        if round % 2 == 0 {
            proactor.get().poll(Some(Duration::ZERO));
        }
        drop(other);
        let mut wait = remote.wait_for_handle(&child, (round % 3 == 0).then_some(Duration::ZERO));
        proactor.get().poll(Some(Duration::ZERO));
        match poll_once(&mut wait) {
            Poll::Ready(exited) => assert!(!exited.expect("waited"), "round {round}"),
            Poll::Pending => wait.cancel(),
        }
        if round % 5 > 0
            && let Poll::Ready(exited) = poll_once(&mut wait)
        {
            assert!(!exited.unwrap_or(false), "round {round}");
        }
    }
    let wait = remote.wait_for_handle(&child, Some(PATIENCE));
    child.kill().expect("killed");
    assert!(proactor.get().block_on(wait).expect("waited"));
    child.wait().expect("its exit code");
    while remote.in_flight() > 0 {
        proactor.get().poll(Some(PATIENCE));
    }
}

/// Not a test, but what the child of one does.
#[test]
fn lives_until_it_is_ended() {
    if is_alone() {
        std::thread::sleep(Duration::from_secs(600));
    }
}

/// All are waited for at once; each learns of its own handle and of no other.
fn many_handles(count: usize, most_threads: usize) {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let round = |proactor: &mut Clean| {
        let before = Census::take();
        let events: Vec<_> = (0..count).map(|_| event()).collect();
        let wait = |event| remote.wait_for_handle(event, None);
        let mut waits: Vec<HandleWait> = events.iter().map(wait).collect();
        assert_eq!(remote.in_flight(), count);
        let threads = Census::take().threads - before.threads;
        assert!(
            threads <= most_threads,
            "{threads} threads for {count} handles"
        );
        let third = |number: usize| number.is_multiple_of(3);
        let thirds = events
            .iter()
            .enumerate()
            .filter(|(number, _)| third(*number));
        thirds.for_each(|(_, event)| set(event));
        let end = Instant::now() + PATIENCE;
        while remote.in_flight() > count - count.div_ceil(3) {
            proactor.get().poll(Some(Duration::from_millis(100)));
            assert!(Instant::now() < end, "{} are left", remote.in_flight());
        }
        for (number, wait) in waits.iter_mut().enumerate() {
            let is_over = matches!(poll_once(wait), Poll::Ready(Ok(true)));
            assert_eq!(is_over, third(number), "{number}");
        }
        let before = Instant::now();
        drop(waits);
        assert_eq!(remote.in_flight(), 0, "none of them has a packet to come");
        (threads, before.elapsed())
    };
    // The pool keeps its threads for a while.
    let (threads, _) = round(&mut proactor);
    let baseline = Census::take();
    let (_, time) = round(&mut proactor);
    println!("{count} handles: {threads} threads more; the rest was given up in {time:?}");
    settles(&baseline, "many waits");
}

/// What the system here has: Wine has no wait completion packets.
fn by_thread_pool(_: &str, body: impl FnOnce()) {
    body();
}

fn by_packets(name: &str, body: impl FnOnce()) {
    alone(name, || {
        let fake = Fake::install();
        body();
        let tally = fake.tally();
        println!("{tally:?}");
        assert!(tally.associated > 0, "{tally:?}");
        let pool = fake.session.records_of(Call::CreateThreadpoolWait);
        assert!(pool.is_empty(), "the thread pool was used");
    });
}

macro_rules! both_ways {
    ($($way:ident: $around:expr, $many:expr, $most_threads:expr;)*) => {$(
        mod $way {
            use super::*;

            fn around(name: &str, body: impl FnOnce()) {
                let name = format!("waits::{}::{name}", stringify!($way));
                $around(&name, body);
            }

            // requirement: S4.13 (wine)
            #[test]
            fn a_signalled_handle_ends_a_wait_with_true() {
                around(
                    "a_signalled_handle_ends_a_wait_with_true",
                    a_signalled_handle_ends_it_with_true,
                );
            }

            // requirement: S4.13 (wine)
            #[test]
            fn a_handle_that_is_signalled_is_not_too_late_for_any_time_limit() {
                around(
                    "a_handle_that_is_signalled_is_not_too_late_for_any_time_limit",
                    a_handle_that_is_signalled_has_no_time_limit,
                );
            }

            // requirement: S4.13 (wine)
            #[test]
            fn a_time_limit_ends_a_wait_with_false_and_is_never_early() {
                around(
                    "a_time_limit_ends_a_wait_with_false_and_is_never_early",
                    a_time_limit_is_never_early,
                );
            }

            // requirement: S4.12 (wine)
            #[test]
            fn cancelling_a_wait_twice_or_too_late_is_harmless() {
                around(
                    "cancelling_a_wait_twice_or_too_late_is_harmless",
                    cancelling_twice_or_too_late_is_harmless,
                );
            }

            // requirement: S4.5 (wine)
            #[test]
            fn a_cancelled_wait_has_no_later_completion() {
                around(
                    "a_cancelled_wait_has_no_later_completion",
                    || no_round_of_a_race_is_wrong(rounds()),
                );
            }

            // requirement: S4.5 (wine)
            #[test]
            fn a_live_process_is_never_reported_as_exited() {
                around(
                    "a_live_process_is_never_reported_as_exited",
                    || no_live_process_is_reported_as_exited(rounds()),
                );
            }

            // requirement: S4.9 (wine)
            #[test]
            fn many_handles_are_waited_for_at_once() {
                let name = concat!("waits::", stringify!($way), "::many_handles_are_waited_for_at_once");
                alone(name, || $around("", || many_handles($many, $most_threads)));
            }
        }
    )*};
}

both_ways! {
    thread_pool: by_thread_pool, 200, 8;
    wait_packets: by_packets, 5_000, 0;
}
