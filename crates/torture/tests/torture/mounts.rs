//! Mount points below a root. Without the right to mount, these tests print that and end.

use std::fs;
use std::path::{Path, PathBuf};

use everwatch_torture::scratch::{Place, Scratch};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

use crate::command::Everwatch;
use crate::run::check;

/// A mount, until this is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: &Path) -> Option<Mounted> {
        let flags = MountFlags::empty();
        Mounted::is_allowed(mount("everwatch-torture", at, "tmpfs", flags, c"size=16m"))?;
        Some(Mounted(at.to_owned()))
    }

    fn bind(from: &Path, at: &Path) -> Option<Mounted> {
        Mounted::is_allowed(mount_bind(from, at))?;
        Some(Mounted(at.to_owned()))
    }

    fn is_allowed(result: rustix::io::Result<()>) -> Option<()> {
        match result {
            Ok(()) => Some(()),
            Err(rustix::io::Errno::PERM) => {
                println!("not allowed to mount: nothing was tested");
                None
            }
            Err(error) => panic!("cannot mount: {error}"),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Detaching succeeds although files are open there.
        unmount(&self.0, UnmountFlags::DETACH).expect("unmount");
    }
}

/// A scratch directory with a root, and in that a mount point that has a file in it.
fn scene() -> (Scratch, PathBuf, PathBuf) {
    let scratch = Scratch::new(Place::Disk);
    let root = scratch.dir("root");
    let point = root.join("point");
    fs::create_dir(&point).expect("make a directory");
    fs::write(point.join("covered"), "").expect("write a file");
    (scratch, root, point)
}

fn fill(dir: &Path) {
    fs::create_dir_all(dir.join("sub/below")).expect("make directories");
    fs::write(dir.join("sub/below/file"), "").expect("write a file");
}

#[test]
fn what_is_mounted_and_unmounted_below_a_root_is_reported() {
    mounts_below_a_root();
}

/// Mounts and unmounts a file system below a root, several times.
pub(crate) fn mounts_below_a_root() {
    let (_scratch, root, point) = scene();
    let everwatch = Everwatch::start(&[&root], &[]);
    for round in 0..3 {
        let Some(mounted) = Mounted::tmpfs(&point) else {
            return;
        };
        fill(&point);
        everwatch.wait_for("what is mounted", |replica| {
            replica.contains(&point.join("sub/below/file"))
        });
        fs::rename(point.join("sub"), point.join("renamed")).expect("rename");
        everwatch.pass(&point, "sentinel");
        drop(mounted);
        everwatch.wait_for("what was covered", |replica| {
            replica.contains(&point.join("covered"))
        });
        everwatch.pass(&point, &format!("uncovered-{round}"));
    }
    check(everwatch, &[&root]);
}

#[test]
fn what_is_mounted_and_filled_at_full_speed_is_reported() {
    let (_scratch, root, point) = scene();
    let everwatch = Everwatch::start(&[&root], &[]);
    let Some(mounted) = Mounted::tmpfs(&point) else {
        return;
    };
    for number in 0..500 {
        fill(&point.join(format!("{number}")));
    }
    everwatch.pass(&root, "sentinel");
    check(everwatch, &[&root]);
    drop(mounted);
}

#[test]
fn a_file_system_that_is_mounted_before_and_unmounted_while_watched_is_reported() {
    let (_scratch, root, point) = scene();
    let Some(mounted) = Mounted::tmpfs(&point) else {
        return;
    };
    fill(&point);
    let everwatch = Everwatch::start(&[&root], &[]);
    fs::write(point.join("sub/later"), "").expect("write a file");
    everwatch.pass(&root, "one");
    drop(mounted);
    everwatch.wait_for("what was covered", |replica| {
        replica.contains(&point.join("covered"))
    });
    everwatch.pass(&point, "two");
    check(everwatch, &[&root]);
}

#[test]
fn a_directory_that_is_bound_to_another_place_is_reported_in_both() {
    binds_below_a_root();
}

/// Binds a directory of a root to another one, and works in both.
pub(crate) fn binds_below_a_root() {
    let (_scratch, root, point) = scene();
    let twin = root.join("twin");
    fs::create_dir(&twin).expect("make a directory");
    fill(&point);
    let everwatch = Everwatch::start(&[&root], &[]);
    let Some(mounted) = Mounted::bind(&point, &twin) else {
        return;
    };
    everwatch.wait_for("what is bound", |replica| {
        replica.contains(&twin.join("sub/below/file"))
    });
    fs::write(point.join("by-the-first-name"), "").expect("write a file");
    fs::write(twin.join("by-the-second-name"), "").expect("write a file");
    fs::rename(twin.join("sub"), twin.join("renamed")).expect("rename");
    fs::create_dir_all(point.join("new/below")).expect("make directories");
    everwatch.pass(&root, "one");
    fs::remove_dir_all(twin.join("renamed")).expect("remove it");
    fs::write(point.join("new/below/file"), "").expect("write a file");
    everwatch.pass(&root, "two");
    for place in [&point, &twin] {
        let file = place.join("new/below/file");
        everwatch.wait_for("it in both places", move |replica| replica.contains(&file));
    }
    drop(mounted);
    everwatch.wait_for("the end of the second", |replica| {
        !replica.contains(&twin.join("new"))
    });
    check(everwatch, &[&root]);
}

#[test]
fn a_directory_from_elsewhere_that_is_bound_into_a_root_is_reported() {
    let (scratch, root, point) = scene();
    let elsewhere = scratch.dir("elsewhere");
    fill(&elsewhere);
    let everwatch = Everwatch::start(&[&root], &[]);
    let Some(mounted) = Mounted::bind(&elsewhere, &point) else {
        return;
    };
    everwatch.wait_for("what is bound", |replica| {
        replica.contains(&point.join("sub/below/file"))
    });
    fs::write(elsewhere.join("by-its-own-name"), "").expect("write a file");
    everwatch.pass(&root, "one");
    check(everwatch, &[&root]);
    drop(mounted);
}

#[test]
fn a_file_system_that_is_mounted_on_the_root_itself_is_reported() {
    let (_scratch, root, _point) = scene();
    let everwatch = Everwatch::start(&[&root], &[]);
    let Some(mounted) = Mounted::tmpfs(&root) else {
        return;
    };
    fill(&root);
    everwatch.wait_for("what is mounted", |replica| {
        replica.contains(&root.join("sub/below/file"))
    });
    everwatch.pass(&root, "sentinel");
    drop(mounted);
    everwatch.wait_for("what was covered", |replica| {
        replica.contains(&root.join("point/covered"))
    });
    check(everwatch, &[&root]);
}
