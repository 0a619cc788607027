//! Sends its input to a server, every byte as it is, and prints the response. Chapter 11.

use std::io::{self, BufRead, BufReader};
use std::net::{Shutdown, TcpStream};

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let mut server = TcpStream::connect(addr)?;
    io::copy(&mut io::stdin(), &mut server)?;
    server.shutdown(Shutdown::Write)?;
    for line in BufReader::new(server).lines() {
        println!("{}", line?);
    }
    Ok(())
}
