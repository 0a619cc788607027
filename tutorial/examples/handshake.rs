//! A whole handshake as it goes over the wire, between a server and a client whose key is always
//! the same, so that its output is that of the book. Chapter 12.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::frame::{Opcode, encode};
use sockets_by_hand::ws::{Error, handshake};

fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || serve(listener.accept()?.0));

    // What `handshake::add_request_headers` writes, with the key of RFC 6455 §1.3 in place of a new one.
    let mut request = Request::new("GET", "/chat");
    for (name, value) in [
        ("Host", "chat.example"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "chat.v2, chat.v1"),
    ] {
        request.headers.push(name, value);
    }
    let encoded = request.encode(b"");
    show(&encoded);

    let mut socket = TcpStream::connect(address)?;
    socket.write_all(&encoded)?;
    let mut reader = BufReader::new(socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && reader.read_until(b'\n', &mut head)? > 0 {}
    show(&head);

    let response = Response::read(&mut &head[..], 0)?;
    let protocol = handshake::validate_response(&request, &response)?;
    println!("The response is valid. The subprotocol is {protocol:?}.");

    let mut frame = [0; 7];
    reader.read_exact(&mut frame)?;
    println!("The next bytes are a frame: {frame:02x?}");
    Ok(())
}

/// The server's half: accepts the handshake, and sends a frame.
fn serve(mut client: TcpStream) -> Result<(), Error> {
    let Some(request) = Request::read(&mut BufReader::new(&client))? else { return Ok(()) };
    let response = match handshake::accept(&request) {
        Ok(response) => response.with("Sec-WebSocket-Protocol", "chat.v2"),
        Err(refusal) => refusal,
    };
    client.write_all(&response.encode())?;
    if response.status == 101 {
        client.write_all(&encode(true, Opcode::Text, b"Hello", None))?;
    }
    Ok(())
}

/// Prints a head; the `\r` at the end of each line is for the wire alone.
fn show(head: &[u8]) {
    print!("{}", String::from_utf8_lossy(head).replace('\r', ""));
}
