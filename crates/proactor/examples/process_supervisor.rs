//! Keeps programs running: starts them, starts those again that fail, after pauses that grow, forwards what
//! they write, and ends all of them at Ctrl-C. One thread does everything.
//!
//! ```text
//! process_supervisor PROGRAM [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]...
//! ```
//!
//! Nothing is left running, also when the supervisor is killed: each child is in a job of its own, which the
//! system closes with the supervisor's handles.

#[cfg(windows)]
fn main() -> std::io::Result<()> {
    supervisor::main()
}

#[cfg(not(windows))]
fn main() {
    eprintln!("This example is for Windows.");
}

#[cfg(windows)]
mod supervisor {
    use std::future::{Future, poll_fn};
    use std::io::{self, Write};
    use std::pin::{Pin, pin};
    use std::process::{Command, ExitStatus};
    use std::task::Poll;
    use std::time::{Duration, Instant};

    use everwatch_proactor::{Proactor, Remote, Stream, process::Start};

    const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(10);
    /// After a child that has lived for this long the pause is the shortest one again.
    const LONG_LIFE: Duration = Duration::from_secs(30);

    type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

    pub(super) fn main() -> io::Result<()> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let programs: Vec<&[String]> = arguments.split(|word| word == "--").collect();
        if programs.iter().any(|words| words.is_empty()) {
            eprintln!("process_supervisor PROGRAM [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]...");
            std::process::exit(2);
        }
        let mut proactor = Proactor::new().map_err(io::Error::other)?;
        let remote = proactor.remote();
        let ctrl_c = remote.ctrl_c()?;
        let all = programs.iter().enumerate();
        let all = all.map(|(number, words)| keep_running(&remote, number + 1, words));
        let all = join(
            all.map(|one| Box::pin(one) as Boxed<'_, io::Result<()>>)
                .collect(),
        );
        let ended = proactor.block_on(first_of(Box::pin(all), Box::pin(ctrl_c.next())));
        match ended {
            First::One(results) => results.into_iter().collect(),
            // What was under way was dropped, and with each child's `Child` went its job.
            First::Other(event) => {
                println!("{:?}: all are ended", event?);
                Ok(())
            }
        }
    }

    /// Until it exits well.
    async fn keep_running(remote: &Remote, number: usize, words: &[String]) -> io::Result<()> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let begun = Instant::now();
            match run(remote, number, words).await {
                Ok(status) if status.success() => {
                    println!("[{number}] has done its work");
                    return Ok(());
                }
                Ok(status) => println!("[{number}] failed: {status}"),
                Err(error) => println!("[{number}] cannot be run: {error}"),
            }
            if begun.elapsed() >= LONG_LIFE {
                pause = SHORTEST_PAUSE;
            }
            println!("[{number}] starts again in {pause:?}");
            remote.sleep(pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Runs a program once, and forwards what it writes until both its outputs have ended and it has exited.
    async fn run(remote: &Remote, number: usize, words: &[String]) -> io::Result<ExitStatus> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let start = Start::new(command)
            .without_window()
            .stdin()
            .stdout()
            .stderr();
        let mut child = start.spawn(remote)?;
        println!("[{number}] runs as process {}", child.id());
        // There is nothing to read for it.
        child.stdin = None;
        let mut outputs: Vec<Boxed<'_, io::Result<()>>> = Vec::new();
        for stream in [&child.stdout, &child.stderr].into_iter().flatten() {
            outputs.push(Box::pin(forward(number, stream)));
        }
        for output in join(outputs).await {
            output?;
        }
        child.status().await
    }

    /// Prints whole lines, with the number of who wrote them.
    async fn forward(number: usize, stream: &Stream) -> io::Result<()> {
        let mut rest = Vec::new();
        let mut buffer = Vec::with_capacity(64 * 1024);
        loop {
            let (read, bytes) = stream.read(buffer).await;
            let is_over = read? == 0;
            rest.extend_from_slice(&bytes);
            let mut out = io::stdout().lock();
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                write!(out, "[{number}] ")?;
                out.write_all(&rest[..=end])?;
                rest.drain(..=end);
            }
            if is_over {
                if !rest.is_empty() {
                    writeln!(out, "[{number}] {}", String::from_utf8_lossy(&rest))?;
                }
                return out.flush();
            }
            buffer = bytes;
        }
    }

    /// All of them at once; their outputs in their order.
    async fn join<T>(mut futures: Vec<Boxed<'_, T>>) -> Vec<T> {
        let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
        poll_fn(|context| {
            for (future, output) in futures.iter_mut().zip(&mut outputs) {
                if output.is_none()
                    && let Poll::Ready(ready) = future.as_mut().poll(context)
                {
                    *output = Some(ready);
                }
            }
            match outputs.iter().all(Option::is_some) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        outputs.into_iter().flatten().collect()
    }

    enum First<T, U> {
        One(T),
        Other(U),
    }

    /// Whichever ends first. The other is dropped.
    async fn first_of<T, U>(one: Boxed<'_, T>, other: Boxed<'_, U>) -> First<T, U> {
        let (mut one, mut other) = (pin!(one), pin!(other));
        poll_fn(|context| {
            if let Poll::Ready(output) = one.as_mut().poll(context) {
                return Poll::Ready(First::One(output));
            }
            other.as_mut().poll(context).map(First::Other)
        })
        .await
    }
}
