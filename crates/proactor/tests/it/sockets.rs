//! TCP: connections, their ends, their errors, files sent over them.

use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::net::{Ipv6Addr, Shutdown};
use std::os::windows::io::{AsRawHandle, AsRawSocket};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use everwatch_proactor::{
    Remote,
    socket::{TcpListener, TcpStream},
};
use futures_lite::future::zip;
use windows_sys::Win32::Networking::WinSock::{LINGER, SO_LINGER, SOL_SOCKET, setsockopt};

use crate::support::{Clean, all, connection, here, poll_now, read_exactly};

/// The connection ends with a reset when it is closed.
fn reset_on_close(stream: &TcpStream) {
    let linger = LINGER {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the socket is open and the option as long as is said.
    let result = unsafe {
        let socket = stream.as_raw_socket() as usize;
        let length = size_of::<LINGER>() as i32;
        setsockopt(
            socket,
            SOL_SOCKET,
            SO_LINGER,
            (&raw const linger).cast(),
            length,
        )
    };
    assert_eq!(result, 0);
}

/// A port without a listener.
fn unused_port(remote: &Remote) -> std::net::SocketAddr {
    let listener = TcpListener::bind(remote, here()).expect("bound");
    listener.local_addr().expect("an address")
}

#[test]
fn what_one_end_writes_the_other_reads() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        for round in 0..100_u8 {
            let (written, _) = client.write(vec![round; 64]).await;
            assert_eq!(written.expect("written"), 64);
            let read = read_exactly(server.stream(), 64).await;
            let (written, _) = server.write(read).await;
            assert_eq!(written.expect("written"), 64);
            assert_eq!(read_exactly(client.stream(), 64).await, [round; 64]);
        }
    });
    assert_eq!(remote.in_flight(), 0);
}

#[test]
fn both_ends_know_the_addresses() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let listener = TcpListener::bind(&remote, here()).expect("bound");
        let address = listener.local_addr().expect("an address");
        let (accepted, connected) =
            zip(listener.accept(), TcpStream::connect(&remote, address)).await;
        let (server, peer) = accepted.expect("accepted");
        let client = connected.expect("connected");
        assert_eq!(client.peer_addr().expect("connected"), address);
        assert_eq!(server.local_addr().expect("accepted"), address);
        assert_eq!(client.local_addr().expect("connected"), peer);
        assert_eq!(server.peer_addr().expect("accepted"), peer);
        assert!(peer.ip().is_loopback() && peer.port() != 0);
        client.set_nodelay(true).expect("set");
        assert!(client.nodelay().expect("asked"));
    });
}

#[test]
fn the_newer_protocol_works_as_the_older_does() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = match TcpListener::bind(&remote, (Ipv6Addr::LOCALHOST, 0).into()) {
        Ok(listener) => listener,
        // A machine without it.
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return,
        Err(error) => panic!("{error}"),
    };
    let address = listener.local_addr().expect("an address");
    proactor.get().block_on(async {
        let (accepted, connected) =
            zip(listener.accept(), TcpStream::connect(&remote, address)).await;
        let (server, peer) = accepted.expect("accepted");
        let client = connected.expect("connected");
        assert_eq!(client.local_addr().expect("connected"), peer);
        client.write(b"six".to_vec()).await.0.expect("written");
        assert_eq!(read_exactly(server.stream(), 3).await, b"six");
    });
}

#[test]
fn many_clients_are_served_at_once() {
    const CLIENTS: u32 = 200;
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let (listener, remote) = (&listener, &remote);
    let serve = |_| async move {
        let (stream, _) = listener.accept().await.expect("accepted");
        let asked = read_exactly(stream.stream(), 4).await;
        stream.write(asked).await.0.expect("written");
    };
    let ask = |number: u32| async move {
        let stream = TcpStream::connect(remote, address)
            .await
            .expect("connected");
        stream
            .write(number.to_le_bytes().to_vec())
            .await
            .0
            .expect("written");
        let answer = read_exactly(stream.stream(), 4).await;
        assert_eq!(answer, number.to_le_bytes());
    };
    let both = zip(all((0..CLIENTS).map(serve)), all((0..CLIENTS).map(ask)));
    proactor.get().block_on(both);
    assert_eq!(remote.in_flight(), 0);
}

#[test]
fn a_half_that_is_shut_down_leaves_the_other() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        client.write(b"question".to_vec()).await.0.expect("written");
        client.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(read_exactly(server.stream(), 8).await, b"question");
        for _ in 0..2 {
            let (end, _) = server.read(Vec::with_capacity(8)).await;
            assert_eq!(end.expect("the end"), 0);
        }
        let (late, _) = client.write(b"late".to_vec()).await;
        assert_eq!(late.expect_err("shut down").kind(), ErrorKind::BrokenPipe);
        server.write(b"answer".to_vec()).await.0.expect("written");
        assert_eq!(read_exactly(client.stream(), 6).await, b"answer");
        drop(server);
        let (end, _) = client.read(Vec::with_capacity(8)).await;
        assert_eq!(end.expect("the end"), 0);
    });
}

#[test]
fn reading_that_is_shut_down_gives_the_end() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        server.shutdown(Shutdown::Read).expect("shut down");
        let (end, _) = server.read(Vec::with_capacity(8)).await;
        assert_eq!(end.expect("the end"), 0);
        server.write(b"still".to_vec()).await.0.expect("written");
        assert_eq!(read_exactly(client.stream(), 5).await, b"still");
    });
}

#[test]
fn a_reset_is_returned_as_one() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        reset_on_close(&client);
        let read = async {
            let (read, _) = server.read(Vec::with_capacity(8)).await;
            assert_eq!(read.expect_err("reset").kind(), ErrorKind::ConnectionReset);
        };
        let close = async { drop(client) };
        zip(read, close).await;
    });
}

#[test]
fn a_reset_that_a_dropped_read_has_met_is_returned_to_the_next() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (server, client) = proactor.get().block_on(connection(&remote));
    reset_on_close(&client);
    {
        let mut read = pin!(server.read(Vec::with_capacity(8)));
        assert!(poll_now(read.as_mut()).is_pending());
        drop(client);
        // It has met the reset when its packet was dequeued, and no call asks for it.
        let deadline = Instant::now() + Duration::from_secs(5);
        while remote.in_flight() > 0 {
            assert!(Instant::now() < deadline);
            proactor.get().poll(Some(Duration::from_millis(10)));
        }
    }
    let (read, _) = proactor.get().block_on(server.read(Vec::with_capacity(8)));
    assert_eq!(read.expect_err("reset").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_port_without_a_listener_refuses() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let address = unused_port(&remote);
    let connected = proactor
        .get()
        .block_on(TcpStream::connect(&remote, address));
    let error = connected.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
}

#[test]
fn a_port_that_is_taken_cannot_be_bound() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let first = TcpListener::bind(&remote, here()).expect("bound");
    let address = first.local_addr().expect("an address");
    let error = TcpListener::bind(&remote, address).expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
}

#[test]
fn a_client_that_is_gone_does_not_end_the_listener() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let listener = TcpListener::bind(&remote, here()).expect("bound");
        let address = listener.local_addr().expect("an address");
        for _ in 0..10 {
            let gone = TcpStream::connect(&remote, address)
                .await
                .expect("connected");
            reset_on_close(&gone);
        }
        let client = TcpStream::connect(&remote, address)
            .await
            .expect("connected");
        let own = client.local_addr().expect("connected");
        // Systems differ in whether they show a client that is gone.
        loop {
            let (stream, peer) = listener.accept().await.expect("accepted");
            if peer == own {
                client.write(b"here".to_vec()).await.0.expect("written");
                assert_eq!(read_exactly(stream.stream(), 4).await, b"here");
                break;
            }
        }
    });
}

#[test]
fn a_dropped_connect_leaves_nothing() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    for _ in 0..100 {
        let mut connect = pin!(TcpStream::connect(&remote, address));
        let _ = poll_now(connect.as_mut());
    }
    drop(listener);
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        client.write(b"fine".to_vec()).await.0.expect("written");
        assert_eq!(read_exactly(server.stream(), 4).await, b"fine");
    });
    let deadline = Instant::now() + Duration::from_secs(5);
    while remote.in_flight() > 0 {
        assert!(Instant::now() < deadline);
        proactor.get().poll(Some(Duration::from_millis(10)));
    }
}

#[test]
fn closing_the_proactor_ends_what_waits() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let (server, _client) = proactor.get().block_on(connection(&remote));
    let mut accept = pin!(listener.accept());
    let mut read = pin!(server.read(Vec::with_capacity(8)));
    assert!(poll_now(accept.as_mut()).is_pending());
    assert!(poll_now(read.as_mut()).is_pending());
    assert_eq!(remote.in_flight(), 2);
    drop(proactor);
    assert_eq!(remote.in_flight(), 0);
    let Poll::Ready(Err(error)) = poll_now(accept.as_mut()) else {
        panic!("it ended with the proactor");
    };
    assert_eq!(error.raw_os_error(), Some(995));
    let Poll::Ready((Err(error), _)) = poll_now(read.as_mut()) else {
        panic!("it ended with the proactor");
    };
    assert_eq!(error.raw_os_error(), Some(995));
}

/// A file of `len` bytes that all differ from their neighbours. It is opened without sharing.
fn file_of(length: usize) -> (std::fs::File, Vec<u8>) {
    let mut file = tempfile::tempfile().expect("a file");
    let contents = contents_of(length);
    file.write_all(&contents).expect("written");
    (file, contents)
}

fn contents_of(length: usize) -> Vec<u8> {
    let words = length.div_ceil(4) as u32;
    let mut contents: Vec<u8> = (0..words)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect();
    contents.truncate(length);
    contents
}

#[test]
fn a_file_arrives_as_it_is() {
    const LENGTH: usize = 50 << 20;
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let contents = contents_of(LENGTH);
    std::fs::write(&path, &contents).expect("written");
    let mut file = std::fs::File::open(&path).expect("opened");
    file.seek(std::io::SeekFrom::Start(7)).expect("sought");
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        let send = async {
            let sent = client.send_file(&file, 0, u64::MAX).await;
            assert_eq!(sent.expect("sent"), LENGTH as u64);
            client.shutdown(Shutdown::Write).expect("shut down");
        };
        let receive = async {
            let received = read_exactly(server.stream(), LENGTH).await;
            assert!(received == contents, "the contents differ");
            let (end, _) = server.read(Vec::with_capacity(1)).await;
            assert_eq!(end.expect("the end"), 0);
        };
        zip(send, receive).await;
    });
    assert_eq!(file.stream_position().expect("a position"), 7);
}

#[test]
fn a_part_of_a_file_arrives_alone() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (mut file, contents) = file_of(10_000);
    file.seek(std::io::SeekFrom::Start(7)).expect("sought");
    proactor.get().block_on(async {
        let (server, client) = connection(&remote).await;
        for (offset, length, sent) in [
            (100, 50, 50),
            (9_990, 50, 10),
            (10_000, 1, 0),
            (99_999, 1, 0),
        ] {
            let result = client.send_file(&file, offset, length).await;
            assert_eq!(result.expect("sent"), sent);
            let received = read_exactly(server.stream(), sent as usize).await;
            let start = (offset as usize).min(contents.len());
            assert_eq!(received, contents[start..start + sent as usize]);
        }
    });
    assert_eq!(file.stream_position().expect("a position"), 7);
}

#[test]
fn sockets_that_std_made_can_be_attached() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = std::net::TcpListener::bind(here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let client = std::net::TcpStream::connect(address).expect("connected");
    let client = TcpStream::from_std(&remote, client).expect("attached");
    let (mut server, _) = listener.accept().expect("accepted");
    proactor.get().block_on(async {
        client.write(b"hello".to_vec()).await.0.expect("written");
    });
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).expect("read");
    assert_eq!(&buffer, b"hello");
    assert!(!(client.as_raw_socket() as usize as *mut u8).is_null());
    assert!(!client.stream().endpoint().as_raw_handle().is_null());
}
