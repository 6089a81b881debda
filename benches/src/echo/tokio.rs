//! The ends of a pipe on tokio's runtime of one thread.

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::windows::named_pipe::{ClientOptions, ServerOptions};
use tokio::runtime::{Builder, Runtime};

use super::{BEFORE, BLOCK, End, MESSAGE, Workload, begin, end, listens};

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_io().build()?)
}

pub(super) fn serve(this: &End) -> Result<()> {
    runtime()?.block_on(async {
        let mut pipe = ServerOptions::new()
            .first_pipe_instance(true)
            .create(&this.name)?;
        listens()?;
        pipe.connect().await?;
        let mut buffer = vec![0; BLOCK];
        let mut left = this.bytes();
        loop {
            let read = match pipe.read(&mut buffer).await {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                read => read?,
            };
            match this.workload {
                Workload::PingPong => pipe.write_all(&buffer[..read]).await?,
                Workload::Stream => {
                    left -= read;
                    if left == 0 {
                        pipe.write_all(&[1]).await?;
                    }
                }
            }
        }
    })
}

pub(super) fn call(this: &End) -> Result<()> {
    runtime()?.block_on(async {
        let mut pipe = ClientOptions::new().open(&this.name)?;
        run(&mut pipe, this.workload, BEFORE).await?;
        let begun = begin()?;
        run(&mut pipe, this.workload, this.count).await?;
        if this.workload == Workload::Stream {
            pipe.read_exact(&mut [0]).await?;
        }
        end(begun)
    })
}

async fn run(
    pipe: &mut (impl AsyncRead + AsyncWrite + Unpin),
    workload: Workload,
    count: usize,
) -> Result<()> {
    let mut buffer = match workload {
        Workload::PingPong => vec![7; MESSAGE],
        Workload::Stream => vec![7; BLOCK],
    };
    for _ in 0..count {
        pipe.write_all(&buffer).await?;
        if workload == Workload::PingPong {
            pipe.read_exact(&mut buffer).await?;
        }
    }
    Ok(())
}
