//! Resources that a process has used: run time, memory, wake-ups, open files.
//!
//! On Linux, run time comes from the scheduler in nanoseconds, for each thread, so that a process is
//! measured from outside without making it run. Clock ticks, the usual source, are 10 ms long. Elsewhere
//! only the process of a subject is built, which is measured from outside and knows nothing but the time.

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{monotonic, own_run_time, resident};
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    monotonic, own_files_and_threads, own_run_time, resident, run_time, run_time_in_ticks, wake_ups,
};

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use anyhow::{Context, Result};
    use rustix::time::{ClockId, clock_gettime};

    /// Nanoseconds on the clock that all processes of the machine share.
    pub(crate) fn monotonic() -> u64 {
        nanoseconds(ClockId::Monotonic)
    }

    /// The run time of this process, including threads that have ended.
    pub(crate) fn own_run_time() -> Duration {
        Duration::from_nanos(nanoseconds(ClockId::ProcessCPUTime))
    }

    fn nanoseconds(clock: ClockId) -> u64 {
        let now = clock_gettime(clock);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }

    /// The run time of the threads that a process has now.
    pub(crate) fn run_time(process: u32) -> Result<Duration> {
        let mut total = 0;
        for_each_thread(process, |thread| {
            // A thread may end while the list is read.
            if let Ok(text) = fs::read_to_string(thread.join("schedstat")) {
                total += text
                    .split(' ')
                    .next()
                    .and_then(|field| field.parse().ok())
                    .unwrap_or(0);
            }
        })?;
        Ok(Duration::from_nanos(total))
    }

    /// The run time of another process, including threads that have ended, in steps of 10 ms.
    pub(crate) fn run_time_in_ticks(process: u32) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let fields: Vec<&str> = text
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|field| field.parse::<u64>().ok())
                .unwrap_or(0)
        };
        Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
    }

    /// How often the threads of a process went to sleep, which is how often they woke.
    pub(crate) fn wake_ups(process: u32) -> Result<u64> {
        let mut total = 0;
        for_each_thread(process, |thread| {
            total += field(&thread.join("status"), "voluntary_ctxt_switches:").unwrap_or(0);
        })?;
        Ok(total)
    }

    /// Calls `each` with the directory of each thread, proc_pid_task(5).
    fn for_each_thread(process: u32, mut each: impl FnMut(&Path)) -> Result<()> {
        let threads = format!("/proc/{process}/task");
        for thread in fs::read_dir(&threads).with_context(|| format!("no process {process}"))? {
            each(&thread?.path());
        }
        Ok(())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(process: u32) -> Result<u64> {
        let status = format!("/proc/{process}/status");
        let kilobytes = field(Path::new(&status), "VmRSS:").context("no VmRSS")?;
        Ok(kilobytes * 1024)
    }

    /// The number behind `name` in a file of lines.
    fn field(path: &Path, name: &str) -> Option<u64> {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        line[name.len()..].split_whitespace().next()?.parse().ok()
    }

    /// Open files and threads of this process.
    pub(crate) fn own_files_and_threads() -> (usize, usize) {
        let count = |path: &str| fs::read_dir(path).map(Iterator::count).unwrap_or(0);
        (count("/proc/self/fd"), count("/proc/self/task"))
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    use anyhow::Result;

    /// Nanoseconds since the first call.
    pub(crate) fn monotonic() -> u64 {
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        BEGIN.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    /// Zero: the bench measures it from outside.
    pub(crate) fn own_run_time() -> Duration {
        Duration::ZERO
    }

    /// Zero: the bench measures it from outside.
    pub(crate) fn resident(_process: u32) -> Result<u64> {
        Ok(0)
    }
}
