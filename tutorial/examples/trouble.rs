//! Makes a server's failures happen, one after the other, and shows who notices what. Chapter 04.
//!
//! `trouble HOST:PORT` opens a hundred connections, sends nothing, and keeps them until Ctrl-C.
//! `trouble HOST:PORT unread` is one client that ends without having read what it has received.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::{env, panic, thread};

use sockets_by_hand::net::{Options, Server, Stream};

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match &args[..] {
        [] => {}
        [address, unread] if unread == "unread" => return leave_unread(address),
        [address, ..] => return crowd(address),
    }
    // Shorter than what Rust says, and the same on every run.
    panic::set_hook(Box::new(|_| _ = writeln!(io::stdout(), "  (the handler panics)")));

    let server = Server::bind("127.0.0.1:0", Options { max_connections: 2, ..Options::default() })?;
    let address = server.address().ok_or(ErrorKind::AddrNotAvailable)?;
    let handle = server.handle();
    let (errors, seen) = mpsc::channel();
    thread::spawn(move || server.serve(move |stream| obey(stream, &errors)));

    let mut other = Stream::connect(address)?;
    println!("Another client connects, and receives: {}", ask(&mut other, "hello")?);

    println!("\nA second server on the same port");
    let taken = Server::bind(address, Options::default()).err().ok_or(ErrorKind::Other)?;
    println!("  bind fails: {}", taken.kind());

    println!("\nA client is killed in the middle");
    let mut victim = Stream::connect(address)?;
    victim.write_all(b"send without end")?;
    victim.read_exact(&mut [0])?;
    drop(victim); // with bytes unread, as when its process is killed
    println!("  its handler gets: {}", seen.recv().map_err(io::Error::other)?);
    println!("  the other client receives: {}", ask(&mut other, "hello")?);

    println!("\nA handler panics");
    until(|| handle.connections() == 1); // the victim's thread has ended
    println!("  its client receives: {}", ask(&mut Stream::connect(address)?, "panic")?);
    println!("  the other client receives: {}", ask(&mut other, "hello")?);

    println!("\nOne client too many");
    until(|| handle.connections() == 1);
    let mut second = Stream::connect(address)?;
    println!("  the second receives: {}", ask(&mut second, "hello")?);
    println!("  the third receives: {}", receive(&mut Stream::connect(address)?)?);
    drop(second);
    until(|| handle.connections() == 1);
    println!("  once one has left: {}", ask(&mut Stream::connect(address)?, "hello")?);
    Ok(())
}

/// The handler: does what its client asks for.
fn obey(mut stream: Stream, errors: &Sender<&'static str>) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        let n = stream.read(&mut buffer)?;
        match &buffer[..n] {
            b"" => return Ok(()),
            b"panic" => panic!("a bug that one message triggers"),
            b"send without end" => {
                let e = write_without_end(&mut stream);
                _ = errors.send(meaning(&e));
                return Ok(());
            }
            _ => stream.write_all(b"Hello from server")?,
        }
    }
}

fn write_without_end(stream: &mut Stream) -> io::Error {
    loop {
        if let Err(e) = stream.write_all(&[b'x'; 65_536]) {
            return e;
        }
    }
}

/// A reset has several names: which one you get depends on the system, and on when you read or write.
fn meaning(e: &io::Error) -> &'static str {
    match e.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            "a reset"
        }
        _ => "something else",
    }
}

/// Sends a request, and receives the answer.
fn ask(stream: &mut Stream, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    receive(stream)
}

fn receive(stream: &mut Stream) -> io::Result<String> {
    let mut buffer = [0; 64];
    let n = stream.read(&mut buffer)?;
    Ok(match n {
        0 => "the end".to_string(),
        _ => String::from_utf8_lossy(&buffer[..n]).into_owned(),
    })
}

/// Lets other threads run until `condition` holds.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Ends with bytes unread, as a client that is killed.
fn leave_unread(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"Hello from client")?;
    stream.peek(&mut [0]).map(|_| ()) // the answer has arrived, and stays where it is
}

fn crowd(address: &str) -> io::Result<()> {
    let connect = |_| Stream::connect(address);
    let clients = (0..100).map(connect).collect::<io::Result<Vec<Stream>>>()?;
    println!("{} clients are connected", clients.len());
    loop {
        thread::park(); // and stay connected
    }
}
