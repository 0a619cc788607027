//! Chapter 20: a client that is refused, let in, and sent away; and what becomes of what it says.

use std::error::Error;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;
use std::{io, net::SocketAddr, thread};

use sockets_by_hand::json;
use sockets_by_hand::socketio::client::{Client, Socket};
use sockets_by_hand::socketio::{self, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(&format!("http://{}", serve()?), Default::default())?;
    let (changed, changes) = mpsc::channel();
    let connected = changed.clone();
    client.on("connect", move |_| {
        println!("connect");
        _ = connected.send(());
    });
    client.on("connect_error", |event| {
        println!("connect_error: {}", event.args[0]["message"]);
        event.socket.set_auth(json!({"word": "tea"}));
        event.socket.open();
    });
    let disconnected = changed.clone();
    client.on("disconnect", move |event| {
        println!("disconnect: {}", event.args[0]);
        _ = disconnected.send(());
    });
    client.on("noted", |event| println!("noted: {}", event.args[0]));

    client.emit("note", [json!("one")]);
    client.emit("note", [json!("two")]);
    client.open();
    changes.recv()?; // it is in, after all
    ask(&client, "ponder", &changed);
    client.emit("send me away", []);
    changes.recv()?; // nobody will answer
    changes.recv()?; // it is out
    ask(&client, "echo", &changed);
    client.emit_volatile("note", [json!("three")]);
    client.open();
    changes.recv()?; // it is in
    changes.recv()?; // here is the answer
    Ok(())
}

fn ask(socket: &Socket, name: &'static str, changed: &Sender<()>) {
    let changed = changed.clone();
    socket.emit_with_ack(name, [], Duration::from_secs(10), move |answer| {
        match answer {
            Ok(_) => println!("{name}: answered"),
            Err(e) => println!("{name}: {e}"),
        }
        _ = changed.send(());
    });
}

/// A server that wants to hear a word, never answers `ponder`, and sends away whoever asks for it.
fn serve() -> io::Result<SocketAddr> {
    let server = Server::bind("127.0.0.1:0", socketio::Options::default())?;
    let address = server.address().ok_or(io::ErrorKind::AddrNotAvailable)?;
    server.io().use_middleware(|socket| match socket.handshake().auth["word"].as_str() {
        Some("tea") => Ok(()),
        _ => Err("say the word".into()),
    });
    server.io().on_connection(|socket| {
        socket.on("note", |event| event.socket.emit("noted", &event.args));
        socket.on("echo", |event| event.ack(&event.args));
        socket.on("send me away", |event| event.socket.disconnect(false));
    });
    thread::spawn(|| server.serve());
    Ok(address)
}
