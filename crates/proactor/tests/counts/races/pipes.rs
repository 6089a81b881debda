//! The races of accept, connect, read and write on pipes.

use std::future::Future;
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use everwatch_proactor::{
    Proactor,
    pipe::{PipeInstance, PipeMode, PipeOptions, PipeServer, PipeStream, connect_pipe},
};

use super::{Chance, nothing_is_left, poll_a_little, race};
use crate::support::{Clean, at_once, narrow, pipe_name};

const BUSY: Option<i32> = Some(231);

fn looking() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A blocking client, which tries again while the pipe is busy.
fn blocking_client(name: &str) -> std::fs::File {
    loop {
        match std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
        {
            Ok(client) => return client,
            Err(error) if error.raw_os_error() == BUSY => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn number_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

// requirement: S4.3 (wine)
#[test]
fn accepts_that_are_dropped_lose_no_client() {
    let name = "races::pipes::accepts_that_are_dropped_lose_no_client";
    race(name, 2_000, 100_000, |proactor, count| {
        let remote = proactor.remote();
        let name = pipe_name();
        let options = PipeOptions {
            listening: 2,
            ..PipeOptions::default()
        };
        let server = PipeServer::bind(&remote, &name, options).expect("a server");
        let clients = thread::spawn(move || {
            for number in 0..count {
                let mut client = blocking_client(&name);
                client.write_all(&number.to_le_bytes()).expect("written");
            }
        });
        let mut chance = Chance::new();
        let mut is_seen = vec![false; count as usize];
        let mut seen = 0;
        while seen < count {
            let mut accept = Box::pin(server.accept());
            let mut accepted = accept.as_mut().poll(&mut looking());
            if accepted.is_pending() {
                poll_a_little(proactor, &mut chance);
                if chance.below(2) == 0 {
                    accepted = accept.as_mut().poll(&mut looking());
                }
            }
            drop(accept);
            if let Poll::Ready(pipe) = accepted {
                let pipe = pipe.expect("a client");
                let (read, bytes) = proactor.get().block_on(pipe.read(Vec::with_capacity(8)));
                assert_eq!(read.expect("read"), 8);
                let was_seen = &mut is_seen[number_of(&bytes) as usize];
                assert!(!*was_seen, "a client comes once");
                *was_seen = true;
                seen += 1;
            }
        }
        clients.join().expect("all clients were served");
    });
}

// requirement: S4.3 (wine)
#[test]
fn a_cancelled_accept_has_its_client_or_none() {
    let name = "races::pipes::a_cancelled_accept_has_its_client_or_none";
    race(name, 2_000, 100_000, |proactor, count| {
        let remote = proactor.remote();
        let (go, went) = channel::<String>();
        let (answer, answers) = channel::<Option<std::fs::File>>();
        let client = thread::spawn(move || {
            let mut chance = Chance::new();
            for name in went {
                chance.linger();
                let client = std::fs::OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(name);
                answer.send(client.ok()).expect("a receiver");
            }
        });
        let mut chance = Chance(7);
        let (mut accepted, mut cancelled) = (0, 0);
        for _ in 0..count {
            let name = pipe_name();
            let instance = PipeInstance::first(&remote, &name, &PipeOptions::default());
            let accept = instance.expect("an instance").accept();
            go.send(name).expect("it listens");
            chance.linger();
            accept.cancel();
            match proactor.get().block_on(accept) {
                Ok(pipe) => {
                    accepted += 1;
                    let mut client = answers.recv().expect("it answers").expect("it is accepted");
                    client.write_all(b"here").expect("written");
                    let (read, _) = proactor.get().block_on(pipe.read(Vec::with_capacity(8)));
                    assert_eq!(read.expect("read"), 4);
                }
                Err(error) => {
                    cancelled += 1;
                    assert_eq!(error.raw_os_error(), Some(995));
                    if let Some(mut client) = answers.recv().expect("it answers") {
                        // It came after the cancel, and finds the pipe closed.
                        let end = client.read(&mut [0; 8]);
                        assert!(end.is_ok_and(|read| read == 0));
                    }
                }
            }
            nothing_is_left(&remote);
        }
        println!("{accepted} accepted, {cancelled} cancelled");
        drop(go);
        client.join().expect("it ends");
    });
}

// requirement: S4.1 (wine)
#[test]
fn connects_that_are_dropped_leave_the_pipe_to_others() {
    let name = "races::pipes::connects_that_are_dropped_leave_the_pipe_to_others";
    race(name, 2_000, 100_000, |proactor, count| {
        let remote = proactor.remote();
        let name = pipe_name();
        let (answer, answers) = channel();
        let server_name = name.clone();
        let server = thread::spawn(move || {
            let mut own = Proactor::new().expect("a port");
            let options = PipeOptions {
                listening: 1,
                ..PipeOptions::default()
            };
            let server = PipeServer::bind(&own.remote(), server_name, options).expect("a server");
            answer.send(()).expect("a receiver");
            let mut sum = 0;
            own.block_on(async {
                loop {
                    let pipe = server.accept().await.expect("a client");
                    match pipe.read(Vec::with_capacity(8)).await {
                        // Given up, and closed.
                        (Ok(0), _) => {}
                        (read, bytes) => {
                            assert_eq!(read.expect("read"), 8);
                            let number = number_of(&bytes);
                            if number == u64::MAX {
                                break;
                            }
                            sum += number;
                        }
                    }
                }
            });
            drop(server);
            let closed = own.close();
            assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
            sum
        });
        answers.recv().expect("it listens");
        let mut chance = Chance::new();
        let mut sum = 0;
        for number in 0..count {
            let mut connect = Box::pin(connect_pipe(&remote, &name));
            let mut connected = connect.as_mut().poll(&mut looking());
            while connected.is_pending() && chance.below(4) > 0 {
                proactor
                    .get()
                    .poll(Some(Duration::from_micros(chance.below(1500))));
                connected = connect.as_mut().poll(&mut looking());
            }
            drop(connect);
            if let Poll::Ready(pipe) = connected
                && chance.below(2) == 0
            {
                let pipe = pipe.expect("connected");
                let write = pipe.write(number.to_le_bytes().to_vec());
                proactor.get().block_on(write).0.expect("written");
                sum += number;
            }
        }
        let last = proactor.get().block_on(async {
            let pipe = connect_pipe(&remote, &name).await.expect("connected");
            pipe.write(u64::MAX.to_le_bytes().to_vec()).await.0
        });
        last.expect("written");
        assert_eq!(server.join().expect("it ends"), sum);
    });
}

/// Reads numbers of eight bytes with reads that are dropped whenever chance will, and finds each once.
fn numbers_are_read(proactor: &mut Clean, mode: PipeMode, count: u64) {
    let remote = proactor.remote();
    let name = pipe_name();
    let instance = PipeInstance::first(&remote, &name, &narrow(mode)).expect("an instance");
    let writer = thread::spawn(move || {
        let mut chance = Chance::new();
        let mut client = blocking_client(&name);
        for number in 0..count {
            chance.linger();
            client.write_all(&number.to_le_bytes()).expect("written");
        }
    });
    let pipe = proactor
        .get()
        .block_on(instance.accept())
        .expect("a client");
    let mut chance = Chance(99);
    let (mut expected, mut dropped) = (0_u64, 0_u64);
    let mut pieces = Vec::new();
    while expected < count {
        // Sometimes too small for a number.
        let buffer = Vec::with_capacity(1 + chance.below(24) as usize);
        let mut read = Box::pin(pipe.read(buffer));
        let mut result = read.as_mut().poll(&mut looking());
        for _ in 0..chance.below(4) {
            if result.is_ready() {
                break;
            }
            chance.linger();
            poll_a_little(proactor, &mut chance);
            result = read.as_mut().poll(&mut looking());
        }
        drop(read);
        let Poll::Ready((read, bytes)) = result else {
            dropped += 1;
            continue;
        };
        assert!(read.expect("read") > 0, "it has not ended");
        pieces.extend(bytes);
        let whole = pieces.len() / 8 * 8;
        for number in pieces.drain(..whole).collect::<Vec<u8>>().chunks_exact(8) {
            assert_eq!(number_of(number), expected, "each once, in order");
            expected += 1;
        }
    }
    println!("{dropped} reads dropped");
    writer.join().expect("it ends");
    let (read, _) = proactor.get().block_on(pipe.read(Vec::with_capacity(8)));
    assert_eq!(read.expect("the end"), 0);
}

// requirement: S4.11 (wine)
#[test]
fn reads_that_are_dropped_lose_no_byte() {
    let name = "races::pipes::reads_that_are_dropped_lose_no_byte";
    race(name, 2_000, 100_000, |proactor, count| {
        numbers_are_read(proactor, PipeMode::Bytes, count);
    });
}

// requirement: S4.11 (wine)
#[test]
fn reads_of_messages_that_are_dropped_lose_no_byte() {
    let name = "races::pipes::reads_of_messages_that_are_dropped_lose_no_byte";
    race(name, 2_000, 100_000, |proactor, count| {
        numbers_are_read(proactor, PipeMode::Messages, count);
    });
}

/// Reads whole messages to the end, each of 100 times a number.
fn read_messages(pipe: PipeStream) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut own = Chance::new();
    let mut proactor = Proactor::new().expect("a port");
    loop {
        own.linger();
        let (part, bytes) = proactor.block_on(pipe.read_message(Vec::with_capacity(800)));
        let Some(part) = part.expect("read") else {
            return numbers;
        };
        assert!(part.is_last && part.bytes == 800, "messages are whole");
        let number = number_of(&bytes[..8]);
        assert!(bytes.chunks_exact(8).all(|each| number_of(each) == number));
        numbers.push(number);
    }
}

// requirement: S4.11 (wine)
#[test]
fn writes_that_are_dropped_come_whole_or_not_at_all() {
    let name = "races::pipes::writes_that_are_dropped_come_whole_or_not_at_all";
    race(name, 2_000, 100_000, |proactor, count| {
        let remote = proactor.remote();
        let name = pipe_name();
        let options = PipeOptions {
            buffer: 1000,
            ..narrow(PipeMode::Messages)
        };
        let instance = PipeInstance::first(&remote, &name, &options).expect("an instance");
        let runner = everwatch_proactor::Runner::start().expect("a thread");
        let client = at_once(connect_pipe(&runner.remote(), &name)).expect("it listens");
        let pipe = at_once(instance.accept()).expect("it is there");
        let reader = thread::spawn(move || read_messages(client));
        let mut chance = Chance(5);
        let mut written = Vec::new();
        for number in 0..count {
            let message = number.to_le_bytes().repeat(100);
            let mut write = Box::pin(pipe.write(message));
            let mut result = write.as_mut().poll(&mut looking());
            for _ in 0..chance.below(6) {
                if result.is_ready() {
                    break;
                }
                chance.linger();
                poll_a_little(proactor, &mut chance);
                result = write.as_mut().poll(&mut looking());
            }
            drop(write);
            if let Poll::Ready((result, _)) = result {
                assert_eq!(result.expect("written"), 800);
                written.push(number);
            }
        }
        proactor.settle();
        drop(pipe);
        let read = reader.join().expect("it ends");
        println!("{} written, {} read", written.len(), read.len());
        assert!(
            read.is_sorted_by(|one, next| one < next),
            "each once, in order"
        );
        let mut rest = read.iter();
        for number in &written {
            assert!(rest.any(|other| other == number), "{number} was written");
        }
        let closed = runner.close();
        assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
    });
}
