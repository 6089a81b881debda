//! Pairs of connected pipes, a proactor that has to end clean, and events.

use std::future::Future;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use everwatch_proactor::{
    Packets, PipeInstance, PipeMode, PipeOptions, PipeStream, Proactor, Remote, Stream,
    connect_pipe,
};
use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent};

/// A pipe name that nobody else has.
pub(crate) fn pipe_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(r"\\.\pipe\everwatch-test-{}-{number}", time.as_nanos())
}

/// What a future gives that has to be ready when it is polled for the first time.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it has to wait"),
    }
}

/// Options with so small a buffer that a large write waits for its reader.
pub(crate) fn narrow(mode: PipeMode) -> PipeOptions {
    PipeOptions {
        mode,
        buffer: 4096,
        ..PipeOptions::default()
    }
}

/// Both ends of a pipe, the server's first.
pub(crate) fn pipe(remote: &Remote, mode: PipeMode) -> (PipeStream, PipeStream) {
    let name = pipe_name();
    let instance = PipeInstance::first(remote, &name, &narrow(mode)).expect("an instance");
    let client = at_once(connect_pipe(remote, &name)).expect("the server's end is there");
    let server = at_once(instance.accept()).expect("the client is there");
    (server, client)
}

/// Both ends of a stream of bytes.
pub(crate) fn pair(remote: &Remote) -> (Stream, Stream) {
    let (server, client) = pipe(remote, PipeMode::Bytes);
    (server.into(), client.into())
}

/// Both ends of a stream whose operations post packets like these.
pub(crate) fn pair_that(remote: &Remote, packets: Packets) -> (Stream, Stream) {
    let mode = match packets {
        Packets::Always => PipeMode::Messages,
        Packets::OfPending => PipeMode::Bytes,
    };
    let (server, client) = pipe(remote, mode);
    (server.into(), client.into())
}

/// A proactor whose end is looked at: nothing leaked, nothing stray.
pub(crate) struct Clean(Option<Proactor>);

impl Clean {
    pub(crate) fn new() -> Clean {
        Clean(Some(Proactor::new().expect("a completion port")))
    }

    pub(crate) fn get(&mut self) -> &mut Proactor {
        self.0.as_mut().expect("it is there until the end")
    }

    pub(crate) fn remote(&self) -> Remote {
        self.0.as_ref().expect("it is there until the end").remote()
    }

    /// Polls until the kernel has nothing.
    pub(crate) fn settle(&mut self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.remote().in_flight() > 0 {
            assert!(std::time::Instant::now() < deadline, "it ends in time");
            self.get().poll(Some(std::time::Duration::from_millis(10)));
        }
    }
}

impl Drop for Clean {
    fn drop(&mut self) {
        if let Some(proactor) = self.0.take() {
            let closed = proactor.close();
            if !std::thread::panicking() {
                assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
            }
        }
    }
}

/// An event that stays set.
pub(crate) fn event() -> OwnedHandle {
    // SAFETY: no name and no security descriptor.
    unsafe {
        let raw = CreateEventW(std::ptr::null(), 1, 0, std::ptr::null());
        assert!(!raw.is_null());
        OwnedHandle::from_raw_handle(raw)
    }
}

pub(crate) fn set(event: &OwnedHandle) {
    // SAFETY: the handle is open.
    assert_ne!(unsafe { SetEvent(event.as_raw_handle()) }, 0);
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
