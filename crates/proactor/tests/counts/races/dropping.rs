//! Futures that are dropped at every point where they wait, and a proactor with all its operations.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use everwatch_proactor::{
    File, Remote,
    pipe::{PipeMode, PipeOptions, PipeServer, connect_pipe},
};

use super::{nothing_is_left, race};
use crate::support::{Clean, at_once, pipe, pipe_name};

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// Drops what `start` gives after it was polled 0, 1, 2... times, until it is complete before that.
fn dropped_everywhere(proactor: &mut Clean, start: &dyn Fn(&Remote) -> Waiting) {
    let remote = proactor.remote();
    let mut context = Context::from_waker(Waker::noop());
    for polls in 0.. {
        assert!(polls < 1000, "it never completes");
        let mut future = start(&remote);
        let mut is_complete = false;
        for _ in 0..polls {
            if future.as_mut().poll(&mut context).is_ready() {
                is_complete = true;
                break;
            }
            proactor.get().poll(Some(Duration::from_millis(10)));
        }
        drop(future);
        proactor.settle();
        if is_complete {
            return;
        }
    }
}

// requirement: S4.11 (wine)
#[test]
fn futures_are_dropped_at_every_point_where_they_wait() {
    let name = "races::dropping::futures_are_dropped_at_every_point_where_they_wait";
    race(name, 20, 1_000, |proactor, count| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        for _ in 0..count {
            let path = path.clone();
            // A whole conversation: every wait of both sides is in it.
            dropped_everywhere(proactor, &|remote| {
                let remote = remote.clone();
                Box::pin(async move {
                    let name = pipe_name();
                    let options = PipeOptions {
                        mode: PipeMode::Messages,
                        listening: 1,
                        ..PipeOptions::default()
                    };
                    let server = PipeServer::bind(&remote, &name, options).expect("a server");
                    let serve = async {
                        let pipe = server.accept().await.expect("a client");
                        let (part, bytes) = pipe.read_message(Vec::with_capacity(2)).await;
                        part.expect("read");
                        pipe.write(bytes).await.0.expect("written");
                        server.accept().await.expect("another client");
                    };
                    let call = async {
                        let pipe = connect_pipe(&remote, &name).await.expect("it listens");
                        let busy = connect_pipe(&remote, &name)
                            .await
                            .expect("it listens again");
                        pipe.write(b"call".to_vec()).await.0.expect("written");
                        pipe.read(Vec::with_capacity(10)).await.0.expect("read");
                        remote.sleep(Duration::from_millis(1)).await.expect("slept");
                        drop(busy);
                    };
                    smol::future::zip(serve, call).await;
                })
            });
            dropped_everywhere(proactor, &|remote| {
                let file = File::create(remote, &path).expect("a file");
                Box::pin(async move {
                    file.write_at(vec![1; 1000], 0).await.0.expect("written");
                    file.read_at(Vec::with_capacity(1000), 0)
                        .await
                        .0
                        .expect("read");
                })
            });
        }
        nothing_is_left(&proactor.remote());
    });
}

// requirement: S4.14 (wine)
#[test]
fn a_proactor_is_dropped_with_a_thousand_operations_in_flight() {
    let name = "races::dropping::a_proactor_is_dropped_with_a_thousand_operations_in_flight";
    race(name, 20, 200, |_, count| {
        for _ in 0..count.min(10) {
            let mut proactor = Clean::new();
            let remote = proactor.remote();
            let server = PipeServer::bind(
                &remote,
                pipe_name(),
                PipeOptions {
                    listening: 700,
                    ..PipeOptions::default()
                },
            );
            let pipes: Vec<_> = (0..125).map(|_| pipe(&remote, PipeMode::Bytes)).collect();
            let mut waiting: Vec<Waiting> = Vec::new();
            for (server, client) in &pipes {
                for end in [server, client] {
                    let (reading, writing) = (end.clone(), end.clone());
                    waiting.push(Box::pin(async move {
                        let _ = reading.read(Vec::with_capacity(100)).await;
                    }));
                    waiting.push(Box::pin(async move {
                        let _ = writing.write(vec![0; 10_000]).await;
                    }));
                }
            }
            let mut context = Context::from_waker(Waker::noop());
            waiting.retain_mut(|future| future.as_mut().poll(&mut context).is_pending());
            assert!(remote.in_flight() >= 1000, "{}", remote.in_flight());
            // Half of the futures go first.
            waiting.truncate(waiting.len() / 2);
            let closed = std::mem::replace(&mut proactor, Clean::new());
            drop(closed);
            nothing_is_left(&remote);
            waiting.into_iter().for_each(at_once);
            drop(server);
        }
    });
}
