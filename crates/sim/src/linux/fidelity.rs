//! Is the simulated kernel like the real one? The same calls are made on both, in the same order,
//! and have to leave the same records, in the same order, and fail alike.

use std::collections::HashMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use everwatch_core::entry::Watch;
use everwatch_core::kernel::Purpose;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Cookie};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

use crate::disk::{Disk, FileSystemTraits, Ino};
use crate::linux::queue::Queue;
use crate::random::{Random, Stream};
use crate::system::calls::{Kind, Permissions as Permitted};
use crate::system::{Handle, System};
use crate::trace::Trace;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

const ENTRIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::EXCL_UNLINK);

/// What both sides have to agree on: the number of the watch in the order of adding, what happened,
/// whether to a directory, and to which name.
type Said = (usize, Action, bool, Vec<u8>);

struct Pair {
    top: tempfile::TempDir,
    inotify: OwnedFd,
    system: System,
    random: Random,
    /// Watches in the order of adding.
    real: HashMap<i32, usize>,
    simulated: HashMap<Watch, usize>,
    /// Directories that are open, on both sides.
    open: Vec<(fs::File, Handle)>,
}

impl Pair {
    fn new(seed: u64, room: usize) -> Pair {
        let traits = FileSystemTraits {
            reuses_numbers: true,
            has_births: true,
            lists_kinds: true,
            lists_by_hash: false,
            replaces_in_place: true,
            tick: 1,
            folds_names: false,
        };
        let disk = Disk::new(traits, 0, None);
        let timing = Stream::Timing.random(seed);
        let queue = Queue::new(room, usize::MAX);
        let mut pair = Pair {
            top: tempfile::tempdir().expect("a directory"),
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
                .expect("an inotify instance"),
            system: System::new(disk, queue, Trace::default(), timing, 0),
            random: Stream::Workload.random(seed),
            real: HashMap::new(),
            simulated: HashMap::new(),
            open: Vec::new(),
        };
        let top = pair.system.disk.top();
        pair.watch(Path::new(""), top);
        pair
    }

    fn watch(&mut self, path: &Path, ino: Ino) {
        let number = self.real.len();
        let flags = ENTRIES | WatchFlags::ONLYDIR | WatchFlags::MASK_CREATE;
        let real = inotify::add_watch(&self.inotify, self.top.path().join(path), flags);
        let simulated = self.system.queue.add(ino, Purpose::Root);
        assert_eq!(
            real.is_ok(),
            simulated.is_some_and(|(_, is_new)| is_new),
            "both are new: {path:?}"
        );
        if let (Ok(real), Some((simulated, _))) = (real, simulated) {
            assert!(self.real.insert(real, number).is_none());
            assert!(self.simulated.insert(simulated, number).is_none());
        }
    }

    /// The directory at a path of both sides.
    fn dir(&self, path: &Path) -> Option<Ino> {
        let ino = self.system.disk.resolve(path.as_os_str().as_bytes());
        ino.ok().filter(|&ino| self.system.disk.is_dir(ino))
    }

    /// A random path up to three levels deep, and its last name.
    fn path(&mut self) -> (PathBuf, Vec<u8>) {
        let mut dir = PathBuf::new();
        for _ in 0..self.random.below(3) {
            dir.push(self.random.pick(&NAMES));
        }
        (dir, self.random.pick(&NAMES).as_bytes().to_vec())
    }

    /// Makes one random call on both sides and returns what it was.
    fn call(&mut self) -> String {
        let (dir, name) = self.path();
        let (to, to_name) = self.path();
        let text = |dir: &Path, name: &[u8]| dir.join(std::ffi::OsStr::from_bytes(name));
        let (path, to_path) = (text(&dir, &name), text(&to, &to_name));
        let (real, to_real) = (self.top.path().join(&path), self.top.path().join(&to_path));
        let (Some(parent), Some(to_parent)) = (self.dir(&dir), self.dir(&to)) else {
            return format!("nothing at {dir:?} or {to:?}");
        };
        let system = &mut self.system;
        let (what, real, simulated) = match self.random.below(14) {
            0 | 1 => {
                let made = system.make(parent, &name, Kind::File).map(drop);
                let real = OpenOptions::new().write(true).create_new(true).open(real);
                ("create", real.map(drop), made)
            }
            2 | 3 => {
                let made = system.make(parent, &name, Kind::Dir);
                let real = fs::create_dir(&real);
                if let (Ok(ino), Ok(())) = (made, &real) {
                    // The records of making it come first.
                    self.watch(&path, ino);
                }
                ("mkdir", real, made.map(drop))
            }
            4 => {
                let made = system
                    .make(parent, &name, Kind::Symlink(b"nowhere"))
                    .map(drop);
                ("symlink", std::os::unix::fs::symlink("nowhere", real), made)
            }
            5 => {
                let made = system.make(parent, &name, Kind::Other).map(drop);
                let real = mknodat(CWD, real, FileType::Fifo, Mode::RWXU, 0);
                ("mkfifo", real.map_err(Into::into), made)
            }
            6 => {
                let found = system.disk.lookup(parent, &name);
                let linked = found.and_then(|ino| system.link(ino, to_parent, &to_name));
                ("link", fs::hard_link(real, to_real), linked)
            }
            7 => {
                let is_file = system.disk.entry(parent, &name).is_some_and(|ino| {
                    system.disk.kind(ino) == everwatch_core::entry::FileType::File
                });
                if !is_file {
                    return "no file to write to".to_owned();
                }
                let written = OpenOptions::new().append(true).open(real);
                let written = written.and_then(|mut file| file.write_all(b"x"));
                ("write", written, system.write(parent, &name))
            }
            8 => {
                let kind = system
                    .disk
                    .lookup(parent, &name)
                    .map(|ino| system.disk.kind(ino));
                if kind == Ok(everwatch_core::entry::FileType::Symlink) {
                    return "a link has no permissions".to_owned();
                }
                let mode = Permissions::from_mode(if self.random.chance(500) {
                    0o755
                } else {
                    0o700
                });
                (
                    "chmod",
                    fs::set_permissions(real, mode),
                    system.chmod(parent, &name, Permitted::ALL),
                )
            }
            9 => (
                "unlink",
                fs::remove_file(real),
                system.unlink(parent, &name),
            ),
            10 => ("rmdir", fs::remove_dir(real), system.rmdir(parent, &name)),
            11 => {
                let swapped = renameat_with(CWD, real, CWD, to_real, RenameFlags::EXCHANGE);
                let done = system.rename((parent, &name), (to_parent, &to_name), true);
                ("exchange", swapped.map_err(Into::into), done)
            }
            _ => {
                let done = system.rename((parent, &name), (to_parent, &to_name), false);
                ("rename", fs::rename(real, to_real), done)
            }
        };
        assert_eq!(
            real.is_ok(),
            simulated.is_ok(),
            "{what} {path:?} {to_path:?}: {real:?}, {simulated:?}"
        );
        format!("{what} {path:?} {to_path:?} {simulated:?}")
    }

    /// Opens or closes a directory on both sides.
    fn hold(&mut self) {
        if !self.open.is_empty() && self.random.chance(500) {
            let at = self.random.below(self.open.len());
            self.open.swap_remove(at);
        } else if let (dir, _) = self.path()
            && let Some(ino) = self.dir(&dir)
        {
            let real = fs::File::open(self.top.path().join(&dir)).expect("a directory");
            let simulated = self.system.open(ino);
            self.open.push((real, simulated));
        }
        self.system.reap();
    }

    fn read_real(&self) -> Vec<(Said, u32)> {
        let mut said = Vec::new();
        loop {
            let more = self.read_some_real();
            if more.is_empty() {
                return said;
            }
            said.extend(more);
        }
    }

    /// One `read` from the real queue.
    fn read_some_real(&self) -> Vec<(Said, u32)> {
        let mut buffer = vec![MaybeUninit::uninit(); 64 * 1024];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut said = Vec::new();
        while said.is_empty() || !reader.is_buffer_empty() {
            let Ok(event) = reader.next() else { break };
            let flags = event.events();
            let actions = [
                (ReadFlags::MODIFY, Action::Modified),
                (ReadFlags::CREATE, Action::Created),
                (ReadFlags::DELETE, Action::Removed),
                (ReadFlags::MOVED_FROM, Action::MovedFrom),
                (ReadFlags::MOVED_TO, Action::MovedTo),
                (ReadFlags::ATTRIB, Action::Metadata),
                (ReadFlags::IGNORED, Action::WatchEnded),
                (ReadFlags::QUEUE_OVERFLOW, Action::Overflow),
                (ReadFlags::MOVE_SELF, Action::DirectoryMoved),
            ];
            let action = actions.iter().find(|(flag, _)| flags.contains(*flag));
            let action = action.expect("an action that was asked for").1;
            let name = event
                .file_name()
                .map_or(Vec::new(), |name| name.to_bytes().to_vec());
            let number = self.real.get(&event.wd()).copied().unwrap_or(usize::MAX);
            let is_dir = flags.contains(ReadFlags::ISDIR) && !name.is_empty();
            said.push(((number, action, is_dir, name), event.cookie()));
        }
        said
    }

    fn read_simulated(&mut self) -> Vec<(Said, u32)> {
        let mut records = RecordQueue::default();
        let mut said = Vec::new();
        // One at a time, because the record queue merges what the kernel does not.
        while self.system.queue.read_one(&mut records) {
            let record = records.front().expect("a record");
            let number = self
                .simulated
                .get(&record.watch)
                .copied()
                .unwrap_or(usize::MAX);
            let is_dir = record.is_dir && !record.name.is_empty();
            said.push((
                (number, record.action, is_dir, record.name.to_vec()),
                record.cookie.map_or(0, Cookie::get),
            ));
            records.pop();
        }
        said
    }
}

#[test]
fn the_same_calls_leave_the_same_records() {
    for seed in 0..60 {
        let mut pair = Pair::new(seed, 16_384);
        for _ in 0..250 {
            let what = pair.call();
            if pair.random.chance(200) {
                pair.hold();
            }
            // Most of the time one call at a time; sometimes several, which the kernel may merge.
            if pair.random.chance(300) {
                continue;
            }
            let (real, simulated) = (pair.read_real(), pair.read_simulated());
            let plain = |said: &[(Said, u32)]| {
                said.iter()
                    .map(|(said, _)| said.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(plain(&real), plain(&simulated), "seed {seed}: {what}");
            let mut cookies = HashMap::new();
            for ((_, real), (_, simulated)) in real.iter().zip(&simulated) {
                let known = *cookies.entry(real).or_insert(simulated);
                assert_eq!(
                    known, simulated,
                    "seed {seed}: {what}: halves belong together alike"
                );
            }
        }
    }
}

#[test]
fn a_queue_that_has_overflowed_drops_later_records_without_saying_so_again() {
    let room = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("the limit");
    let room: usize = room.trim().parse().expect("a number");
    let mut pair = Pair::new(0, room);
    let top = pair.system.disk.top();
    let mut serial = 0;
    let mut create = |pair: &mut Pair, count: usize| {
        for _ in 0..count {
            let name = format!("{serial:06}");
            fs::write(pair.top.path().join(&name), "").expect("a file");
            pair.system
                .make(top, name.as_bytes(), Kind::File)
                .expect("a file");
            serial += 1;
        }
    };
    create(&mut pair, room + 10);
    // Some are read, others come behind the overflow, and what does not fit again is just gone.
    let read = pair.read_some_real();
    assert!(read.len() > 100 && read.len() < room, "{}", read.len());
    let mut records = RecordQueue::default();
    for expected in &read {
        assert!(pair.system.queue.read_one(&mut records));
        let name = records.front().map(|record| record.name.to_vec());
        assert_eq!(name.as_ref(), Some(&expected.0.3));
        records.pop();
    }
    create(&mut pair, read.len() + 10);
    let (real, simulated) = (pair.read_real(), pair.read_simulated());
    assert_eq!(real, simulated);
    let overflows = real
        .iter()
        .filter(|(said, _)| said.1 == Action::Overflow)
        .count();
    assert_eq!(overflows, 1);
    assert_ne!(real.last().map(|(said, _)| said.1), Some(Action::Overflow));
}
