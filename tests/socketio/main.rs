//! Floor 3: packets both ways, and conversations over real sockets, with what goes over the wire
//! written by hand.

#[path = "../common/mod.rs"]
mod common;

mod conversations;
mod crowd;
mod parts;
mod rooms;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use common::{Polling, WebSocket};
use sockets_by_hand::engineio::Handle;
use sockets_by_hand::socketio::{Io, Options, Server, Socket};

/// A server with two namespaces, `/` and `/admin`, and what a test wants to know of it.
struct House {
    address: SocketAddr,
    handle: Handle,
    io: Io,
    /// Each socket that has come in, once its listeners are set.
    sockets: Receiver<Socket>,
    /// Each end: where, and why.
    ends: Receiver<(String, String)>,
    serving: JoinHandle<()>,
}

fn house(set: impl Fn(&Socket) + Send + Sync + 'static) -> House {
    house_with(Options::default(), set)
}

/// Every socket says back what comes as `echo`, answers `ask` with what came, joins and leaves
/// rooms, and listens to what is `set` besides.
fn house_with(options: Options, set: impl Fn(&Socket) + Send + Sync + 'static) -> House {
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let (address, handle, io) = (server.address().unwrap(), server.handle(), server.io());
    let (came, sockets) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    let set = Arc::new(set);
    for name in ["/", "/admin"] {
        let (came, ended, set) = (came.clone(), ended.clone(), set.clone());
        io.of(name).on_connection(move |socket| {
            socket.on("echo", |event| event.socket.emit("echo", &event.args));
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
            _ = came.send(socket);
        });
    }
    let serving = thread::spawn(|| server.serve());
    House { address, handle, io, sockets, ends, serving }
}

/// A guest that is in the main namespace, over a WebSocket.
#[track_caller]
fn enter(address: SocketAddr) -> WebSocket {
    let mut guest = WebSocket::session(address);
    come_in(&mut guest, "");
    guest
}

/// Asks to be let into a namespace (such as `/admin,`), and returns the name that the guest goes by.
#[track_caller]
fn come_in(guest: &mut WebSocket, namespace: &str) -> String {
    guest.send(&format!("40{namespace}"));
    let answer = guest.text();
    let id = answer.strip_prefix(&format!(r#"40{namespace}{{"sid":""#));
    id.and_then(|id| id.strip_suffix(r#""}"#)).unwrap_or_else(|| panic!("{answer}")).to_string()
}

/// The same over long-polling.
#[track_caller]
fn enter_polling(address: SocketAddr) -> Polling {
    let mut guest = Polling::open(address);
    guest.say("40");
    let answer = guest.poll();
    assert!(answer.starts_with(r#"40{"sid":""#), "{answer}");
    guest
}

/// Says a word and hears it, and nothing else before it: nothing else was on its way, and the
/// server is done with all that the guest said before.
#[track_caller]
fn assert_hears_nothing_else(guest: &mut WebSocket) {
    guest.send(r#"42["echo","nothing else"]"#);
    assert_eq!(guest.text(), r#"42["echo","nothing else"]"#);
}
