//! The limit on what is queued for all clients of a process together. This test reaches it, so no other test
//! runs in this process.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use sockets_by_hand::net::outbox::{
    DEADLINE, Dropped, HIGH_WATER_MARK, MAX_QUEUED, MAX_QUEUED_TOTAL,
};
use sockets_by_hand::net::{Outbox, Stream};

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
