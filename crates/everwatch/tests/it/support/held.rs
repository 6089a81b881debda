//! What this process holds: handles or descriptors, threads, and memory.
//!
//! The system is asked, so a test that compares these has to be alone in its process.

/// Handles (of files, on Unix) and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) handles: usize,
    pub(crate) threads: usize,
}

impl Held {
    /// Whether this is no more than `before`.
    pub(crate) fn is_within(self, before: Held) -> bool {
        self.handles <= before.handles && self.threads <= before.threads
    }
}

/// What is held now. Asking takes the same each time.
pub(crate) fn held() -> Held {
    system::held()
}

/// The memory in use, in KiB.
pub(crate) fn resident_kibibytes() -> u64 {
    system::resident_kibibytes()
}

#[cfg(unix)]
mod system {
    use std::fs;

    use super::Held;

    pub(super) fn held() -> Held {
        let count = |dir: &str| fs::read_dir(dir).expect("/proc is there").count();
        Held {
            handles: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
        }
    }

    pub(super) fn resident_kibibytes() -> u64 {
        let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS is told");
        line.split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }
}

#[cfg(windows)]
mod system {
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

    use windows_sys::Win32::Foundation::GetHandleInformation;
    use windows_sys::Win32::System::Diagnostics::ToolHelp::{
        CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
    };
    use windows_sys::Win32::System::ProcessStatus::{
        K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS,
    };
    use windows_sys::Win32::System::Threading::GetCurrentProcess;

    use super::Held;

    /// So many values behind each other that are no handles end the list.
    const GAP: usize = 1024;

    pub(super) fn held() -> Held {
        Held {
            handles: handles(),
            threads: threads(),
        }
    }

    /// Counts them one by one: under Wine, GetProcessHandleCount is always 0.
    fn handles() -> usize {
        let (mut count, mut gap) = (0, 0);
        for value in (4..).step_by(4) {
            let mut flags = 0;
            let handle = std::ptr::without_provenance_mut(value);
            // SAFETY: only asks; a value that is no handle is an error.
            match unsafe { GetHandleInformation(handle, &raw mut flags) } {
                0 => gap += 1,
                _ => (count, gap) = (count + 1, 0),
            }
            if gap == GAP {
                break;
            }
        }
        assert_ne!(count, 0, "the handles were not counted");
        count
    }

    fn threads() -> usize {
        // SAFETY: takes numbers, and returns a handle that nobody else has.
        let list =
            unsafe { OwnedHandle::from_raw_handle(CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0)) };
        let mut entry = THREADENTRY32 {
            dwSize: size_of::<THREADENTRY32>() as u32,
            ..THREADENTRY32::default()
        };
        let mut count = 0;
        // SAFETY: the handle is that of a list, and the entry says how large it is.
        let mut is_one = unsafe { Thread32First(list.as_raw_handle(), &raw mut entry) };
        while is_one != 0 {
            count += usize::from(entry.th32OwnerProcessID == std::process::id());
            // SAFETY: as above.
            is_one = unsafe { Thread32Next(list.as_raw_handle(), &raw mut entry) };
        }
        assert_ne!(count, 0, "the threads were not listed");
        count
    }

    pub(super) fn resident_kibibytes() -> u64 {
        let mut counters = PROCESS_MEMORY_COUNTERS::default();
        let size = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
        // SAFETY: the handle stands for this process, and the size is that of the structure.
        let result =
            unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, size) };
        assert_ne!(result, 0, "{}", std::io::Error::last_os_error());
        counters.WorkingSetSize as u64 / 1024
    }
}
