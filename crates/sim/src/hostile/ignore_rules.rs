//! Ignore rules of any text: globs of the caller's, rules above the root, and files in the tree.
//!
//! Nothing panics; what is shown is on disk; without rules everything is shown; a listing and a
//! record of the same entry agree on whether it is hidden.

use std::path::Path;
use std::time::Duration;

use everwatch_core::Engine;
use everwatch_core::engine::{Pace, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::ignore::{AncestorIgnores, Filter, IgnoreFiles};
use everwatch_core::tree::Tree;
use everwatch_testing::bytes::Bytes;

use super::processes::HostileProcesses;
use super::records;
use crate::disk::Ino;
use crate::linux::kernel::LinuxKernel;
use crate::schedule::expected_tree::ExpectedTree;
use crate::schedule::scope::Scope;
use crate::system::calls::Kind;
use crate::trace::Trace;
use crate::world::World;

type IgnoreKernel = LinuxKernel<HostileProcesses<'static>>;

/// The body of the fuzz target `ignore_rules`.
///
/// # Panics
///
/// If one of the promises above is broken.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let globs: Vec<String> = (0..bytes.below(3))
        .map(|_| String::from_utf8_lossy(bytes.run()).into_owned())
        .collect();
    let reads_rules = bytes.below(2) == 0;
    let files = match reads_rules {
        true => IgnoreFiles::Git,
        false => IgnoreFiles::None,
    };
    let Ok(filter) = Filter::new(&globs, files) else {
        return;
    };
    let outer = bytes.run();
    let mut kernel = records::kernel(&[], Trace::Off);
    let mut has_rules = !globs.is_empty() || !outer.is_empty();
    for dir in ["/r", "/r/d", "/r/d/e"] {
        let text = bytes.run();
        has_rules |= !text.is_empty();
        place(&mut kernel, dir, b".gitignore", Kind::File, text);
        for _ in 0..bytes.below(4) {
            let kind = [Kind::File, Kind::Dir, Kind::Symlink(b"")][bytes.below(3)];
            let name = bytes.run();
            place(&mut kernel, dir, name, kind, b"");
        }
        place(&mut kernel, dir, b"d", Kind::Dir, b"");
        place(&mut kernel, dir, b"e", Kind::Dir, b"");
    }
    let outer = match outer.is_empty() || !reads_rules {
        true => Vec::new(),
        false => vec![AncestorIgnores::new("above".into(), outer)],
    };
    let on_disk = on_disk(&kernel);
    let shown = armed(kernel, filter, outer);
    for (path, entry) in shown.iter() {
        let real = on_disk.get(&path).map(|entry| entry.file_type);
        assert_eq!(real, Some(entry.file_type), "{} is shown", path.display());
        let is_git = path.components().any(|name| name.as_os_str() == ".git");
        assert!(!(reads_rules && is_git), "{} is shown", path.display());
    }
    if !reads_rules && globs.is_empty() || !has_rules && !has_git(&on_disk) {
        let differences = shown.diff(&on_disk);
        assert!(differences.is_empty(), "without rules: {differences:#?}");
    }
}

/// Creates an entry with this content, if the name is free and can be one.
fn place(kernel: &mut IgnoreKernel, dir: &str, name: &[u8], kind: Kind<'_>, content: &[u8]) {
    let is_name = !name.is_empty() && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
    if !is_name || name == b"." || name == b".." {
        return;
    }
    let World {
        system, workload, ..
    } = kernel.world_mut();
    let Ok(dir) = system.disk.resolve(dir.as_bytes()) else {
        return;
    };
    if system.disk.is_dir(dir) && system.make(dir, name, kind).is_ok() {
        workload.texts.insert(system.disk.version, content.to_vec());
    }
}

/// All that is at and below the root.
fn on_disk(kernel: &IgnoreKernel) -> Tree<Option<Ino>> {
    let scope = Scope {
        dir: b"/r".to_vec(),
        only: None,
        recursive: true,
        obeys_rules: false,
    };
    ExpectedTree::of(&kernel.world().system.disk, &[scope]).tree
}

fn has_git(tree: &Tree<Option<Ino>>) -> bool {
    tree.iter()
        .any(|(path, _)| path.components().any(|name| name.as_os_str() == ".git"))
}

/// What a consumer is shown: by the first listing, and by the comparison after lost records.
fn armed(kernel: IgnoreKernel, filter: Filter, outer: Vec<AncestorIgnores>) -> Tree {
    let mut engine = Engine::new(kernel, filter, Pace::default());
    let spec = RootSpec {
        dir: "/r".into(),
        only: None,
        recursive: true,
        outer,
    };
    engine.add_root(spec).expect("the root is there");
    let mut now = Duration::ZERO;
    while !engine.is_armed() {
        now += Duration::from_millis(1);
        engine.step(now);
    }
    let before = entries(&engine);
    engine.kernel_mut().world_mut().system.queue.overflow();
    for _ in 0..64 {
        now += Duration::from_millis(1);
        engine.step(now);
    }
    let after = entries(&engine);
    assert_eq!(
        before, after,
        "a comparison with the disk shows other entries (right)"
    );
    after
}

fn entries(engine: &Engine<IgnoreKernel>) -> Tree {
    let mut shown = Tree::new();
    shown.insert(Path::new("/r"), FileType::Dir);
    engine.entries(|path, file_type| shown.insert(path, file_type));
    shown
}
