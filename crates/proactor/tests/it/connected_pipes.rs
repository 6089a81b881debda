//! Data over a connected pipe: its bounds, its end, and writes that wait for room.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::time::Duration;

use everwatch_proactor::pipe::{MessagePart, PipeInstance, PipeMode, connect_pipe};

use crate::support::{Clean, at_once, looking, narrow, pipe, pipe_name};

const WHOLE: fn(usize) -> Option<MessagePart> = |bytes| {
    Some(MessagePart {
        bytes,
        is_last: true,
    })
};

// requirement: S4.4 (wine)
#[test]
fn reading_a_broken_pipe_is_its_end_at_once() {
    for mode in [PipeMode::Bytes, PipeMode::Messages] {
        let proactor = Clean::new();
        let (server, client) = pipe(&proactor.remote(), mode);
        drop(client);
        let (read, _) = at_once(server.read(Vec::with_capacity(10)));
        assert_eq!(read.expect("the end"), 0);
        let (read, _) = at_once(server.read_message(Vec::with_capacity(10)));
        assert_eq!(read.expect("the end"), None);
        assert_eq!(proactor.remote().in_flight(), 0);
        let (written, bytes) = at_once(server.write(b"unread".to_vec()));
        assert_eq!(written.expect_err("no reader").raw_os_error(), Some(232));
        assert_eq!(bytes, b"unread");
    }
}

// requirement: S4.4 (wine)
#[test]
fn the_end_that_comes_while_a_read_waits_is_no_error() {
    for mode in [PipeMode::Bytes, PipeMode::Messages] {
        let mut proactor = Clean::new();
        let (server, client) = pipe(&proactor.remote(), mode);
        let mut read = pin!(server.read(Vec::with_capacity(10)));
        assert!(read.as_mut().poll(&mut looking()).is_pending());
        drop(client);
        let (read, _) = proactor.get().block_on(read);
        assert_eq!(read.expect("the end"), 0);
    }
}

// requirement: S4.11 (wine)
#[test]
fn an_operation_stays_until_its_packet_is_dequeued() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let (server, client) = pipe(&remote, PipeMode::Bytes);
    {
        let mut read = pin!(server.read(Vec::with_capacity(10)));
        assert!(read.as_mut().poll(&mut looking()).is_pending());
        at_once(client.write(b"done".to_vec())).0.expect("written");
    }
    // The future is gone, and the read complete; that has not been reported yet.
    assert_eq!(remote.in_flight(), 1);
    assert_eq!(
        proactor.get().poll(Some(Duration::from_secs(10))).packets,
        1
    );
    assert_eq!(remote.in_flight(), 0);
}

#[test]
fn a_poll_takes_all_that_is_there_after_small_batches() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let pipes: Vec<_> = (0..10).map(|_| pipe(&remote, PipeMode::Bytes)).collect();
    let (server, client) = &pipes[0];
    proactor.get().block_on(async {
        for _ in 0..20 {
            let mut read = pin!(server.read(Vec::with_capacity(1)));
            assert!(read.as_mut().poll(&mut looking()).is_pending());
            client.write(vec![1]).await.0.expect("written");
            read.await.0.expect("read");
        }
    });
    let mut reads: Vec<_> = pipes
        .iter()
        .map(|(server, _)| Box::pin(server.read(Vec::with_capacity(1))))
        .collect();
    for read in &mut reads {
        assert!(read.as_mut().poll(&mut looking()).is_pending());
    }
    for (_, client) in &pipes {
        at_once(client.write(vec![1])).0.expect("written");
    }
    assert_eq!(
        proactor.get().poll(Some(Duration::from_secs(10))).packets,
        10
    );
}

#[test]
fn messages_keep_their_bounds_and_come_in_parts_where_there_is_no_room() {
    let mut proactor = Clean::new();
    let (server, client) = pipe(&proactor.remote(), PipeMode::Messages);
    assert_eq!(client.mode(), PipeMode::Messages);
    proactor.get().block_on(async {
        for is_there_already in [true, false] {
            let send = async {
                for message in [&b"first"[..], b"", b"second one", b"third"] {
                    client.write(message.to_vec()).await.0.expect("written");
                }
            };
            let receive = async {
                let mut got = Vec::new();
                for _ in 0..7 {
                    let (part, bytes) = server.read_message(Vec::with_capacity(4)).await;
                    let part = part.expect("read").expect("not the end");
                    assert_eq!(part.bytes, bytes.len());
                    got.push((
                        String::from_utf8(bytes).expect("what was sent"),
                        part.is_last,
                    ));
                }
                let expected = [
                    ("firs", false),
                    ("t", true),
                    ("", true),
                    ("seco", false),
                    ("nd o", false),
                    ("ne", true),
                    ("thir", false),
                ];
                let expected = expected.map(|(text, is_last)| (text.to_owned(), is_last));
                assert_eq!(got, expected);
                let (part, bytes) = server.read_message(Vec::with_capacity(4)).await;
                assert_eq!((part.expect("read"), &*bytes), (WHOLE(1), &b"d"[..]));
            };
            if is_there_already {
                send.await;
                receive.await;
            } else {
                smol::future::zip(receive, send).await;
            }
        }
    });
}

#[test]
fn a_dropped_read_of_a_message_leaves_it_with_its_bounds() {
    let mut proactor = Clean::new();
    let (server, client) = pipe(&proactor.remote(), PipeMode::Messages);
    let (mut first, mut second) = {
        let mut read = pin!(server.read_message(Vec::with_capacity(4)));
        assert!(read.as_mut().poll(&mut looking()).is_pending());
        let mut writes =
            [b"message".to_vec(), Vec::new()].map(|bytes| Box::pin(client.write(bytes)));
        for write in &mut writes {
            assert!(
                write.as_mut().poll(&mut looking()).is_pending(),
                "its packet is asked for"
            );
        }
        writes.into()
    };
    proactor.get().block_on(async {
        first.as_mut().await.0.expect("written");
        second.as_mut().await.0.expect("written");
        for expected in [("mes", false), ("s", false), ("age", true), ("", true)] {
            let (part, bytes) = server.read_message(Vec::with_capacity(3)).await;
            let part = part.expect("read").expect("not the end");
            assert_eq!((&*bytes, part.is_last), (expected.0.as_bytes(), expected.1));
        }
    });
}

#[test]
fn empty_writes_of_others_are_not_the_end_of_a_stream_of_bytes() {
    let mut proactor = Clean::new();
    let (server, client) = pipe(&proactor.remote(), PipeMode::Messages);
    proactor.get().block_on(async {
        client.write(Vec::new()).await.0.expect("written");
        client.write(b"more".to_vec()).await.0.expect("written");
        let (read, bytes) = server.read(Vec::with_capacity(10)).await;
        assert_eq!((read.expect("read"), &*bytes), (4, &b"more"[..]));
    });
}

#[test]
fn what_was_written_before_a_close_is_read_after_it() {
    for mode in [PipeMode::Bytes, PipeMode::Messages] {
        let mut proactor = Clean::new();
        let (server, client) = pipe(&proactor.remote(), mode);
        proactor.get().block_on(async {
            server.write(vec![7; 3000]).await.0.expect("written");
            drop(server);
            let (read, bytes) = client.read(Vec::with_capacity(4096)).await;
            assert_eq!((read.expect("read"), bytes), (3000, vec![7; 3000]));
            let (read, _) = client.read(Vec::with_capacity(4096)).await;
            assert_eq!(read.expect("the end"), 0);
        });
    }
}

// Wine's ntdll `pipe.c`, `test_pipe_state`, against Windows: what the client has not read is thrown away.
#[test]
fn a_stream_that_the_server_cuts_does_not_look_complete() {
    for mode in [PipeMode::Bytes, PipeMode::Messages] {
        let mut proactor = Clean::new();
        let (server, client) = pipe(&proactor.remote(), mode);
        proactor.get().block_on(async {
            server.write(b"unread".to_vec()).await.0.expect("written");
            server.disconnect().expect("disconnected");
            let (read, _) = client.read(Vec::with_capacity(10)).await;
            assert_eq!(
                read.expect_err("cut").kind(),
                ErrorKind::ConnectionReset,
                "{mode:?}"
            );
            let (read, _) = client.read_message(Vec::with_capacity(10)).await;
            assert_eq!(read.expect_err("cut").kind(), ErrorKind::ConnectionReset);
        });
    }
}

#[test]
fn a_read_that_waits_learns_that_the_server_cut_the_connection() {
    for mode in [PipeMode::Bytes, PipeMode::Messages] {
        let mut proactor = Clean::new();
        let (server, client) = pipe(&proactor.remote(), mode);
        let mut read = pin!(client.read(Vec::with_capacity(10)));
        assert!(read.as_mut().poll(&mut looking()).is_pending());
        server.disconnect().expect("disconnected");
        let (read, _) = proactor.get().block_on(read);
        assert_eq!(read.expect_err("cut").kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_dropped_read_leaves_the_cut_to_the_next_one() {
    let mut proactor = Clean::new();
    let (server, client) = pipe(&proactor.remote(), PipeMode::Bytes);
    {
        let mut read = pin!(client.read(Vec::with_capacity(10)));
        assert!(read.as_mut().poll(&mut looking()).is_pending());
        server.disconnect().expect("disconnected");
    }
    let (read, _) = proactor.get().block_on(client.read(Vec::with_capacity(10)));
    assert_eq!(read.expect_err("cut").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_server_that_disconnects_ends_the_connection_for_all_clones() {
    let mut proactor = Clean::new();
    let (server, client) = pipe(&proactor.remote(), PipeMode::Bytes);
    let other = server.clone();
    proactor.get().block_on(async {
        other.disconnect().expect("disconnected");
        let (read, _) = server.read(Vec::with_capacity(10)).await;
        assert_eq!(read.expect_err("cut").kind(), ErrorKind::ConnectionReset);
        for end in [&server, &client] {
            let (written, bytes) = end.write(b"unread".to_vec()).await;
            assert_eq!(written.expect_err("cut").kind(), ErrorKind::BrokenPipe);
            assert_eq!(bytes, b"unread");
        }
    });
}

#[test]
fn a_write_that_finds_no_room_waits_for_its_reader() {
    let mut proactor = Clean::new();
    let (server, client) = pipe(&proactor.remote(), PipeMode::Bytes);
    let sent: Vec<u8> = (0..100_000_u32).map(|at| at as u8).collect();
    let mut write = pin!(client.write(sent.clone()));
    assert!(write.as_mut().poll(&mut looking()).is_pending());
    proactor.get().block_on(async {
        let receive = async {
            let mut received = Vec::new();
            while received.len() < 100_000 {
                let (read, bytes) = server.read(Vec::with_capacity(7000)).await;
                assert!(read.expect("read") > 0);
                received.extend(bytes);
            }
            received
        };
        let (received, (written, _)) = smol::future::zip(receive, write).await;
        assert_eq!(written.expect("written"), 100_000);
        assert!(received == sent);
    });
}

#[test]
fn both_ends_of_a_narrow_pipe_are_narrow() {
    let proactor = Clean::new();
    let name = pipe_name();
    let remote = proactor.remote();
    let instance = PipeInstance::first(&remote, &name, &narrow(PipeMode::Bytes));
    let client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    let server = at_once(instance.expect("an instance").accept()).expect("it is there");
    for end in [&client, &server] {
        let mut write = pin!(end.write(vec![0; 5000]));
        assert!(write.as_mut().poll(&mut looking()).is_pending());
    }
}
