//! Connections that were made, used, dropped in the middle: nothing of them is left.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use everwatch_proactor::{
    Proactor,
    socket::{TcpListener, TcpStream, UdpSocket},
};
use futures_lite::future::zip;

use everwatch_testing::alone::{alone, cycles, settles};
use everwatch_testing::census::Census;

fn poll_now<F: Future>(future: F) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

fn cycle(proactor: &mut Proactor) {
    let remote = proactor.remote();
    let here = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let listener = TcpListener::bind(&remote, here).expect("bound");
    let address = listener.local_addr().expect("an address");
    proactor.block_on(async {
        let both = zip(listener.accept(), TcpStream::connect(&remote, address)).await;
        let (server, client) = (both.0.expect("accepted").0, both.1.expect("connected"));
        client.write(vec![1; 100]).await.0.expect("written");
        let (read, _) = server.read(Vec::with_capacity(100)).await;
        read.expect("read");
        let datagrams = UdpSocket::bind(&remote, here).expect("bound");
        poll_now(server.read(Vec::with_capacity(100)));
        poll_now(datagrams.recv_from(Vec::with_capacity(100)));
        poll_now(listener.accept());
        poll_now(TcpStream::connect(&remote, address));
    });
    while remote.in_flight() > 0 {
        proactor.poll(Some(Duration::from_millis(100)));
    }
}

#[test]
fn connections_leave_nothing_behind() {
    alone("connections::connections_leave_nothing_behind", || {
        let mut proactor = Proactor::new().expect("a completion port");
        (0..20).for_each(|_| cycle(&mut proactor));
        let baseline = Census::take();
        let count = cycles(500, 10_000);
        (0..count).for_each(|_| cycle(&mut proactor));
        settles(&baseline, &format!("{count} connections"));
        let closed = proactor.close();
        assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
    });
}
