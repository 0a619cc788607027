//! Chapter 01, exercise 3: the silent client.
//!
//! A read that waits longer than the timeout fails: with `WouldBlock` on Unix, with `TimedOut` on
//! Windows. The connection is still open, so the server can send a last message.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn answer(mut socket: TcpStream, timeout: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(timeout))?;
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => socket.write_all(b"Hello from server")?,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return socket.write_all(b"Timeout");
            }
            Err(e) => return Err(e),
        }
    }
}

#[test]
fn a_silent_client_is_disconnected() {
    let (mut client, socket) = super::connection();
    client.write_all(b"Hello from client").unwrap();
    let server = std::thread::spawn(|| answer(socket, Duration::from_millis(100)));
    let mut received = String::new();
    client.read_to_string(&mut received).unwrap();
    assert_eq!(received, "Hello from serverTimeout");
    server.join().unwrap().unwrap();
}
