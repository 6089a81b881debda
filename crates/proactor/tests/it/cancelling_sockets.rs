//! Operations of sockets that are dropped at every moment: nothing is lost, nothing comes twice.
//!
//! 2,000 rounds each; 100,000 with `EVERWATCH_SOAK=1`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use everwatch_proactor::socket::{TcpListener, TcpStream, UdpSocket};
use futures_lite::future::{or, zip};

use crate::support::{Clean, Numbers, here, poll_now, read_exactly};
use everwatch_testing::alone::cycles;

#[test]
fn a_connection_that_came_for_a_dropped_accept_is_the_next_one() {
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let client = {
        let mut accept = pin!(listener.accept());
        assert!(poll_now(accept.as_mut()).is_pending());
        // It is accepted now, and the packet is not dequeued.
        std::net::TcpStream::connect(address).expect("connected")
    };
    let (stream, peer) = proactor
        .get()
        .block_on(listener.accept())
        .expect("accepted");
    assert_eq!(peer, client.local_addr().expect("connected"));
    assert_eq!(stream.peer_addr().expect("accepted"), peer);
}

#[test]
fn accepts_that_are_dropped_while_clients_connect_lose_none() {
    let rounds = cycles(2_000, 100_000) as u32;
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let (ask, asked) = mpsc::sync_channel::<u32>(0);
    let (command, commands) = mpsc::channel::<SocketAddr>();
    // Connects when it gets an address, at the same time as the accept is dropped.
    let clients = std::thread::spawn(move || {
        for number in asked {
            let mut client = std::net::TcpStream::connect(address).expect("connected");
            client.write_all(&number.to_le_bytes()).expect("written");
            command
                .send(client.local_addr().expect("an address"))
                .expect("an address");
        }
    });
    let mut numbers = Numbers(0x5eed);
    let mut caught = 0;
    for round in 0..rounds {
        let early = {
            let mut accept = pin!(listener.accept());
            let _ = poll_now(accept.as_mut());
            ask.send(round).expect("a client");
            // Some are dropped at once, some a little later, some after packets were dequeued.
            for _ in 0..numbers.below(4_000) {
                std::hint::spin_loop();
            }
            if numbers.below(3) == 0 {
                proactor.get().poll(Some(Duration::ZERO));
            }
            match numbers.below(4) {
                0 => poll_now(accept.as_mut()),
                _ => Poll::Pending,
            }
        };
        let accepted = match early {
            Poll::Ready(accepted) => {
                caught += 1;
                accepted
            }
            Poll::Pending => proactor.get().block_on(or(listener.accept(), async {
                remote.sleep(Duration::from_secs(10)).await.expect("slept");
                panic!("the connection of round {round} is lost");
            })),
        };
        let (stream, peer) = accepted.expect("accepted");
        assert_eq!(peer, commands.recv().expect("a client"));
        let number = proactor.get().block_on(read_exactly(stream.stream(), 4));
        assert_eq!(number, round.to_le_bytes());
    }
    drop(ask);
    clients.join().expect("clients");
    assert_eq!(remote.in_flight(), 0);
    println!("{rounds} rounds, {caught} accepted before they were dropped");
}

#[test]
fn connects_that_are_dropped_or_not_leave_a_working_listener() {
    let rounds = cycles(500, 100_000) as u32;
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = TcpListener::bind(&remote, here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let mut numbers = Numbers(0xc0de);
    let mut dropped = 0;
    proactor.get().block_on(async {
        for round in 0..rounds {
            {
                let mut connect = pin!(TcpStream::connect(&remote, address));
                for _ in 0..=numbers.below(2) {
                    dropped += u32::from(poll_now(connect.as_mut()).is_pending());
                }
            }
            let connect = async {
                let client = TcpStream::connect(&remote, address)
                    .await
                    .expect("connected");
                client
                    .write(round.to_le_bytes().to_vec())
                    .await
                    .0
                    .expect("written");
            };
            // Connections of dropped ones may come first, and end without a word.
            let accept = async {
                loop {
                    let (stream, _) = listener.accept().await.expect("accepted");
                    let (read, buffer) = stream.read(Vec::with_capacity(4)).await;
                    if read.is_ok_and(|read| read == 4) {
                        assert_eq!(buffer, round.to_le_bytes());
                        break;
                    }
                }
            };
            zip(connect, accept).await;
        }
    });
    assert_eq!(remote.in_flight(), 0);
    println!("{rounds} rounds, {dropped} dropped");
}

/// Adds what a read has brought, if it is over.
fn take(polled: Poll<(std::io::Result<usize>, Vec<u8>)>, received: &mut Vec<u8>) {
    if let Poll::Ready((read, buffer)) = polled {
        assert_eq!(read.expect("read"), buffer.len());
        received.extend_from_slice(&buffer);
    }
}

#[test]
fn reads_that_are_dropped_lose_no_byte() {
    let rounds = cycles(2_000, 100_000) as u32;
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = std::net::TcpListener::bind(here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let stream = proactor
        .get()
        .block_on(TcpStream::connect(&remote, address))
        .expect("connected");
    let (mut peer, _) = listener.accept().expect("accepted");
    let (ask, asked) = mpsc::channel::<u32>();
    // Numbers, one after the other, while reads are started and dropped.
    let writer = std::thread::spawn(move || {
        for number in asked {
            peer.write_all(&number.to_le_bytes()).expect("written");
        }
    });
    let mut numbers = Numbers(0xbeef);
    let mut received = Vec::new();
    let mut dropped = 0;
    for round in 0..rounds {
        // What is there already is read, so that the last one waits when the next number comes.
        loop {
            let mut read = pin!(stream.read(Vec::with_capacity(1 + numbers.below(9) as usize)));
            let mut polled = poll_now(read.as_mut());
            if polled.is_pending() {
                ask.send(round).expect("a writer");
                for _ in 0..numbers.below(4_000) {
                    std::hint::spin_loop();
                }
                if numbers.below(3) == 0 {
                    proactor.get().poll(Some(Duration::ZERO));
                    polled = poll_now(read.as_mut());
                }
                dropped += u32::from(polled.is_pending());
                take(polled, &mut received);
                break;
            }
            take(polled, &mut received);
        }
        // The turn of a read that was dropped comes back with its packet.
        if numbers.below(2) == 0 {
            proactor.get().poll(Some(Duration::from_millis(1)));
        }
    }
    drop(ask);
    writer.join().expect("a writer");
    proactor.get().block_on(async {
        loop {
            let (read, buffer) = stream.read(Vec::with_capacity(4096)).await;
            if read.expect("read") == 0 {
                break;
            }
            received.extend_from_slice(&buffer);
        }
    });
    let expected: Vec<u8> = (0..rounds).flat_map(u32::to_le_bytes).collect();
    assert!(received == expected, "{} bytes", received.len());
    assert_eq!(remote.in_flight(), 0);
    println!("{rounds} rounds, {dropped} reads dropped");
}

/// Each block is of one value. Of those whose write was dropped any part, from its beginning on, may come.
#[test]
fn writes_that_are_dropped_send_their_beginning_or_nothing() {
    const BLOCK: usize = 200_000;
    let rounds = cycles(2_000, 100_000) as u32;
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let listener = std::net::TcpListener::bind(here()).expect("bound");
    let address = listener.local_addr().expect("an address");
    let stream = proactor
        .get()
        .block_on(TcpStream::connect(&remote, address))
        .expect("connected");
    let (mut peer, _) = listener.accept().expect("accepted");
    // The lengths of the runs of equal bytes, in the order in which they come.
    let reader = std::thread::spawn(move || {
        let mut runs: Vec<(u8, usize)> = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = std::io::Read::read(&mut peer, &mut buffer).expect("read");
            if count == 0 {
                return runs;
            }
            for part in buffer[..count].chunk_by(|one, other| one == other) {
                match runs.last_mut() {
                    Some((value, length)) if *value == part[0] => *length += part.len(),
                    _ => runs.push((part[0], part.len())),
                }
            }
        }
    });
    let mut numbers = Numbers(0xf00d);
    // What each block has come to: all of it, or unknown.
    let mut whole = Vec::new();
    for round in 0..rounds {
        let length = 1 + numbers.below(BLOCK as u64) as usize;
        let block = vec![(round % 251) as u8; length];
        let mut write = pin!(stream.write(block));
        let mut polled = poll_now(write.as_mut());
        if polled.is_pending() && numbers.below(2) == 0 {
            proactor.get().poll(Some(Duration::from_millis(1)));
            polled = poll_now(write.as_mut());
        }
        // Two blocks of one value must not come one after the other, however long the reader rests.
        let is_dropped = |(is_whole, _): &(bool, usize)| !is_whole;
        if polled.is_pending() && whole.iter().rev().take_while(|it| is_dropped(it)).count() >= 200
        {
            polled = Poll::Ready(proactor.get().block_on(write.as_mut()));
        }
        whole.push(match polled {
            Poll::Ready((written, _)) => {
                assert_eq!(written.expect("written"), length);
                (true, length)
            }
            Poll::Pending => (false, length),
        });
    }
    proactor.get().block_on(async {
        while remote.in_flight() > 0 {
            remote.sleep(Duration::from_millis(1)).await.expect("slept");
        }
    });
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("shut down");
    let runs = reader.join().expect("a reader");
    let mut blocks = whole.iter().enumerate();
    for (value, length) in runs {
        loop {
            let (round, (is_whole, expected)) = blocks.next().expect("a block of this value");
            if (round % 251) as u8 == value {
                assert!(length <= *expected && (!is_whole || length == *expected));
                break;
            }
            assert!(!is_whole, "block {round} is missing");
        }
    }
    assert!(blocks.all(|(_, (is_whole, _))| !is_whole));
    let dropped = whole.iter().filter(|(is_whole, _)| !is_whole).count();
    println!("{rounds} rounds, {dropped} writes dropped");
}

#[test]
fn datagrams_that_came_for_dropped_receives_are_the_next_ones() {
    let rounds = cycles(2_000, 100_000) as u32;
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let socket = UdpSocket::bind(&remote, here()).expect("bound");
    let address = socket.local_addr().expect("an address");
    let (ask, asked) = mpsc::channel::<u32>();
    let sender = std::thread::spawn(move || {
        let socket = std::net::UdpSocket::bind(here()).expect("bound");
        for number in asked {
            socket
                .send_to(&number.to_le_bytes(), address)
                .expect("sent");
        }
    });
    let mut numbers = Numbers(0xda7a);
    let mut next = 0_u32;
    let mut dropped = 0;
    for round in 0..rounds {
        let polled = {
            let mut receive = pin!(socket.recv_from(Vec::with_capacity(4)));
            let first = poll_now(receive.as_mut());
            ask.send(round).expect("a sender");
            for _ in 0..numbers.below(2_000) {
                std::hint::spin_loop();
            }
            match first {
                Poll::Pending if numbers.below(3) == 0 => {
                    proactor.get().poll(Some(Duration::ZERO));
                    poll_now(receive.as_mut())
                }
                first => first,
            }
        };
        match polled {
            Poll::Ready((received, buffer)) => {
                assert_eq!(received.expect("received").0, 4);
                assert_eq!(buffer, next.to_le_bytes());
                next += 1;
            }
            Poll::Pending => dropped += 1,
        }
        // So few are under way that the system drops none.
        let is_time = round % 16 == 15 || round + 1 == rounds;
        while is_time && next <= round {
            let receive = or(socket.recv_from(Vec::with_capacity(4)), async {
                remote.sleep(Duration::from_secs(10)).await.expect("slept");
                panic!("datagram {next} is lost");
            });
            let (_, buffer) = proactor.get().block_on(receive);
            assert_eq!(buffer, next.to_le_bytes());
            next += 1;
        }
    }
    drop(ask);
    sender.join().expect("a sender");
    println!("{rounds} rounds, {dropped} receives dropped");
}
