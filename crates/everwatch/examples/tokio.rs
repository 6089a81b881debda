//! Awaits a feed under tokio: `cargo run --example tokio -- DIR`.
//!
//! Awaiting a feed needs no timer and no reactor, so the smallest runtime is enough.

use std::path::PathBuf;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), everwatch::Error> {
    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| ".".into(), PathBuf::from);
    let mut feed = watch(path).await?;
    while let Some(event) = feed.next_async().await {
        println!("{event}");
    }
    Ok(())
}

/// Arming a large tree takes a while, so it must not happen on the thread that runs the other tasks.
async fn watch(path: PathBuf) -> Result<everwatch::Feed, everwatch::Error> {
    match tokio::task::spawn_blocking(move || everwatch::watch(path)).await {
        Ok(feed) => feed,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
