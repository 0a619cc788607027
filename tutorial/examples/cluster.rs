//! Two Socket.IO servers, and a hub that forwards each frame of one of them to the other. Chapter 28.
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

/// The longest frame. An event that arrives has at most 1,000,000 bytes, and its JSON may be longer.
const MAX: usize = 8 * 1024 * 1024;

fn main() -> Result<(), Error> {
    let hub = env::args().nth(1).map_or_else(open_hub, Ok)?;
    let (reports, received) = sync_channel::<String>(0); // holds nothing: `send` waits for the receiver
    let wait_for = |end: &str| {
        let print = |report: &String| println!("{report}");
        _ = received.iter().inspect(print).find(|report| report.ends_with(end));
    };
    let (_, first) = open_server("Server 1", &hub, &reports)?;
    wait_for("is connected to the hub");
    let (adapter, second) = open_server("Server 2", &hub, &reports)?;
    wait_for("is connected to the hub");
    let mut clients = [connect("Ann", &first)?, connect("Bob", &second)?];

    tell(&clients[0], "The water boils")?;
    receive(&mut clients)?;
    tell(&clients[1], "I have the cups")?;
    receive(&mut clients)?;

    if let Some(connection) = &*lock(&adapter.hub) {
        connection.end();
    }
    wait_for("is disconnected from the hub");
    tell(&clients[1], "Is there any milk?")?;
    receive(&mut clients[1..])?;
    wait_for("is connected to the hub");
    tell(&clients[1], "I have found some")?;
    receive(&mut clients)
}

/// Forwards the frames of each server to all others.
fn open_hub() -> io::Result<String> {
    let hub = net::Server::bind("127.0.0.1:0", net::Options::default())?;
    let address = hub.address().map(|address| address.to_string()).unwrap_or_default();
    let servers = Mutex::default();
    thread::spawn(|| hub.serve(move |stream| serve(stream, &servers)));
    Ok(address)
}

/// The hub's thread for one server.
fn serve(mut stream: Stream, servers: &Mutex<HashMap<SocketAddr, Outbox>>) -> io::Result<()> {
    let from = stream.remote_address().ok_or(io::ErrorKind::NotConnected)?;
    let outbox = Outbox::new(stream.clone())?;
    lock(servers).insert(from, outbox.clone());
    _ = outbox.send(frame(b"[]")); // you are connected
    while let Ok(Some(payload)) = read_frame(&mut stream, MAX) {
        let forwarded: Arc<[u8]> = frame(&payload).into();
        for (_, other) in lock(servers).iter().filter(|(address, _)| **address != from) {
            _ = other.send(forwarded.clone()); // one that has gone is removed by its own thread
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
    reports: SyncSender<String>,
}

impl Adapter {
    /// Emits an event to a room, here and on all other servers.
    fn emit(&self, room: &str, name: &str, args: &[Value]) {
        self.io.to(room).emit(name, args);
        let values = Value::Array([&[room.into(), name.into()], args].concat());
        if let Some(hub) = &*lock(&self.hub) {
            _ = hub.send(frame(values.to_string().as_bytes()));
        }
    }

    /// Emits here what the others send, until the connection ends.
    fn receive(&self, hub: &str, backoff: &mut Backoff) -> Result<(), framing::Error> {
        let mut stream = Stream::connect(hub)?;
        *lock(&self.hub) = Some(Outbox::new(stream.clone())?);
        while let Some(payload) = read_frame(&mut stream, MAX)? {
            let values = Value::parse(&String::from_utf8_lossy(&payload)).unwrap_or(Value::Null);
            match values.as_array() {
                Some([Value::String(room), Value::String(name), args @ ..]) => {
                    self.io.to(room).emit(name, args);
                }
                Some([]) => {
                    backoff.reset();
                    _ = self.reports.send(format!("{} is connected to the hub", self.name));
                }
                _ => {} // malformed
            }
        }
        Ok(())
    }

    /// Keeps connected to the hub, for ever.
    fn keep_connected(&self, hub: &str) {
        let min = Duration::from_millis(50);
        let mut backoff = Backoff { min, jitter: 0.0, ..Backoff::default() }; // prints the same
        loop {
            _ = self.receive(hub, &mut backoff);
            *lock(&self.hub) = None;
            _ = self.reports.send(format!("{} is disconnected from the hub", self.name));
            let pause = backoff.next_pause();
            thread::sleep(pause);
            _ = self.reports.send(format!("{} reconnects after {pause:?}", self.name));
        }
    }
}

/// Opens a server whose clients are all in the room `tea`. Returns its adapter and its address.
fn open_server(
    name: &'static str,
    hub: &str,
    reports: &SyncSender<String>,
) -> io::Result<(Arc<Adapter>, String)> {
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let address = server.address().map(|address| address.to_string()).unwrap_or_default();
    let (hub, reports) = (hub.to_string(), reports.clone());
    let adapter = Arc::new(Adapter { name, io: server.io(), hub: Mutex::default(), reports });
    let everywhere = adapter.clone();
    adapter.io.on_connection(move |socket| {
        socket.join("tea");
        let everywhere = everywhere.clone();
        socket.on("tell", move |event| everywhere.emit("tea", "told", &event.args));
        socket.emit("joined", ());
    });
    thread::spawn(|| server.serve());
    let connected = adapter.clone();
    thread::spawn(move || connected.keep_connected(&hub));
    Ok((adapter, address))
}

type Client = (&'static str, ws::Socket);

fn connect(name: &'static str, address: &str) -> Result<Client, Error> {
    let mut socket = ws::connect(&format!("ws://{address}/socket.io/?EIO=4&transport=websocket"))?;
    socket.send("40")?;
    for _packet in ["the open packet", "CONNECT", "joined"] {
        socket.read()?;
    }
    Ok((name, socket))
}

fn tell((name, socket): &Client, text: &str) -> Result<(), Error> {
    println!("{name} > {text}");
    socket.send(format!(r#"42["tell","{name}","{text}"]"#))
}

fn receive(clients: &mut [Client]) -> Result<(), Error> {
    for (name, socket) in clients {
        let Some(Message::Text(packet)) = socket.read()? else { continue };
        println!("{name} < {packet}");
    }
    Ok(())
}

/// A frame: the length of `payload`, and `payload`. (Writing to a `Vec` cannot fail; a frame is below 4 GiB.)
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    _ = write_frame(&mut frame, payload);
    frame
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
