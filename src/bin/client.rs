//! The document's TCP client, by hand: sends a text, prints the answer, and disconnects. Chapter 02.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::{env, process::exit};

const USAGE: &str = "usage: client [HOST:PORT] (127.0.0.1:3000 if left out)";

fn main() {
    let mut args = env::args_os().skip(1).map(|arg| arg.into_string().unwrap_or_default());
    let addr = args.next().unwrap_or("127.0.0.1:3000".into());
    if addr == "--help" {
        return say(USAGE);
    }
    if args.next().is_some() {
        fail(2, USAGE);
    }
    let socket = TcpStream::connect(&addr).unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => fail(2, USAGE),
        _ => fail(1, &format!("cannot connect to {addr}: {e}")),
    });
    say("Connected to server");
    match talk(socket) {
        Ok(()) => say("Disconnected from server"),
        Err(e) => fail(1, &format!("lost the server: {e}")),
    }
}

/// Sends a text, and reads until the server ends its side.
fn talk(mut socket: TcpStream) -> io::Result<()> {
    socket.write_all(b"Hello from client")?;
    let mut buffer = [0; 4096];
    loop {
        let n = socket.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        let data = String::from_utf8_lossy(&buffer[..n]);
        say(&format!("Received from server: {data}"));
        _ = socket.shutdown(Shutdown::Write); // a second time it may fail, and changes nothing
    }
}

/// `println!`, except that it ends quietly once nobody reads it (`client | head -1`).
fn say(line: &str) {
    if writeln!(io::stdout(), "{line}").is_err() {
        exit(0);
    }
}

fn fail(status: i32, line: &str) -> ! {
    eprintln!("client: {line}");
    exit(status)
}
