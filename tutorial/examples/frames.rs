//! Sends the bytes of its arguments to a WebSocket server, whatever they are, and prints the frames
//! that it receives: `frames 127.0.0.1:8080 81 85 37 fa 21 3d 7f 9f 4d 51 58`. Chapter 13.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::frame::{Header, Opcode};
use sockets_by_hand::ws::{Error, handshake};

const USAGE: &str = "usage: frames HOST:PORT, and bytes such as 81 85 37 fa 21 3d 7f 9f 4d 51 58";

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let address = args.next().ok_or(Error::Invalid(USAGE))?;
    let bytes: Result<Vec<u8>, _> = args.map(|arg| u8::from_str_radix(&arg, 16)).collect();
    let bytes = bytes.map_err(|_| Error::Invalid(USAGE))?;

    let mut socket = TcpStream::connect(&address)?;
    let mut request = Request::new("GET", "/");
    request.headers.push("Host", &address);
    handshake::add_request_headers(&mut request, &[])?;
    socket.write_all(&request.encode(b""))?;
    let mut reader = BufReader::new(socket.try_clone()?);
    handshake::validate_response(&request, &Response::read(&mut reader, 1000)?)?;

    socket.write_all(&bytes)?;
    socket.shutdown(Shutdown::Write)?;
    while let Some(header) = Header::read(&mut reader)? {
        let mut payload = Vec::new();
        reader.by_ref().take(header.len).read_to_end(&mut payload)?;
        match (header.opcode, &payload[..]) {
            (Opcode::Close, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                println!("Close {code}: {}", String::from_utf8_lossy(reason));
            }
            (opcode, payload) => {
                println!(
                    "{opcode:?}, {} bytes: {:?}",
                    payload.len(),
                    String::from_utf8_lossy(payload)
                );
            }
        }
    }
    Ok(())
}
