//! The Socket.IO server: packets in both directions over real sockets, with the packets written by
//! hand.

mod acks;
mod attachments;
mod conversations;
mod listeners;
mod many_clients;
mod msgpack;
mod namespaces;
mod parts;
mod recovery;
mod rooms;
mod sending;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use crate::common::{Polling, WebSocket};
use sockets_by_hand::engineio::Handle;
use sockets_by_hand::socketio::{Io, Options, Server, Socket};

/// A server with two namespaces, `/` and `/admin`.
struct TestServer {
    address: SocketAddr,
    handle: Handle,
    io: Io,
    /// Receives each connected socket, once its listeners are added.
    sockets: Receiver<Socket>,
    /// Receives the namespace and the reason of each `disconnect` event.
    ends: Receiver<(String, String)>,
    thread: JoinHandle<()>,
}

fn server(set: impl Fn(&Socket) + Send + Sync + 'static) -> TestServer {
    server_with(Options::default(), set)
}

/// Every socket emits `echo` back, acknowledges `ask` with its arguments, joins and leaves
/// rooms, and has the listeners that `set` adds.
fn server_with(options: Options, set: impl Fn(&Socket) + Send + Sync + 'static) -> TestServer {
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let (address, handle, io) = (server.address().unwrap(), server.handle(), server.io());
    let (connected, sockets) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    let set = Arc::new(set);
    for name in ["/", "/admin"] {
        let (connected, ended, set) = (connected.clone(), ended.clone(), set.clone());
        io.of(name).on_connection(move |socket| {
            socket.on("echo", |event| _ = event.socket.emit("echo", &event.args));
            socket.on("ask", |event| event.ack(&event.args));
            socket.on("join", |event| {
                event.socket.join(event.args[0].as_str().unwrap());
                event.ack([]);
            });
            socket.on("leave", |event| {
                event.socket.leave(event.args[0].as_str().unwrap());
                event.ack([]);
            });
            let ended = ended.clone();
            socket.on("disconnect", move |event| {
                let name = event.socket.namespace().name().to_string();
                _ = ended.send((name, event.args[0].as_str().unwrap().to_string()));
            });
            set(&socket);
            _ = connected.send(socket);
        });
    }
    let thread = thread::spawn(|| server.serve());
    TestServer { address, handle, io, sockets, ends, thread }
}

/// A client that is connected to the main namespace, over a WebSocket.
#[track_caller]
fn connected(address: SocketAddr) -> WebSocket {
    let mut client = WebSocket::session(address);
    connect_to(&mut client, "");
    client
}

/// Connects to a namespace (such as `/admin,`), and returns the sid.
#[track_caller]
fn connect_to(client: &mut WebSocket, namespace: &str) -> String {
    client.send(&format!("40{namespace}"));
    let response = client.text();
    let id = response.strip_prefix(&format!(r#"40{namespace}{{"sid":""#));
    id.and_then(|id| id.strip_suffix(r#""}"#)).unwrap_or_else(|| panic!("{response}")).to_string()
}

/// A client that is connected to the main namespace, over long-polling.
#[track_caller]
fn connected_polling(address: SocketAddr) -> Polling {
    let mut client = Polling::open(address);
    client.post("40");
    let response = client.poll();
    assert!(response.starts_with(r#"40{"sid":""#), "{response}");
    client
}

/// Emits an event and receives its echo, and nothing before that: nothing else was on its way, and
/// the server has handled all that the client sent before.
#[track_caller]
fn assert_receives_nothing_else(client: &mut WebSocket) {
    client.send(r#"42["echo","nothing else"]"#);
    assert_eq!(client.text(), r#"42["echo","nothing else"]"#);
}
