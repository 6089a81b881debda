//! A pair of connected streams, and a proactor that has to end clean.

use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use everwatch_proactor::{Endpoint, Packets, Proactor, Remote, Stream};
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
use windows_sys::Win32::System::Pipes::{CreateNamedPipeW, PIPE_TYPE_BYTE};

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
    let stream = |handle| {
        Stream::new(Endpoint::of_handle(remote, handle, Packets::OfPending).expect("attached"))
    };
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

/// How often a race is run: `EVERWATCH_SOAK=1` asks for all of them.
pub(crate) fn rounds() -> u32 {
    match std::env::var_os("EVERWATCH_SOAK") {
        Some(_) => 100_000,
        None => 2_000,
    }
}
