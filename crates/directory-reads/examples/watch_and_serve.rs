//! Watches a directory and sends what happens in it to every client of a pipe, on one thread.
//!
//! `watch_and_serve DIRECTORY PIPE`, for example `watch_and_serve C:\data \\.\pipe\changes`. Whichever of the
//! two futures is not ready is dropped in each round; neither a client nor a change is lost by that.

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::AsHandle;
    use std::time::Duration;

    use everwatch_directory_reads::{Completion, DirectoryChanges, Settings, records};
    use everwatch_proactor::{
        Proactor,
        pipe::{PipeOptions, PipeServer, PipeStream},
    };
    use futures_lite::future::or;

    const FILE_LIST_DIRECTORY: u32 = 1;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

    enum Event {
        Client(PipeStream),
        Changed(String),
        Ended(u32),
    }

    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: watch_and_serve DIRECTORY PIPE".into());
    };
    let directory = std::fs::OpenOptions::new()
        .access_mode(FILE_LIST_DIRECTORY)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(&path)?;

    let mut proactor = Proactor::new()?;
    let remote = proactor.remote();
    let mut changes = DirectoryChanges::start(&remote, directory.as_handle(), Settings::default())?;
    drop(directory);
    let server = PipeServer::bind(&remote, &name, PipeOptions::default())?;
    println!("watching");

    proactor.block_on(async {
        let mut clients: Vec<PipeStream> = Vec::new();
        loop {
            let accepted = async { server.accept().await.map(Event::Client) };
            let happened = async {
                Ok(match changes.next().await {
                    Completion::Changes { bytes, layout } => {
                        let lines = records::changes(bytes, layout).map(|change| match change {
                            Ok(change) => {
                                let mut name = Vec::new();
                                change.name.push_wtf8(&mut name);
                                format!("{:?} {}\n", change.action, String::from_utf8_lossy(&name))
                            }
                            Err(_) => "the rest is not readable\n".to_owned(),
                        });
                        Event::Changed(lines.collect())
                    }
                    Completion::Lost => Event::Changed("some changes were lost\n".to_owned()),
                    Completion::Failed { code } => Event::Ended(code),
                })
            };
            match or(accepted, happened).await? {
                Event::Client(client) => clients.push(client),
                Event::Changed(text) => {
                    let mut present = Vec::new();
                    for client in clients {
                        // A client that does not read must not delay the others.
                        let sent = async {
                            let (written, _) = client.write(text.clone().into_bytes()).await;
                            written.is_ok()
                        };
                        let is_late = async { remote.sleep(Duration::from_secs(1)).await.is_err() };
                        if or(sent, is_late).await {
                            present.push(client);
                        }
                    }
                    clients = present;
                }
                Event::Ended(code) => {
                    return Err(std::io::Error::from_raw_os_error(code.cast_signed()));
                }
            }
        }
    })?;
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("This example is for Windows.");
}
