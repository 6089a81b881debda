//! Pairs of connected pipes, a proactor that has to end clean, and events.

use std::future::{Future, poll_fn};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use everwatch_proactor::{
    Packets, Proactor, Remote, Stream,
    pipe::{PipeInstance, PipeMode, PipeOptions, PipeStream, connect_pipe},
};
use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent};

/// A pipe name that is not in use.
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

/// A look at a future, by a waker that does nothing.
pub(crate) fn looking() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Options of a server of which one instance listens.
pub(crate) fn one_at_a_time() -> PipeOptions {
    PipeOptions {
        listening: 1,
        ..PipeOptions::default()
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

/// Numbers that look random and are the same in every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// One below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Runs all of them at the same time.
pub(crate) async fn all<F: Future<Output = ()>>(futures: impl IntoIterator<Item = F>) {
    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if futures.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Polls a future once. Returns whether it is over.
pub(crate) fn poll_now<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// An address of this machine, with a port that the system chooses.
pub(crate) fn here() -> std::net::SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, 0).into()
}

/// Both ends of a TCP connection.
#[cfg(feature = "sockets")]
pub(crate) async fn connection(
    remote: &Remote,
) -> (
    everwatch_proactor::socket::TcpStream,
    everwatch_proactor::socket::TcpStream,
) {
    use everwatch_proactor::socket::{TcpListener, TcpStream};
    let listener = TcpListener::bind(remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let (accepted, connected) =
        futures_lite::future::zip(listener.accept(), TcpStream::connect(remote, address)).await;
    (accepted.expect("accepted").0, connected.expect("connected"))
}

/// Reads until there are `len` bytes.
pub(crate) async fn read_exactly(stream: &Stream, count: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let buffer = Vec::with_capacity((count - all.len()).min(64 * 1024));
        let (read, buffer) = stream.read(buffer).await;
        assert_ne!(read.expect("read"), 0, "the end after {} bytes", all.len());
        all.extend_from_slice(&buffer);
    }
    all
}
