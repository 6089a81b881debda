//! The census of this process on Windows: handles, threads, private memory.

use std::ptr::null_mut;

use windows_sys::Wdk::System::SystemInformation::NtQuerySystemInformation;
use windows_sys::Win32::Foundation::{CloseHandle, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS_EX,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentProcessId, GetProcessHandleCount,
};

/// How many bytes an allocator may keep after many cycles.
const SLACK: usize = 2 * 1024 * 1024;

/// The counts of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Census {
    /// Open handles.
    pub handles: u32,
    /// Threads that live.
    pub threads: usize,
    /// Private memory in bytes.
    pub memory: usize,
}

impl Census {
    /// Counts.
    pub fn take() -> Census {
        Census {
            handles: handles(),
            threads: threads(),
            memory: memory(),
        }
    }

    /// Whether nothing has grown. Memory may grow by what an allocator keeps.
    pub fn is_no_more_than(&self, other: &Census) -> bool {
        self.handles <= other.handles
            && self.threads <= other.threads
            && self.memory <= other.memory + SLACK
    }
}

/// By `GetProcessHandleCount`, or where that always says 0 (Wine 8) by the list of all handles.
fn handles() -> u32 {
    let mut count = 0;
    // SAFETY: the pseudo handle is always good, and there is space for the count.
    let is_fine = unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    assert_ne!(is_fine, 0);
    if count > 0 { count } else { listed_handles() }
}

/// Counts in `SYSTEM_HANDLE_INFORMATION_EX`, as words: the count, a reserved word, then five for each handle,
/// of which the second is its process.
fn listed_handles() -> u32 {
    const SYSTEM_EXTENDED_HANDLE_INFORMATION: i32 = 64;
    let mut list = vec![0_usize; 1 << 18];
    let bytes = size_of_val(list.as_slice()) as u32;
    // SAFETY: the memory is aligned, and `bytes` is its length.
    let status = unsafe {
        let list = list.as_mut_ptr().cast();
        NtQuerySystemInformation(SYSTEM_EXTENDED_HANDLE_INFORMATION, list, bytes, null_mut())
    };
    assert!(status >= 0, "{status:#x}");
    // SAFETY: the call has no preconditions.
    let process = unsafe { GetCurrentProcessId() } as usize;
    let handles = list[2..].chunks_exact(5).take(list[0]);
    handles.filter(|handle| handle[1] == process).count() as u32
}

fn threads() -> usize {
    let mut entry = THREADENTRY32 {
        dwSize: size_of::<THREADENTRY32>() as u32,
        ..THREADENTRY32::default()
    };
    let mut count = 0;
    // SAFETY: the snapshot is open while it is walked, and the entry has its size.
    unsafe {
        let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
        assert_ne!(snapshot, INVALID_HANDLE_VALUE);
        let mut is_there = Thread32First(snapshot, &raw mut entry);
        while is_there != 0 {
            count += usize::from(entry.th32OwnerProcessID == GetCurrentProcessId());
            is_there = Thread32Next(snapshot, &raw mut entry);
        }
        CloseHandle(snapshot);
    }
    assert!(count > 0);
    count
}

fn memory() -> usize {
    let mut counters = PROCESS_MEMORY_COUNTERS_EX::default();
    let size = size_of::<PROCESS_MEMORY_COUNTERS_EX>() as u32;
    // SAFETY: the longer structure begins like the shorter one, and its size says which one it is.
    let is_fine = unsafe {
        let counters = (&raw mut counters).cast::<PROCESS_MEMORY_COUNTERS>();
        K32GetProcessMemoryInfo(GetCurrentProcess(), counters, size)
    };
    assert_ne!(is_fine, 0);
    // Wine fills in only the second.
    counters.PrivateUsage.max(counters.PagefileUsage)
}
