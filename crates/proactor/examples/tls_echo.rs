//! A server that gives back what it gets, over TLS, and a client that asks it.
//!
//! ```text
//! tls_echo serve 127.0.0.1:4433 certificate.pem key.pem
//! tls_echo ask 127.0.0.1:4433 everwatch.test authority.pem "some text"
//! ```
//!
//! The proactor has a thread of its own, and the connections are tasks of smol; any other executor would do.
//! `crates/proactor/tests/it/certificates` has certificates to try it with.

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["serve", address, certificate, key] => echo::serve(address, certificate, key),
        ["ask", address, name, authority, text] => echo::ask(address, name, authority, text),
        _ => Err("serve ADDRESS CERTIFICATE KEY, or ask ADDRESS NAME AUTHORITY TEXT".into()),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tls_echo: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(windows)]
mod echo {
    use std::error::Error;
    use std::sync::Arc;

    use everwatch_proactor::tls::rustls::RootCertStore;
    use everwatch_proactor::tls::rustls::pki_types::pem::PemObject;
    use everwatch_proactor::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use everwatch_proactor::tls::{self, ClientConfig, ServerConfig, ServerName};
    use everwatch_proactor::{
        Duplex, Runner,
        socket::{TcpListener, TcpStream},
    };
    use futures_lite::io::{AsyncReadExt, AsyncWriteExt};

    type Outcome = Result<(), Box<dyn Error>>;

    pub(super) fn serve(address: &str, certificate: &str, key: &str) -> Outcome {
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(key)?;
        let config = ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(chain, key)?);
        let runner = Runner::start()?;
        let listener = TcpListener::bind(&runner.remote(), address.parse()?)?;
        println!("listening at {}", listener.local_addr()?);
        smol::block_on(async {
            loop {
                let (stream, peer) = listener.accept().await?;
                let config = Arc::clone(&config);
                let echoing = async move {
                    if let Err(error) = echo(stream, config).await {
                        eprintln!("{peer}: {error}");
                    }
                };
                smol::spawn(echoing).detach();
            }
        })
    }

    async fn echo(stream: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
        let mut stream = tls::accept(Duplex::new(stream), config).await?;
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match stream.read(&mut buffer).await? {
                0 => return stream.close().await,
                count => {
                    stream.write_all(&buffer[..count]).await?;
                    stream.flush().await?;
                }
            }
        }
    }

    pub(super) fn ask(address: &str, name: &str, authority: &str, text: &str) -> Outcome {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = Arc::new(config.with_no_client_auth());
        let name = ServerName::try_from(name.to_owned())?;
        let runner = Runner::start()?;
        let remote = runner.remote();
        let answer = smol::block_on(async {
            let stream = TcpStream::connect(&remote, address.parse()?).await?;
            let mut stream = tls::connect(Duplex::new(stream), config, name).await?;
            stream.write_all(text.as_bytes()).await?;
            stream.close().await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<String, Box<dyn Error>>(answer)
        })?;
        println!("{answer}");
        Ok(())
    }
}

#[cfg(not(windows))]
fn main() {
    eprintln!("This example is for Windows.");
}
