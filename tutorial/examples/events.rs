//! The document's server once more, written with events as in Node; a client calls it. Chapter 08.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::thread;

use sockets_by_hand::net::{Emitter, Options, Server, Stream};

fn main() -> io::Result<()> {
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let Some(address) = server.address() else { return Ok(()) };
    let door = Emitter::new();

    door.on("connection", |client: &Client| {
        println!("Client connected");
        client.events.on("end", |_| println!("Client disconnected"));
        let stream = client.stream.clone();
        client.events.on("data", move |bytes| {
            println!("Received data from client: {}", String::from_utf8_lossy(bytes));
            _ = stream.clone().write_all(b"Hello from server"); // if it has gone, `read` says so
        });
    });

    thread::spawn(|| {
        server.serve(move |stream| {
            let client = Client { stream, events: Emitter::new() };
            door.emit("connection", &client);
            client.listen()
        })
    });
    call(address)
}

/// What Node calls a socket: a stream, and a board for those who want to know what it brings.
struct Client {
    stream: Stream,
    events: Emitter<Vec<u8>>,
}

impl Client {
    /// The loop of chapter 01, once and for all: it waits, and tells whoever listens.
    fn listen(&self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let n = self.stream.clone().read(&mut buffer)?;
            if n == 0 {
                self.events.emit("end", &vec![]);
                return Ok(());
            }
            self.events.emit("data", &buffer[..n].to_vec());
        }
    }
}

/// The other side: a client that says hello, and leaves when it has its answer.
fn call(address: SocketAddr) -> io::Result<()> {
    let mut stream = Stream::connect(address)?;
    stream.write_all(b"Hello from client")?;
    let mut buffer = [0; 4096];
    let n = stream.read(&mut buffer)?;
    println!("Received from server: {}", String::from_utf8_lossy(&buffer[..n]));
    stream.end()?;
    stream.read(&mut buffer).map(drop) // 0: the server has heard it, and ended too
}
