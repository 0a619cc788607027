//! A server whose handler emits events, as in Node, and a client that sends one line. Chapter 10.
//!
//! With `-- THROUGH LISTEN` the server listens at `LISTEN`, and the client connects to `THROUGH`: to a
//! program between the two.

use std::io::{self, BufReader, ErrorKind};
use std::{env, thread};

use sockets_by_hand::net::framing::{read_line, write_line};
use sockets_by_hand::net::{Emitter, Options, Outbox, Server, Stream};

const MAX_LINE: usize = 4096;

fn main() -> io::Result<()> {
    let mut addresses = env::args().skip(1);
    let (through, listen) = (addresses.next(), addresses.next());
    let server = Server::bind(listen.as_deref().unwrap_or("127.0.0.1:0"), Options::default())?;
    let own = server.address().ok_or(ErrorKind::AddrNotAvailable)?;

    let connections = Emitter::new();
    connections.on("connection", |client: &Client| {
        println!("Client connected");
        let outbox = client.outbox.clone();
        client.events.on("message", move |text| {
            println!("Received from client: {text}");
            _ = outbox.send(format!("You sent: {text}\n").into_bytes()); // if it fails, `close` follows
        });
        client.events.on("close", |_| println!("Client disconnected"));
    });

    thread::spawn(|| {
        server.serve(move |stream| {
            let client = Client { outbox: Outbox::new(stream.clone())?, events: Emitter::new() };
            connections.emit("connection", &client);
            client.emit_messages(stream)
        })
    });
    run_client(&through.unwrap_or(own.to_string()))
}

/// What Node calls a socket: it sends messages, and emits those that arrive.
struct Client {
    outbox: Outbox,
    events: Emitter<String>,
}

impl Client {
    /// Emits `message` for each line, and `close` at the end.
    fn emit_messages(&self, stream: Stream) -> io::Result<()> {
        let mut lines = BufReader::new(stream);
        let end = loop {
            match read_line(&mut lines, MAX_LINE) {
                Ok(Some(text)) => self.events.emit("message", &text),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e.into()),
            };
        };
        self.events.emit_last("close", &String::new());
        end
    }
}

/// The other side: sends one line, prints the answer, and ends.
fn run_client(address: &str) -> io::Result<()> {
    let mut lines = BufReader::new(Stream::connect(address)?);
    write_line(lines.get_mut(), "Hello from client")?;
    let answer = read_line(&mut lines, MAX_LINE)?.ok_or(ErrorKind::UnexpectedEof)?;
    println!("Received from server: {answer}");
    lines.get_ref().end()?;
    read_line(&mut lines, MAX_LINE)?; // the end: the server has emitted `close`
    Ok(())
}
