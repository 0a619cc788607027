//! Chapter 17, exercise 3: a rate limit.
//!
//! A *token bucket*: a message takes one token, and every `refill` adds one, until the bucket is
//! full. So a client may send ten messages at once now and then, but not all the time. More than that
//! violates the server's policy, not the protocol: 1008.

use std::time::{Duration, Instant};

use sockets_by_hand::ws::{Error, Socket};

/// The close code of RFC 6455 §7.4.1.
const POLICY_VIOLATION: u16 = 1008;

struct Bucket {
    size: u32,
    /// The time for one token.
    refill: Duration,
    tokens: u32,
    since: Instant,
}

impl Bucket {
    fn full(size: u32, refill: Duration, now: Instant) -> Bucket {
        Bucket { size, refill, tokens: size, since: now }
    }

    /// Takes a token, if there is one.
    fn take(&mut self, now: Instant) -> bool {
        while self.tokens < self.size && now.duration_since(self.since) >= self.refill {
            self.tokens += 1;
            self.since += self.refill;
        }
        if self.tokens == self.size {
            self.since = now; // a full bucket gets no more
        }
        let allowed = self.tokens > 0;
        self.tokens -= u32::from(allowed);
        allowed
    }
}

fn echo(mut socket: Socket, size: u32, refill: Duration) -> Result<(), Error> {
    let mut bucket = Bucket::full(size, refill, Instant::now());
    while let Some(message) = socket.read()? {
        if !bucket.take(Instant::now()) {
            return socket.close(POLICY_VIOLATION, "too many messages"); // and drop the socket
        }
        socket.send(message)?;
    }
    Ok(())
}

#[test]
fn a_bucket_is_refilled_up_to_its_size() {
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut bucket = Bucket::full(2, Duration::from_secs(10), start);
    assert_eq!([0, 0, 0].map(|s| bucket.take(after(s))), [true, true, false]);
    assert_eq!([9, 10, 19, 20].map(|s| bucket.take(after(s))), [false, true, false, true]);
    assert_eq!([500, 500, 500].map(|s| bucket.take(after(s))), [true, true, false]);
}

#[test]
fn the_fourth_message_at_once_gets_1008() {
    use sockets_by_hand::ws::{Close, Options, Server, connect};
    use std::thread;

    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("ws://{}/", server.address().unwrap());
    thread::spawn(|| server.serve(|socket| echo(socket, 3, Duration::from_secs(3600))));

    let mut client = connect(&url).unwrap();
    for _ in 0..4 {
        client.send("and another thing").unwrap();
    }
    for _ in 0..3 {
        assert!(client.read().unwrap().is_some());
    }
    assert_eq!(client.read().unwrap(), None);
    let close = Close { code: POLICY_VIOLATION, reason: "too many messages".to_string() };
    assert_eq!(client.closed(), Some(&close));
}
