//! A chat in which one client never reads. Chapter 06.
//!
//! `cargo run --example broadcast` gives each client an outbox. With `-- write_all` there is none,
//! and one client is enough to silence the room.

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

/// Everybody in the chat.
#[derive(Default)]
struct Room(Mutex<Vec<Outbox>>);

impl Room {
    fn join(&self, member: Outbox) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(member);
    }

    /// Sends a line to everyone. Who can be sent nothing any more is no longer in the room.
    fn say(&self, text: &str) {
        let line: Arc<[u8]> = format!("{text}\n").into_bytes().into();
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        members.retain(|member| member.send(line.clone()).is_ok());
    }
}

/// One client: its first line is its name, and everybody hears the others.
fn serve(stream: Stream, room: &Room) -> io::Result<()> {
    let outbox = Outbox::new(stream.clone())?;
    let mut lines = BufReader::new(stream);
    let Some(name) = read_line(&mut lines, MAX_LINE)? else { return Ok(()) };
    room.join(outbox.clone());
    room.say(&format!("{name} has come"));
    let end = listen(&mut lines, &name, room);
    let why = outbox.dropped().map_or(String::new(), |why| format!(": {why}"));
    outbox.end();
    room.say(&format!("{name} has left{why}"));
    end
}

fn listen(lines: &mut BufReader<Stream>, name: &str, room: &Room) -> io::Result<()> {
    while let Some(text) = read_line(lines, MAX_LINE)? {
        room.say(&format!("{name}: {text}"));
    }
    Ok(())
}

/// Somebody at the other end.
struct Client(BufReader<Stream>);

impl Client {
    fn connect(address: SocketAddr, name: &str) -> io::Result<Client> {
        let mut client = Client(BufReader::new(Stream::connect(address)?));
        client.say(name)?;
        Ok(client)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        write_line(self.0.get_mut(), text)
    }

    fn hear(&mut self) -> io::Result<String> {
        read_line(&mut self.0, 2 * MAX_LINE)?.ok_or(ErrorKind::UnexpectedEof.into())
    }

    /// Says that nothing will follow, and hears the rest: who leaves unread lines behind breaks off.
    fn leave(mut self) -> io::Result<()> {
        self.0.get_ref().end()?;
        io::copy(&mut self.0, &mut io::sink()).map(drop)
    }
}

/// Ann talks, Bob listens, and Cid never reads.
fn with_outboxes() -> io::Result<()> {
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let address = server.address().ok_or(ErrorKind::AddrNotAvailable)?;
    let handle = server.handle();
    let room = Room::default();
    let door = thread::spawn(move || server.serve(move |stream| serve(stream, &room)));

    let mut ann = Client::connect(address, "Ann")?;
    println!("Ann hears: {}", ann.hear()?);
    let mut bob = Client::connect(address, "Bob")?;
    println!("Ann hears: {}", ann.hear()?);
    println!("Bob hears: {}", bob.hear()?);
    let mut cid = Client::connect(address, "Cid")?;

    let mut heard = String::new();
    let news = "news ".repeat(10_000);
    loop {
        let line = ann.hear()?;
        assert!(line == bob.hear()?, "all hear the same, in the same order");
        heard += &format!("{line}\n");
        if !line.ends_with(&news) {
            println!("Ann and Bob hear: {line}");
        }
        if line.starts_with("Cid has left") {
            break;
        }
        ann.say(&news)?;
    }

    let mut late = String::new();
    cid.0.read_to_string(&mut late)?;
    println!("Cid reads at last, and hears how it began: {}", heard.starts_with(&late));
    println!("Cid has missed the rest: {}", late.len() < heard.len());

    ann.leave()?;
    bob.leave()?;
    handle.close();
    door.join().map_err(|_| io::Error::other("the server panicked"))
}

/// The same room in five lines, with `write_all`.
fn without_outboxes() -> io::Result<()> {
    let (mut ann, to_ann) = connection()?;
    let (mut cid, to_cid) = connection()?;
    let room = thread::spawn(move || {
        let mut members = [to_ann, to_cid];
        let news = "news ".repeat(10_000);
        while members.iter_mut().all(|member| write_line(member, &news).is_ok()) {}
    });

    let mut buffer = [0; 4096];
    ann.set_timeout(Some(Duration::from_millis(500)))?;
    while ann.read(&mut buffer).is_ok() {}
    println!("Ann hears nothing any more: the room waits for Cid");

    ann.set_timeout(None)?;
    let reader = cid.clone();
    let cid_reads = thread::spawn(move || io::copy(&mut cid, &mut io::sink()));
    _ = ann.read(&mut buffer)?;
    println!("Cid reads, and Ann hears again");

    ann.destroy();
    reader.destroy();
    _ = (room.join(), cid_reads.join());
    Ok(())
}

/// Both ends of a new connection: the client's and the server's.
fn connection() -> io::Result<(Stream, Stream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = Stream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0.into()))
}
