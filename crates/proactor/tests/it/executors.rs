//! A proactor on a thread of its own, and the same TCP echo under executors that know nothing of it.

use std::future::Future;

use everwatch_proactor::{
    Remote, Runner,
    socket::{TcpListener, TcpStream},
};

use crate::support::{here, read_exactly};

/// Serves `count` connections, one after the other.
async fn serve(listener: TcpListener, count: u32) {
    for _ in 0..count {
        let (stream, _) = listener.accept().await.expect("accepted");
        let asked = read_exactly(stream.stream(), 5).await;
        stream.write(asked).await.0.expect("written");
    }
}

async fn ask(remote: Remote, address: std::net::SocketAddr) {
    let stream = TcpStream::connect(&remote, address)
        .await
        .expect("connected");
    stream.write(b"hello".to_vec()).await.0.expect("written");
    assert_eq!(read_exactly(stream.stream(), 5).await, b"hello");
}

/// Gives a server and ten clients to `run`, which runs them on two tasks.
fn echo_under(run: impl FnOnce(Box<dyn FnOnce() -> Server>, Box<dyn FnOnce() -> Server>)) {
    let runner = Runner::start().expect("a thread");
    let remote = runner.remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let asking = remote.clone();
    let clients = async move {
        for _ in 0..10 {
            ask(asking.clone(), address).await;
        }
    };
    run(
        Box::new(move || Box::pin(serve(listener, 10))),
        Box::new(move || Box::pin(clients)),
    );
    let closed = runner.close();
    assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
}

type Server = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn sockets_work_under_tokio() {
    echo_under(|server, clients| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build();
        runtime.expect("a runtime").block_on(async {
            let server = tokio::spawn(server());
            tokio::spawn(clients()).await.expect("clients");
            server.await.expect("a server");
        });
    });
}

#[test]
fn sockets_work_under_smol() {
    echo_under(|server, clients| {
        smol::block_on(async {
            let server = smol::spawn(server());
            smol::spawn(clients()).await;
            server.await;
        });
    });
}
