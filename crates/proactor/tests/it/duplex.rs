//! Streams as `AsyncRead` and `AsyncWrite`: a task that polls and goes away loses nothing.

use everwatch_proactor::{Duplex, pipe::PipeMode};
use futures_lite::future::poll_once;
use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::support::{Clean, connection, pipe, read_exactly};

#[test]
fn what_was_written_gets_there_without_a_flush() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        let mut client = Duplex::new(client);
        client.write_all(b"unflushed").await.expect("written");
        assert_eq!(read_exactly(server.stream(), 9).await, b"unflushed");
    });
}

#[test]
fn more_than_the_pipe_holds_is_written_when_it_is_read() {
    const LENGTH: usize = 300_000;
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    proactor.get().block_on(async {
        let (server, client) = pipe(&remote, PipeMode::Bytes);
        let (server, mut client) = (server.into(), Duplex::new(client));
        let bytes: Vec<u8> = (0..LENGTH).map(|number| (number / 7) as u8).collect();
        let write = async {
            client.write_all(&bytes).await.expect("written");
            client.flush().await.expect("flushed");
        };
        let read = read_exactly(&server, LENGTH);
        let (_, received) = futures_lite::future::zip(write, read).await;
        assert!(received == bytes);
    });
}

#[test]
fn a_close_is_the_end_for_the_peer_and_not_for_this_side() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        let mut client = Duplex::new(client);
        client.write_all(b"last").await.expect("written");
        client.close().await.expect("closed");
        client.close().await.expect("closed");
        client.write_all(b"late").await.expect_err("closed");
        assert_eq!(read_exactly(server.stream(), 4).await, b"last");
        assert_eq!(
            server.read(Vec::with_capacity(8)).await.0.expect("the end"),
            0
        );
        server.write(b"answer\n".to_vec()).await.0.expect("written");
        let mut line = String::new();
        client.read_line(&mut line).await.expect("read");
        assert_eq!(line, "answer\n");
    });
}

#[test]
fn reads_that_are_dropped_lose_nothing() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        let mut server = Duplex::new(server);
        for round in 0..1_000_u32 {
            let mut buffer = [0; 4];
            assert!(poll_once(server.read(&mut buffer)).await.is_none());
            client
                .write(round.to_le_bytes().to_vec())
                .await
                .0
                .expect("written");
            server.read_exact(&mut buffer).await.expect("read");
            assert_eq!(buffer, round.to_le_bytes());
        }
    });
}

#[test]
fn what_was_not_taken_is_read_next_from_the_stream() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        client.write(b"headbody".to_vec()).await.0.expect("written");
        let mut head = [0; 4];
        let mut duplex = Duplex::new(server.clone());
        duplex.read_exact(&mut head).await.expect("read");
        drop(duplex);
        client.write(b"more".to_vec()).await.0.expect("written");
        client
            .shutdown(std::net::Shutdown::Write)
            .expect("shut down");
        assert_eq!(read_exactly(server.stream(), 8).await, b"bodymore");
    });
}
