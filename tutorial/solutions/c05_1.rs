//! Chapter 05, exercise 1: only so many.
//!
//! Each handler knows its number before it does anything else. The last one closes the server. Between
//! its `accept` and its `close` one more client may be accepted: its number is too high, so it is not served.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockets_by_hand::net::{Server, Stream};

/// Serves `n` clients, and returns when the last of them has disconnected.
fn serve_only(
    server: Server,
    n: usize,
    handler: impl Fn(Stream) -> io::Result<()> + Send + Sync + 'static,
) {
    let (handle, before) = (server.handle(), AtomicUsize::new(0));
    server.serve(move |stream| {
        let number = before.fetch_add(1, Ordering::Relaxed) + 1;
        if number == n {
            handle.close();
        }
        if number <= n { handler(stream) } else { Ok(()) }
    });
}

#[test]
fn the_server_closes_after_the_last_of_its_clients() {
    use std::io::{Read, Write};

    let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
    let address = server.address().unwrap();
    let hello = |mut stream: Stream| {
        stream.write_all(b"Hello")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    };
    let serving = std::thread::spawn(move || serve_only(server, 2, hello));
    let receive = |stream: &mut Stream| {
        let mut text = [0; 5];
        stream.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"Hello");
    };

    let mut first = Stream::connect(address).unwrap();
    receive(&mut first);
    let mut second = Stream::connect(address).unwrap();
    receive(&mut second);
    assert!(Stream::connect(address).is_err());
    assert!(!serving.is_finished());
    drop((first, second));
    serving.join().unwrap();
}
