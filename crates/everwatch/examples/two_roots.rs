//! One watcher, two roots, one feed: a file that goes from one root to the other is one change.
//!
//! `cargo run --example two_roots`

use std::error::Error;
use std::fs;

use everwatch::{ChangeKind, Watcher};

fn main() -> Result<(), Box<dyn Error>> {
    let (inbox, archive) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let watcher = Watcher::new()?;
    let mut feed = watcher.feed()?;
    watcher.watch(inbox.path())?;
    watcher.watch(archive.path())?;

    fs::write(inbox.path().join("letter"), "Dear reader")?;
    fs::rename(inbox.path().join("letter"), archive.path().join("letter-1"))?;

    // Every change before this call is in the feed when it returns.
    watcher.sync()?;
    while let Some(event) = feed.try_next()? {
        match event.change() {
            Some(change) => match &change.kind {
                ChangeKind::Moved { from } => {
                    println!("{} went to {}", from.display(), change.path.display());
                }
                kind => println!("{} was {}", change.path.display(), kind.as_str()),
            },
            None => println!("{event}"),
        }
    }
    Ok(())
}
