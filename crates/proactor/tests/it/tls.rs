//! TLS over the proactor, with a certificate that `certificates/make.sh` has made.

use std::io::{ErrorKind, Result};
use std::sync::Arc;

use everwatch_proactor::tls::rustls::RootCertStore;
use everwatch_proactor::tls::rustls::pki_types::pem::PemObject;
use everwatch_proactor::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use everwatch_proactor::tls::{self, ClientConfig, ServerConfig, TlsStream};
use everwatch_proactor::{Duplex, Remote, pipe::PipeMode};
use futures_lite::future::{poll_once, zip};
use futures_lite::io::{AsyncReadExt, AsyncWriteExt, split};

use crate::support::{Clean, connection, pipe};

const AUTHORITY: &[u8] = include_bytes!("certificates/authority.pem");
const STRANGER: &[u8] = include_bytes!("certificates/stranger.pem");
const SERVER: &[u8] = include_bytes!("certificates/server.pem");
const KEY: &[u8] = include_bytes!("certificates/server.key");
const NAME: &str = "everwatch.test";

fn certificate(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).expect("a certificate")
}

fn server() -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate(SERVER)], key);
    Arc::new(config.expect("a certificate and its key"))
}

fn client(trusted: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(trusted)).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

type Secured = TlsStream<Duplex>;

async fn hands(
    ends: (Duplex, Duplex),
    trusted: &[u8],
    name: &'static str,
) -> (Result<Secured>, Result<Secured>) {
    let name = name.try_into().expect("a name");
    let (accepting, connecting) = ends;
    zip(
        tls::accept(accepting, server()),
        tls::connect(connecting, client(trusted), name),
    )
    .await
}

async fn over_tcp(remote: &Remote) -> (Duplex, Duplex) {
    let (server, client) = connection(remote).await;
    (Duplex::new(server), Duplex::new(client))
}

fn over_a_pipe(remote: &Remote) -> (Duplex, Duplex) {
    let (server, client) = pipe(remote, PipeMode::Bytes);
    (Duplex::new(server), Duplex::new(client))
}

/// The byte at this place of what is sent.
fn pattern(place: usize) -> u8 {
    (place.wrapping_mul(0x9e37_79b9) >> 13) as u8
}

/// How much goes each way: all of it with `EVERWATCH_SOAK=1`.
fn amount() -> usize {
    everwatch_testing::alone::cycles(8, 100) as usize * (1 << 20)
}

/// One side sends `len` bytes while it reads what the other sends back.
async fn echo_both_ways((server, client): (Secured, Secured), amount: usize) {
    let (mut from_client, mut to_client) = split(server);
    let (mut from_server, mut to_server) = split(client);
    let serve = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from_client.read(&mut buffer).await.expect("read");
            if count == 0 {
                break;
            }
            to_client
                .write_all(&buffer[..count])
                .await
                .expect("written");
        }
        to_client.close().await.expect("closed");
    };
    let send = async {
        let mut place = 0;
        while place < amount {
            let end = (place + 50_000).min(amount);
            let block: Vec<u8> = (place..end).map(pattern).collect();
            to_server.write_all(&block).await.expect("written");
            place = end;
        }
        to_server.close().await.expect("closed");
    };
    let receive = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut place = 0;
        loop {
            let count = from_server.read(&mut buffer).await.expect("read");
            if count == 0 {
                break;
            }
            let is_right = |(at, byte): (usize, &u8)| *byte == pattern(place + at);
            assert!(
                buffer[..count].iter().enumerate().all(is_right),
                "near {place}"
            );
            place += count;
        }
        assert_eq!(place, amount);
    };
    zip(serve, zip(send, receive)).await;
}

// requirement: S4.16 (wine)
#[test]
fn tls_over_a_socket_carries_both_ways_at_once() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let ends = over_tcp(&remote).await;
        let (accepted, connected) = hands(ends, AUTHORITY, NAME).await;
        let ends = (accepted.expect("accepted"), connected.expect("connected"));
        let start = std::time::Instant::now();
        echo_both_ways(ends, amount()).await;
        println!("{} bytes each way in {:?}", amount(), start.elapsed());
    });
    assert_eq!(remote.in_flight(), 0);
}

// requirement: S4.16 (wine)
/// A pipe has no end of its own for one direction; that of TLS does.
#[test]
fn tls_over_a_pipe_carries_both_ways_at_once() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let ends = over_a_pipe(&remote);
        let (accepted, connected) = hands(ends, AUTHORITY, NAME).await;
        let ends = (accepted.expect("accepted"), connected.expect("connected"));
        let start = std::time::Instant::now();
        echo_both_ways(ends, amount() / 8).await;
        println!("{} bytes each way in {:?}", amount() / 8, start.elapsed());
    });
    assert_eq!(remote.in_flight(), 0);
}

// requirement: S4.16 (wine)
#[test]
fn a_certificate_of_an_untrusted_issuer_is_refused_in_a_sentence() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let ends = over_tcp(&remote).await;
        let (accepted, connected) = hands(ends, STRANGER, NAME).await;
        let error = connected.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(
            error.to_string(),
            "the certificate of the server everwatch.test is refused: it was issued by no authority that is trusted here"
        );
        let refused = error.get_ref().and_then(|error| error.downcast_ref::<tls::Refused>());
        assert!(matches!(
            refused.expect("a refusal").reason(),
            tls::rustls::Error::InvalidCertificate(_)
        ));
        assert_eq!(
            accepted.expect_err("refused").to_string(),
            "the client has refused the certificate of this side"
        );
    });
}

// requirement: S4.16 (wine)
#[test]
fn a_certificate_for_another_name_is_refused_in_a_sentence() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let ends = over_a_pipe(&remote);
        let (_, connected) = hands(ends, AUTHORITY, "elsewhere.test").await;
        assert_eq!(
            connected.expect_err("refused").to_string(),
            "the certificate of the server elsewhere.test is refused: it was issued for another name"
        );
    });
}

#[test]
fn a_connection_that_is_cut_off_is_no_end() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let ends = over_tcp(&remote).await;
        let (accepted, connected) = hands(ends, AUTHORITY, NAME).await;
        let mut client = connected.expect("connected");
        drop(accepted.expect("accepted"));
        let error = client.read(&mut [0; 8]).await.expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_peer_that_goes_during_the_handshake_is_an_error() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let (server, client) = over_tcp(&remote).await;
        drop(client);
        let error = tls::accept(server, self::server()).await.expect_err("gone");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(
            error.to_string(),
            "the client has ended the connection during the handshake"
        );
    });
}

#[test]
fn reads_of_a_secured_connection_that_are_dropped_lose_nothing() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    proactor.get().block_on(async {
        let ends = over_tcp(&remote).await;
        let (accepted, connected) = hands(ends, AUTHORITY, NAME).await;
        let (mut server, mut client) = (accepted.expect("accepted"), connected.expect("connected"));
        for round in 0..1_000_u32 {
            let mut buffer = [0; 4];
            assert!(poll_once(server.read(&mut buffer)).await.is_none());
            client
                .write_all(&round.to_le_bytes())
                .await
                .expect("written");
            client.flush().await.expect("flushed");
            server.read_exact(&mut buffer).await.expect("read");
            assert_eq!(buffer, round.to_le_bytes());
        }
    });
}
