//! Endings: of the proactor, of threads, and by panic.

use std::future::Future;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use everwatch_proactor::fault_injection::{Call, Session};
use everwatch_proactor::{
    Ended, Endpoint, Issued, Operation, Overlapped, Packets, Proactor, Runner, Stream,
};
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OVERLAPPED, FILE_LIST_DIRECTORY,
    FILE_NOTIFY_CHANGE_FILE_NAME, ReadDirectoryChangesW,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, PostQueuedCompletionStatus};

use crate::support::{Clean, event, pair, pair_that, poll_once, set};
use crate::wakers::{Counter, does, panics};
use everwatch_testing::alone::{alone, cycles, settles};
use everwatch_testing::census::Census;

/// Long enough for anything that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

type Reading<'a> = Pin<Box<dyn Future<Output = (std::io::Result<usize>, Vec<u8>)> + 'a>>;

/// A read that waits for its first byte.
fn reading<'a>(stream: &'a Stream, waker: &Waker) -> Reading<'a> {
    let mut read: Reading<'a> = Box::pin(stream.read(Vec::with_capacity(10)));
    let mut context = Context::from_waker(waker);
    assert!(read.as_mut().poll(&mut context).is_pending());
    read
}

/// Runs this, which panics, and says what the panic said.
fn panic_of(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it panics");
    (*panic.downcast::<&str>().expect("a message")).to_owned()
}

/// Polls until there is nothing in flight.
fn settle(proactor: &mut Proactor) {
    let end = Instant::now() + PATIENCE;
    while proactor.remote().in_flight() > 0 {
        proactor.poll(Some(Duration::from_millis(100)));
        assert!(
            Instant::now() < end,
            "{} are left",
            proactor.remote().in_flight()
        );
    }
}

/// A read of a directory. `before_return` is done by the call that issues it.
struct DirectoryRead<F = fn()> {
    endpoint: Arc<Endpoint>,
    buffer: Vec<u64>,
    before_return: F,
}

impl<F: Fn() + Send + 'static> Operation for DirectoryRead<F> {
    type Output = Ended;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let mut bytes = 0;
        // SAFETY: the endpoint is open, and the buffer is heap memory that is not touched before the end. A
        // packet comes in any case.
        unsafe {
            let is_fine = ReadDirectoryChangesW(
                self.endpoint.as_raw_handle(),
                self.buffer.as_mut_ptr().cast(),
                size_of_val(self.buffer.as_slice()) as u32,
                0,
                FILE_NOTIFY_CHANGE_FILE_NAME,
                &raw mut bytes,
                overlapped.as_ptr(),
                None,
            );
            assert_ne!(is_fine, 0);
            (self.before_return)();
            overlapped.issued(Err(ERROR_IO_PENDING))
        }
    }

    fn finish(self, ended: Ended) -> Ended {
        ended
    }
}

fn directory_read<F>(
    proactor: &Proactor,
    path: &std::path::Path,
    before_return: F,
) -> DirectoryRead<F> {
    let directory = std::fs::OpenOptions::new()
        .access_mode(FILE_LIST_DIRECTORY)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED)
        .open(path)
        .expect("a directory");
    let endpoint = Endpoint::of_handle(&proactor.remote(), directory.into(), Packets::Always);
    DirectoryRead {
        endpoint: Arc::new(endpoint.expect("attached")),
        buffer: vec![0; 512],
        before_return,
    }
}

/// Everything that there is in flight, and the proactor goes.
fn closes_over_everything(count: usize) {
    let tree = tempfile::tempdir().expect("a directory");
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (never, limit) = (event(), Some(Duration::from_secs(3600)));
    let streams: Vec<_> = (0..count).map(|_| pair(&remote)).collect();
    let mut waits: Vec<_> = (0..count)
        .map(|number| remote.wait_for_handle(&never, limit.filter(|_| number % 2 == 0)))
        .collect();
    let mut directories: Vec<_> = (0..count)
        .map(|_| remote.submit(directory_read(proactor.get(), tree.path(), || ())))
        .collect();
    let mut timers: Vec<_> = (0..count)
        .map(|_| Box::pin(remote.sleep(PATIENCE)))
        .collect();
    let (counter, waker) = Counter::new();
    let mut context = Context::from_waker(&waker);
    let mut reads: Vec<_> = streams
        .iter()
        .map(|(server, _)| reading(server, &waker))
        .collect();
    let mut writes: Vec<_> = streams
        .iter()
        .map(|(_, client)| {
            let mut write = Box::pin(client.write(vec![7; 100_000]));
            // The read takes a part, and the rest does not fit.
            assert!(write.as_mut().poll(&mut context).is_pending());
            write
        })
        .collect();
    for wait in &mut waits {
        assert!(Pin::new(wait).poll(&mut context).is_pending());
    }
    for directory in &mut directories {
        assert!(Pin::new(directory).poll(&mut context).is_pending());
    }
    for timer in &mut timers {
        assert!(timer.as_mut().poll(&mut context).is_pending());
    }
    // A third of each is not waited for any more.
    waits.truncate(count * 2 / 3);
    directories.truncate(count * 2 / 3);
    let before = Instant::now();
    drop(proactor);
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(remote.in_flight(), 0);
    assert!(counter.count() >= 4 * count);
    for wait in &mut waits {
        assert!(matches!(poll_once(wait), Poll::Ready(Err(_))));
    }
    for directory in &mut directories {
        let Poll::Ready(ended) = poll_once(directory) else {
            panic!("it has ended");
        };
        assert_eq!(ended.error(), 995);
    }
    for timer in &mut timers {
        assert!(matches!(
            timer.as_mut().poll(&mut context),
            Poll::Ready(Err(_))
        ));
    }
    for read in &mut reads {
        // It had its bytes, or it was cancelled.
        assert!(read.as_mut().poll(&mut context).is_ready());
    }
    for write in &mut writes {
        assert!(write.as_mut().poll(&mut context).is_ready());
    }
    let mut late = remote.wait_for_handle(&never, None);
    let Poll::Ready(Err(error)) = poll_once(&mut late) else {
        panic!("nothing is taken in any more");
    };
    assert_eq!(error.raw_os_error(), Some(735));
}

// requirement: S4.14 (wine)
#[test]
fn closing_ends_waits_reads_writes_timers_and_directory_reads() {
    let name = "endings::closing_ends_waits_reads_writes_timers_and_directory_reads";
    alone(name, || {
        // The pool of Wine keeps its threads, and makes them one by one.
        (0..3).for_each(|_| closes_over_everything(60));
        let baseline = Census::take();
        (0..cycles(3, 100)).for_each(|_| closes_over_everything(60));
        settles(&baseline, "closing over everything");
    });
}

// requirement: S4.14 (wine)
#[test]
fn an_operation_that_is_issued_while_the_proactor_closes_is_ended() {
    let tree = tempfile::tempdir().expect("a directory");
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let closes = move || remote.close();
    let read = directory_read(proactor.get(), tree.path(), closes);
    let read = proactor.get().submit(read);
    let (counter, waker) = Counter::new();
    let mut read = pin!(read);
    assert!(
        read.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    settle(proactor.get());
    assert_eq!(counter.count(), 1);
}

// requirement: S4.11 (wine)
#[test]
fn what_is_complete_when_the_call_returns_is_in_flight_until_its_packet_was_dequeued() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (_server, client) = pair_that(&remote, Packets::Always);
    let (counter, waker) = Counter::new();
    let mut context = Context::from_waker(&waker);
    let mut written = Box::pin(client.write(b"all of it".to_vec()));
    assert!(written.as_mut().poll(&mut context).is_pending());
    assert_eq!(remote.in_flight(), 1);
    let mut dropped = Box::pin(client.write(b"this too".to_vec()));
    assert!(dropped.as_mut().poll(&mut context).is_pending());
    drop(dropped);
    assert_eq!((remote.in_flight(), counter.count()), (2, 0));
    settle(proactor.get());
    assert_eq!(counter.count(), 1);
    let Poll::Ready((result, buffer)) = written.as_mut().poll(&mut context) else {
        panic!("its packet was dequeued");
    };
    assert_eq!((result.expect("written"), &*buffer), (9, &b"all of it"[..]));
}

// requirement: S4.15 (wine)
#[test]
fn a_packet_of_no_operation_is_counted_and_does_nothing() {
    alone(
        "endings::a_packet_of_no_operation_is_counted_and_does_nothing",
        || {
            let session = Session::open();
            let mut proactor = Proactor::new().expect("a port");
            let remote = proactor.remote();
            let (server, client) = pair(&remote);
            let associations = session.records_of(Call::CreateIoCompletionPort);
            let [key, port, ..] = associations[0].arguments;
            let (counter, waker) = Counter::new();
            let read = reading(&server, &waker);
            let of_the_read = session.records_of(Call::ReadFile)[0].arguments[0];
            let known_address = of_the_read as *mut OVERLAPPED;
            let bogus = std::ptr::without_provenance_mut::<OVERLAPPED>(0xdead_0000);
            let strays = [
                (key, bogus),
                (key, std::ptr::null_mut()),
                (key + 1, known_address),
                (usize::MAX, bogus),
            ];
            for (key, address) in strays {
                // SAFETY: the port is open; the address is carried, not followed.
                let is_fine =
                    unsafe { PostQueuedCompletionStatus(port as HANDLE, 3, key, address) };
                assert_ne!(is_fine, 0);
            }
            let end = Instant::now() + PATIENCE;
            while remote.stray_packets() < strays.len() as u64 {
                proactor.poll(Some(Duration::from_millis(100)));
                assert!(
                    Instant::now() < end,
                    "{} were counted",
                    remote.stray_packets()
                );
            }
            assert_eq!((remote.in_flight(), counter.count()), (1, 0));
            // The read goes on as if nothing had been.
            let (written, _) = proactor.block_on(client.write(b"here".to_vec()));
            assert_eq!(written.expect("written"), 4);
            let (result, buffer) = proactor.block_on(read);
            assert_eq!((result.expect("read"), &*buffer), (4, &b"here"[..]));
            drop((server, client));
            let closed = proactor.close();
            assert_eq!(
                (closed.leaked, closed.stray_packets),
                (0, strays.len() as u64)
            );
        },
    );
}

#[test]
fn a_waker_that_panics_does_not_keep_others_from_being_woken() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let streams: Vec<_> = (0..5).map(|_| pair(&remote)).collect();
    let (counter, counts) = Counter::new();
    let wakers = [counts.clone(), panics(), counts.clone(), panics(), counts];
    let mut reads: Vec<_> = streams
        .iter()
        .zip(&wakers)
        .map(|((server, _), waker)| reading(server, waker))
        .collect();
    for (_, client) in &streams {
        let mut write = pin!(client.write(b"here".to_vec()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(write.as_mut().poll(&mut context).is_ready());
    }
    let mut panics = 0;
    while remote.in_flight() > 0 {
        let polled = catch_unwind(AssertUnwindSafe(|| proactor.get().poll(Some(PATIENCE))));
        panics += usize::from(polled.is_err());
    }
    assert!(panics > 0);
    assert_eq!(counter.count(), 3);
    for read in &mut reads {
        let (result, _) = proactor.get().block_on(read);
        assert_eq!(result.expect("read"), 4);
    }
}

#[test]
fn a_waker_that_panics_at_the_close_does_not_keep_others_from_being_woken() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let never = event();
    let (counter, counts) = Counter::new();
    let wakers = [counts.clone(), panics(), counts.clone(), panics(), counts];
    let mut timers: Vec<_> = (0..5).map(|_| Box::pin(remote.sleep(PATIENCE))).collect();
    let mut waits: Vec<_> = (0..5)
        .map(|_| remote.wait_for_handle(&never, None))
        .collect();
    for (number, waker) in wakers.iter().enumerate() {
        let mut context = Context::from_waker(waker);
        assert!(timers[number].as_mut().poll(&mut context).is_pending());
        assert!(Pin::new(&mut waits[number]).poll(&mut context).is_pending());
    }
    assert_eq!(panic_of(|| remote.close()), "a waker that panics");
    assert_eq!((counter.count(), remote.in_flight()), (6, 0));
}

#[test]
fn closing_is_finished_before_the_panic_of_a_waker_goes_on() {
    let mut proactor = Proactor::new().expect("a port");
    let remote = proactor.remote();
    let streams: Vec<_> = (0..4).map(|_| pair(&remote)).collect();
    let (counter, counts) = Counter::new();
    let wakers = [panics(), counts.clone(), panics(), counts];
    let reads: Vec<_> = streams
        .iter()
        .zip(&wakers)
        .map(|((server, _), waker)| reading(server, waker))
        .collect();
    let never = event();
    let mut wait = remote.wait_for_handle(&never, None);
    let mut context = Context::from_waker(&wakers[0]);
    assert!(Pin::new(&mut wait).poll(&mut context).is_pending());
    proactor.poll(Some(Duration::ZERO));
    assert_eq!(panic_of(|| _ = proactor.close()), "a waker that panics");
    assert_eq!((counter.count(), remote.in_flight()), (2, 0));
    for mut read in reads {
        assert!(
            read.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        );
    }
}

#[test]
fn a_panic_over_a_proactor_in_use_is_one_panic() {
    let said = panic_of(|| {
        let proactor = Proactor::new().expect("a port");
        let remote = proactor.remote();
        let never = event();
        let mut wait = Box::new(remote.wait_for_handle(&never, None));
        let waker = panics();
        assert!(
            Pin::new(&mut *wait)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        // It outlives the proactor.
        std::mem::forget(wait);
        let _closed_by_the_panic = proactor;
        panic!("the first one");
    });
    assert_eq!(said, "the first one");
}

#[test]
fn a_task_that_panics_leaves_a_proactor_that_works() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (server, client) = pair(&remote);
    let said = panic_of(|| {
        proactor.get().block_on(async {
            let _read = reading(&server, Waker::noop());
            remote.sleep(Duration::from_millis(1)).await.expect("slept");
            panic!("a task that panics");
        });
    });
    assert_eq!(said, "a task that panics");
    proactor.get().block_on(async {
        client.write(b"here".to_vec()).await.0.expect("written");
        let (read, _) = server.read(Vec::with_capacity(10)).await;
        assert_eq!(read.expect("read"), 4);
    });
}

#[test]
fn a_runner_goes_on_after_a_waker_that_panics() {
    let runner = Runner::start().expect("a thread");
    let remote = runner.remote();
    let (server, client) = pair(&remote);
    let read = reading(&server, &panics());
    let mut own = Clean::new();
    own.get().block_on(async {
        client.write(b"here".to_vec()).await.0.expect("written");
        // The packet of the read came before the end of this.
        remote
            .sleep(Duration::from_millis(20))
            .await
            .expect("slept");
    });
    assert_eq!(remote.in_flight(), 0);
    assert!(!remote.is_closed());
    let (result, _) = own.get().block_on(read);
    assert_eq!(result.expect("read"), 4);
    own.get().block_on(async {
        client.write(b"more".to_vec()).await.0.expect("written");
        let (read, _) = server.read(Vec::with_capacity(10)).await;
        assert_eq!(read.expect("read"), 4);
    });
    let closed = runner.close();
    assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
}

#[test]
fn closing_from_a_waker_ends_everything_and_blocks_nothing() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let streams: Vec<_> = (0..3).map(|_| pair(&remote)).collect();
    let closer = remote.clone();
    let closes = does(move || closer.close());
    let first = reading(&streams[0].0, &closes);
    let others: Vec<_> = streams[1..]
        .iter()
        .map(|(server, _)| reading(server, Waker::noop()))
        .collect();
    let signal = event();
    let wait = remote.wait_for_handle(&signal, None);
    let mut write = pin!(streams[0].1.write(b"here".to_vec()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_ready());
    while !remote.is_closed() {
        proactor.get().poll(Some(PATIENCE));
    }
    let (result, _) = proactor.get().block_on(first);
    assert_eq!(result.expect("read"), 4);
    for other in others {
        let (result, _) = proactor.get().block_on(other);
        assert_eq!(result.expect_err("closed").raw_os_error(), Some(995));
    }
    let error = proactor.get().block_on(wait).expect_err("closed");
    assert_eq!(error.raw_os_error(), Some(995));
}

#[test]
fn closing_from_a_task_ends_what_the_task_waits_for() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (server, _client) = pair(&remote);
    let never = event();
    proactor.get().block_on(async {
        let read = reading(&server, Waker::noop());
        let wait = remote.wait_for_handle(&never, None);
        let (read, wait) = {
            remote.close();
            (read.await, wait.await)
        };
        assert_eq!(read.0.expect_err("closed").raw_os_error(), Some(995));
        assert_eq!(wait.expect_err("closed").raw_os_error(), Some(995));
        let slept = remote.sleep(PATIENCE).await;
        assert_eq!(slept.expect_err("closed").raw_os_error(), Some(735));
    });
}

#[test]
fn closing_a_runner_from_its_own_thread_only_asks_for_the_end() {
    let runner = Runner::start().expect("a thread");
    let remote = runner.remote();
    let (server, client) = pair(&remote);
    let runner = Mutex::new(Some(runner));
    let (end, has_closed) = std::sync::mpsc::channel();
    let closes = does(move || {
        let runner = runner
            .lock()
            .expect("a lock")
            .take()
            .expect("it is closed once");
        end.send(runner.close().leaked).expect("a receiver");
    });
    let read = reading(&server, &closes);
    let mut write = pin!(client.write(b"here".to_vec()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_ready());
    assert_eq!(has_closed.recv_timeout(PATIENCE), Ok(0));
    assert!(remote.is_closed());
    drop(read);
}

#[test]
fn operations_outlive_the_thread_that_issued_them() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (server, client) = pair(&remote);
    let signal = Arc::new(event());
    let (wait, server) = std::thread::spawn({
        let (remote, signal) = (remote.clone(), Arc::clone(&signal));
        move || {
            // Its future goes with the thread; what it brings is kept.
            drop(reading(&server, Waker::noop()));
            (remote.wait_for_handle(&*signal, None), server)
        }
    })
    .join()
    .expect("a thread");
    let (read, server) = std::thread::spawn(move || {
        let server = Arc::new(server);
        let stream = Arc::clone(&server);
        let mut read = Box::pin(async move { stream.read(Vec::with_capacity(10)).await });
        let mut context = Context::from_waker(Waker::noop());
        // The one before may still be in flight; then this one waits for its turn.
        let _ = read.as_mut().poll(&mut context);
        (read, server)
    })
    .join()
    .expect("a thread");
    set(&signal);
    let (read, _) = proactor.get().block_on(async {
        client.write(b"here".to_vec()).await.0.expect("written");
        read.await
    });
    assert_eq!(read.expect("read"), 4);
    assert!(proactor.get().block_on(wait).expect("waited"));
    drop(server);
}
