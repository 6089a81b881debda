//! A read that gives up after a time, overlapped or blocking, and what another thread's close does to it.
//!
//! `read_with_a_timeout DIRECTORY overlapped|blocking MILLISECONDS` prints a line for each change, and one whenever
//! nothing changed for the time. It ends when standard input ends. Both versions behave alike: a byte count of zero is
//! never taken for a close, and closing never blocks behind a read that waits.

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Read;
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::AsHandle;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use everwatch_directory_reads::{Completion, Model, Settings, Tag, reads, records};

    const FILE_LIST_DIRECTORY: u32 = 1;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, model, timeout) = match &arguments[..] {
        [path, model, timeout] => (path, &**model, timeout.parse().map(Duration::from_millis)),
        _ => {
            return Err(
                "usage: read_with_a_timeout DIRECTORY overlapped|blocking MILLISECONDS".into(),
            );
        }
    };
    let model = match model {
        "overlapped" => Model::Event,
        "blocking" => Model::Blocking,
        other => return Err(format!("the version is overlapped or blocking, not {other}").into()),
    };
    let timeout = timeout.map_err(|error| format!("the time is a number: {error}"))?;
    let path = std::fs::canonicalize(path)?;
    let directory = std::fs::OpenOptions::new()
        .access_mode(FILE_LIST_DIRECTORY)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(&path)?;
    let mut reader = reads(model)?;
    reader.arm(Tag(1), directory.as_handle(), &path, Settings::default())?;
    println!("watching");

    // Another thread may end it at any time: it wakes the one that reads, which closes.
    let is_over = Arc::new(AtomicBool::new(false));
    let (waker, ends) = (reader.waker(), Arc::clone(&is_over));
    std::thread::spawn(move || {
        // An input that cannot be read has ended as well.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ends.store(true, Ordering::Release);
        waker.ring();
    });
    let mut quiet_since = Instant::now();
    while !is_over.load(Ordering::Acquire) {
        let left = timeout.saturating_sub(quiet_since.elapsed());
        reader.wait(Some(left));
        let collected = reader.collect(&mut |_, completion| match completion {
            Completion::Changes { bytes, layout } => {
                for change in records::changes(bytes, layout) {
                    match change {
                        Ok(change) => println!("{:?} {:?}", change.action, change.name),
                        Err(error) => println!("the rest is lost: {error}"),
                    }
                }
            }
            Completion::Lost => println!("lost, list the directory again"),
            Completion::Failed { code } => println!("ended with error {code}"),
        });
        if collected.delivered > 0 {
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() >= timeout {
            println!("nothing in {} ms", timeout.as_millis());
            quiet_since = Instant::now();
        }
    }
    reader.close();
    println!("closed");
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("This example is for Windows.");
}
