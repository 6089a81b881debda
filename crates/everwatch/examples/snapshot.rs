//! Keeps a set of all paths below a directory, from the tree there is and what happens to it:
//! `cargo run --example snapshot -- DIR`.
//!
//! Between the snapshot and its feed nothing is missing and nothing is there twice, so that the set
//! is the tree on disk whenever the feed has been applied.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Snapshot, Watcher};

fn main() -> Result<(), everwatch::Error> {
    let root = std::env::args_os()
        .nth(1)
        .map_or_else(|| ".".into(), PathBuf::from);
    let watcher = Watcher::new()?;
    watcher.watch(&root)?;
    let Snapshot {
        entries, mut feed, ..
    } = watcher.snapshot()?;
    let mut tree: BTreeSet<PathBuf> = entries.into_iter().map(|entry| entry.path).collect();
    println!("{} entries", tree.len());
    for change in feed.changes() {
        println!("{change}");
        apply(&mut tree, change);
        println!("{} entries", tree.len());
    }
    Ok(())
}

fn apply(tree: &mut BTreeSet<PathBuf>, change: Change) {
    match change.kind {
        ChangeKind::Removed => drop(take(tree, &change.path)),
        ChangeKind::Moved { from } => {
            // What was at the target is replaced; what is below the source comes along.
            take(tree, &change.path);
            for below in take(tree, &from) {
                tree.insert(change.path.join(below).components().collect());
            }
        }
        _ => drop(tree.insert(change.path)),
    }
}

/// Takes a path and all below it out of the set; they are returned relative to it.
fn take(tree: &mut BTreeSet<PathBuf>, top: &Path) -> Vec<PathBuf> {
    // Paths are ordered by component: what is below a directory comes right behind it.
    let taken: Vec<PathBuf> = tree
        .range(top.to_owned()..)
        .take_while(|path| path.starts_with(top))
        .cloned()
        .collect();
    taken
        .iter()
        .filter_map(|path| {
            tree.remove(path);
            path.strip_prefix(top).ok().map(Path::to_owned)
        })
        .collect()
}
