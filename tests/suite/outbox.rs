//! The limit on what is queued for all clients of a process together. Each of these tests reaches it in a
//! process of its own.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sockets_by_hand::net::outbox::{
    DEADLINE, Dropped, HIGH_WATER_MARK, MAX_QUEUED, MAX_QUEUED_TOTAL,
};
use sockets_by_hand::net::{Outbox, Stream};
use sockets_by_hand::ws::deflate::deflate::Deflater;
use sockets_by_hand::ws::frame::{Header, Opcode};
use sockets_by_hand::ws::{self, MAX_PAYLOAD, Message, Options, PerMessageDeflate, Server};

use crate::common::is_alone;

/// The outbox of a client that never reads, and the client.
fn client(max_queued: usize) -> (Outbox, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = Stream::from(listener.accept().unwrap().0);
    let outbox = Outbox::with_limits(stream, max_queued, DEADLINE).unwrap();
    outbox.send(vec![0; 16 << 20]).unwrap(); // more than all buffers hold
    (outbox, client)
}

#[test]
fn over_the_limit_for_all_clients_each_may_queue_the_high_water_mark() {
    if !is_alone() {
        return;
    }
    let (one, _client) = client(MAX_QUEUED);
    let half: Arc<[u8]> = vec![0; HIGH_WATER_MARK / 2].into();
    (0..3).for_each(|_| one.send(half.clone()).unwrap());

    let (many, client_of_many) = client(usize::MAX);
    let message: Arc<[u8]> = vec![0; 8 << 20].into(); // shared, however often it is queued
    (0..MAX_QUEUED_TOTAL / message.len()).for_each(|_| many.send(message.clone()).unwrap());

    assert_eq!(one.send(half.clone()), Err(Dropped::TooSlow(HIGH_WATER_MARK)));
    let (other, _other_client) = client(MAX_QUEUED);
    (0..2).for_each(|_| other.send(half.clone()).unwrap()); // every client may have the high-water mark

    // What is no longer queued no longer counts.
    drop(client_of_many);
    many.wait_until_sent();
    (0..6).for_each(|_| other.send(half.clone()).unwrap());
}

/// A compressed message of so many MiB, in a frame of a client.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let payload = Deflater::new(15, 1).message(&vec![0; 1 << 20]).repeat(mebibytes);
    let payload = &payload[..payload.len() - 4];
    let (opcode, mask, len) = (Opcode::Binary, Some([0; 4]), payload.len() as u64);
    let mut frame = Vec::new();
    Header { fin: true, rsv1: true, opcode, mask, len }.encode(payload, &mut frame);
    frame
}

/// What was inflated counts as queued until its handler reads on.
#[test]
fn over_the_limit_for_all_clients_a_message_may_inflate_to_the_high_water_mark() {
    if !is_alone() {
        return;
    }
    let per_message_deflate = Some(PerMessageDeflate::default());
    let options = Options { per_message_deflate, ..Options::default() };
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let url = format!("ws://{}/", server.address().unwrap());
    let (received, messages) = mpsc::channel();
    let gate = Arc::new(RwLock::new(()));
    let closed = gate.write().unwrap();
    let busy = gate.clone();
    thread::spawn(move || {
        server.serve(move |mut socket| {
            while let Some(message) = socket.read()? {
                let Message::Binary(bytes) = message else { panic!("it was binary") };
                received.send(bytes.len()).unwrap();
                drop(busy.read());
            }
            Ok(())
        })
    });
    let send = |mebibytes| {
        let socket = ws::connect(&url).unwrap();
        socket.send_encoded(zeros(mebibytes)).unwrap();
        socket
    };
    let limit = Duration::from_secs(20);
    let received = || messages.recv_timeout(limit).unwrap();

    let _largest = send(MAX_PAYLOAD >> 20);
    assert_eq!(received(), MAX_PAYLOAD);
    let (many, client_of_many) = client(usize::MAX);
    let message: Arc<[u8]> = vec![0; MAX_PAYLOAD].into(); // shared, however often it is queued
    (1..MAX_QUEUED_TOTAL / MAX_PAYLOAD).for_each(|_| many.send(message.clone()).unwrap());
    let refused = || {
        let mut client = send(2);
        client.set_deadline(Some(Instant::now() + limit));
        _ = client.read();
        client.closed().is_some_and(|close| close.code == 1009)
    };
    assert!(refused());
    let _small = send(1);
    assert_eq!(received(), HIGH_WATER_MARK);

    drop((closed, client_of_many));
    let deadline = Instant::now() + limit;
    loop {
        let _client = send(2);
        match messages.recv_timeout(Duration::from_millis(100)) {
            Ok(len) => break assert_eq!(len, 2 << 20),
            Err(_) => assert!(Instant::now() < deadline),
        }
    }
}
