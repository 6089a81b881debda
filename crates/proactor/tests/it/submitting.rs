use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use everwatch_proactor::Runner;

use crate::support::{Clean, pair};

#[test]
fn what_is_written_at_one_end_is_read_at_the_other() {
    let mut proactor = Clean::new();
    let (server, client) = pair(&proactor.get().remote());
    proactor.get().block_on(async {
        for round in 0..100_u8 {
            let (written, _) = client.write(vec![round; 64]).await;
            assert_eq!(written.expect("written"), 64);
            let (read, buffer) = server.read(Vec::with_capacity(100)).await;
            assert_eq!((read.expect("read"), buffer), (64, vec![round; 64]));
        }
    });
}

#[test]
fn a_dropped_read_leaves_what_it_brought_to_the_next_one() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (server, client) = pair(&remote);
    {
        let mut read = pin!(server.read(Vec::with_capacity(10)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(read.as_mut().poll(&mut context).is_pending());
        assert_eq!(remote.in_flight(), 1);
        // Its packet is not dequeued before it is dropped.
        let mut write = pin!(client.write(b"first".to_vec()));
        assert!(matches!(
            write.as_mut().poll(&mut context),
            Poll::Ready((Ok(5), _))
        ));
    }
    proactor.get().block_on(async {
        let (written, _) = client.write(b"second".to_vec()).await;
        assert_eq!(written.expect("written"), 6);
        let (read, buffer) = server.read(Vec::with_capacity(100)).await;
        assert_eq!((read.expect("read"), &*buffer), (5, &b"first"[..]));
        let (read, buffer) = server.read(Vec::with_capacity(100)).await;
        assert_eq!((read.expect("read"), &*buffer), (6, &b"second"[..]));
    });
}

#[test]
fn a_dropped_read_is_cancelled_and_the_stream_goes_on() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (server, client) = pair(&remote);
    for _ in 0..100 {
        let mut read = pin!(server.read(Vec::with_capacity(10)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(read.as_mut().poll(&mut context).is_pending());
    }
    proactor.get().block_on(async {
        client.write(b"here".to_vec()).await.0.expect("written");
        let (read, buffer) = server.read(Vec::with_capacity(10)).await;
        assert_eq!((read.expect("read"), &*buffer), (4, &b"here"[..]));
    });
    assert_eq!(remote.in_flight(), 0);
}

#[test]
fn the_end_of_a_stream_is_no_error() {
    let mut proactor = Clean::new();
    let (server, client) = pair(&proactor.get().remote());
    drop(client);
    let (read, _) = proactor.get().block_on(server.read(Vec::with_capacity(10)));
    assert_eq!(read.expect("the end"), 0);
}

#[test]
fn a_timer_never_ends_early() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    for milliseconds in [0, 1, 7, 40] {
        let time = Duration::from_millis(milliseconds);
        let before = Instant::now();
        proactor.get().block_on(remote.sleep(time)).expect("slept");
        assert!(before.elapsed() >= time);
    }
}

#[test]
fn operations_in_flight_end_when_the_proactor_closes() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (server, _client) = pair(&remote);
    let mut read = pin!(server.read(Vec::with_capacity(10)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(read.as_mut().poll(&mut context).is_pending());
    drop(proactor);
    assert_eq!(remote.in_flight(), 0);
    let Poll::Ready((Err(error), _)) = read.as_mut().poll(&mut context) else {
        panic!("it ended with the proactor");
    };
    assert_eq!(error.raw_os_error(), Some(995));
    let mut late = pin!(server.write(b"late".to_vec()));
    let Poll::Ready((Err(error), buffer)) = late.as_mut().poll(&mut context) else {
        panic!("nothing is taken in any more");
    };
    assert_eq!((error.raw_os_error(), &*buffer), (Some(735), &b"late"[..]));
}

#[test]
fn a_runner_serves_futures_of_other_threads() {
    let runner = Runner::start().expect("a thread");
    let remote = runner.remote();
    let (server, client) = pair(&remote);
    let reader = std::thread::spawn(move || {
        let mut own = Clean::new();
        own.get().block_on(async {
            let (read, buffer) = server.read(Vec::with_capacity(10)).await;
            (read.expect("read"), buffer)
        })
    });
    let mut own = Clean::new();
    own.get().block_on(async {
        remote.sleep(Duration::from_millis(5)).await.expect("slept");
        client.write(b"hello".to_vec()).await.0.expect("written");
    });
    assert_eq!(reader.join().expect("read"), (5, b"hello".to_vec()));
    let closed = runner.close();
    assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
}
