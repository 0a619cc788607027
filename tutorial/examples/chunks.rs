//! Two messages that arrive as one, one that arrives as two, and two kinds of framing. Chapter 06.
//!
//! `chunks HOST:PORT` listens there, and prints the lines of one client.

use sockets_by_hand::net::framing::{read_frame, read_line, write_frame, write_line};
use std::env;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

const MESSAGES: [&str; 3] = ["Hello", "Bye", "안녕하세요"];
const MAX: usize = 1024;

fn main() -> io::Result<()> {
    if let Some(address) = env::args().nth(1) {
        return receive_lines(&address);
    }
    let (mut ours, mut theirs) = connection()?;
    println!("Two writes:");
    ours.write_all("Hello".as_bytes())?;
    ours.write_all("Bye".as_bytes())?;
    show_reads(&mut theirs, 8)?;

    println!("One write:");
    ours.write_all("안녕하세요".as_bytes())?;
    show_reads(&mut theirs, 15)?;

    println!("Three lines:");
    let (mut ours, theirs) = connection()?;
    for message in MESSAGES {
        write_line(&mut ours, message)?;
    }
    drop(ours);
    let mut reader = BufReader::with_capacity(8, theirs);
    while let Some(line) = read_line(&mut reader, MAX)? {
        println!("  {line:?}");
    }

    println!("Three frames:");
    let (mut ours, mut theirs) = connection()?;
    for message in MESSAGES {
        write_frame(&mut ours, message.as_bytes())?;
    }
    drop(ours);
    while let Some(payload) = read_frame(&mut theirs, MAX)? {
        println!("  {} bytes: {:?}", payload.len(), String::from_utf8_lossy(&payload));
    }

    println!("A browser, where frames are expected:");
    let (mut ours, mut theirs) = connection()?;
    ours.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    if let Err(e) = read_frame(&mut theirs, MAX) {
        println!("  refused: {e}");
    }
    Ok(())
}

/// Prints the lines of one client, each as soon as its end has arrived.
fn receive_lines(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("Listening on {address}");
    let mut reader = BufReader::new(listener.accept()?.0);
    while let Some(line) = read_line(&mut reader, MAX)? {
        println!("  {line:?}");
    }
    Ok(())
}

/// Waits until `total` bytes have arrived, and then shows what each `read` returns.
fn show_reads(socket: &mut TcpStream, total: usize) -> io::Result<()> {
    while socket.peek(&mut vec![0; total])? < total {}
    let mut buffer = [0; 8];
    let mut received = 0;
    while received < total {
        let n = socket.read(&mut buffer)?;
        println!("  {n} bytes: {:?}", String::from_utf8_lossy(&buffer[..n]));
        received += n;
    }
    Ok(())
}

/// Both ends of a new connection, on which every write leaves at once.
fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    ours.set_nodelay(true)?;
    Ok((ours, listener.accept()?.0))
}
