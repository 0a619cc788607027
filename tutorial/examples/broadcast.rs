//! A chat in which one client never reads. Chapter 08.
//!
//! `cargo run --example broadcast` gives each client an outbox. With `-- write_all` there is none,
//! and one client that does not read stops the messages to all.

use std::io::{self, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, thread, time::Duration};

use sockets_by_hand::net::framing::{read_line, write_line};
use sockets_by_hand::net::{Options, Outbox, Server, Stream};

const MAX_LINE: usize = 64 * 1024;

fn main() -> io::Result<()> {
    match env::args().nth(1).as_deref() {
        Some("write_all") => without_outboxes(),
        _ => with_outboxes(),
    }
}

/// The outboxes of all members.
#[derive(Default)]
struct Room(Mutex<Vec<Outbox>>);

impl Room {
    fn join(&self, member: Outbox) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(member);
    }

    /// Sends a line to all members. A member to whom nothing can be sent any more is removed.
    fn send(&self, text: &str) {
        let line: Arc<[u8]> = format!("{text}\n").into_bytes().into();
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        members.retain(|member| member.send(line.clone()).is_ok());
    }
}

/// The handler of one client. Its first line is its name; all members receive the others.
fn serve(stream: Stream, room: &Room) -> io::Result<()> {
    let outbox = Outbox::new(stream.clone())?;
    let mut lines = BufReader::new(stream);
    let Some(name) = read_line(&mut lines, MAX_LINE)? else { return Ok(()) };
    room.join(outbox.clone());
    room.send(&format!("{name} has joined"));
    let result = send_lines(&mut lines, &name, room);
    let why = outbox.dropped().map_or(String::new(), |why| format!(": {why}"));
    outbox.end();
    room.send(&format!("{name} has left{why}"));
    result
}

/// Sends each line of a client to the room, until the end.
fn send_lines(lines: &mut BufReader<Stream>, name: &str, room: &Room) -> io::Result<()> {
    while let Some(text) = read_line(lines, MAX_LINE)? {
        room.send(&format!("{name}: {text}"));
    }
    Ok(())
}

/// The other end of a connection.
struct Client(BufReader<Stream>);

impl Client {
    fn connect(address: SocketAddr, name: &str) -> io::Result<Client> {
        let mut client = Client(BufReader::new(Stream::connect(address)?));
        client.send(name)?;
        Ok(client)
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        write_line(self.0.get_mut(), text)
    }

    fn receive(&mut self) -> io::Result<String> {
        read_line(&mut self.0, 2 * MAX_LINE)?.ok_or(ErrorKind::UnexpectedEof.into())
    }

    /// Ends, and reads the rest: to close a connection with unread data would reset it.
    fn leave(mut self) -> io::Result<()> {
        self.0.get_ref().end()?;
        io::copy(&mut self.0, &mut io::sink()).map(drop)
    }
}

/// Ann sends and reads, Bob reads, and Cid never reads.
fn with_outboxes() -> io::Result<()> {
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let address = server.address().ok_or(ErrorKind::AddrNotAvailable)?;
    let handle = server.handle();
    let room = Room::default();
    let serving = thread::spawn(move || server.serve(move |stream| serve(stream, &room)));

    let mut ann = Client::connect(address, "Ann")?;
    println!("Ann received: {}", ann.receive()?);
    let mut bob = Client::connect(address, "Bob")?;
    println!("Ann received: {}", ann.receive()?);
    println!("Bob received: {}", bob.receive()?);
    let mut cid = Client::connect(address, "Cid")?;

    let mut received = String::new();
    let text = "text ".repeat(10_000);
    loop {
        let line = ann.receive()?;
        assert!(line == bob.receive()?, "all receive the same lines, in the same order");
        received += &format!("{line}\n");
        if !line.ends_with(&text) {
            println!("Ann and Bob received: {line}");
        }
        if line.starts_with("Cid has left") {
            break;
        }
        ann.send(&text)?;
    }

    let mut late = String::new();
    cid.0.read_to_string(&mut late)?;
    println!("Cid received the beginning: {}", received.starts_with(&late));
    println!("Cid missed the rest: {}", late.len() < received.len());

    ann.leave()?;
    bob.leave()?;
    handle.close();
    serving.join().map_err(|_| io::Error::other("the server panicked"))
}

/// A room without outboxes: `write_line` calls `write_all`.
fn without_outboxes() -> io::Result<()> {
    let (mut ann, to_ann) = connection()?;
    let (mut cid, to_cid) = connection()?;
    let in_room = [to_ann.clone(), to_cid.clone()];
    let room = thread::spawn(move || {
        let mut members = [to_ann, to_cid];
        let text = "text ".repeat(10_000);
        while members.iter_mut().all(|member| write_line(member, &text).is_ok()) {}
    });

    let mut buffer = [0; 4096];
    ann.set_timeout(Some(Duration::from_millis(500)))?;
    while ann.read(&mut buffer).is_ok() {}
    println!("Ann receives nothing more: the room waits for Cid");

    ann.set_timeout(None)?;
    let cid_reads = thread::spawn(move || io::copy(&mut cid, &mut io::sink()));
    _ = ann.read(&mut buffer)?;
    println!("Cid reads, and Ann receives again");

    in_room.iter().for_each(Stream::destroy); // wakes the room, whomever it waits for
    _ = (room.join(), cid_reads.join());
    Ok(())
}

/// Both ends of a new connection: the client's and the server's.
fn connection() -> io::Result<(Stream, Stream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = Stream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0.into()))
}
