//! Makes a server's troubles happen, one after the other, and shows who notices what. Chapter 03.
//!
//! `trouble HOST:PORT` is a trouble itself: a hundred clients, who say nothing and stay until Ctrl-C.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::{self, Sender};
use std::{env, panic, thread};

use sockets_by_hand::net::{Options, Server, Stream};

fn main() -> io::Result<()> {
    if let Some(address) = env::args().nth(1) {
        return crowd(&address);
    }
    // Shorter than what Rust says, and the same on every run.
    panic::set_hook(Box::new(|_| _ = writeln!(io::stdout(), "  (the handler panics)")));

    let server = Server::bind("127.0.0.1:0", Options { max_connections: 2, ..Options::default() })?;
    let address = server.address().ok_or(ErrorKind::AddrNotAvailable)?;
    let handle = server.handle();
    let (tell, told) = mpsc::channel();
    let door = thread::spawn(move || server.serve(move |stream| obey(stream, &tell)));

    let mut neighbour = Stream::connect(address)?;
    println!("The neighbour comes: {}", ask(&mut neighbour, "hello")?);

    println!("\nA second server on the same port");
    let taken = Server::bind(address, Options::default()).err().ok_or(ErrorKind::Other)?;
    println!("  bind says: {}", taken.kind());

    println!("\nA client is killed in the middle");
    let mut victim = Stream::connect(address)?;
    victim.write_all(b"send without end")?;
    victim.read_exact(&mut [0])?;
    drop(victim); // with bytes unread, as when its process is killed
    println!("  its handler sees: {}", told.recv().map_err(io::Error::other)?);
    println!("  the neighbour hears: {}", ask(&mut neighbour, "hello")?);

    println!("\nA handler panics");
    until(|| handle.connections() == 1); // the victim's thread has ended
    println!("  its client hears: {}", ask(&mut Stream::connect(address)?, "panic")?);
    println!("  the neighbour hears: {}", ask(&mut neighbour, "hello")?);

    println!("\nOne client too many");
    until(|| handle.connections() == 1);
    let mut second = Stream::connect(address)?;
    println!("  the second hears: {}", ask(&mut second, "hello")?);
    println!("  the third hears: {}", listen(&mut Stream::connect(address)?)?);
    drop(second);
    until(|| handle.connections() == 1);
    println!("  once there is room: {}", ask(&mut Stream::connect(address)?, "hello")?);

    println!("\nThe server closes");
    handle.close();
    let refused = Stream::connect(address).err().ok_or(ErrorKind::Other)?;
    println!("  who comes now: {}", refused.kind());
    println!("  the neighbour hears: {}", ask(&mut neighbour, "goodbye")?);
    println!("  and then: {}", listen(&mut neighbour)?);
    handle.wait();
    door.join().map_err(|_| ErrorKind::Other)?;
    println!("  clients left: {}", handle.connections());

    drop(neighbour);

    println!("\nThe next server takes the port");
    Server::bind(address, Options::default())?;
    println!("  bind says: ok");
    Ok(())
}

/// The handler: does what its client tells it, for better or worse.
fn obey(mut stream: Stream, tell: &Sender<&'static str>) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        let n = stream.read(&mut buffer)?;
        match &buffer[..n] {
            b"" => return Ok(()),
            b"panic" => panic!("a bug, met by one client's message"),
            b"goodbye" => return stream.write_all(b"Goodbye"),
            b"send without end" => {
                let e = write_without_end(&mut stream);
                _ = tell.send(what_it_means(&e));
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

/// One event has several names: which one you get depends on the system, and on when you ask.
fn what_it_means(e: &io::Error) -> &'static str {
    match e.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            "a reset"
        }
        _ => "something else",
    }
}

/// Says something, and hears what comes.
fn ask(stream: &mut Stream, words: &str) -> io::Result<String> {
    stream.write_all(words.as_bytes())?;
    listen(stream)
}

fn listen(stream: &mut Stream) -> io::Result<String> {
    let mut buffer = [0; 64];
    let n = stream.read(&mut buffer)?;
    Ok(match n {
        0 => "the end".to_string(),
        _ => String::from_utf8_lossy(&buffer[..n]).into_owned(),
    })
}

/// Lets the other threads go first until something has come true.
fn until(it_is_so: impl Fn() -> bool) {
    while !it_is_so() {
        thread::yield_now();
    }
}

fn crowd(address: &str) -> io::Result<()> {
    let connect = |_| Stream::connect(address);
    let clients = (0..100).map(connect).collect::<io::Result<Vec<Stream>>>()?;
    println!("{} clients are connected", clients.len());
    loop {
        thread::park(); // and keeps them
    }
}
