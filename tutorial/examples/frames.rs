//! Sends the bytes of its arguments to a WebSocket server, whatever they are, and prints the frames
//! that it receives: `frames 127.0.0.1:8080 81 85 37 fa 21 3d 7f 9f 4d 51 58`. Chapter 13. With an
//! offer before the bytes, such as `--offer permessage-deflate`, they may be compressed. Chapter 16.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::deflate::inflate::Inflater;
use sockets_by_hand::ws::frame::{Header, Opcode};
use sockets_by_hand::ws::{Error, handshake};

const USAGE: &str = "usage: frames HOST:PORT, and bytes such as 81 85 37 fa 21 3d 7f 9f 4d 51 58";

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1).peekable();
    let address = args.next().ok_or(Error::Invalid(USAGE))?;
    let offer = args.next_if_eq("--offer").and_then(|_| args.next());
    let bytes: Result<Vec<u8>, _> = args.map(|arg| u8::from_str_radix(&arg, 16)).collect();
    let bytes = bytes.map_err(|_| Error::Invalid(USAGE))?;

    let mut socket = TcpStream::connect(&address)?;
    let mut request = Request::new("GET", "/");
    request.headers.push("Host", &address);
    handshake::add_request_headers(&mut request, &[])?;
    if let Some(offer) = &offer {
        request.headers.push(EXTENSIONS, offer);
    }
    socket.write_all(&request.encode(b""))?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let response = Response::read(&mut reader, 1000)?;
    handshake::validate_response(&request, &response)?;
    if offer.is_some() {
        let agreed = response.headers.get(EXTENSIONS).unwrap_or("nothing");
        println!("{EXTENSIONS}: {agreed}");
    }

    socket.write_all(&bytes)?;
    socket.shutdown(Shutdown::Write)?;
    while let Some(header) = Header::read(&mut reader)? {
        let mut payload = Vec::new();
        reader.by_ref().take(header.len).read_to_end(&mut payload)?;
        if header.rsv1 {
            println!("RSV1, {} bytes: {payload:02x?}", header.len);
            payload.extend([0, 0, 0xff, 0xff]);
            payload = Inflater::new(1 << 15).message(&payload, 1 << 20).map_err(Error::Inflate)?;
        }
        match (header.opcode, &payload[..]) {
            (Opcode::Close, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                println!("Close {code}: {}", String::from_utf8_lossy(reason));
            }
            (opcode, payload) => {
                let mut text = String::from_utf8_lossy(payload).into_owned();
                if let Some((end, _)) = text.char_indices().nth(60) {
                    text.replace_range(end.., "…");
                }
                println!("{opcode:?}, {} bytes: {text:?}", payload.len());
            }
        }
    }
    Ok(())
}
