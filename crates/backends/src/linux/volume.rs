//! File systems by their type (statfs(2)): which of them notify. With them the limits of inotify.

use std::os::fd::OwnedFd;
use std::path::Path;

use everwatch_core::coverage::Gap;

/// File systems by magic number, from statfs(2) and `linux/magic.h`, and why those that do not notify of all
/// changes do not. A file system that is not here is taken to notify.
const TABLE: &[(u64, &str, Option<Gap>)] = &[
    (0x0000_ef53, "ext4", None),
    (0x0102_1994, "tmpfs", None),
    (0x5846_5342, "xfs", None),
    (0x9123_683e, "btrfs", None),
    (0x2fc1_2fc1, "zfs", None),
    (0xf2f5_2010, "f2fs", None),
    (0x794c_7630, "overlay", None),
    (0x8584_58f6, "ramfs", None),
    (0x7366_746e, "ntfs3", None),
    (0x0000_4d44, "fat", None),
    (0x2011_bab0, "exfat", None),
    (0xca45_1a4e, "bcachefs", None),
    (0x0000_6969, "nfs", Some(Gap::RemoteFileSystem)),
    (0xff53_4d42, "cifs", Some(Gap::RemoteFileSystem)),
    (0xfe53_4d42, "smb2", Some(Gap::RemoteFileSystem)),
    (0x0000_517b, "smb", Some(Gap::RemoteFileSystem)),
    (0x6573_5546, "fuse", Some(Gap::RemoteFileSystem)),
    (0x0102_1997, "9p", Some(Gap::RemoteFileSystem)),
    (0x5346_414f, "afs", Some(Gap::RemoteFileSystem)),
    (0x00c3_6400, "ceph", Some(Gap::RemoteFileSystem)),
    (0x7375_7245, "coda", Some(Gap::RemoteFileSystem)),
    (0x786f_4256, "vboxsf", Some(Gap::RemoteFileSystem)),
    (0x0bd0_0bd0, "lustre", Some(Gap::RemoteFileSystem)),
    (0x0000_9fa0, "proc", Some(Gap::PseudoFileSystem)),
    (0x6265_6572, "sysfs", Some(Gap::PseudoFileSystem)),
    (0x6462_6720, "debugfs", Some(Gap::PseudoFileSystem)),
    (0x7472_6163, "tracefs", Some(Gap::PseudoFileSystem)),
    (0x7363_6673, "securityfs", Some(Gap::PseudoFileSystem)),
    (0x0027_e0eb, "cgroup", Some(Gap::PseudoFileSystem)),
    (0x6367_7270, "cgroup2", Some(Gap::PseudoFileSystem)),
    (0x0000_1cd1, "devpts", Some(Gap::PseudoFileSystem)),
    (0xcafe_4a11, "bpf", Some(Gap::PseudoFileSystem)),
    (0x6165_676c, "pstore", Some(Gap::PseudoFileSystem)),
    (0xf97c_ff8c, "selinuxfs", Some(Gap::PseudoFileSystem)),
    (0x4249_4e4d, "binfmt_misc", Some(Gap::PseudoFileSystem)),
    (0x6265_6570, "configfs", Some(Gap::PseudoFileSystem)),
];

/// The row of a file system. The magic number is the low 32 bits: the field of statfs(2) is signed and wider
/// than that on most systems.
fn lookup(magic: u64) -> Option<&'static (u64, &'static str, Option<Gap>)> {
    TABLE
        .iter()
        .find(|(known, _, _)| *known == magic & 0xffff_ffff)
}

/// Why directories on the file system of `dir` cannot be watched, if they cannot.
pub(super) fn gap(dir: &OwnedFd) -> Option<Gap> {
    let statfs = rustix::fs::fstatfs(dir).ok()?;
    lookup(statfs.f_type as u64).and_then(|(_, _, gap)| *gap)
}

/// The name of the file system at `path`, and why it cannot be watched, if it cannot.
pub fn describe(path: &Path) -> std::io::Result<(String, Option<Gap>)> {
    let magic = rustix::fs::statfs(path)?.f_type as u64;
    Ok(match lookup(magic) {
        Some((_, name, gap)) => ((*name).to_owned(), *gap),
        None => (format!("type {magic:#x}"), None),
    })
}

/// The limits of inotify by the names of their sysctls; `None` where unreadable.
pub fn limits() -> [(&'static str, Option<u64>); 3] {
    [
        "max_user_watches",
        "max_user_instances",
        "max_queued_events",
    ]
    .map(|name| {
        let value = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok();
        (name, value.and_then(|text| text.trim().parse().ok()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_known_not_to_notify() {
        let (name, gap) = describe(Path::new("/proc")).expect("statfs of /proc");
        assert_eq!((name.as_str(), gap), ("proc", Some(Gap::PseudoFileSystem)));
    }
}
