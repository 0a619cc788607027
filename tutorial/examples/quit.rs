//! An echo server that closes in good order when you type `quit`. Chapter 05.

use std::io::{self, Read, Write};
use std::{env, thread};

use sockets_by_hand::net::{Options, Server, Stream};

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:3000".to_string());
    let server = Server::bind(address, Options::default())?;
    let handle = server.handle();
    thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        if lines.any(|line| line == "quit") {
            handle.close();
            println!("No new clients; still connected: {}", handle.connections());
        }
    });
    let port = server.address().map_or(0, |address| address.port());
    println!("Server listening on port {port}");
    server.serve(echo);
    println!("Closed, and the last client has left");
    Ok(())
}

/// Sends back what the client sends.
fn echo(mut stream: Stream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n])?;
    }
}
