//! A pair of connected streams, a proactor that has to end clean, events, and tests in a process of
//! their own.

use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use everwatch_proactor::{Endpoint, Packets, Proactor, Remote, Stream};
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
use windows_sys::Win32::System::Pipes::{CreateNamedPipeW, PIPE_TYPE_BYTE};
use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent};

use crate::census::Census;

/// A pipe name that nobody else has.
pub(crate) fn pipe_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(r"\\.\pipe\everwatch-test-{}-{number}", time.as_nanos())
}

/// Both ends of a pipe with so small a buffer that a large write waits for its reader.
pub(crate) fn pair(remote: &Remote) -> (Stream, Stream) {
    pair_that(remote, Packets::OfPending)
}

pub(crate) fn pair_that(remote: &Remote, packets: Packets) -> (Stream, Stream) {
    let name = pipe_name();
    let mut wide: Vec<u16> = std::ffi::OsStr::new(&name).encode_wide().collect();
    wide.push(0);
    // SAFETY: the name ends with a zero.
    let server = unsafe {
        let raw = CreateNamedPipeW(
            wide.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
            PIPE_TYPE_BYTE,
            1,
            4096,
            4096,
            0,
            std::ptr::null(),
        );
        assert_ne!(raw, INVALID_HANDLE_VALUE);
        OwnedHandle::from_raw_handle(raw)
    };
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OVERLAPPED);
    let client = options.open(&name).expect("the server's end is there");
    let stream =
        |handle| Stream::new(Endpoint::of_handle(remote, handle, packets).expect("attached"));
    (stream(server), stream(client.into()))
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

/// 2,000 rounds of a race, or all 100,000.
pub(crate) fn rounds() -> u64 {
    cycles(2_000, 100_000)
}

pub(crate) fn cycles(few: u64, all: u64) -> u64 {
    if std::env::var_os("EVERWATCH_SOAK").is_some() {
        all
    } else {
        few
    }
}

const ALONE: &str = "EVERWATCH_PROACTOR_ALONE";

/// Runs the test of this name in a child, where nothing else runs, or here if this is the child.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let output = child_test(name).output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(text.contains("1 passed"), "{name} is no test");
}

/// This program again, which runs one test in itself.
pub(crate) fn child_test(name: &str) -> Command {
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1");
    command
}

/// Whether this is a child of [`child_test`].
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// The counts are at the baseline again, at the latest after a while: the system ends threads and
/// processes after it has told of their end.
pub(crate) fn settles(baseline: &Census, what: &str) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let now = Census::take();
        if now.is_no_more_than(baseline) {
            println!("{what}: from {baseline:?} to {now:?}");
            return;
        }
        assert!(Instant::now() < end, "{what}: from {baseline:?} to {now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
