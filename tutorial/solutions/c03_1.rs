//! Chapter 03, exercise 1: say goodbye to the one too many.
//!
//! The server's own `farewell` does not wait, so leave its limit higher, and count the seats in the
//! handler. The goodbye must not be lost: closing while bytes of the client lie unread is a reset,
//! which may overtake it. So end our side, and read on until the client has ended its own.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockets_by_hand::net::Stream;

struct Seats {
    limit: usize,
    taken: AtomicUsize,
}

/// A seat that is free again however its owner leaves.
struct Seat<'a>(&'a AtomicUsize);

impl Seats {
    fn take(&self) -> Option<Seat<'_>> {
        let one_more = |taken| (taken < self.limit).then_some(taken + 1);
        let took = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        took.ok().map(|_| Seat(&self.taken))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(mut stream: Stream, seats: &Seats) -> io::Result<()> {
    let Some(_seat) = seats.take() else { return turn_away(stream) };
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(b"Hello from server")?;
    }
    Ok(())
}

fn turn_away(mut stream: Stream) -> io::Result<()> {
    stream.set_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"Full, please come back later")?;
    stream.end()?;
    let a_little = 64 * 1024; // whoever sends more must live with the reset
    _ = io::copy(&mut stream.take(a_little), &mut io::sink()); // it has had its goodbye
    Ok(())
}

#[test]
fn the_one_too_many_hears_why() {
    let server =
        sockets_by_hand::net::Server::bind("127.0.0.1:0", sockets_by_hand::net::Options::default())
            .unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let seats = Seats { limit: 1, taken: AtomicUsize::new(0) };
    let door = std::thread::spawn(|| server.serve(move |stream| serve(stream, &seats)));

    let mut first = Stream::connect(address).unwrap();
    first.write_all(b"Hello from client").unwrap();
    first.read_exact(&mut [0; 17]).unwrap();

    let mut second = Stream::connect(address).unwrap();
    second.write_all(b"Hello from client").unwrap();
    let mut heard = String::new();
    second.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "Full, please come back later");

    drop((first, second));
    handle.close();
    door.join().unwrap();
}
