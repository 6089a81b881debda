//! A server that sends back what it is sent, for many clients on one thread: `pipe_echo_server [NAME]`.
//!
//! With `--demo` it is its own clients: a hundred of them at once, and then it ends.

#[cfg(windows)]
mod server {
    use std::io;
    use std::rc::Rc;

    use everwatch_proactor::{
        Proactor, Remote,
        pipe::{PipeOptions, PipeServer, PipeStream, connect_pipe},
    };

    async fn echo(pipe: PipeStream) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(64 * 1024);
        loop {
            let result;
            (result, buffer) = pipe.read(buffer).await;
            if result? == 0 {
                return Ok(());
            }
            let result;
            (result, buffer) = pipe.write(buffer).await;
            result?;
        }
    }

    /// Says something to the server and hears it back.
    async fn call(remote: Remote, name: Rc<str>, number: u32) -> io::Result<()> {
        let pipe = connect_pipe(&remote, &*name).await?;
        let said = format!("client {number}").into_bytes();
        pipe.write(said.clone()).await.0?;
        let (result, heard) = pipe.read(Vec::with_capacity(100)).await;
        result?;
        assert_eq!(heard, said);
        Ok(())
    }

    pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let is_demo = arguments.iter().any(|argument| argument == "--demo");
        let name = arguments.iter().find(|argument| *argument != "--demo");
        let name: Rc<str> = name.map_or(r"\\.\pipe\everwatch-echo", |name| name).into();

        let mut proactor = Proactor::new()?;
        let remote = proactor.remote();
        // Other users and other machines are refused.
        let server = PipeServer::bind(&remote, &*name, PipeOptions::default())?;
        println!("listening at {name}");

        // Any executor will do; this one is a queue of tasks on this thread.
        let tasks = smol::LocalExecutor::new();
        let serve = async {
            loop {
                let pipe = server.accept().await?;
                println!("process {} has connected", pipe.client_process_id()?);
                tasks.spawn(echo(pipe)).detach();
            }
        };
        let demo = async {
            if !is_demo {
                std::future::pending::<()>().await;
            }
            let calls: Vec<_> = (0..100)
                .map(|number| tasks.spawn(call(remote.clone(), Rc::clone(&name), number)))
                .collect();
            for call in calls {
                call.await?;
            }
            Ok(())
        };
        let result: io::Result<()> = proactor.block_on(tasks.run(smol::future::or(demo, serve)));
        println!("all were served");
        Ok(result?)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(windows)]
    server::main()?;
    #[cfg(not(windows))]
    eprintln!("This example is for Windows.");
    Ok(())
}
