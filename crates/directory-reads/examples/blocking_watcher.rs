//! A watcher thread that blocks in its read and can be stopped at any time, as an observer of python-watchdog is.
//!
//! `blocking_watcher DIRECTORY` prints a line for each change below the directory. It stops when standard input ends,
//! also if nothing has ever changed.

#[cfg(windows)]
mod watcher {
    use std::error::Error;
    use std::io::Read;
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::AsHandle;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::JoinHandle;

    use everwatch_directory_reads::{Completion, Model, Settings, Tag, Waker, reads, records};

    const FILE_LIST_DIRECTORY: u32 = 1;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

    /// A thread that reads one directory.
    struct Watcher {
        thread: JoinHandle<()>,
        waker: Waker,
        is_stopped: Arc<AtomicBool>,
    }

    impl Watcher {
        /// Starts to watch. What changes from here on is reported: the first read is issued before this returns.
        fn start(path: &Path) -> Result<Watcher, Box<dyn Error>> {
            let path = std::fs::canonicalize(path)?;
            let directory = std::fs::OpenOptions::new()
                .access_mode(FILE_LIST_DIRECTORY)
                .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
                .open(&path)?;
            let mut reader = reads(Model::Blocking)?;
            reader.arm(Tag(1), directory.as_handle(), &path, Settings::default())?;
            let waker = reader.waker();
            let is_stopped = Arc::new(AtomicBool::new(false));
            let stops = Arc::clone(&is_stopped);
            let thread = std::thread::spawn(move || {
                while !stops.load(Ordering::Acquire) {
                    reader.wait(None);
                    reader.collect(&mut |_, completion| report(completion));
                }
                // Cancels the read that blocks, and waits for its end. The directory can be removed afterwards.
                reader.close();
            });
            Ok(Watcher {
                thread,
                waker,
                is_stopped,
            })
        }

        /// Ends the thread, in whatever it is.
        fn stop(self) -> Result<(), Box<dyn Error>> {
            self.is_stopped.store(true, Ordering::Release);
            self.waker.ring();
            self.thread
                .join()
                .map_err(|_| "the watcher's thread panicked".into())
        }
    }

    fn report(completion: Completion<'_>) {
        match completion {
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
        }
    }

    pub(crate) fn main() -> Result<(), Box<dyn Error>> {
        let Some(path) = std::env::args_os().nth(1) else {
            return Err("usage: blocking_watcher DIRECTORY".into());
        };
        let watcher = Watcher::start(Path::new(&path))?;
        println!("watching");
        std::io::stdin().read_to_end(&mut Vec::new())?;
        watcher.stop()?;
        println!("stopped");
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(windows)]
    watcher::main()?;
    #[cfg(not(windows))]
    eprintln!("This example is for Windows.");
    Ok(())
}
