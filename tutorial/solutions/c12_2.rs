//! Chapter 12, exercise 2: detect a WebSocket server.
//!
//! The status and the `Upgrade` header prove nothing: a server may send back every header that it
//! received. Only a WebSocket server computes `Sec-WebSocket-Accept` from the key.

use std::io::{BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::{Error, handshake};

fn speaks_websocket(address: impl ToSocketAddrs) -> Result<(), Error> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Request::new("GET", "/");
    request.headers.push("Host", "localhost");
    handshake::add_request_headers(&mut request, &[])?;
    socket.write_all(&request.encode(b""))?;
    let response = Response::read(&mut BufReader::new(socket), 1000)?;
    handshake::validate_response(&request, &response).map(|_| ())
}

/// A server that reads one request, and sends the response that `answer` returns.
#[cfg(test)]
fn serve(answer: fn(&Request) -> Response) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let request = Request::read(&mut BufReader::new(&socket)).unwrap().unwrap();
        socket.write_all(&answer(&request).encode()).unwrap();
    });
    address
}

#[test]
fn websocket_server_is_detected() {
    let address = serve(|request| handshake::accept(request).unwrap());
    speaks_websocket(address).unwrap();
}

#[test]
fn server_that_echoes_headers_is_not() {
    let address = serve(|request| {
        let key = request.headers.get("sec-websocket-key").unwrap();
        let mut response = Response::new(101);
        response.headers = request.headers.clone();
        response.headers.push("Sec-WebSocket-Accept", key);
        response
    });
    let error = speaks_websocket(address).unwrap_err();
    assert!(matches!(error, Error::Handshake(what) if what.contains("not the answer to our key")));
}

#[test]
fn http_server_is_not() {
    let address = serve(|_| Response::html("<h1>Hello</h1>"));
    assert!(matches!(speaks_websocket(address), Err(Error::Refused { status: 200, .. })));
}
