//! File systems that root mounts for one test: in a child process with a mount namespace of its own, on images
//! that are in memory. The kernel releases all of it when that process ends, in whatever way.
//!
//! What a machine lacks is skipped by the name of the test.

mod convergence;
mod peculiarities;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use everwatch_testing::patience::eventually;
use everwatch_testing::role::as_root_with_mounts;
use everwatch_testing::skipped::skipped;
use rustix::fs::statfs;

/// A file system to test on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Volume {
    Ext4,
    Xfs,
    Btrfs,
    Tmpfs,
    /// A directory of a tmpfs that is bound to another place.
    Bind,
    /// An overlay with all layers on one ext4.
    Overlay,
    /// An overlay whose lower layer is on ext4, and whose upper layer is on a tmpfs.
    OverlayOfTwo,
    /// bindfs, which shows another directory through FUSE.
    Fuse,
}

/// The size of an image, of which only what is used takes memory. mkfs.xfs refuses less than 300 MiB.
const IMAGE_SIZE: u64 = 512 << 20;

impl Volume {
    /// The program that makes or serves it, with its first arguments.
    fn program(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Volume::Ext4 | Volume::Overlay | Volume::OverlayOfTwo => Some(("mkfs.ext4", &["-q"])),
            Volume::Xfs => Some(("mkfs.xfs", &["-q"])),
            Volume::Btrfs => Some(("mkfs.btrfs", &["-q"])),
            Volume::Fuse => Some(("bindfs", &["-f"])),
            Volume::Tmpfs | Volume::Bind => None,
        }
    }

    /// The magic number of statfs(2).
    fn magic(self) -> u64 {
        match self {
            Volume::Ext4 => 0xef53,
            Volume::Xfs => 0x5846_5342,
            Volume::Btrfs => 0x9123_683e,
            Volume::Tmpfs | Volume::Bind => 0x0102_1994,
            Volume::Overlay | Volume::OverlayOfTwo => 0x794c_7630,
            Volume::Fuse => 0x6573_5546,
        }
    }

    /// The name of the type in `/proc/filesystems`.
    fn type_name(self) -> &'static str {
        match self {
            Volume::Ext4 => "ext4",
            Volume::Xfs => "xfs",
            Volume::Btrfs => "btrfs",
            Volume::Tmpfs | Volume::Bind => "tmpfs",
            Volume::Overlay | Volume::OverlayOfTwo => "overlay",
            Volume::Fuse => "fuse",
        }
    }
}

/// A mounted volume and what it consists of. Dropping it ends its server; its mounts end with the process.
struct Mounted {
    /// Where the volume is: the directory that `EVERWATCH_DISK` names in the child.
    at: PathBuf,
    /// The directory beside it that holds the layers of an overlay, or what a FUSE server shows.
    layers: PathBuf,
    server: Option<Child>,
}

impl Mounted {
    /// The directory that only the lower layer of an overlay has.
    fn lower(&self) -> PathBuf {
        self.layers.join("lower")
    }

    /// What the FUSE server shows.
    fn shown(&self) -> PathBuf {
        self.layers.join("shown")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // Both fail only where there is nothing left to end. SIGKILL ends a stopped process as well.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The directory that the volumes are made in: an empty one of the system, which a tmpfs covers in the child
/// alone.
fn stage() -> Option<PathBuf> {
    let program = everwatch_torture::program::everwatch();
    let candidates = ["/mnt", "/media", "/srv"].map(PathBuf::from);
    candidates
        .into_iter()
        .filter(|place| !program.starts_with(place))
        .find(|place| fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none()))
}

/// Runs the body with the volume mounted as [`Place::Disk`](everwatch_torture::scratch::Place::Disk). `test` is
/// the name of the calling test, as `volumes::convergence::ext4_converges`.
fn on(volume: Volume, test: &str, body: impl FnOnce(&Mounted)) {
    let prepare = |_: &Mounted| ();
    on_prepared(volume, test, prepare, body);
}

/// Like [`on`]. `prepare` fills the layers before an overlay or a FUSE file system is mounted on them.
fn on_prepared(
    volume: Volume,
    test: &str,
    prepare: impl FnOnce(&Mounted),
    body: impl FnOnce(&Mounted),
) {
    if let Some((program, _)) = volume.program()
        && find(program).is_none()
    {
        return skipped(test, &format!("{program} is missing"));
    }
    let Some(stage) = stage() else {
        return skipped(test, "none of /mnt, /media and /srv is an empty directory");
    };
    let at = stage.join("volume");
    let variables = [
        ("EVERWATCH_DISK", at.as_os_str()),
        (
            "EVERWATCH_COMMAND",
            everwatch_torture::program::everwatch().as_os_str(),
        ),
    ];
    as_root_with_mounts(test, &variables, || {
        match mounted(volume, &stage, prepare) {
            Ok(mounted) => body(&mounted),
            Err(why) => {
                let known = fs::read_to_string("/proc/filesystems").expect("/proc is there");
                let is_known = known
                    .lines()
                    .any(|line| line.split_whitespace().last() == Some(volume.type_name()));
                assert!(!is_known, "{why}");
                skipped(test, &format!("the kernel has no {}", volume.type_name()));
            }
        }
    });
}

/// Mounts a volume below `stage`, or says why that is not possible.
fn mounted(
    volume: Volume,
    stage: &Path,
    prepare: impl FnOnce(&Mounted),
) -> Result<Mounted, String> {
    run("mount", &["-t", "tmpfs", "everwatch-tests"], &[stage])?;
    let mut mounted = Mounted {
        at: stage.join("volume"),
        layers: stage.join("layers"),
        server: None,
    };
    for dir in [&mounted.at, &mounted.layers] {
        fs::create_dir(dir).expect("make a directory");
    }
    match volume {
        Volume::Ext4 | Volume::Xfs | Volume::Btrfs => {
            let image = stage.join("image");
            on_image(volume, &image, &mounted.at)?;
        }
        Volume::Tmpfs => run("mount", &["-t", "tmpfs", "everwatch-tests"], &[&mounted.at])?,
        Volume::Bind => run("mount", &["--bind"], &[&mounted.layers, &mounted.at])?,
        Volume::Overlay | Volume::OverlayOfTwo => {
            let (layers, upper) = (&mounted.layers, stage.join("upper"));
            on_image(Volume::Ext4, &stage.join("image"), layers)?;
            let upper = match volume {
                Volume::Overlay => layers.join("upper"),
                _ => upper,
            };
            let (changes, work) = (upper.join("changes"), upper.join("work"));
            for dir in [&mounted.lower(), &changes, &work] {
                fs::create_dir_all(dir).expect("make a directory");
            }
            prepare(&mounted);
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                mounted.lower().display(),
                changes.display(),
                work.display()
            );
            let arguments = ["-t", "overlay", "-o", &options, "everwatch-tests"];
            run("mount", &arguments, &[&mounted.at])?;
        }
        Volume::Fuse => {
            fs::create_dir(mounted.shown()).expect("make a directory");
            prepare(&mounted);
            mounted.server = Some(served(&mounted)?);
        }
    }
    let found = statfs(&mounted.at).expect("statfs").f_type as u64;
    assert_eq!(found, volume.magic(), "{volume:?} is mounted");
    Ok(mounted)
}

/// Makes a file system on a new image and mounts it. The loop device is detached by the kernel with the mount
/// (loop(4), `LO_FLAGS_AUTOCLEAR`, which mount(8) sets).
fn on_image(volume: Volume, image: &Path, at: &Path) -> Result<(), String> {
    let (make, arguments) = volume.program().expect("a file system on a device");
    let make = find(make).ok_or_else(|| format!("{make} is missing"))?;
    let file = File::create_new(image).expect("make an image");
    file.set_len(IMAGE_SIZE).expect("set the size of an image");
    run(make, arguments, &[image])?;
    let arguments = ["-t", volume.type_name(), "-o", "loop"];
    run("mount", &arguments, &[image, at])
}

/// Starts a FUSE server and waits until its file system is mounted.
fn served(mounted: &Mounted) -> Result<Child, String> {
    let (program, arguments) = Volume::Fuse.program().expect("FUSE has a server");
    // The server must not outlive this process: it would keep the mount namespace.
    let mut server = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(program)
        .args(arguments)
        .args([&mounted.shown(), &mounted.at])
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("setpriv: {error}"))?;
    let mut ended = None;
    eventually("the FUSE server has mounted or has ended", || {
        ended = server.try_wait().expect("wait for the server");
        let magic = statfs(&mounted.at).map_or(0, |found| found.f_type as u64);
        ended.is_some() || magic == Volume::Fuse.magic()
    });
    match ended {
        None => Ok(server),
        Some(status) => Err(format!("{program} ended with {status}")),
    }
}

/// Runs a program with words and then paths as arguments.
fn run(
    program: impl AsRef<OsStr>,
    words: &[&str],
    paths: &[impl AsRef<OsStr>],
) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(words).args(paths);
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The path of a program. The tools of file systems are in directories that are not in every `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}
