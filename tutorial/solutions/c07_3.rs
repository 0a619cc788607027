//! Chapter 07, exercise 3: a tunnel.
//!
//! A client of the Unix socket talks to a TCP server. Each direction needs a thread, which passes on
//! the end of its direction, and no more: data may still follow in the other.

use sockets_by_hand::net::{Options, Server, Stream};
use std::io;
use std::net::SocketAddr;
use std::thread;

fn tunnel(front: Server, back: SocketAddr) {
    front.serve(move |near| {
        let far = Stream::connect(back)?;
        let (from, to) = (near.clone(), far.clone());
        let there = thread::Builder::new().spawn(move || pass(from, to))?;
        let result = pass(far, near);
        _ = there.join();
        result
    });
}

/// Passes on all bytes, and then the end.
fn pass(mut from: Stream, mut to: Stream) -> io::Result<()> {
    let result = io::copy(&mut from, &mut to).and_then(|_| to.end());
    if result.is_err() {
        // So that the other direction does not wait for ever.
        from.destroy();
        to.destroy();
    }
    result
}

#[test]
fn bytes_and_ends_pass_in_both_directions() {
    use std::io::{Read, Write};

    // This server answers only once its client has ended its side.
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let (address, server_handle) = (server.address().unwrap(), server.handle());
    let serving = thread::spawn(|| {
        server.serve(|mut stream| {
            let mut question = Vec::new();
            stream.read_to_end(&mut question)?;
            question.reverse();
            stream.write_all(&question)
        });
    });
    let path = std::env::temp_dir().join(format!("c07-3-{}.sock", std::process::id()));
    let front = Server::bind_path(&path, Options::default()).unwrap();
    let front_handle = front.handle();
    let tunneling = thread::spawn(move || tunnel(front, address));

    let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut client = Stream::connect_path(&path).unwrap();
    client.write_all(&sent).unwrap();
    client.end().unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    received.reverse();
    assert_eq!(received, sent);

    for (handle, thread) in [(front_handle, tunneling), (server_handle, serving)] {
        handle.close();
        thread.join().unwrap();
    }
}
