//! Prints each request that a browser sends, and answers with a line of text. Chapter 11.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = TcpListener::bind(&addr)?;
    println!("Open http://{addr}/ in a browser");
    for socket in listener.incoming() {
        let mut socket = socket?;
        for line in BufReader::new(&socket).lines() {
            let line = line?;
            println!("{line}");
            if line.is_empty() {
                break;
            }
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\nHello from server\n")?;
    }
    Ok(())
}
