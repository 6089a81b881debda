//! pyinotify's way, as Ubuntu One had it on Windows: a manager, a mask, a handler that one thread calls, and a watch that is
//! changed while it goes on.
//!
//! `cargo run --example a_watch_that_changes`

use std::error::Error;
use std::fs;

use everwatch_pyinotify::{Mask, WatchManager};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let root = dir.path();
    fs::create_dir(root.join("cache"))?;

    let manager = WatchManager::new(|_, event| match event.cookie {
        0 => println!("{event}"),
        cookie => println!("{event} (cookie {cookie})"),
    })?;
    let watch = manager.add_watch(root, Mask::ALL_EVENTS, true)?;
    watch.ignore_path(root.join("cache"))?;

    fs::create_dir(root.join("letters"))?;
    fs::write(root.join("letters/draft"), "Dear reader")?;
    // A file that has its last name before it is seen under the first was never moved, to the handler.
    manager.sync()?;
    fs::rename(root.join("letters/draft"), root.join("letters/sent"))?;
    fs::write(root.join("cache/unseen"), "")?;

    // From now on only what is deleted matters.
    watch.update(Mask::IN_DELETE, true)?;
    fs::write(root.join("letters/next"), "")?;
    fs::remove_dir_all(root.join("letters"))?;

    // The handler has seen all of that when this returns.
    manager.sync()?;
    manager.stop();
    Ok(())
}
