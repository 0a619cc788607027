//! A chat on Socket.IO, for the official client and for a page of its own. Chapters 22 and 23.

mod terminal;

use std::io::ErrorKind;
use std::sync::LazyLock;

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::report::Lines;
use sockets_by_hand::socketio::{Options, Redis, Server, Socket};
use terminal::fail;

const USAGE: &str = "usage: socketio-server [HOST:PORT [REDIS_URL]] (127.0.0.1:3000 if left out)";

/// Who comes and goes, on stdout. The server does not wait until that is read.
static LINES: LazyLock<Lines> = LazyLock::new(|| Lines::new(terminal::say));

/// The most rooms that a client may be in, its own among them.
const MAX_ROOMS: usize = 100;

/// The longest name of a room, in bytes.
const MAX_NAME: usize = 200;

fn main() {
    let [address, redis] = terminal::arguments(USAGE, ["127.0.0.1:3000", ""]);
    let server = Server::bind(&address, Options::default());
    let mut server = server.unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => fail(2, USAGE),
        _ => fail(1, &format!("cannot listen on {address}: {e}")),
    });
    let port = server.address().map_or(0, |address| address.port());
    if !redis.is_empty() {
        let redis = Redis::new(&redis).unwrap_or_else(|_| fail(2, USAGE));
        let started = server.io().adapter(redis);
        started.unwrap_or_else(|e| fail(1, &format!("cannot start a thread: {e}")));
    }
    LINES.write(&format!("Server listening on port {port}"));

    server.io().on_connection(|socket| {
        LINES.write("Client connected");
        chat(&socket);
        socket.on("disconnect", |event| {
            LINES.write(&format!(
                "Client disconnected ({})",
                event.args[0].as_str().unwrap_or_default()
            ));
        });
    });
    server.page(page);
    server.serve();
}

/// Adds the listeners of the chat.
fn chat(socket: &Socket) {
    socket.on("echo", |event| event.ack(&event.args));
    socket.on("say", |event| event.socket.namespace().emit("said", &event.args));
    socket.on("join", |event| {
        let room = event.args[0].as_str().unwrap_or_default();
        // Rooms take memory: their number and the length of their names are limited.
        if (1..=MAX_NAME).contains(&room.len()) && event.socket.rooms().len() < MAX_ROOMS {
            event.socket.join(room);
        }
        event.ack(());
    });
    socket.on("leave", |event| {
        let room = event.args[0].as_str().unwrap_or_default();
        event.socket.leave(room);
        event.ack(());
    });
    socket.on("tell", |event| {
        if let [room, text, ..] = &event.args[..] {
            let room = room.as_str().unwrap_or_default();
            event.socket.namespace().to(room).emit("said", text.clone());
        }
    });
}

fn page(request: &Request, _body: &[u8]) -> Response {
    match (&*request.method, request.path()) {
        ("GET" | "HEAD", "/") => Response::html(include_str!("pages/chat.html")),
        ("GET" | "HEAD", _) => Response::text(404, "There is one page here: /"),
        _ => Response::text(405, "Pages are read with GET"),
    }
}
