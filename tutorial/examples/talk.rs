//! A chat over plain TCP: each line of a client is sent to all other clients. Chapter 08.
//!
//! `cargo run --example talk` is the server, and `cargo run --example talk -- join` a client in the
//! terminal. Both take an address; with port 0 the server prints the port that it got.

use std::collections::HashMap;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, process::exit, thread};

use sockets_by_hand::net::framing::{read_line, write_line};
use sockets_by_hand::net::report::{Lines, escaped};
use sockets_by_hand::net::{Options, Outbox, Server, Stream};

const MAX_LINE: usize = 1000; // bytes

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let ended = match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve("127.0.0.1:3000"),
        ["join"] => join("127.0.0.1:3000"),
        ["join", address] => join(address),
        [address] if address.contains(':') => serve(address),
        _ => Err(io::Error::other("usage: talk [join] [ADDRESS] (127.0.0.1:3000 if left out)")),
    };
    ended.unwrap_or_else(|e| fail(&e));
}

/// The outboxes of the clients that are connected, each under an id.
type Room = Mutex<HashMap<u64, Outbox>>;

fn lock(room: &Room) -> MutexGuard<'_, HashMap<u64, Outbox>> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Under the lock: all clients receive the lines in the same order.
fn send_to_others(room: &Room, id: u64, line: &str) {
    let line: Arc<[u8]> = format!("{line}\n").into_bytes().into();
    for (_, outbox) in lock(room).iter().filter(|(other, _)| **other != id) {
        _ = outbox.send(line.clone()); // if it fails, that client's own thread ends
    }
}

fn serve(address: &str) -> io::Result<()> {
    let server = Server::bind(address, Options::default())?;
    let port = server.address().ok_or(ErrorKind::AddrNotAvailable)?.port();
    let lines = Lines::new(|line| _ = writeln!(io::stdout(), "{line}"));
    lines.write(&format!("Server listening on port {port}"));
    let (room, next_id) = (Room::default(), AtomicU64::new(0));
    server.serve(move |stream| {
        let outbox = Outbox::new(stream.clone())?;
        let id = next_id.fetch_add(1, Relaxed);
        lock(&room).insert(id, outbox.clone());
        lines.write("Client connected");
        let end = each_line(stream, |line| {
            send_to_others(&room, id, line);
            Ok(())
        });
        lock(&room).remove(&id);
        lines.write("Client disconnected");
        outbox.end();
        outbox.dropped().map_or(end, |why| Err(why.into()))
    });
    Ok(())
}

/// Prints the lines of the server, while another thread sends those of stdin.
fn join(address: &str) -> io::Result<()> {
    let stream = Stream::connect(address)?;
    let mut sending = stream.clone();
    thread::spawn(move || {
        let sent = each_line(io::stdin(), |line| write_line(&mut sending, line));
        sent.and_then(|()| sending.end()).unwrap_or_else(|e| fail(&e));
    });
    each_line(stream, |line| writeln!(io::stdout(), "{}", escaped(line)))
}

fn each_line(reader: impl Read, mut f: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    while let Some(line) = read_line(&mut reader, MAX_LINE)? {
        f(&line)?;
    }
    Ok(())
}

fn fail(e: &io::Error) -> ! {
    eprintln!("talk: {e}");
    exit(1)
}
