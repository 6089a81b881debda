//! The ends of a named pipe: two processes that the bench under Wine starts.
//!
//! The command line is `pipe serve|call SUBJECT WORKLOAD COUNT NAME`. Each end runs on one thread, in the
//! way that the documentation of its library shows. The client measures the time.

mod compio;
mod everwatch;
mod tokio;

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::service::{Called, say};

/// Bytes of a message that is echoed.
const MESSAGE: usize = 64;

/// Bytes of one write of a stream.
const BLOCK: usize = 64 * 1024;

/// Messages or blocks before the measurement, to warm up.
const BEFORE: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Workload {
    /// Messages that are echoed one by one.
    PingPong,
    /// Blocks in one direction, and one byte back after the last.
    Stream,
}

/// An end of a pipe, and its task.
#[derive(Clone, Debug)]
struct End {
    name: String,
    workload: Workload,
    count: usize,
}

impl End {
    /// The bytes of a whole stream, including the warm-up.
    fn bytes(&self) -> usize {
        (self.count + BEFORE) * BLOCK
    }
}

pub(crate) fn main(arguments: &[&str]) -> Result<()> {
    let &[role, subject, workload, count, name] = arguments else {
        bail!("pipe serve|call SUBJECT WORKLOAD COUNT NAME");
    };
    let end = End {
        name: name.to_owned(),
        workload: match workload {
            "ping-pong" => Workload::PingPong,
            "stream" => Workload::Stream,
            _ => bail!("no workload {workload}"),
        },
        count: count.parse().context("a number")?,
    };
    match (role, subject) {
        ("serve", "everwatch") => everwatch::serve(&end),
        ("call", "everwatch") => everwatch::call(&end),
        ("serve", "tokio") => tokio::serve(&end),
        ("call", "tokio") => tokio::call(&end),
        ("serve", "compio") => compio::serve(&end),
        ("call", "compio") => compio::call(&end),
        _ => bail!("no {role} of {subject}"),
    }
}

/// Reports that the server listens.
fn listens() -> Result<()> {
    say(&())
}

/// Reports the end of the warm-up, and waits until the bench starts the measurement.
fn begin() -> Result<Instant> {
    say(&())?;
    heard()?;
    Ok(Instant::now())
}

/// Reports the time, and waits until the bench has read the run time of this process.
fn end(begun: Instant) -> Result<()> {
    let took = begun.elapsed();
    say(&Called { took })?;
    heard()
}

/// Waits for a line of the bench.
fn heard() -> Result<()> {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
