//! A server that reads any number of directories on one thread of its own, with completion routines or with a completion
//! port, and hands notifications over in a queue.
//!
//! `notification_server routines|port DIRECTORY...` prints a line for each change. On standard input it takes
//! `add DIRECTORY` and `remove DIRECTORY`; it ends when that ends, with no read outstanding.

#[cfg(windows)]
mod server {
    use std::collections::HashMap;
    use std::error::Error;
    use std::io;
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::AsHandle;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
    use std::thread::JoinHandle;

    use everwatch_directory_reads::{
        Completion, DirectoryReads, Model, Settings, Tag, Waker, reads, records,
    };

    const FILE_LIST_DIRECTORY: u32 = 1;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

    /// Lines that wait for the reader of the queue. Beyond that the server waits, and the kernel keeps what comes.
    const QUEUED: usize = 4096;

    /// What the server is asked to do. It answers when that is done.
    enum Command {
        Add(PathBuf, Sender<Result<(), String>>),
        Remove(PathBuf, Sender<Result<(), String>>),
    }

    /// Adds and removes directories, and ends the server when it is dropped.
    struct Server {
        commands: Option<Sender<Command>>,
        waker: Waker,
        thread: Option<JoinHandle<()>>,
    }

    impl Server {
        fn start(model: Model) -> Result<(Server, Receiver<String>), Box<dyn Error>> {
            let reader = reads(model)?;
            let waker = reader.waker();
            let (commands, asked) = channel();
            let (lines, queue) = sync_channel(QUEUED);
            let thread = std::thread::spawn(move || serve(reader, &asked, &lines));
            let server = Server {
                commands: Some(commands),
                waker,
                thread: Some(thread),
            };
            Ok((server, queue))
        }

        /// Reads the directory from now on: what changes after this is in the queue.
        fn add(&self, path: PathBuf) -> Result<(), Box<dyn Error>> {
            self.ask(|answer| Command::Add(path, answer))
        }

        /// Nothing of the directory comes to the queue after this.
        fn remove(&self, path: PathBuf) -> Result<(), Box<dyn Error>> {
            self.ask(|answer| Command::Remove(path, answer))
        }

        fn ask(
            &self,
            command: impl FnOnce(Sender<Result<(), String>>) -> Command,
        ) -> Result<(), Box<dyn Error>> {
            let (answer, answered) = channel();
            if let Some(commands) = &self.commands {
                commands.send(command(answer))?;
            }
            self.waker.ring();
            Ok(answered.recv()??)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.commands = None;
            self.waker.ring();
            if let Some(thread) = self.thread.take() {
                // A panic of the thread was printed by it.
                let _ = thread.join();
            }
        }
    }

    /// The thread of the server: it alone issues reads, and takes what completes.
    fn serve(
        mut reader: Box<dyn DirectoryReads>,
        asked: &Receiver<Command>,
        lines: &SyncSender<String>,
    ) {
        let mut directories: HashMap<PathBuf, Tag> = HashMap::new();
        let mut next = 1;
        loop {
            reader.wait(None);
            reader.collect(&mut |tag, completion| {
                let directory = directories.iter().find(|(_, own)| **own == tag);
                let directory = directory.map_or(Path::new(""), |(path, _)| path);
                for line in described(completion) {
                    // Without a reader of the queue there is nothing left to do but to wait for the end.
                    let _ = lines.send(format!("{}: {line}", directory.display()));
                }
            });
            loop {
                match asked.try_recv() {
                    Ok(Command::Add(path, answer)) => {
                        let added = add(&mut *reader, &path, Tag(next));
                        if added.is_ok() {
                            directories.insert(path, Tag(next));
                            next += 1;
                        }
                        let _ = answer.send(added);
                    }
                    Ok(Command::Remove(path, answer)) => {
                        let tag = directories.remove(&path);
                        tag.into_iter().for_each(|tag| reader.retire(tag));
                        let is_known = tag.ok_or_else(|| format!("{path:?} is not read"));
                        let _ = answer.send(is_known.map(|_| ()));
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        // Each read is cancelled, and its buffer freed when it has ended.
                        let closed = reader.close();
                        let _ = lines.send(format!("closed, {} reads outstanding", closed.leaked));
                        return;
                    }
                }
            }
        }
    }

    fn add(reader: &mut dyn DirectoryReads, path: &Path, tag: Tag) -> Result<(), String> {
        let why = |error: &dyn Error| format!("{}: {error}", path.display());
        let path = std::fs::canonicalize(path).map_err(|error| why(&error))?;
        let directory = std::fs::OpenOptions::new()
            .access_mode(FILE_LIST_DIRECTORY)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
            .open(&path)
            .map_err(|error| why(&error))?;
        reader
            .arm(tag, directory.as_handle(), &path, Settings::default())
            .map_err(|error| why(&error))
    }

    fn described(completion: Completion<'_>) -> Vec<String> {
        match completion {
            Completion::Changes { bytes, layout } => records::changes(bytes, layout)
                .map(|change| match change {
                    Ok(change) => format!("{:?} {:?}", change.action, change.name),
                    Err(error) => format!("the rest is lost: {error}"),
                })
                .collect(),
            Completion::Lost => vec!["lost, list the directory again".to_owned()],
            Completion::Failed { code } => vec![format!("ended with error {code}")],
        }
    }

    pub(crate) fn main() -> Result<(), Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let model = match arguments.next().as_deref() {
            Some("routines") => Model::Apc,
            Some("port") => Model::Port,
            _ => return Err("usage: notification_server routines|port DIRECTORY...".into()),
        };
        let (server, queue) = Server::start(model)?;
        let printer = std::thread::spawn(move || queue.iter().for_each(|line| println!("{line}")));
        for directory in arguments {
            server.add(directory.into())?;
        }
        println!("serving");
        for line in io::stdin().lines() {
            let line = line?;
            let done = match line.split_once(' ') {
                Some(("add", directory)) => server.add(directory.into()),
                Some(("remove", directory)) => server.remove(directory.into()),
                _ => Err("add DIRECTORY or remove DIRECTORY".into()),
            };
            match done {
                Ok(()) => println!("done: {line}"),
                Err(error) => println!("not done: {line}: {error}"),
            }
        }
        drop(server);
        printer.join().map_err(|_| "the printer panicked".into())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(windows)]
    server::main()?;
    #[cfg(not(windows))]
    eprintln!("This example is for Windows.");
    Ok(())
}
