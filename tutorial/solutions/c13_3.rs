//! Chapter 13, exercise 3: who talks too much.
//!
//! Picture a bucket of coins. A message costs one, and every `refill` puts one back, until the
//! bucket is full. So somebody may say ten things at once now and then, but not all the time. Whoever
//! has no coin left breaks a rule of the house, not of the protocol: 1008, "policy violation".

use std::time::{Duration, Instant};

use sockets_by_hand::ws::{Error, Socket};

struct Bucket {
    size: u32,
    refill: Duration,
    coins: u32,
    since: Instant,
}

impl Bucket {
    fn full(size: u32, refill: Duration, now: Instant) -> Bucket {
        Bucket { size, refill, coins: size, since: now }
    }

    /// Takes a coin out, if there is one.
    fn take(&mut self, now: Instant) -> bool {
        while self.coins < self.size && now.duration_since(self.since) >= self.refill {
            self.coins += 1;
            self.since += self.refill;
        }
        if self.coins == self.size {
            self.since = now; // a full bucket saves up nothing
        }
        let paid = self.coins > 0;
        self.coins -= u32::from(paid);
        paid
    }
}

fn echo(mut socket: Socket, size: u32, refill: Duration) -> Result<(), Error> {
    let mut bucket = Bucket::full(size, refill, Instant::now());
    while let Some(message) = socket.read()? {
        if !bucket.take(Instant::now()) {
            return socket.close(1008, "you talk too much"); // and the socket is dropped
        }
        socket.send(message)?;
    }
    Ok(())
}

#[test]
fn a_bucket_fills_again_and_never_overflows() {
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut bucket = Bucket::full(2, Duration::from_secs(10), start);
    assert_eq!([0, 0, 0].map(|s| bucket.take(after(s))), [true, true, false]);
    assert_eq!([9, 10, 19, 20].map(|s| bucket.take(after(s))), [false, true, false, true]);
    assert_eq!([500, 500, 500].map(|s| bucket.take(after(s))), [true, true, false]);
}

#[test]
fn the_fourth_message_at_once_is_one_too_many() {
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
    let goodbye = Close { code: 1008, reason: "you talk too much".to_string() };
    assert_eq!(client.closed(), Some(&goodbye));
}
