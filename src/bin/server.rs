//! The document's TCP server, by hand: it answers every client. Chapter 01.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{env, process::exit, thread, time::Duration};

const USAGE: &str = "usage: server [HOST:PORT] (127.0.0.1:3000 if left out)";

fn main() {
    let mut args = env::args_os().skip(1).map(|arg| arg.into_string().unwrap_or_default());
    let addr = args.next().unwrap_or("127.0.0.1:3000".into());
    if addr == "--help" {
        return say(USAGE);
    }
    if args.next().is_some() {
        fail(2, USAGE);
    }
    let listener = TcpListener::bind(&addr).unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => fail(2, USAGE),
        _ => fail(1, &format!("cannot listen on {addr}: {e}")),
    });
    let port = listener.local_addr().map_or(0, |addr| addr.port());
    say(&format!("Server listening on port {port}"));

    for socket in listener.incoming() {
        let started = socket.and_then(|socket| thread::Builder::new().spawn(|| serve(socket)));
        if let Err(e) = started {
            // No descriptor or no thread for this client: wait a moment for others to leave.
            _ = writeln!(io::stderr(), "Client not served: {e}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// One client, from its first byte to its last, on a thread of its own.
fn serve(socket: TcpStream) {
    say("Client connected");
    match answer(socket) {
        Ok(()) => say("Client disconnected"),
        Err(e) => eprintln!("Client lost: {e}"),
    }
}

/// Answers whatever arrives, until the client ends its side.
fn answer(mut socket: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let n = socket.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        let data = String::from_utf8_lossy(&buffer[..n]);
        say(&format!("Received data from client: {data}"));
        socket.write_all(b"Hello from server")?;
    }
}

/// `println!`, except that it ends quietly once nobody reads it (`server | head -1`).
fn say(line: &str) {
    if writeln!(io::stdout(), "{line}").is_err() {
        exit(0);
    }
}

fn fail(status: i32, line: &str) -> ! {
    eprintln!("server: {line}");
    exit(status)
}
