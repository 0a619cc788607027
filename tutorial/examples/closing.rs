//! A WebSocket by the frame: prints each one that goes (`>`) and comes (`<`). Chapter 14.
//!
//! `cargo run --example closing` talks to a server of its own. With `-- HOST:PORT` it talks to
//! another one, which must echo, and close the connection when it receives `bye`. With a second
//! address its own server listens there, and the first one is that of a program between the two.

use std::io::{self, BufReader, Read, Write};
use std::{env, thread};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::Stream;
use sockets_by_hand::ws::frame::{Header, Opcode, encode};
use sockets_by_hand::ws::{Close, Error, Message, Options, Server, Socket, handshake};

fn main() -> Result<(), Error> {
    let mut arguments = env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(address), None) => closing_handshakes(&address),
        (address, listen) => {
            let listen = listen.as_deref().unwrap_or("127.0.0.1:0");
            let server = Server::bind(listen, Options::default())?;
            let own = server.address().map(|own| own.to_string()).unwrap_or_default();
            let address = address.unwrap_or(own);
            thread::spawn(|| server.serve(serve));
            closing_handshakes(&address)?;
            violations(&address)
        }
    }
}

/// The server: an echo, until a client sends `bye`.
fn serve(mut socket: Socket) -> Result<(), Error> {
    while let Ok(Some(message)) = socket.read() {
        match message {
            Message::Text(text) if text == "bye" => socket.close(Close::NORMAL, "as you wish")?,
            message => _ = socket.send(message), // it fails after a close frame
        }
    }
    Ok(())
}

fn closing_handshakes(address: &str) -> Result<(), Error> {
    println!("A message in two fragments, and a ping between them");
    let mut client = Client::connect(address)?;
    client.send(false, Opcode::Text, b"Hel")?;
    client.send(true, Opcode::Ping, b"are you there?")?;
    client.receive()?;
    client.send(true, Opcode::Continuation, b"lo")?;
    client.receive()?;

    println!("The client closes");
    client.send(true, Opcode::Close, &close_payload(Close::NORMAL, "that was all"))?;
    client.receive()?;
    client.receive()?;

    println!("The server closes");
    client = Client::connect(address)?;
    client.send(true, Opcode::Text, b"bye")?;
    client.receive()?;
    client.send(true, Opcode::Text, b"wait, one more thing")?;
    client.send(true, Opcode::Close, &close_payload(Close::NORMAL, ""))?;
    client.receive()
}

fn violations(address: &str) -> Result<(), Error> {
    println!("Text that is not UTF-8, in a message that has not ended");
    let mut client = Client::connect(address)?;
    client.send(false, Opcode::Text, b"caf\xe9 cr\xe8me")?;
    client.receive()?;
    client.receive()?;

    println!("A continuation frame, and no message that it continues");
    client = Client::connect(address)?;
    client.send(true, Opcode::Continuation, b"lo")?;
    client.receive()?;
    client.receive()
}

/// The payload of a close frame: the code in two bytes, and the reason.
fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A client with an open WebSocket, which reads and writes single frames.
struct Client(BufReader<Stream>);

impl Client {
    fn connect(address: &str) -> Result<Client, Error> {
        let mut connection = BufReader::new(Stream::connect(address)?);
        let mut request = Request::new("GET", "/");
        request.headers.push("Host", address);
        handshake::add_request_headers(&mut request, &[])?;
        connection.get_mut().write_all(&request.encode(b""))?;
        let response = Response::read(&mut connection, 1000)?;
        handshake::validate_response(&request, &response)?;
        Ok(Client(connection))
    }

    fn send(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        show('>', fin, opcode, payload);
        let key = [1, 2, 3, 4]; // only in this example: a client takes a random key for each frame
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
