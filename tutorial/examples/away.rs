//! Chapter 24: a client that is refused, connected and disconnected, and what becomes of its events.

use std::error::Error;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;
use std::{io, net::SocketAddr, thread};

use sockets_by_hand::json;
use sockets_by_hand::socketio::client::{Client, Socket};
use sockets_by_hand::socketio::{self, ClientOptions, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(&format!("http://{}", serve()?), ClientOptions::default())?;
    let (changed, changes) = mpsc::channel();
    let connected = changed.clone();
    client.on("connect", move |_| {
        println!("connect");
        _ = connected.send(());
    });
    client.on("connect_error", |event| {
        println!("connect_error: {}", event.args[0]["message"]);
        event.socket.set_auth(json!({"token": "tea"}));
        event.socket.open();
    });
    let disconnected = changed.clone();
    client.on("disconnect", move |event| {
        println!("disconnect: {}", event.args[0]);
        _ = disconnected.send(());
    });
    client.on("noted", |event| println!("noted: {}", event.args[0]));

    client.emit("note", "one");
    client.emit("note", "two");
    client.open();
    changes.recv()?; // connected, after all
    emit_with_ack(&client, "ponder", &changed);
    client.emit("disconnect me", ());
    changes.recv()?; // disconnected
    changes.recv()?; // no acknowledgement will arrive
    emit_with_ack(&client, "echo", &changed);
    client.emit_volatile("note", "three");
    client.open();
    changes.recv()?; // connected
    changes.recv()?; // acknowledged
    Ok(())
}

fn emit_with_ack(socket: &Socket, name: &'static str, changed: &Sender<()>) {
    let changed = changed.clone();
    socket.timeout(Duration::from_secs(10)).emit_with_callback(name, (), move |result| {
        match result {
            Ok(_) => println!("{name}: acknowledged"),
            Err(e) => println!("{name}: {e}"),
        }
        _ = changed.send(());
    });
}

/// A server that requires a token, never acknowledges `ponder`, and disconnects a client on request.
fn serve() -> io::Result<SocketAddr> {
    let server = Server::bind("127.0.0.1:0", socketio::Options::default())?;
    let address = server.address().ok_or(io::ErrorKind::AddrNotAvailable)?;
    server.io().use_middleware(|socket| match socket.handshake().auth["token"].as_str() {
        Some("tea") => Ok(()),
        _ => Err("invalid token".into()),
    });
    server.io().on_connection(|socket| {
        socket.on("note", |event| _ = event.socket.emit("noted", &event.args));
        socket.on("echo", |event| event.ack(&event.args));
        socket.on("disconnect me", |event| event.socket.disconnect(false));
    });
    thread::spawn(|| server.serve());
    Ok(address)
}
