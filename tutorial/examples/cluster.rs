//! Two Socket.IO servers, and a hub that passes on what one of them says to the other. Chapter 22.
//!
//! `cargo run --example cluster` has a hub of its own; with `-- HOST:PORT`, it uses another one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, io, thread, time::Duration};

use sockets_by_hand::net::framing::{self, read_frame, write_frame};
use sockets_by_hand::net::{self, Backoff, Outbox, Stream};
use sockets_by_hand::socketio::{Io, Options, Server, Value};
use sockets_by_hand::ws::{self, Error, Message};

/// The longest frame. An event that comes has at most 1,000,000 bytes, and we may write it longer.
const MAX: usize = 8 * 1024 * 1024;

fn main() -> Result<(), Error> {
    let hub = env::args().nth(1).map_or_else(open_hub, Ok)?;
    let (news, heard) = sync_channel::<String>(0); // holds nothing: who sends waits for who receives
    let wait_for = |end: &str| {
        let print = |news: &String| println!("{news}");
        _ = heard.iter().inspect(print).find(|news| news.ends_with(end));
    };
    let (_, first) = open_server("Server 1", &hub, &news)?;
    wait_for("is in the hub");
    let (adapter, second) = open_server("Server 2", &hub, &news)?;
    wait_for("is in the hub");
    let mut guests = [enter("Ann", &first)?, enter("Bob", &second)?];

    say(&guests[0], "The water boils")?;
    hear(&mut guests)?;
    say(&guests[1], "I have the cups")?;
    hear(&mut guests)?;

    if let Some(line) = &*lock(&adapter.hub) {
        line.end();
    }
    wait_for("has lost the hub");
    say(&guests[1], "Is there any milk?")?;
    hear(&mut guests[1..])?;
    wait_for("is in the hub");
    say(&guests[1], "I have found some")?;
    hear(&mut guests)
}

/// What one server says, all the others hear.
fn open_hub() -> io::Result<String> {
    let door = net::Server::bind("127.0.0.1:0", net::Options::default())?;
    let address = door.address().map(|address| address.to_string()).unwrap_or_default();
    let servers = Mutex::default();
    thread::spawn(|| door.serve(move |stream| serve(stream, &servers)));
    Ok(address)
}

/// One server in the hub.
fn serve(mut stream: Stream, servers: &Mutex<HashMap<SocketAddr, Outbox>>) -> io::Result<()> {
    let from = stream.remote_address().ok_or(io::ErrorKind::NotConnected)?;
    let outbox = Outbox::new(stream.clone())?;
    lock(servers).insert(from, outbox.clone());
    _ = outbox.send(frame(b"[]")); // you are in
    while let Ok(Some(said)) = read_frame(&mut stream, MAX) {
        let said: Arc<[u8]> = frame(&said).into();
        for (_, other) in lock(servers).iter().filter(|(address, _)| **address != from) {
            _ = other.send(said.clone()); // one that has gone is removed by its own thread
        }
    }
    lock(servers).remove(&from);
    Ok(())
}

/// What connects the rooms of a server to those of the others.
struct Adapter {
    name: &'static str,
    io: Io,
    hub: Mutex<Option<Outbox>>,
    news: SyncSender<String>,
}

impl Adapter {
    /// Emits an event to a room, here and on all other servers.
    fn emit(&self, room: &str, name: &str, args: &[Value]) {
        self.io.to(room).emit(name, args);
        let said = Value::Array([&[room.into(), name.into()], args].concat());
        if let Some(hub) = &*lock(&self.hub) {
            _ = hub.send(frame(said.to_string().as_bytes()));
        }
    }

    /// Emits here what the others say, until the line breaks.
    fn hear(&self, hub: &str, backoff: &mut Backoff) -> Result<(), framing::Error> {
        let mut stream = Stream::connect(hub)?;
        *lock(&self.hub) = Some(Outbox::new(stream.clone())?);
        while let Some(said) = read_frame(&mut stream, MAX)? {
            let said = Value::parse(&String::from_utf8_lossy(&said)).unwrap_or(Value::Null);
            match said.as_array() {
                Some([Value::String(room), Value::String(name), args @ ..]) => {
                    self.io.to(room).emit(name, args);
                }
                Some([]) => {
                    backoff.reset();
                    _ = self.news.send(format!("{} is in the hub", self.name));
                }
                _ => {} // nothing that we know
            }
        }
        Ok(())
    }

    /// Keeps the line to the hub, for ever.
    fn stay(&self, hub: &str) {
        let min = Duration::from_millis(50);
        let mut backoff = Backoff { min, jitter: 0.0, ..Backoff::default() }; // prints the same
        loop {
            _ = self.hear(hub, &mut backoff);
            *lock(&self.hub) = None;
            _ = self.news.send(format!("{} has lost the hub", self.name));
            let pause = backoff.next_pause();
            thread::sleep(pause);
            _ = self.news.send(format!("{} tries again after {pause:?}", self.name));
        }
    }
}

/// Opens a server whose guests are all at tea, and where it is.
fn open_server(
    name: &'static str,
    hub: &str,
    news: &SyncSender<String>,
) -> io::Result<(Arc<Adapter>, String)> {
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let address = server.address().map(|address| address.to_string()).unwrap_or_default();
    let (hub, news) = (hub.to_string(), news.clone());
    let adapter = Arc::new(Adapter { name, io: server.io(), hub: Mutex::default(), news });
    let everywhere = adapter.clone();
    adapter.io.on_connection(move |socket| {
        socket.join("tea");
        let everywhere = everywhere.clone();
        socket.on("tell", move |event| everywhere.emit("tea", "told", &event.args));
        socket.emit("welcome", []); // to the room
    });
    thread::spawn(|| server.serve());
    let line = adapter.clone();
    thread::spawn(move || line.stay(&hub));
    Ok((adapter, address))
}

type Guest = (&'static str, ws::Socket);

fn enter(name: &'static str, address: &str) -> Result<Guest, Error> {
    let mut socket = ws::connect(&format!("ws://{address}/socket.io/?EIO=4&transport=websocket"))?;
    socket.send("40")?;
    for _packet in ["a session", "a namespace", "a welcome"] {
        socket.read()?;
    }
    Ok((name, socket))
}

fn say((name, socket): &Guest, text: &str) -> Result<(), Error> {
    println!("{name} > {text}");
    socket.send(format!(r#"42["tell","{name}","{text}"]"#))
}

fn hear(guests: &mut [Guest]) -> Result<(), Error> {
    for (name, socket) in guests {
        let Some(Message::Text(packet)) = socket.read()? else { continue };
        println!("{name} < {packet}");
    }
    Ok(())
}

/// `payload` with its length before it. (A `Vec` takes all that is written; a frame is below 4 GiB.)
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    _ = write_frame(&mut frame, payload);
    frame
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
