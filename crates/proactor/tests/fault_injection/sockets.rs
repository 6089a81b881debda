//! Sockets whose calls fail: what is about one client or one datagram does not end the others.

use everwatch_proactor::fault_injection::{Call, Session};
use everwatch_proactor::{
    Proactor,
    socket::{TcpListener, TcpStream, UdpSocket},
};
use futures_lite::future::zip;

fn here() -> std::net::SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, 0).into()
}

fn ends_clean(proactor: Proactor) {
    let closed = proactor.close();
    assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
}

#[test]
fn a_client_that_goes_before_it_is_accepted_is_passed_over() {
    let session = Session::open();
    let mut proactor = Proactor::new().expect("a completion port");
    let remote = proactor.remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    // A completion reports a reset as ERROR_NETNAME_DELETED, the call as WSAECONNABORTED, and a socket that was
    // reset in between as WSAENOTCONN.
    session.fail(Call::AcceptEx, 0, 64);
    session.fail(Call::AcceptEx, 1, 10_053);
    session.fail(Call::SetSocketOption, 0, 10_057);
    let client = async {
        // The first is accepted, and turns out to be gone.
        let gone = TcpStream::connect(&remote, address).await;
        let stays = TcpStream::connect(&remote, address)
            .await
            .expect("connected");
        drop(gone);
        stays.local_addr().expect("an address")
    };
    let (accepted, own) = proactor.block_on(zip(listener.accept(), client));
    let (stream, peer) = accepted.expect("accepted");
    assert_eq!(session.records_of(Call::AcceptEx).len(), 4);
    assert!(session.is_spent());
    assert!(peer == own || stream.peer_addr().is_ok());
    drop((stream, listener));
    ends_clean(proactor);
}

#[test]
fn an_error_of_the_listener_itself_is_returned() {
    let session = Session::open();
    let mut proactor = Proactor::new().expect("a completion port");
    let remote = proactor.remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    session.fail(Call::AcceptEx, 0, 10_055);
    let error = proactor
        .block_on(listener.accept())
        .expect_err("no buffers");
    assert_eq!(error.raw_os_error(), Some(10_055));
    session.fail(Call::WsaSocket, 0, 10_024);
    let error = proactor
        .block_on(listener.accept())
        .expect_err("no sockets");
    assert_eq!(error.raw_os_error(), Some(10_024));
    // It is good for more.
    let address = listener.local_addr().expect("an address");
    let both = zip(listener.accept(), TcpStream::connect(&remote, address));
    let (accepted, connected) = proactor.block_on(both);
    accepted.expect("accepted");
    connected.expect("connected");
    drop(listener);
    ends_clean(proactor);
}

#[test]
fn a_datagram_that_was_refused_does_not_end_a_receive() {
    let session = Session::open();
    let mut proactor = Proactor::new().expect("a completion port");
    let remote = proactor.remote();
    let one = UdpSocket::bind(&remote, here()).expect("bound");
    let other = UdpSocket::bind(&remote, here()).expect("bound");
    let address = one.local_addr().expect("an address");
    for error in [10_054, 10_052, 1_234] {
        session.fail(Call::WsaRecvFrom, 0, error);
    }
    session.fail(Call::WsaSendTo, 0, 10_054);
    proactor.block_on(async {
        let (sent, _) = other.send_to(b"here".to_vec(), address).await;
        assert_eq!(sent.expect("sent"), 4);
        let (received, buffer) = one.recv(Vec::with_capacity(10)).await;
        assert_eq!((received.expect("received"), &*buffer), (4, &b"here"[..]));
    });
    assert!(session.is_spent());
    drop((one, other));
    ends_clean(proactor);
}

#[test]
fn sockets_do_not_fail_because_of_datagrams_that_came_back() {
    const CONNRESET: usize = 0x9800_000c;
    const NETRESET: usize = 0x9800_000f;
    let session = Session::open();
    let proactor = Proactor::new().expect("a completion port");
    drop(UdpSocket::bind(&proactor.remote(), here()).expect("bound"));
    let codes: Vec<usize> = session
        .records_of(Call::WsaIoctl)
        .iter()
        .map(|record| record.arguments[0])
        .collect();
    assert_eq!(codes, [CONNRESET, NETRESET]);
    ends_clean(proactor);
}
