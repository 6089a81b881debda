//! The ends of a pipe on compio's runtime.

use anyhow::Result;
use compio::BufResult;
use compio::fs::named_pipe::{ClientOptions, NamedPipeClient, ServerOptions};
use compio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _};
use compio::runtime::Runtime;

use super::{BEFORE, BLOCK, End, MESSAGE, Workload, begin, end, listens};

pub(super) fn serve(this: &End) -> Result<()> {
    Runtime::new()?.block_on(async {
        let mut pipe = ServerOptions::new()
            .first_pipe_instance(true)
            .create(&this.name)?;
        listens()?;
        pipe.connect().await?;
        let mut buffer = Vec::with_capacity(BLOCK);
        let mut left = this.bytes();
        loop {
            buffer.clear();
            let read;
            BufResult(read, buffer) = pipe.read(buffer).await;
            let read = match read {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                read => read?,
            };
            match this.workload {
                Workload::PingPong => {
                    let written;
                    BufResult(written, buffer) = pipe.write_all(buffer).await;
                    written?;
                }
                Workload::Stream => {
                    left -= read;
                    if left == 0 {
                        pipe.write_all([1]).await.0?;
                    }
                }
            }
        }
    })
}

pub(super) fn call(this: &End) -> Result<()> {
    Runtime::new()?.block_on(async {
        let mut pipe = ClientOptions::new().open(&this.name).await?;
        run(&mut pipe, this.workload, BEFORE).await?;
        let begun = begin()?;
        run(&mut pipe, this.workload, this.count).await?;
        if this.workload == Workload::Stream {
            pipe.read_exact([0]).await.0?;
        }
        end(begun)
    })
}

async fn run(pipe: &mut NamedPipeClient, workload: Workload, count: usize) -> Result<()> {
    let mut buffer = match workload {
        Workload::PingPong => vec![7; MESSAGE],
        Workload::Stream => vec![7; BLOCK],
    };
    for _ in 0..count {
        let result;
        BufResult(result, buffer) = pipe.write_all(buffer).await;
        result?;
        if workload == Workload::PingPong {
            let result;
            BufResult(result, buffer) = pipe.read_exact(buffer).await;
            result?;
        }
    }
    Ok(())
}
