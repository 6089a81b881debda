//! Watches one directory under each of the five completion models, side by side.
//!
//! `watch_with_each_model DIRECTORY`, for example `watch_with_each_model C:\data`. Each change is printed once by each
//! model, with the name of the model in front. Ctrl-C ends it.

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::AsHandle;
    use std::time::Duration;

    use everwatch_directory_reads::{
        Completion, DirectoryReads, Model, Settings, Tag, reads, records, serve_isolated,
    };

    const FILE_LIST_DIRECTORY: u32 = 1;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    /// By this argument the program knows that it is the worker of the model `isolated`.
    const WORKER: &str = "--worker";

    let argument = std::env::args_os().nth(1);
    if argument.as_deref() == Some(WORKER.as_ref()) {
        serve_isolated();
    }
    let Some(path) = argument else {
        return Err("usage: watch_with_each_model DIRECTORY".into());
    };
    // A verbatim path (`\\?\...`): the worker of `isolated` gives it to the kernel as it is.
    let path = std::fs::canonicalize(path)?;
    let directory = std::fs::OpenOptions::new()
        .access_mode(FILE_LIST_DIRECTORY)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(&path)?;

    let isolated = Model::Isolated {
        worker: std::env::current_exe()?,
        arguments: vec![WORKER.into()],
    };
    let models = [
        ("port", Model::Port),
        ("apc", Model::Apc),
        ("event", Model::Event),
        ("blocking", Model::Blocking),
        ("isolated", isolated),
    ];
    let mut readers: Vec<(&str, Box<dyn DirectoryReads>)> = Vec::new();
    for (name, model) in models {
        let mut reader = reads(model)?;
        reader.arm(Tag(1), directory.as_handle(), &path, Settings::default())?;
        readers.push((name, reader));
    }
    println!("watching {}", path.display());

    loop {
        // One thread waits for five readers in turn. A program has one reader, and waits for as long as it takes.
        for (name, reader) in &mut readers {
            reader.wait(Some(Duration::from_millis(20)));
            reader.collect(&mut |_, completion| match completion {
                Completion::Changes { bytes, layout } => {
                    for change in records::changes(bytes, layout) {
                        match change {
                            Ok(change) => println!("{name}: {:?} {:?}", change.action, change.name),
                            Err(error) => println!("{name}: the rest is lost: {error}"),
                        }
                    }
                }
                Completion::Lost => println!("{name}: lost, list the directory again"),
                Completion::Failed { code } => println!("{name}: ended with error {code}"),
            });
        }
    }
}

#[cfg(not(windows))]
fn main() {
    eprintln!("This example is for Windows.");
}
