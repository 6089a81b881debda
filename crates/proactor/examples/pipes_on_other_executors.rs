//! The same pipes under tokio and under smol: a thread polls the proactor, and the futures run on the
//! executor that awaits them.

#[cfg(windows)]
mod executors {
    use std::io;

    use everwatch_proactor::{
        Remote, Runner,
        pipe::{PipeOptions, PipeServer, connect_pipe},
    };

    /// Serves one client, which sends a greeting.
    async fn serve(server: PipeServer) -> io::Result<Vec<u8>> {
        let pipe = server.accept().await?;
        let (result, greeting) = pipe.read(Vec::with_capacity(100)).await;
        result?;
        pipe.write(greeting).await.0?;
        // The client has closed its end when this is 0.
        let (result, rest) = pipe.read(Vec::with_capacity(100)).await;
        result?;
        Ok(rest)
    }

    async fn greet(remote: Remote, name: String, greeting: &'static str) -> io::Result<String> {
        let pipe = connect_pipe(&remote, name).await?;
        pipe.write(greeting.into()).await.0?;
        let (result, answer) = pipe.read(Vec::with_capacity(100)).await;
        result?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn server(remote: &Remote, name: &str) -> io::Result<(PipeServer, String)> {
        let name = format!(r"\\.\pipe\everwatch-{name}-{}", std::process::id());
        let server = PipeServer::bind(remote, &name, PipeOptions::default())?;
        Ok((server, name))
    }

    pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let runner = Runner::start()?;
        let remote = runner.remote();

        let (listening, name) = server(&remote, "tokio")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()?;
        let answer = runtime.block_on(async {
            let serving = tokio::spawn(serve(listening));
            let greeting = tokio::spawn(greet(remote.clone(), name, "hello from tokio"));
            let answer = greeting.await??;
            assert!(serving.await??.is_empty());
            Ok::<_, Box<dyn std::error::Error>>(answer)
        })?;
        println!("{answer}");

        let (listening, name) = server(&remote, "smol")?;
        let executor = smol::Executor::new();
        let answer = smol::future::block_on(executor.run(async {
            let serving = executor.spawn(serve(listening));
            let greeting = executor.spawn(greet(remote.clone(), name, "hello from smol"));
            let answer = greeting.await?;
            assert!(serving.await?.is_empty());
            Ok::<_, io::Error>(answer)
        }))?;
        println!("{answer}");

        let closed = runner.close();
        println!("{} stray packets", closed.stray_packets);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(windows)]
    executors::main()?;
    #[cfg(not(windows))]
    eprintln!("This example is for Windows.");
    Ok(())
}
