//! Canaries for memory that this process has given back and the system might still write to: reads, writes and accepts that
//! are dropped while they are pending, and peers that come too late.
#![cfg(windows)]

mod quarantine;
#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use everwatch_proactor::pipe::{PipeMode, PipeOptions, PipeServer, PipeStream, connect_pipe};

use quarantine::Quarantine;
use support::{Clean, at_once, pipe, pipe_name};

#[global_allocator]
static MEMORY: Quarantine = Quarantine::new();

/// Starts a future and drops it.
fn begin_and_drop(future: impl Future) {
    let mut future = Box::pin(future);
    let _ = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

/// Starts a read, and drops it after its peer has written and before its packet was dequeued.
fn drop_with_bytes_in(ends: (&PipeStream, &PipeStream), room: usize) {
    let mut context = Context::from_waker(Waker::noop());
    let mut read = Box::pin(ends.0.read(Vec::with_capacity(room)));
    let _ = read.as_mut().poll(&mut context);
    begin_and_drop(ends.1.write(vec![0xee; room]));
}

/// Lets a pipe's peer do what dropped operations waited for, before or after their packets are dequeued.
fn come_late(proactor: &mut Clean, (server, client): &(PipeStream, PipeStream), round: usize) {
    let room = [1, 16, 100, 1000, 5000][round % 5];
    drop_with_bytes_in((server, client), room);
    drop_with_bytes_in((client, server), room);
    begin_and_drop(server.read(Vec::with_capacity(room)));
    if round.is_multiple_of(3) {
        proactor.get().poll(Some(Duration::ZERO));
    }
    begin_and_drop(client.write(vec![0xaa; room]));
    // More than there is room for: they are pending, and are read too late.
    begin_and_drop(server.write(vec![0xbb; 9000]));
    begin_and_drop(server.read_message(Vec::with_capacity(room)));
    if round.is_multiple_of(4) {
        proactor.get().poll(Some(Duration::ZERO));
    }
    begin_and_drop(client.read(Vec::with_capacity(room)));
    begin_and_drop(client.write(vec![0xcc; room / 2]));
}

// requirement: S4.6 (wine)
#[test]
fn nothing_is_written_to_memory_that_was_given_back() {
    let before = MEMORY.kept();
    let generations = match std::env::var_os("EVERWATCH_SOAK") {
        Some(_) => 1000,
        None => 20,
    };
    for generation in 0..generations {
        let mut proactor = Clean::new();
        let remote = proactor.remote();
        let name = pipe_name();
        let mode = [PipeMode::Bytes, PipeMode::Messages][generation as usize % 2];
        let options = PipeOptions {
            mode,
            ..PipeOptions::default()
        };
        let mut server = PipeServer::bind(&remote, &name, options.clone()).ok();
        for round in 0..100 {
            let ends = pipe(&remote, mode);
            come_late(&mut proactor, &ends, round);
            if let Some(server) = &server {
                begin_and_drop(server.accept());
            }
            // A client of an accept that is, or was, cancelled.
            begin_and_drop(connect_pipe(&remote, &name));
            if round % 10 == 9 {
                drop(server.take());
                begin_and_drop(connect_pipe(&remote, &name));
                proactor.get().poll(Some(Duration::ZERO));
                server = PipeServer::bind(&remote, &name, options.clone()).ok();
            }
            if round % 7 == 0 {
                // The pipe stays behind with what was dropped on it.
                drop(ends);
            } else {
                let (server, client) = ends;
                drop(client);
                begin_and_drop(server.read(Vec::with_capacity(500)));
            }
        }
        let late = pipe(&remote, mode);
        let mut read = Box::pin(late.0.read(Vec::with_capacity(100)));
        let _ = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        // With all that is in flight, and the read's future.
        drop(proactor);
        at_once(read).0.expect_err("it ended with the proactor");
    }
    let kept = MEMORY.kept() - before;
    println!("{kept} blocks");
    assert_eq!(MEMORY.overwritten(), 0, "of {kept} blocks");
}
