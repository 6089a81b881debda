//! Ignore rules of any text: globs of the caller's, rules above the root, and files in the tree.
//!
//! Nothing panics; what is shown is on disk; without rules everything is shown; a listing and a
//! record of the same entry agree on whether it is hidden.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use everwatch_core::Engine;
use everwatch_core::engine::{Pace, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::ignore::{AncestorIgnores, Filter, IgnoreFiles};

use crate::bytes::Bytes;
use crate::disk::Disk;

/// The body of the target.
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
    let mut disk = Disk::new(Bytes::new(&[]));
    let mut has_rules = !globs.is_empty() || !outer.is_empty();
    for dir in ["/r", "/r/d", "/r/d/e"] {
        let text = bytes.run();
        has_rules |= !text.is_empty();
        disk.place(Path::new(dir), b".gitignore", FileType::File, text);
        for _ in 0..bytes.below(4) {
            let kind = [FileType::File, FileType::Dir, FileType::Symlink][bytes.below(3)];
            let name = bytes.run();
            disk.place(Path::new(dir), name, kind, b"");
        }
        disk.place(Path::new(dir), b"d", FileType::Dir, b"");
        disk.place(Path::new(dir), b"e", FileType::Dir, b"");
    }
    let outer = match outer.is_empty() || !reads_rules {
        true => Vec::new(),
        false => vec![AncestorIgnores::new("above".into(), outer)],
    };
    let on_disk = disk.walk(Path::new("/r"));
    let shown = armed(disk, filter, outer);
    for (path, kind) in &shown {
        assert_eq!(on_disk.get(path), Some(kind), "{} is shown", path.display());
        let is_git = path.components().any(|name| name.as_os_str() == ".git");
        assert!(!(reads_rules && is_git), "{} is shown", path.display());
    }
    if !reads_rules && globs.is_empty() || !has_rules && !has_git(&on_disk) {
        assert_eq!(shown, on_disk, "there are no rules (left is shown)");
    }
}

fn has_git(tree: &BTreeMap<std::path::PathBuf, FileType>) -> bool {
    tree.keys()
        .any(|path| path.components().any(|name| name.as_os_str() == ".git"))
}

fn armed(
    disk: Disk<'_>,
    filter: Filter,
    outer: Vec<AncestorIgnores>,
) -> BTreeMap<std::path::PathBuf, FileType> {
    let mut engine = Engine::new(disk, filter, Pace::default());
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
    engine.kernel_mut().overflow();
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

fn entries(engine: &Engine<Disk<'_>>) -> BTreeMap<std::path::PathBuf, FileType> {
    let mut shown = BTreeMap::new();
    engine.entries(|path, file_type| {
        shown.insert(path, file_type);
    });
    shown
}
