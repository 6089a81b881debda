//! `everwatch watch`: arms the paths, prints what exists on request, and then the feed until it ends.
//!
//! The main thread arms and prints; it blocks in the feed and in writes to standard output. Everything else
//! has threads of its own: the engine of the library, signals, the end of the reader, the running count.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use everwatch::{Error, ErrorKind, Event, Feed, Options, Watcher};

use crate::args::WatchArgs;
use crate::output::Output;
use crate::{progress, shutdown};

/// Watches until a signal comes or the reader of standard output has gone. An error is the sentence for
/// standard error.
pub(crate) fn run(args: &WatchArgs) -> Result<(), String> {
    let sentence = |error: Error| error.to_string();
    let watcher = Arc::new(options(args).build().map_err(sentence)?);
    // Before the first path is armed, which may take long: a signal ends that, too.
    shutdown::on_signal(&watcher)?;
    shutdown::on_closed_output();
    // The feed is opened before the paths are armed, so that it has the coverage events of arming.
    let armed = watcher.feed().and_then(|feed| {
        progress::shown(&watcher, || {
            args.paths
                .iter()
                .try_for_each(|path| watcher.watch(path).map(drop))
        })?;
        shutdown::IS_ARMED.store(true, Ordering::Release);
        Ok(feed)
    });
    let mut feed = match armed {
        Ok(feed) => feed,
        // A signal came first.
        Err(error) if error.kind() == ErrorKind::Closed => return Ok(()),
        Err(error) => return Err(sentence(error)),
    };
    let mut output = Output::new(args.format, args.only.clone());
    // From here on, errors are those of standard output, or mean that the watcher was closed.
    let printed = (|| {
        if args.snapshot {
            feed = print_snapshot(&watcher, feed, &mut output)?;
        }
        let roots = watcher.roots()?;
        let backend = watcher.backend().as_str();
        output.ready(&roots, backend, &watcher.cursor().to_string())?;
        print_feed(&watcher, &mut feed, &mut output)
    })();
    match printed {
        // The reader has gone, or a signal came.
        Err(error) if is_end(&error) => Ok(()),
        Err(error) => Err(format!("cannot write to standard output: {error}")),
        Ok(()) => Ok(()),
    }
}

/// The options of the watcher for these arguments.
fn options(args: &WatchArgs) -> Options {
    let mut options = Options::new()
        .backend(args.backend.into())
        .completion(args.completion.into())
        .recursive(!args.no_recursive)
        .gitignore(args.gitignore)
        .poll_interval(args.poll_interval);
    for glob in &args.ignore {
        options = options.ignore(glob);
    }
    // Without this option, each change is printed as soon as it is known.
    if let Some(quiet) = args.settle {
        options = options.settle(quiet);
    }
    if let Some(longest) = args.settle_max {
        options = options.settle_at_most(longest);
    }
    // The isolated completion model starts this program as its worker, see `main`. Without a path, the
    // library starts the `everwatch` of the search path, which may be another version.
    if let Ok(program) = std::env::current_exe() {
        options = options.worker(program);
    }
    options
}

/// Whether the error means that the reader of standard output has gone, or that the watcher was closed.
fn is_end(error: &io::Error) -> bool {
    /// ERROR_PIPE_NOT_CONNECTED: what Wine returns when the other end closed the pipe.
    const NOT_CONNECTED: i32 = 233;
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected
    ) || (cfg!(windows) && error.raw_os_error() == Some(NOT_CONNECTED))
}

/// Prints the entries of a snapshot, and returns the feed that continues it. Coverage events of the
/// first feed are printed before, because the second one does not repeat them.
fn print_snapshot(watcher: &Watcher, mut feed: Feed, output: &mut Output) -> io::Result<Feed> {
    let snapshot = watcher.snapshot()?;
    while let Some(event) = feed.try_next()? {
        if let Event::Coverage(_) = event {
            output.event(&event, watcher.counters())?;
        }
    }
    for entry in &snapshot.entries {
        output.change(&entry.as_created())?;
    }
    Ok(snapshot.feed)
}

/// Prints until the watcher is closed. Flushes whenever the feed is empty, so a line waits for a buffer
/// to fill only while more lines follow at once.
fn print_feed(watcher: &Watcher, feed: &mut Feed, output: &mut Output) -> io::Result<()> {
    loop {
        let event = match feed.try_next() {
            Ok(Some(event)) => event,
            Ok(None) => {
                output.flush()?;
                match feed.next() {
                    Some(event) => event,
                    None => return output.flush(),
                }
            }
            Err(_) => return output.flush(),
        };
        output.event(&event, watcher.counters())?;
    }
}
