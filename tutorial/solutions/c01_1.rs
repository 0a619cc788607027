//! Chapter 01, exercise 1: an echo.
//!
//! When the other side reads slowly, `write` may take only a part of what it is given, and returns how
//! much that was. `write_all` calls it again until all is written.

use std::io::{self, Read, Write};
use std::net::TcpStream;

fn echo(mut socket: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let n = socket.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..n])?;
    }
}

#[test]
fn every_byte_comes_back() {
    let (mut client, socket) = super::connection();
    let server = std::thread::spawn(|| echo(socket));
    let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    client.write_all(&sent).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert_eq!(received, sent);
    server.join().unwrap().unwrap();
}
