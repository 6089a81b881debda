//! Keeps a copy of the tree below a directory, and prints each change: `cargo run --example snapshot -- DIR`.
//!
//! No change is missing between the snapshot and its feed, and none is there twice, so the copy is the
//! tree on disk whenever the feed has been applied.

use std::error::Error;
use std::path::PathBuf;

use everwatch::{FileType, Watcher};

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os()
        .nth(1)
        .map_or_else(|| ".".into(), PathBuf::from);
    let watcher = Watcher::new()?;
    watcher.watch(&root)?;
    let mut snapshot = watcher.snapshot()?;
    let mut tree = snapshot.tree();
    // A snapshot does not list the roots themselves. With them, the tree can judge every change.
    for root in watcher.roots()? {
        tree.insert(root, FileType::Dir);
    }
    println!("{} entries", tree.len());
    for event in &mut snapshot.feed {
        tree.apply(&event)?;
        println!("{event}; {} entries", tree.len());
    }
    Ok(())
}
