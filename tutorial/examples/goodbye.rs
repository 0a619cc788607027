//! A WebSocket by the frame: prints each one that goes (`>`) and comes (`<`). Chapter 12.
//!
//! `cargo run --example goodbye` talks to a server of its own. With `-- HOST:PORT` it talks to
//! another one, which must echo, and answer `bye` with a goodbye.

use std::io::{self, BufReader, Read, Write};
use std::{env, thread};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::frame::{Header, Opcode, encode};
use sockets_by_hand::ws::{Error, Message, Options, Server, Socket, handshake};

fn main() -> Result<(), Error> {
    match env::args().nth(1) {
        Some(address) => good_ends(&address),
        None => {
            let server = Server::bind("127.0.0.1:0", Options::default())?;
            let address = server.address().map(|address| address.to_string()).unwrap_or_default();
            thread::spawn(|| server.serve(serve));
            good_ends(&address)?;
            bad_ends(&address)
        }
    }
}

/// The server: an echo, until somebody says `bye`.
fn serve(mut socket: Socket) -> Result<(), Error> {
    while let Ok(Some(message)) = socket.read() {
        match message {
            Message::Text(text) if text == "bye" => socket.close(1000, "as you wish")?,
            message => _ = socket.send(message), // after a goodbye it cannot be sent
        }
    }
    Ok(())
}

fn good_ends(address: &str) -> Result<(), Error> {
    println!("A message in pieces, and a ping between them");
    let mut line = Line::open(address)?;
    line.send(false, Opcode::Text, b"Hel")?;
    line.send(true, Opcode::Ping, b"are you there?")?;
    line.receive()?;
    line.send(true, Opcode::Continuation, b"lo")?;
    line.receive()?;

    println!("We say goodbye");
    line.send(true, Opcode::Close, &goodbye(1000, "that was all"))?;
    line.receive()?;
    line.receive()?;

    println!("The server says goodbye");
    line = Line::open(address)?;
    line.send(true, Opcode::Text, b"bye")?;
    line.receive()?;
    line.send(true, Opcode::Text, b"wait, one more thing")?;
    line.send(true, Opcode::Close, &goodbye(1000, ""))?;
    line.receive()
}

fn bad_ends(address: &str) -> Result<(), Error> {
    println!("Text that is not text, and the message has not even ended");
    let mut line = Line::open(address)?;
    line.send(false, Opcode::Text, b"caf\xe9 cr\xe8me")?;
    line.receive()?;
    line.receive()?;

    println!("Something to continue, where nothing has begun");
    line = Line::open(address)?;
    line.send(true, Opcode::Continuation, b"lo")?;
    line.receive()?;
    line.receive()
}

/// The payload of a close frame: the code in two bytes, and the reason.
fn goodbye(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A client that has opened a WebSocket, and now does everything by hand.
struct Line(BufReader<Stream>);

impl Line {
    fn open(address: &str) -> Result<Line, Error> {
        let mut line = BufReader::new(Stream::connect(address)?);
        let mut request = Request::new("GET", "/");
        request.headers.push("Host", address);
        handshake::add_request_headers(&mut request, &[])?;
        line.get_mut().write_all(&request.encode(b""))?;
        let response = Response::read(&mut line, 1000)?;
        handshake::validate_response(&request, &response)?;
        Ok(Line(line))
    }

    fn send(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        show('>', fin, opcode, payload);
        let key = [1, 2, 3, 4]; // a client that is no example takes a random one for each frame
        self.0.get_mut().write_all(&encode(fin, opcode, payload, Some(key)))
    }

    fn receive(&mut self) -> Result<(), Error> {
        let Some(header) = Header::read(&mut self.0)? else {
            println!("  < the end of the connection");
            return Ok(());
        };
        let mut payload = vec![0; header.len as usize]; // we trust this server
        self.0.read_exact(&mut payload)?;
        show('<', header.fin, header.opcode, &payload);
        Ok(())
    }
}

fn show(direction: char, fin: bool, opcode: Opcode, payload: &[u8]) {
    let more = if fin { "" } else { ", more follows" };
    match payload {
        [high, low, reason @ ..] if opcode == Opcode::Close => {
            let code = u16::from_be_bytes([*high, *low]);
            println!("  {direction} Close {code} \"{}\"", reason.escape_ascii());
        }
        _ => println!("  {direction} {opcode:?} \"{}\"{more}", payload.escape_ascii()),
    }
}
