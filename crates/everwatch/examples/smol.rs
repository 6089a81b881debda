//! Awaits a feed under smol, beside another task: `cargo run --example smol -- DIR`.

use std::path::PathBuf;
use std::time::Duration;

use smol::stream::StreamExt;

fn main() -> Result<(), everwatch::Error> {
    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| ".".into(), PathBuf::from);
    smol::block_on(async {
        // Arming a large tree takes a while, so it must not happen on the thread that runs the other tasks.
        let feed = smol::unblock(move || everwatch::watch(path)).await?;
        let mut events = feed.into_stream();
        let clock = smol::spawn(async {
            let mut minutes = smol::Timer::interval(Duration::from_secs(60));
            while minutes.next().await.is_some() {
                println!("another minute has passed");
            }
        });
        while let Some(event) = events.next().await {
            println!("{event}");
        }
        clock.cancel().await;
        Ok(())
    })
}
