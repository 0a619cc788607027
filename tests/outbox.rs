//! What all clients of a process may have waiting together. It is used up here, so no other test runs in
//! this process.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use sockets_by_hand::net::outbox::{
    DEADLINE, Dropped, HIGH_WATER_MARK, MAX_QUEUED, MAX_QUEUED_TOGETHER,
};
use sockets_by_hand::net::{Outbox, Stream};

/// A client that never reads, and the outbox for it.
fn client(max_queued: usize) -> (Outbox, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = Stream::from(listener.accept().unwrap().0);
    let outbox = Outbox::with_limits(stream, max_queued, DEADLINE).unwrap();
    outbox.send(vec![0; 16 << 20]).unwrap(); // more than all buffers hold
    (outbox, client)
}

#[test]
fn once_too_much_waits_for_all_together_each_may_have_the_high_water_mark() {
    let (one, _reads_nothing) = client(MAX_QUEUED);
    let half: Arc<[u8]> = vec![0; HIGH_WATER_MARK / 2].into();
    (0..3).for_each(|_| one.send(half.clone()).unwrap());

    let (many, also_reads_nothing) = client(usize::MAX);
    let piece: Arc<[u8]> = vec![0; 8 << 20].into(); // one, however often it waits
    (0..MAX_QUEUED_TOGETHER / piece.len()).for_each(|_| many.send(piece.clone()).unwrap());

    assert_eq!(one.send(half.clone()), Err(Dropped::TooSlow(HIGH_WATER_MARK)));
    let (other, _nor_does_this_one) = client(MAX_QUEUED);
    (0..2).for_each(|_| other.send(half.clone()).unwrap()); // so much is every client's

    // What does not wait any more does not count any more.
    drop(also_reads_nothing);
    many.wait_until_sent();
    (0..6).for_each(|_| other.send(half.clone()).unwrap());
}
