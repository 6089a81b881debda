//! The ends of a pipe on Everwatch's completion loop.

use anyhow::{Result, ensure};
use everwatch_proactor::{
    Proactor,
    pipe::{PipeOptions, PipeServer, PipeStream, connect_pipe},
};

use super::{BEFORE, BLOCK, End, MESSAGE, Workload, begin, end, listens};

pub(super) fn serve(this: &End) -> Result<()> {
    let mut proactor = Proactor::new()?;
    let server = PipeServer::bind(&proactor.remote(), &this.name, PipeOptions::default())?;
    listens()?;
    proactor.block_on(async {
        let pipe = server.accept().await?;
        let mut buffer = Vec::with_capacity(BLOCK);
        let mut left = this.bytes();
        loop {
            let read;
            (read, buffer) = pipe.read(buffer).await;
            let read = read?;
            if read == 0 {
                return Ok(());
            }
            match this.workload {
                Workload::PingPong => {
                    let written;
                    (written, buffer) = pipe.write(buffer).await;
                    written?;
                }
                Workload::Stream => {
                    left -= read;
                    if left == 0 {
                        pipe.write(vec![1]).await.0?;
                    }
                }
            }
        }
    })
}

pub(super) fn call(this: &End) -> Result<()> {
    let mut proactor = Proactor::new()?;
    let remote = proactor.remote();
    proactor.block_on(async {
        let pipe = connect_pipe(&remote, &this.name).await?;
        run(&pipe, this.workload, BEFORE).await?;
        let begun = begin()?;
        run(&pipe, this.workload, this.count).await?;
        if this.workload == Workload::Stream {
            pipe.read(Vec::with_capacity(1)).await.0?;
        }
        end(begun)
    })
}

async fn run(pipe: &PipeStream, workload: Workload, count: usize) -> Result<()> {
    let mut buffer = match workload {
        Workload::PingPong => vec![7; MESSAGE],
        Workload::Stream => vec![7; BLOCK],
    };
    for _ in 0..count {
        let result;
        (result, buffer) = pipe.write(buffer).await;
        result?;
        if workload == Workload::PingPong {
            let result;
            (result, buffer) = pipe.read(buffer).await;
            ensure!(result? == MESSAGE, "a message comes back");
        }
    }
    Ok(())
}
