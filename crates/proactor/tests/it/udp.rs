//! UDP: datagrams that fit and that do not, and those sent to a port without a socket.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use everwatch_proactor::{Remote, socket::UdpSocket};
use futures_lite::future::or;

use crate::support::{Clean, here, poll_now};

fn sockets(remote: &Remote) -> (UdpSocket, UdpSocket) {
    let socket = || UdpSocket::bind(remote, here()).expect("bound");
    (socket(), socket())
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("an address")
}

/// A port without a socket.
fn unused_port(remote: &Remote) -> SocketAddr {
    address(&UdpSocket::bind(remote, here()).expect("bound"))
}

/// The next datagram, unless there is none.
async fn next(remote: &Remote, socket: &UdpSocket, room: usize) -> (usize, SocketAddr, Vec<u8>) {
    let (received, buffer) = or(socket.recv_from(Vec::with_capacity(room)), async {
        remote.sleep(Duration::from_secs(10)).await.expect("slept");
        panic!("no datagram came");
    })
    .await;
    let (length, from) = received.expect("received");
    (length, from, buffer)
}

#[test]
fn a_datagram_arrives_with_its_sender() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (one, other) = sockets(&remote);
    proactor.get().block_on(async {
        for length in [0, 1, 1_000, 9_000] {
            let (sent, _) = one.send_to(vec![7; length], address(&other)).await;
            assert_eq!(sent.expect("sent"), length);
            let (received, from, buffer) = next(&remote, &other, 10_000).await;
            assert_eq!((received, from), (length, address(&one)));
            assert_eq!(buffer, vec![7; length]);
        }
    });
    assert_eq!(remote.in_flight(), 0);
}

#[test]
fn a_connected_socket_sends_to_its_peer() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (one, other) = sockets(&remote);
    one.connect(address(&other)).expect("connected");
    other.connect(address(&one)).expect("connected");
    assert_eq!(one.peer_addr().expect("connected"), address(&other));
    proactor.get().block_on(async {
        assert_eq!(one.send(b"hello".to_vec()).await.0.expect("sent"), 5);
        let (received, buffer) = other.recv(Vec::with_capacity(10)).await;
        assert_eq!((received.expect("received"), &*buffer), (5, &b"hello"[..]));
    });
}

#[test]
fn a_datagram_without_space_is_cut_and_its_length_is_returned() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (one, other) = sockets(&remote);
    proactor.get().block_on(async {
        let datagram: Vec<u8> = (0..5_000_u32).map(|number| number as u8).collect();
        for room in [0, 1, 4_999, 5_000] {
            one.send_to(datagram.clone(), address(&other))
                .await
                .0
                .expect("sent");
            let mut buffer = Vec::new();
            buffer.reserve_exact(room);
            let room = buffer.capacity();
            let (received, buffer) = other.recv_from(buffer).await;
            assert_eq!(received.expect("received"), (5_000, address(&one)));
            assert_eq!(buffer, datagram[..room]);
        }
        // The next one is the next one, and not the rest of the last.
        one.send_to(b"next".to_vec(), address(&other))
            .await
            .0
            .expect("sent");
        assert_eq!(next(&remote, &other, 10).await.2, b"next");
    });
}

#[test]
fn a_datagram_that_came_for_a_dropped_receive_is_the_next_one() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (one, other) = sockets(&remote);
    {
        let mut receive = pin!(other.recv_from(Vec::with_capacity(3)));
        assert!(poll_now(receive.as_mut()).is_pending());
        let sender = std::net::UdpSocket::bind(here()).expect("bound");
        sender.send_to(b"first", address(&other)).expect("sent");
    }
    proactor.get().block_on(async {
        one.send_to(b"second".to_vec(), address(&other))
            .await
            .0
            .expect("sent");
        // Whole, though the one that was dropped had less room.
        assert_eq!(next(&remote, &other, 10).await.2, b"first");
        assert_eq!(next(&remote, &other, 10).await.2, b"second");
    });
}

#[test]
fn a_port_without_a_socket_does_not_end_the_sender() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (one, other) = sockets(&remote);
    let unused = unused_port(&remote);
    proactor.get().block_on(async {
        for _ in 0..10 {
            let (sent, _) = one.send_to(b"lost".to_vec(), unused).await;
            assert_eq!(sent.expect("sent"), 4);
        }
        other
            .send_to(b"here".to_vec(), address(&one))
            .await
            .0
            .expect("sent");
        assert_eq!(next(&remote, &one, 10).await.2, b"here");
    });
}

#[test]
fn a_peer_that_is_not_there_yet_does_not_end_a_connected_socket() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let one = UdpSocket::bind(&remote, here()).expect("bound");
    let later = unused_port(&remote);
    one.connect(later).expect("connected");
    proactor.get().block_on(async {
        for _ in 0..10 {
            assert_eq!(one.send(b"lost".to_vec()).await.0.expect("sent"), 4);
        }
        let other = UdpSocket::bind(&remote, later).expect("bound");
        other
            .send_to(b"here".to_vec(), address(&one))
            .await
            .0
            .expect("sent");
        let (received, buffer) = one.recv(Vec::with_capacity(10)).await;
        assert_eq!((received.expect("received"), &*buffer), (4, &b"here"[..]));
    });
}

#[test]
fn a_datagram_that_is_too_long_is_refused() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (one, other) = sockets(&remote);
    proactor.get().block_on(async {
        let (sent, buffer) = one.send_to(vec![0; 70_000], address(&other)).await;
        assert_eq!(sent.expect_err("too long").raw_os_error(), Some(10_040));
        assert_eq!(buffer.len(), 70_000);
        one.connect(address(&other)).expect("connected");
        let (sent, _) = one.send(vec![0; 70_000]).await;
        assert_eq!(sent.expect_err("too long").raw_os_error(), Some(10_040));
        // What they have left behind is not taken for the end of another.
        for number in 0..10_u8 {
            one.send(vec![number]).await.0.expect("sent");
            assert_eq!(next(&remote, &other, 10).await.2, [number]);
        }
    });
    assert_eq!(remote.stray_packets(), 0);
}

#[test]
fn a_socket_without_a_peer_cannot_send() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let (one, _) = sockets(&remote);
    let (sent, buffer) = proactor.get().block_on(one.send(vec![1; 10]));
    sent.expect_err("no peer");
    assert_eq!(buffer, [1; 10]);
}
