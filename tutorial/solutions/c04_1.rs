//! Chapter 04, exercise 1: tell the one client too many.
//!
//! The server does not wait after its `overload_response`. So leave `max_connections` higher, and
//! count permits in the handler. The response must not be lost: to close while bytes of the client
//! are unread is a reset, which discards what the client has not read yet. So end our side, and read
//! until the client has ended its side: a lingering close.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockets_by_hand::net::{Options, Server, Stream};

struct Limit {
    max: usize,
    used: AtomicUsize,
}

/// Gives itself back when it is dropped, however its handler ends.
struct Permit<'a>(&'a AtomicUsize);

impl Limit {
    fn try_acquire(&self) -> Option<Permit<'_>> {
        let one_more = |used| (used < self.max).then_some(used + 1);
        let updated = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        updated.ok().map(|_| Permit(&self.used))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(mut stream: Stream, limit: &Limit) -> io::Result<()> {
    let Some(_permit) = limit.try_acquire() else { return refuse(stream) };
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(b"Hello from server")?;
    }
    Ok(())
}

fn refuse(mut stream: Stream) -> io::Result<()> {
    stream.set_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"Full, please come back later")?;
    stream.end()?;
    let max = 64 * 1024; // a client that sends more may be reset
    _ = io::copy(&mut stream.take(max), &mut io::sink()); // the response has been sent: any error is fine
    Ok(())
}

#[test]
fn one_client_too_many_receives_the_reason() {
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let limit = Limit { max: 1, used: AtomicUsize::new(0) };
    let serving = std::thread::spawn(|| server.serve(move |stream| serve(stream, &limit)));

    let mut first = Stream::connect(address).unwrap();
    first.write_all(b"Hello from client").unwrap();
    first.read_exact(&mut [0; 17]).unwrap();

    let mut second = Stream::connect(address).unwrap();
    second.write_all(b"Hello from client").unwrap();
    let mut received = String::new();
    second.read_to_string(&mut received).unwrap();
    assert_eq!(received, "Full, please come back later");

    drop((first, second));
    handle.close();
    serving.join().unwrap();
}
