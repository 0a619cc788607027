//! A client whose connection is lost, and what it gets when it connects again: the packets that two
//! clients send (`>`) and receive (`<`). Chapter 26.
//!
//! `cargo run --example recovery` talks to a server of its own; with `-- HOST:PORT`, to another one.

use std::{env, io, thread};

use sockets_by_hand::json;
use sockets_by_hand::socketio::{Options, Recovery, Server, Value};
use sockets_by_hand::ws::{self, Error, Message};

fn main() -> Result<(), Error> {
    if let Some(address) = env::args().nth(1) {
        return run_clients(&address);
    }
    let recovery = Some(Recovery::default());
    let options = Options { connection_state_recovery: recovery, ..Options::default() };
    let server = Server::bind("127.0.0.1:0", options)?;
    server.io().on_connection(|socket| {
        if !socket.recovered() {
            socket.join("tea");
        }
        socket.on("say", |event| event.socket.namespace().to("tea").emit("said", &event.args));
        socket.on("disconnect", |event| event.socket.to("tea").emit("left", &event.args[0]));
    });
    let address = server.address().map(|address| address.to_string()).unwrap_or_default();
    let handle = server.handle();
    let serving = thread::spawn(|| server.serve());
    run_clients(&address)?;
    handle.close();
    serving.join().map_err(|_| io::Error::other("the server panicked"))?;
    Ok(())
}

fn run_clients(address: &str) -> Result<(), Error> {
    let mut ids = Vec::new();
    let mut ann = Client::open(address, "Ann")?;
    ann.send("40", &ids)?;
    let connected = ann.receive(&mut ids)?;
    let mut bob = Client::open(address, "Bob")?;
    bob.send("40", &ids)?;
    bob.receive(&mut ids)?;
    bob.send(r#"42["say","The water boils"]"#, &ids)?;
    let event = ann.receive(&mut ids)?;
    bob.receive(&mut ids)?;

    println!("Ann loses her connection");
    drop(ann);
    bob.receive(&mut ids)?;
    bob.send(r#"42["say","The tea is ready"]"#, &ids)?;
    bob.receive(&mut ids)?;

    println!("Ann connects again");
    let mut ann = Client::open(address, "Ann")?;
    let auth = json!({"pid": &connected["pid"], "offset": &event[2]});
    ann.send(&format!("40{auth}"), &ids)?;
    ann.receive(&mut ids)?;
    ann.receive(&mut ids)?;
    bob.send(r#"42["say","Help yourselves"]"#, &ids)?;
    ann.receive(&mut ids)?;
    Ok(())
}

/// A client that has opened a session over a WebSocket.
struct Client {
    name: &'static str,
    socket: ws::Socket,
}

impl Client {
    fn open(address: &str, name: &'static str) -> Result<Client, Error> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut socket = ws::connect(&url)?;
        socket.read()?;
        Ok(Client { name, socket })
    }

    fn send(&mut self, packet: &str, ids: &[String]) -> Result<(), Error> {
        println!("{} > {}", self.name, shorten(packet, ids));
        self.socket.send(packet)
    }

    /// Receives a packet, and returns its data. Its ids and offsets are added to `ids`.
    fn receive(&mut self, ids: &mut Vec<String>) -> Result<Value, Error> {
        let Some(Message::Text(packet)) = self.socket.read()? else { return Ok(Value::Null) };
        let data = packet.get(2..).and_then(|data| Value::parse(data).ok()).unwrap_or(Value::Null);
        for id in [&data["sid"], &data["pid"], &data[2]].into_iter().filter_map(Value::as_str) {
            if !ids.iter().any(|known| known == id) {
                ids.push(id.to_string());
            }
        }
        println!("{} < {}", self.name, shorten(&packet, ids));
        Ok(data)
    }
}

/// An id differs from run to run: its place in `ids` instead.
fn shorten(packet: &str, ids: &[String]) -> String {
    let replace =
        |text: String, (n, id): (usize, &String)| text.replace(id, &format!("#{}", n + 1));
    ids.iter().enumerate().fold(packet.to_string(), replace)
}
