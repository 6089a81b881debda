//! The kernel as the engine sees it: one inotify instance, and the thread's working directory.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use everwatch_core::coverage::Gap;
use everwatch_core::entry::{Identity, Stat, Watch};
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_core::kernel::{ChangedSince, Drained, Kernel, Purpose, Token, Watched};
use everwatch_core::listing::Listing;
use everwatch_core::queue::RecordQueue;
use everwatch_core::time::FileTime;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::bell::Bell;
use super::mounts::Mounts;
use super::surveyor::Surveyor;
use super::{directory, fault, volume};
use crate::options::{Backend, StartOptions};

/// Enough for a few thousand records; the largest single record is 272 bytes.
const READ_BUFFER: usize = 128 * 1024;

/// The largest record there can be, inotify(7).
const LARGEST_RECORD: usize = 16 + 256;

/// Bytes for getdents64(2): one to two thousand entries with names of usual length.
const LIST_BUFFER: usize = 64 * 1024;

/// What the watch of a covered directory reports. `EXCL_UNLINK` keeps out writes to files without a name.
const ENTRIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::EXCL_UNLINK);

/// What the watch of a directory above a root reports: entries that go, or come and go by a move, and that it
/// was moved itself.
const GUARD: WatchFlags = WatchFlags::DELETE
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF);

/// The kernel of Linux: an inotify instance and what its thread waits for. One thread uses it.
pub struct InotifyKernel {
    /// `None` if everything is polled, because of `gap`.
    inotify: Option<OwnedFd>,
    /// Why everything is polled, while it is.
    gap: Gap,
    /// For records; [`READ_BUFFER`] bytes.
    buffer: Vec<u8>,
    /// For listings; [`LIST_BUFFER`] bytes.
    entries: Vec<MaybeUninit<u8>>,
    /// The engine's thread can change its working directory without changing the process's.
    has_own_directory: bool,
    /// The thread's working directory is not the root directory.
    is_away: bool,
    /// Looks at files beside this thread after an overflow.
    surveyor: Surveyor,
    /// Wakes this thread from another one.
    pub(super) bell: Bell,
    /// `None` without `/proc`.
    pub(super) mounts: Option<Mounts>,
}

impl InotifyKernel {
    /// Makes the inotify instance. Without one everything is polled: if the options say so, or if there is none
    /// and they leave the choice.
    ///
    /// # Errors
    ///
    /// ENOSYS for the backend of Windows; without the choice, what inotify_init1(2) failed with, where EPERM and EACCES
    /// mean that a sandbox refuses it; and EMFILE if there is no descriptor left for the bell.
    pub(super) fn new(options: &StartOptions) -> Result<InotifyKernel, Fault> {
        let backend = options.backend;
        if backend == Backend::Windows {
            return Err(fault(Errno::NOSYS));
        }
        let started = (backend != Backend::Poll).then(start_inotify).transpose();
        let (inotify, gap) = match started {
            Ok(inotify) => (inotify, Gap::Chosen),
            Err(Errno::MFILE) if backend == Backend::Auto => (None, Gap::InstanceLimit),
            Err(Errno::NOSYS) if backend == Backend::Auto => (None, Gap::NoNotification),
            Err(Errno::PERM | Errno::ACCESS) if backend == Backend::Auto => (None, Gap::Refused),
            Err(errno @ (Errno::PERM | Errno::ACCESS)) => return Err(refused(errno)),
            Err(errno) => return Err(fault(errno)),
        };
        Ok(InotifyKernel {
            inotify,
            gap,
            buffer: vec![0; READ_BUFFER],
            entries: vec![MaybeUninit::uninit(); LIST_BUFFER],
            has_own_directory: false,
            is_away: false,
            surveyor: Surveyor::default(),
            bell: Bell::new().map_err(fault)?,
            mounts: Mounts::open(),
        })
    }

    /// Whether there is an inotify instance. Without one everything is polled.
    pub(super) fn is_notified(&self) -> bool {
        self.inotify.is_some()
    }

    /// Gives this thread a working directory of its own, unshare(2). A sandbox may forbid it; paths below
    /// `/proc/self/fd` serve instead.
    pub(super) fn unshare_directory(&mut self) {
        // SAFETY: CLONE_FS alone affects this thread's working directory, root and umask; no
        // descriptor table is shared or copied, which is what makes other flags unsafe.
        let unshared = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) };
        self.has_own_directory = unshared.is_ok();
    }

    /// The inotify instance, for poll(2).
    pub(super) fn inotify(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(std::os::fd::AsFd::as_fd)
    }

    /// Watches an open directory, inotify_add_watch(2), which wants a path: `.` once the thread has gone into
    /// the directory, or its entry in `/proc/self/fd`. `ONLYDIR` makes the second one fail with ENOTDIR should the
    /// descriptor be no directory.
    fn add_watch(&mut self, dir: &OwnedFd, flags: WatchFlags) -> Result<i32, Errno> {
        let inotify = self.inotify.as_ref().ok_or(Errno::NOSYS)?;
        let flags = flags | WatchFlags::ONLYDIR;
        if self.has_own_directory && rustix::process::fchdir(dir).is_ok() {
            self.is_away = true;
            return inotify::add_watch(inotify, c".", flags);
        }
        let mut path = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0";
        let digits = dir.as_raw_fd().to_string();
        path[14..14 + digits.len()].copy_from_slice(digits.as_bytes());
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno::INVAL)?;
        inotify::add_watch(inotify, path, flags).map_err(|errno| match errno {
            // The descriptor is open, so that its entry is missing only where there is no `/proc`.
            Errno::NOENT => Errno::NOSYS,
            errno => errno,
        })
    }
}

/// The fault of a call that a sandbox refuses.
fn refused(errno: Errno) -> Fault {
    Fault {
        kind: FaultKind::Refused,
        code: errno.raw_os_error(),
    }
}

/// The fault of inotify_add_watch(2), which needs permission to read the directory. What was opened for reading was
/// allowed then; if it is allowed still, the call itself is refused.
fn watch_fault(dir: &OwnedFd, errno: Errno) -> Fault {
    match errno {
        Errno::PERM | Errno::ACCESS if directory::is_readable(dir) => refused(errno),
        errno => fault(errno),
    }
}

/// Makes an inotify instance, inotify_init1(2).
///
/// # Errors
///
/// EMFILE if the user has `max_user_instances` of them or the process no descriptor left, ENOMEM, and ENOSYS
/// where the kernel has no inotify.
fn start_inotify() -> Result<OwnedFd, Errno> {
    inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
}

impl Kernel for InotifyKernel {
    type Dir = Arc<OwnedFd>;

    fn open_root(&mut self, path: &Path) -> Result<Arc<OwnedFd>, Fault> {
        directory::open_root(path).map(Arc::new)
    }

    fn read_link(&mut self, path: &Path) -> Option<PathBuf> {
        std::fs::read_link(path).ok()
    }

    fn open_dir(&mut self, parent: &Arc<OwnedFd>, name: &[u8]) -> Result<Arc<OwnedFd>, Fault> {
        directory::open_below(parent, name).map(Arc::new)
    }

    fn identity(&mut self, dir: &Arc<OwnedFd>) -> Result<Identity, Fault> {
        directory::identity(dir)
    }

    /// Tries again to get an inotify instance if there was none left at the start.
    fn gap_of_volume(&mut self, dir: &Arc<OwnedFd>) -> Option<Gap> {
        if self.inotify.is_none() && self.gap == Gap::InstanceLimit {
            self.inotify = start_inotify().ok();
        }
        match self.inotify {
            None => Some(self.gap),
            Some(_) => volume::gap(dir),
        }
    }

    fn stat(&mut self, dir: &Arc<OwnedFd>, name: &[u8]) -> Result<Stat, Fault> {
        directory::stat(dir, name)
    }

    fn changed_since(
        &mut self,
        dir: &Arc<OwnedFd>,
        name: &[u8],
        since: FileTime,
        token: Token,
    ) -> ChangedSince {
        self.surveyor.defer(dir, name, since, token);
        ChangedSince::Deferred
    }

    fn finish_deferred_stats(&mut self, changed: &mut Vec<Token>) {
        self.surveyor.finish(changed);
    }

    fn list(&mut self, dir: &Arc<OwnedFd>, listing: &mut Listing) -> Result<(), Fault> {
        directory::list(dir, &mut self.entries, listing)
    }

    fn read_file(
        &mut self,
        dir: &Arc<OwnedFd>,
        name: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, Fault> {
        directory::read_file(dir, name, limit)
    }

    /// `MASK_CREATE` finds out whether the inode is watched already (EEXIST); `MASK_ADD` then widens the mask
    /// without losing records that come at that moment, which a plain repeat does.
    fn watch(&mut self, dir: &Arc<OwnedFd>, purpose: Purpose) -> Result<Watched, Fault> {
        let flags = match purpose {
            Purpose::Entries => ENTRIES,
            Purpose::Root => ENTRIES | WatchFlags::MOVE_SELF,
            Purpose::Guard => GUARD,
            Purpose::Ancestor => WatchFlags::MOVE_SELF,
            Purpose::Rules => GUARD | WatchFlags::CREATE | WatchFlags::MODIFY,
        };
        match self.add_watch(dir, flags | WatchFlags::MASK_CREATE) {
            Ok(watch) => Ok(Watched::New(Watch(watch))),
            Err(Errno::EXIST) => self
                .add_watch(dir, flags | WatchFlags::MASK_ADD)
                .map(|watch| Watched::Known(Watch(watch)))
                .map_err(|errno| watch_fault(dir, errno)),
            // Memory for watches is charged to the user; to the caller it is the same limit.
            Err(Errno::NOMEM) => Err(Fault {
                kind: FaultKind::WatchLimit,
                code: Errno::NOMEM.raw_os_error(),
            }),
            Err(errno) => Err(watch_fault(dir, errno)),
        }
    }

    fn unwatch(&mut self, watch: Watch) {
        if let Some(inotify) = &self.inotify {
            // The kernel may have ended the watch already, with the directory.
            let _ = inotify::remove_watch(inotify, watch.0);
        }
    }

    /// Reads until the queue is empty or what was queued at the beginning is taken: FIONREAD says how much that
    /// is. A read that leaves room for another record has emptied the queue, which saves the last call.
    fn drain(&mut self, records: &mut RecordQueue) -> Result<Drained, Fault> {
        let Some(inotify) = &self.inotify else {
            return Ok(Drained::Nothing);
        };
        let mut came = Drained::Nothing;
        // Bytes that were queued before, once it is clear that one read does not take them all.
        let mut left: Option<usize> = None;
        loop {
            match rustix::io::read(inotify, &mut self.buffer[..]) {
                Ok(length) => {
                    came = Drained::All;
                    everwatch_core::inotify::decode(&self.buffer[..length], records);
                    // Had there been more, another record would have fitted.
                    if length < READ_BUFFER - LARGEST_RECORD {
                        return Ok(came);
                    }
                    // A writer that is faster than this reader must not keep it here without end.
                    let queued = match left {
                        Some(left) => left.saturating_sub(length),
                        None => {
                            rustix::io::ioctl_fionread(inotify).map_or(0, |queued| queued as usize)
                        }
                    };
                    if queued == 0 {
                        return Ok(came);
                    }
                    left = Some(queued);
                }
                Err(Errno::AGAIN) => return Ok(came),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(fault(errno)),
            }
        }
    }

    /// CLOCK_REALTIME, which the kernel stamps files with, if more coarsely.
    fn clock(&mut self) -> FileTime {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        now.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(now.tv_nsec)
    }

    /// Leaves the directory that was watched last: a file system cannot be unmounted while a thread is in it.
    fn before_wait(&mut self) {
        if self.is_away && rustix::process::chdir(c"/").is_ok() {
            self.is_away = false;
        }
    }
}
