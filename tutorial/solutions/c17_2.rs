//! Chapter 17, exercise 2: a graceful shutdown.
//!
//! Stop accepting, then send a close frame to every client: 1001, "going away". No client is missed.
//! `serve_client` checks whether the server is closed, and adds the client to the list, under one
//! lock: a client whose handshake is under way is in the list before `shut_down` reads it, or gets a
//! 503.

use std::time::Duration;

use sockets_by_hand::net::server::Handle;
use sockets_by_hand::ws::{Close, server::Clients};

const REASON: &str = "the server shuts down";

fn shut_down(handle: &Handle, clients: &Clients) {
    handle.close();
    for client in clients.all() {
        // Shorter than the 30 s of `close`: a client that does not answer delays the shutdown.
        _ = client.close_within(Close::GOING_AWAY, REASON, Duration::from_secs(5));
    }
    handle.wait();
}

#[test]
fn every_client_gets_1001() {
    use sockets_by_hand::ws::{Options, Server, connect};
    use std::thread;

    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("ws://{}/", server.address().unwrap());
    let (handle, clients) = (server.handle(), server.clients());
    let serving = thread::spawn(|| {
        server.serve(|mut socket| {
            while socket.read()?.is_some() {}
            Ok(())
        })
    });
    let sockets = [(); 3].map(|()| connect(&url).unwrap());
    let readers = sockets.map(|mut socket| {
        thread::spawn(move || {
            while socket.read().unwrap().is_some() {}
            socket.closed().cloned().unwrap()
        })
    });

    shut_down(&handle, &clients);
    serving.join().unwrap();
    for reader in readers {
        let close = Close { code: Close::GOING_AWAY, reason: REASON.to_string() };
        assert_eq!(reader.join().unwrap(), close);
    }
}
