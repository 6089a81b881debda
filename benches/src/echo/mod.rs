//! The two ends of a named pipe, each a process of its own, as the bench under Wine starts them.
//!
//! `pipe serve|call SUBJECT WORKLOAD COUNT NAME`. Each runs on one thread, in the way that its
//! documentation shows. The client's end measures how long it took.

mod compio;
mod everwatch;
mod tokio;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::service::say;

/// Bytes of a message that comes back.
const MESSAGE: usize = 64;

/// Bytes of one write of a stream.
const BLOCK: usize = 64 * 1024;

/// How often what is measured is done before, so that everything is there.
const BEFORE: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Workload {
    /// Messages that come back one by one.
    PingPong,
    /// Blocks in one direction, and one byte back when all are there.
    Stream,
}

/// The client has measured.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Called {
    pub(crate) took: Duration,
}

/// The end of a pipe that is about to do `count` of them.
#[derive(Clone, Debug)]
struct End {
    name: String,
    workload: Workload,
    count: usize,
}

impl End {
    /// The bytes of a whole stream, with what comes before.
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

/// The server listens.
fn listens() -> Result<()> {
    say(&())
}

/// Everything that comes before is done: waits until the bench says that it looks.
fn begin() -> Result<Instant> {
    say(&())?;
    heard()?;
    Ok(Instant::now())
}

/// Tells how long it took, and lives until the bench has looked at this process.
fn end(begun: Instant) -> Result<()> {
    let took = begun.elapsed();
    say(&Called { took })?;
    heard()
}

fn heard() -> Result<()> {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
