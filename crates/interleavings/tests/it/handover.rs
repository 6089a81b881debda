//! The hand-over between the engine's thread and one consumer, without an engine.

use std::collections::VecDeque;

use everwatch_interleavings::handover::{Backlog, Handover, Patience, Taken};
use everwatch_interleavings::{Change, Event, FileType};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use crate::{ROOT, explore};

/// Events without an engine behind them.
fn note(seq: u64) -> Event {
    let mut change = Change::created(ROOT.into(), FileType::File);
    change.seq = seq;
    Event::Change(change)
}

fn seq(event: &Event) -> u64 {
    event.change().expect("nothing but changes").seq
}

#[test]
fn what_is_put_is_taken_once_in_order_and_before_the_end() {
    explore(|| {
        let handover = Arc::new(Handover::new(8));
        let consumer = {
            let handover = Arc::clone(&handover);
            thread::spawn(move || {
                let mut seen = Vec::new();
                let mut buffer = VecDeque::new();
                while handover.take_by(&mut buffer, Patience::Endless, || ()) == Taken::Some {
                    seen.extend(buffer.drain(..).map(|event| seq(&event)));
                }
                seen
            })
        };
        handover.put(vec![note(1)], Backlog::Empty);
        handover.put(vec![note(2), note(3)], Backlog::Empty);
        handover.finish();
        assert_eq!(consumer.join().expect("the consumer ends"), [1, 2, 3]);
    });
}

#[test]
fn a_consumer_that_lags_rings_and_is_woken_by_what_the_engine_then_puts() {
    explore(|| {
        let handover = Arc::new(Handover::new(1));
        let bell = Arc::new((Mutex::new(false), Condvar::new()));
        handover.put(Vec::new(), Backlog::Folded);
        let engine = {
            let (handover, bell) = (Arc::clone(&handover), Arc::clone(&bell));
            thread::spawn(move || {
                let mut rang = bell.0.lock().expect("not poisoned");
                while !*rang {
                    rang = bell.1.wait(rang).expect("not poisoned");
                }
                handover.put(vec![note(1)], Backlog::Empty);
            })
        };
        let mut buffer = VecDeque::new();
        let taken = handover.take_by(&mut buffer, Patience::Endless, || {
            *bell.0.lock().expect("not poisoned") = true;
            bell.1.notify_one();
        });
        assert_eq!((taken, buffer.len()), (Taken::Some, 1));
        engine.join().expect("the engine ends");
    });
}

#[test]
fn closing_wakes_the_waiting_consumer_and_leaves_nothing_to_take() {
    explore(|| {
        let handover = Arc::new(Handover::new(8));
        let waiter = {
            let handover = Arc::clone(&handover);
            thread::spawn(move || {
                let mut buffer = VecDeque::new();
                while handover.take_by(&mut buffer, Patience::Endless, || ()) != Taken::Closed {
                    buffer.clear();
                }
            })
        };
        let putter = {
            let handover = Arc::clone(&handover);
            thread::spawn(move || handover.put(vec![note(1)], Backlog::Folded))
        };
        handover.close();
        let mut buffer = VecDeque::new();
        assert_eq!(handover.take(&mut buffer), Taken::Closed);
        waiter.join().expect("the waiter ends");
        putter.join().expect("the engine is never held up");
        assert_eq!(handover.take(&mut buffer), Taken::Closed);
    });
}
