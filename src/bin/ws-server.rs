//! A WebSocket server that echoes every message as it came, and a page that talks to it. Chapter 14.

mod terminal;

use std::io::ErrorKind;
use std::sync::LazyLock;

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::report::Lines;
use sockets_by_hand::ws::Server;
use terminal::fail;

const USAGE: &str = "usage: ws-server [HOST:PORT] (127.0.0.1:8080 if left out)";

/// Who comes and goes, on stdout. The server does not wait until that is read.
static LINES: LazyLock<Lines> = LazyLock::new(|| Lines::new(terminal::say));

fn main() {
    let address = terminal::argument(USAGE, "127.0.0.1:8080");
    let mut server = Server::bind(&address).unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => fail(2, USAGE),
        _ => fail(1, &format!("cannot listen on {address}: {e}")),
    });
    let port = server.address().map_or(0, |address| address.port());
    LINES.say(&format!("Server listening on port {port}"));

    server.options.page = Box::new(page);
    server.serve(|mut socket| {
        LINES.say("Client connected");
        while let Some(message) = socket.read()? {
            socket.send(message)?;
        }
        let code = socket.closed().map_or(1006, |close| close.code);
        LINES.say(&format!("Client disconnected ({code})"));
        Ok(())
    });
}

fn page(request: &Request) -> Response {
    match (&*request.method, request.path()) {
        ("GET" | "HEAD", "/") => Response::html(include_str!("pages/ws.html")),
        ("GET" | "HEAD", _) => Response::text(404, "There is one page here: /"),
        _ => Response::text(405, "Pages are read with GET"),
    }
}
