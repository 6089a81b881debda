//! Named pipes: servers and clients, until they are connected.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use everwatch_proactor::pipe::{PipeInstance, PipeOptions, PipeServer, PipeStream, connect_pipe};

use crate::support::{Clean, at_once, looking, one_at_a_time, pipe_name};
use everwatch_testing::alone::rounds;

// requirement: S4.1 (wine)
#[test]
fn connecting_to_a_busy_pipe_waits_until_there_is_room() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let options = PipeOptions::default();
    let first = PipeInstance::first(&remote, &name, &options).expect("an instance");
    let _client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    let mut late = pin!(connect_pipe(&remote, &name));
    let begun = Instant::now();
    proactor.get().block_on(async {
        // 1, 2, 4, 8 ms: at least four attempts find it busy.
        assert!(late.as_mut().poll(&mut looking()).is_pending());
        while begun.elapsed() < Duration::from_millis(20) {
            remote.sleep(Duration::from_millis(1)).await.expect("slept");
            assert!(late.as_mut().poll(&mut looking()).is_pending());
        }
        let second = PipeInstance::further(&remote, &name, &options).expect("another instance");
        let client = late.await.expect("there is room");
        let server = at_once(second.accept()).expect("it is there");
        client.write(b"hello".to_vec()).await.0.expect("written");
        let (read, bytes) = server.read(Vec::with_capacity(10)).await;
        assert_eq!((read.expect("read"), &*bytes), (5, &b"hello"[..]));
    });
    drop(first);
}

// requirement: S4.1 (wine)
#[test]
fn connecting_blocks_no_thread_and_is_given_up_at_any_attempt() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let options = PipeOptions::default();
    let instance = PipeInstance::first(&remote, &name, &options).expect("an instance");
    let client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    for time in [0, 1, 2, 5, 10, 40, 120] {
        let mut late = Box::pin(connect_pipe(&remote, &name));
        let begun = Instant::now();
        proactor.get().block_on(async {
            let mut sleep = remote.sleep(Duration::from_millis(time));
            std::future::poll_fn(|context| {
                assert!(late.as_mut().poll(context).is_pending(), "it is busy");
                pin!(&mut sleep).poll(context)
            })
            .await
            .expect("slept");
        });
        drop(late);
        assert!(begun.elapsed() < Duration::from_millis(time + 1000));
        assert_eq!(remote.in_flight(), 0);
    }
    // No client that was given up has taken another's place.
    drop(client);
    drop(instance);
    let _instance = PipeInstance::first(&remote, &name, &options).expect("an instance");
    at_once(connect_pipe(&remote, &name)).expect("it listens");
}

// requirement: S4.1 (wine)
#[test]
fn nothing_but_a_busy_pipe_is_tried_again() {
    let proactor = Clean::new();
    let unserved = at_once(connect_pipe(&proactor.remote(), pipe_name()));
    assert_eq!(unserved.expect_err("no server").kind(), ErrorKind::NotFound);
    for wrong in ["", "name", r"\\.\pipe\", r"C:\pipe\name"] {
        let error = at_once(connect_pipe(&proactor.remote(), wrong)).expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let options = PipeOptions::default();
        let error = PipeServer::bind(&proactor.remote(), wrong, options).expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

// requirement: S4.1 (wine)
#[test]
fn connecting_ends_when_the_proactor_closes() {
    let proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let options = PipeOptions::default();
    let _instance = PipeInstance::first(&remote, &name, &options).expect("an instance");
    let _client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    let mut late = pin!(connect_pipe(&remote, &name));
    assert!(late.as_mut().poll(&mut looking()).is_pending());
    drop(proactor);
    let Poll::Ready(Err(error)) = late.as_mut().poll(&mut looking()) else {
        panic!("there is no proactor to wait by");
    };
    assert_eq!(error.raw_os_error(), Some(735));
}

// requirement: S4.2 (wine)
#[test]
fn a_client_that_is_there_is_accepted_at_once_and_nothing_registered() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    for round in 0..rounds() / 4 {
        let name = pipe_name();
        let options = PipeOptions::default();
        let instance = PipeInstance::first(&remote, &name, &options).expect("an instance");
        if round % 2 == 0 {
            let _client = at_once(connect_pipe(&remote, &name)).expect("it listens");
            let accept = instance.accept();
            assert_eq!(remote.in_flight(), 0);
            at_once(accept).expect("it is there");
        } else {
            let accept = instance.accept();
            assert_eq!(remote.in_flight(), 1);
            let _client = at_once(connect_pipe(&remote, &name)).expect("it listens");
            proactor.get().block_on(accept).expect("it came");
        }
        assert_eq!(remote.in_flight(), 0);
    }
    assert_eq!(proactor.get().poll(Some(Duration::ZERO)).packets, 0);
}

// requirement: S4.2 (wine)
#[test]
fn a_client_that_came_and_left_is_passed_over() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let options = PipeOptions::default();
    let instance = PipeInstance::first(&remote, &name, &options).expect("an instance");
    drop(at_once(connect_pipe(&remote, &name)).expect("it listens"));
    let accept = instance.accept();
    assert_eq!(remote.in_flight(), 1, "it waits for the next one");
    let client = at_once(connect_pipe(&remote, &name)).expect("it listens again");
    proactor.get().block_on(async {
        let server = accept.await.expect("the second client");
        client.write(b"second".to_vec()).await.0.expect("written");
        let (read, bytes) = server.read(Vec::with_capacity(10)).await;
        assert_eq!((read.expect("read"), &*bytes), (6, &b"second"[..]));
    });
}

// requirement: S4.2 (wine)
#[test]
fn a_client_that_wrote_and_left_is_accepted_for_what_it_wrote() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let options = PipeOptions::default();
    let instance = PipeInstance::first(&remote, &name, &options).expect("an instance");
    let client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    at_once(client.write(b"and gone".to_vec()))
        .0
        .expect("written");
    drop(client);
    let server = at_once(instance.accept()).expect("its words are there");
    proactor.get().block_on(async {
        let (read, bytes) = server.read(Vec::with_capacity(10)).await;
        assert_eq!((read.expect("read"), &*bytes), (8, &b"and gone"[..]));
        let (read, _) = server.read(Vec::with_capacity(10)).await;
        assert_eq!(read.expect("the end"), 0);
    });
}

// requirement: S4.3 (wine)
#[test]
fn a_pending_accept_completes_later_with_the_pipe() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let server = PipeServer::bind(&remote, &name, one_at_a_time()).expect("a server");
    let mut accept = pin!(server.accept());
    assert!(accept.as_mut().poll(&mut looking()).is_pending());
    assert_eq!(remote.in_flight(), 1);
    let client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    proactor.get().block_on(async {
        let server = accept.await.expect("a client");
        assert_eq!(
            server.client_process_id().expect("a process"),
            std::process::id()
        );
        server.write(b"hello".to_vec()).await.0.expect("written");
        let (read, bytes) = client.read(Vec::with_capacity(10)).await;
        assert_eq!((read.expect("read"), &*bytes), (5, &b"hello"[..]));
    });
}

// requirement: S4.3 (wine)
#[test]
fn a_pending_accept_can_be_cancelled() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let options = PipeOptions::default();
    let instance = PipeInstance::first(&remote, pipe_name(), &options).expect("an instance");
    let accept = instance.accept();
    accept.cancel();
    accept.cancel();
    let error = proactor.get().block_on(accept).expect_err("no client came");
    assert_eq!(error.raw_os_error(), Some(995));
    let instance = PipeInstance::first(&remote, pipe_name(), &options).expect("an instance");
    drop(instance.accept());
    proactor.settle();
}

// requirement: S4.3 (wine)
#[test]
fn a_dropped_accept_loses_no_client() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let server = PipeServer::bind(&remote, &name, one_at_a_time()).expect("a server");
    for round in 0..20_u8 {
        let mut accept = Box::pin(server.accept());
        assert!(accept.as_mut().poll(&mut looking()).is_pending());
        let client = at_once(connect_pipe(&remote, &name)).expect("it listens");
        if round % 2 == 0 {
            proactor.get().poll(Some(Duration::from_secs(10)));
        }
        drop(accept);
        proactor.get().block_on(async {
            let server = server.accept().await.expect("the client is still there");
            client.write(vec![round]).await.0.expect("written");
            let (read, bytes) = server.read(Vec::with_capacity(10)).await;
            assert_eq!((read.expect("read"), bytes), (1, vec![round]));
        });
    }
}

#[test]
fn an_accept_that_was_woken_for_a_client_and_is_dropped_wakes_the_next() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let server = PipeServer::bind(&remote, &name, one_at_a_time()).expect("a server");
    let mut first = Box::pin(server.accept());
    assert!(first.as_mut().poll(&mut looking()).is_pending());
    let mut second = Box::pin(server.accept());
    let client = connect_pipe(&remote, &name);
    proactor.get().block_on(async {
        let mut first = Some(first);
        let mut client = Some(Box::pin(client));
        let mut pause = remote.sleep(Duration::from_millis(20));
        std::future::poll_fn(|context| {
            let second = second.as_mut().poll(context);
            if client.take().is_some_and(|client| at_once(client).is_err()) {
                panic!("it listens");
            }
            // By then the first one was woken for the client.
            if pin!(&mut pause).poll(context).is_ready() {
                first.take();
            }
            second
        })
        .await
        .expect("the client that the first one left");
    });
}

#[test]
fn a_server_listens_again_before_anybody_asks_for_its_client() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let server = PipeServer::bind(&remote, &name, one_at_a_time()).expect("a server");
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(at_once(connect_pipe(&remote, &name)).expect("one listens"));
        assert_eq!(
            proactor.get().poll(Some(Duration::from_secs(10))).packets,
            1
        );
        assert_eq!(remote.in_flight(), 1, "the next one listens");
    }
    for _ in 0..20 {
        at_once(server.accept()).expect("they have all arrived");
    }
    assert!(pin!(server.accept()).poll(&mut looking()).is_pending());
}

#[test]
fn clients_beyond_the_backlog_wait_for_the_next_accept() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let options = PipeOptions {
        listening: 1,
        backlog: 3,
        ..PipeOptions::default()
    };
    let server = PipeServer::bind(&remote, &name, options).expect("a server");
    for _ in 0..3 {
        let client = at_once(connect_pipe(&remote, &name)).expect("one listens");
        proactor.get().poll(Some(Duration::from_secs(10)));
        std::mem::forget(client);
    }
    let client = at_once(connect_pipe(&remote, &name)).expect("the last one that listens");
    proactor.get().poll(Some(Duration::from_millis(100)));
    let mut late = pin!(connect_pipe(&remote, &name));
    assert!(late.as_mut().poll(&mut looking()).is_pending());
    proactor.get().block_on(async {
        for _ in 0..4 {
            server.accept().await.expect("it waited");
        }
        late.await.expect("there is room");
        server.accept().await.expect("it came");
    });
    drop(client);
}

#[test]
fn a_closed_server_lets_its_clients_go_on_and_takes_no_others() {
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let server = PipeServer::bind(&remote, &name, PipeOptions::default()).expect("a server");
    let client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    let served = proactor.get().block_on(server.accept()).expect("a client");
    let unasked = at_once(connect_pipe(&remote, &name)).expect("it listens");
    proactor.get().poll(Some(Duration::from_secs(10)));
    drop(server);
    proactor.settle();
    let (read, _) = at_once(unasked.read(Vec::with_capacity(10)));
    assert_eq!(read.expect("the end"), 0);
    {
        let mut late = pin!(connect_pipe(&remote, &name));
        assert!(
            late.as_mut().poll(&mut looking()).is_pending(),
            "it is busy"
        );
    }
    proactor.get().block_on(async {
        served.write(b"still".to_vec()).await.0.expect("written");
        let (read, bytes) = client.read(Vec::with_capacity(10)).await;
        assert_eq!((read.expect("read"), &*bytes), (5, &b"still"[..]));
    });
    drop((served, client, unasked));
    let late = at_once(connect_pipe(&remote, &name)).expect_err("the server is gone");
    assert_eq!(late.kind(), ErrorKind::NotFound);
}

#[test]
fn all_who_wait_for_clients_hear_of_the_close_of_the_proactor() {
    let proactor = Clean::new();
    let remote = proactor.remote();
    let server = PipeServer::bind(&remote, pipe_name(), one_at_a_time()).expect("a server");
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(server.accept())).collect();
    for accept in &mut waiting {
        assert!(accept.as_mut().poll(&mut looking()).is_pending());
    }
    drop(proactor);
    for accept in waiting {
        let error = at_once(accept).expect_err("the proactor is gone");
        assert!(matches!(error.raw_os_error(), Some(735 | 995)), "{error}");
    }
}

#[test]
fn a_thousand_clients_that_come_at_once_are_all_served() {
    const CLIENTS: u32 = 1000;
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = Rc::new(pipe_name());
    let server = PipeServer::bind(&remote, &*name, PipeOptions::default()).expect("a server");
    let executor = smol::LocalExecutor::new();
    let serve = async {
        let mut serving = Vec::new();
        for _ in 0..CLIENTS {
            let pipe = server.accept().await.expect("a client");
            serving.push(executor.spawn(echo(pipe)));
        }
        for pipe in serving {
            pipe.await;
        }
    };
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (remote, name) = (remote.clone(), Rc::clone(&name));
            executor.spawn(async move {
                let pipe = connect_pipe(&remote, &*name).await.expect("not refused");
                let sent = number.to_le_bytes().to_vec();
                pipe.write(sent.clone()).await.0.expect("written");
                let (read, bytes) = pipe.read(Vec::with_capacity(16)).await;
                assert_eq!((read.expect("read"), bytes), (4, sent));
            })
        })
        .collect();
    proactor.get().block_on(executor.run(async {
        serve.await;
        for client in clients {
            client.await;
        }
    }));
    drop(server);
    proactor.settle();
}

async fn echo(pipe: PipeStream) {
    let (read, bytes) = pipe.read(Vec::with_capacity(16)).await;
    assert_eq!(read.expect("read"), 4);
    pipe.write(bytes).await.0.expect("written");
}
