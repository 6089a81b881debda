//! The two ways of waiting, looked at through the calls that they make and the faults that these have.

use std::collections::HashMap;
use std::ffi::CStr;
use std::time::{Duration, Instant};

use everwatch_proactor::fault_injection::{Call, Record, Session};
use everwatch_proactor::{HandleWait, Proactor};

use crate::fake_packets::Fake;
use crate::support::{Clean, event, poll_once, set};
use everwatch_testing::alone::alone;

const NO_SYSTEM_RESOURCES: u32 = 1450;

/// Long enough for anything that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

fn waits(session: &Session, call: Call) -> usize {
    session.records_of(call).len()
}

fn one_wait_that_is_signalled() {
    let mut proactor = Clean::new();
    let event = event();
    let wait = proactor.get().remote().wait_for_handle(&event, None);
    set(&event);
    assert!(proactor.get().block_on(wait).expect("waited"));
}

// requirement: S4.9 (wine)
#[test]
fn wait_packets_are_used_where_the_system_has_them_and_nothing_else() {
    let name = "wait_methods::wait_packets_are_used_where_the_system_has_them_and_nothing_else";
    alone(name, || {
        let fake = Fake::install();
        one_wait_that_is_signalled();
        assert_eq!(fake.tally().associated, 1);
        assert_eq!(waits(&fake.session, Call::CreateThreadpoolWait), 0);
    });
}

// requirement: S4.9 (wine)
#[test]
fn the_thread_pool_is_used_where_one_of_the_functions_is_missing() {
    let name = "wait_methods::the_thread_pool_is_used_where_one_of_the_functions_is_missing";
    let functions: [&CStr; 3] = [
        c"NtCreateWaitCompletionPacket",
        c"NtAssociateWaitCompletionPacket",
        c"NtCancelWaitCompletionPacket",
    ];
    alone(name, || {
        for missing in functions {
            let fake = Fake::install();
            // SAFETY: nothing is found, so nothing is called.
            unsafe { fake.session.export(missing, std::ptr::null()) };
            one_wait_that_is_signalled();
            assert_eq!(fake.tally().created, 0);
            assert_eq!(waits(&fake.session, Call::CreateThreadpoolWait), 1);
        }
        let session = Session::open();
        one_wait_that_is_signalled();
        let by_packet = waits(&session, Call::CreateWaitCompletionPacket);
        let by_pool = waits(&session, Call::CreateThreadpoolWait);
        assert_eq!(by_packet + by_pool, 1, "what this system has");
    });
}

// requirement: S4.8 (wine)
#[test]
fn a_wait_that_cannot_begin_says_why_and_leaves_nothing() {
    let name = "wait_methods::a_wait_that_cannot_begin_says_why_and_leaves_nothing";
    let calls = [
        Call::CreateWaitCompletionPacket,
        Call::AssociateWaitCompletionPacket,
    ];
    let refused = |session: &Session, call| {
        let mut proactor = Clean::new();
        let remote = proactor.get().remote();
        let event = event();
        session.fail(call, 0, NO_SYSTEM_RESOURCES);
        let wait = remote.wait_for_handle(&event, None);
        assert_eq!(remote.in_flight(), 0);
        let error = proactor.get().block_on(wait).expect_err("refused");
        assert_eq!(error.raw_os_error(), Some(NO_SYSTEM_RESOURCES as i32));
        assert!(session.is_spent());
    };
    alone(name, || {
        for call in calls {
            refused(&Fake::install().session, call);
        }
        let session = Session::open();
        refused(&session, Call::CreateThreadpoolWait);
    });
}

// requirement: S4.5 (wine)
#[test]
fn a_cancel_of_a_packet_that_fails_is_followed_by_the_packet() {
    let name = "wait_methods::a_cancel_of_a_packet_that_fails_is_followed_by_the_packet";
    alone(name, || {
        let fake = Fake::install();
        let mut proactor = Clean::new();
        let remote = proactor.get().remote();
        let event = event();
        let mut wait = remote.wait_for_handle(&event, None);
        fake.session
            .fail(Call::CancelWaitCompletionPacket, 0, NO_SYSTEM_RESOURCES);
        wait.cancel();
        assert!(poll_once(&mut wait).is_pending());
        assert_eq!(remote.in_flight(), 1);
        set(&event);
        assert!(proactor.get().block_on(wait).expect("waited"));
    });
}

/// The records of each wait of the pool, in their order.
fn lives(session: &Session) -> HashMap<usize, Vec<Record>> {
    let mut lives: HashMap<usize, Vec<Record>> = HashMap::new();
    for record in session.records() {
        if let Call::CreateThreadpoolWait
        | Call::SetThreadpoolWait
        | Call::WaitForThreadpoolWaitCallbacks
        | Call::CloseThreadpoolWait = record.call
        {
            lives.entry(record.handle).or_default().push(record);
        }
    }
    lives
}

// requirement: S4.7 (wine)
#[test]
fn a_wait_of_the_pool_is_closed_when_no_callback_can_run_any_more() {
    let name = "wait_methods::a_wait_of_the_pool_is_closed_when_no_callback_can_run_any_more";
    alone(name, || {
        let session = Session::open();
        let mut proactor = Clean::new();
        let remote = proactor.get().remote();
        let events: Vec<_> = (0..40).map(|_| event()).collect();
        let mut waits: Vec<HandleWait> = events
            .iter()
            .map(|event| remote.wait_for_handle(event, None))
            .collect();
        events.iter().step_by(2).for_each(set);
        let end = Instant::now() + PATIENCE;
        let has_posted = || {
            let posts = session.records_of(Call::PostQueuedCompletionStatus);
            posts.iter().any(|post| post.arguments[0] != 0)
        };
        while !has_posted() {
            assert!(Instant::now() < end, "no callback runs");
            std::thread::yield_now();
        }
        waits.drain(..20).for_each(drop);
        for wait in waits {
            wait.cancel();
            let _ = proactor.get().block_on(wait);
        }
        while remote.in_flight() > 0 {
            proactor.get().poll(Some(PATIENCE));
        }
        let posts = session.records_of(Call::PostQueuedCompletionStatus);
        let lives = lives(&session);
        let calls = lives.values().map(Vec::len).sum::<usize>();
        assert_eq!(calls, 40 * 5, "armed and closed once each");
        for records in lives.values().flat_map(|life| life.chunks(5)) {
            let step = |number: usize| (records[number].call, records[number].arguments[0] != 0);
            assert_eq!(step(0), (Call::CreateThreadpoolWait, true));
            assert_eq!(step(1), (Call::SetThreadpoolWait, true));
            assert_eq!(step(2), (Call::SetThreadpoolWait, false), "disarmed");
            assert_eq!(step(3), (Call::WaitForThreadpoolWaitCallbacks, true));
            assert_eq!(step(4).0, Call::CloseThreadpoolWait);
            let closer = records[4].thread;
            let of_the_pool = posts.iter().filter(|post| post.arguments[0] != 0);
            assert!(of_the_pool.clone().all(|post| post.thread != closer));
        }
    });
}

// requirement: S4.10 (wine)
/// A callback that is held up, here by a port that takes no packets, holds up no other.
#[test]
fn a_callback_that_is_held_up_does_not_block_the_loop() {
    let name = "wait_methods::a_callback_that_is_held_up_does_not_block_the_loop";
    alone(name, || {
        let session = Session::open();
        let mut proactor = Clean::new();
        let remote = proactor.get().remote();
        let event = event();
        let mut wait = remote.wait_for_handle(&event, None);
        let mut given_up = remote.wait_for_handle(&event, None);
        session.break_down(Call::PostQueuedCompletionStatus, NO_SYSTEM_RESOURCES);
        set(&event);
        let before = Instant::now();
        let nap = Duration::from_millis(50);
        proactor.get().block_on(remote.sleep(nap)).expect("slept");
        wait.cancel();
        assert!(poll_once(&mut wait).is_pending(), "its packet comes");
        assert!(poll_once(&mut given_up).is_pending());
        drop(given_up);
        proactor.get().block_on(remote.sleep(nap)).expect("slept");
        assert!(before.elapsed() < Duration::from_secs(1));
        assert_eq!(remote.in_flight(), 2);
        session.mend();
        assert!(proactor.get().block_on(wait).expect("waited"));
        while remote.in_flight() > 0 {
            proactor.get().poll(Some(PATIENCE));
        }
    });
}

// requirement: S4.8 (wine)
#[test]
fn every_wait_can_be_given_up_at_once_without_a_poll() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let event = event();
    for _ in 0..200 {
        let wait = remote.wait_for_handle(&event, None);
        assert_eq!(remote.in_flight(), 1);
        drop(wait);
        assert_eq!(remote.in_flight(), 0);
    }
}

#[test]
fn a_handle_that_cannot_be_waited_for_is_an_error() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    // SAFETY: of a handle that is no handle nothing but an error comes.
    let nothing =
        unsafe { std::os::windows::io::BorrowedHandle::borrow_raw(0x0bad_0bad_usize as _) };
    let wait = remote.wait_for_handle(nothing, None);
    let error = proactor.get().block_on(wait).expect_err("no handle");
    assert_eq!(error.raw_os_error(), Some(6));
    assert_eq!(remote.in_flight(), 0);
}

// requirement: S4.14 (wine)
/// What a callback still has to deliver is kept for it, also when the proactor is closed.
#[test]
fn a_wait_whose_packet_does_not_come_in_time_is_leaked_and_counted() {
    let name = "wait_methods::a_wait_whose_packet_does_not_come_in_time_is_leaked_and_counted";
    alone(name, || {
        let session = Session::open();
        let mut proactor = Proactor::new().expect("a port");
        let remote = proactor.remote();
        let event = event();
        session.break_down(Call::PostQueuedCompletionStatus, NO_SYSTEM_RESOURCES);
        set(&event);
        let end = Instant::now() + PATIENCE;
        // Until one is cancelled after its callback has begun.
        let mut wait = loop {
            let mut wait = remote.wait_for_handle(&event, None);
            proactor.poll(Some(Duration::from_millis(10)));
            wait.cancel();
            if poll_once(&mut wait).is_pending() {
                break wait;
            }
            assert!(Instant::now() < end, "no callback begins");
        };
        let before = Instant::now();
        let closed = proactor.close();
        assert_eq!((closed.leaked, closed.stray_packets), (1, 0));
        assert!(
            before.elapsed() < Duration::from_secs(8),
            "{:?}",
            before.elapsed()
        );
        assert!(poll_once(&mut wait).is_pending(), "it has no end");
        drop(wait);
        let posted = || session.records_of(Call::PostQueuedCompletionStatus);
        let before = posted().len();
        session.mend();
        let end = Instant::now() + PATIENCE;
        while posted().len() == before {
            assert!(Instant::now() < end, "the callback posts nothing");
            std::thread::yield_now();
        }
        assert_eq!(remote.in_flight(), 0);
    });
}

// requirement: S4.8 (wine)
/// Dropped at every point where it waits, with a time limit and without.
#[test]
fn a_wait_is_dropped_at_every_point_and_leaves_nothing() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (never, always) = (event(), event());
    set(&always);
    let limits = [
        None,
        Some(Duration::ZERO),
        Some(Duration::from_millis(1)),
        Some(PATIENCE),
    ];
    for round in 0..200 {
        let target = if round % 2 == 0 { &never } else { &always };
        let mut wait = remote.wait_for_handle(target, limits[round / 2 % 4]);
        for step in 0..round / 8 % 4 {
            let is_over = poll_once(&mut wait).is_ready();
            if step == 1 {
                wait.cancel();
            }
            if is_over {
                break;
            }
            proactor.get().poll(Some(Duration::ZERO));
        }
    }
    let end = Instant::now() + PATIENCE;
    while remote.in_flight() > 0 {
        proactor.get().poll(Some(Duration::from_millis(100)));
        assert!(Instant::now() < end, "{} are left", remote.in_flight());
    }
}
