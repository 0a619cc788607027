//! Chapter 05, exercise 2: a last word for everyone.
//!
//! Each handler waits in `read`, so another thread writes to its client: a clone of a `Stream` is the same
//! connection. The list is locked for as short as possible, and never while a `write` may wait. (A client whose
//! handler begins only after the list was taken gets no `Bye`. It may go on until the server's `close_timeout`.)

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::mem;
use std::sync::{Mutex, PoisonError};

use sockets_by_hand::net::{Stream, server::Handle};

/// The clients that are connected, each under a number.
#[derive(Default)]
struct Clients(Mutex<(u64, HashMap<u64, Stream>)>);

impl Clients {
    /// The handler: sends back what the client sends.
    fn echo(&self, mut stream: Stream) -> io::Result<()> {
        let id = self.change(|(count, clients)| {
            *count += 1;
            clients.insert(*count, stream.clone());
            *count
        });
        let ended = io::copy(&mut stream.clone(), &mut stream);
        self.change(|(_, clients)| clients.remove(&id));
        ended.map(drop)
    }

    /// Closes the server, sends `Bye` to each client, and waits until all have disconnected.
    fn close(&self, handle: &Handle) {
        handle.close();
        let clients = self.change(|(_, clients)| mem::take(clients));
        for mut client in clients.into_values() {
            // A client that has left already is told nothing.
            _ = client.write_all(b"Bye").and_then(|()| client.end());
        }
        handle.wait();
    }

    fn change<T>(&self, change: impl FnOnce(&mut (u64, HashMap<u64, Stream>)) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[test]
fn each_client_receives_bye_and_the_end() {
    use sockets_by_hand::net::Server;
    use std::sync::Arc;

    let server = Server::bind("127.0.0.1:0", Default::default()).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let clients = Arc::new(Clients::default());
    let of_handler = clients.clone();
    let serving = std::thread::spawn(move || server.serve(move |stream| of_handler.echo(stream)));

    let connected: Vec<Stream> = (0..3)
        .map(|_| {
            let mut client = Stream::connect(address).unwrap();
            client.write_all(b"Hello").unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
            client
        })
        .collect();
    let closing = std::thread::spawn(move || clients.close(&handle));
    for mut client in connected {
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        assert_eq!(received, "Bye");
    }
    closing.join().unwrap();
    serving.join().unwrap();
}
