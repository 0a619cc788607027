//! A WebSocket server that echoes every message as it came, and a page that talks to it. Chapter
//! 18.

mod terminal;

use std::io::ErrorKind;
use std::sync::LazyLock;

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::report::Lines;
use sockets_by_hand::ws::{Close, Options, PerMessageDeflate, Server};
use terminal::fail;

const USAGE: &str = "usage: ws-server [HOST:PORT] (127.0.0.1:8080 if left out)";

/// Writes to stdout who connects and disconnects. The server does not wait until that is read.
static LINES: LazyLock<Lines> = LazyLock::new(|| Lines::new(terminal::say));

fn main() {
    let [address] = terminal::arguments(USAGE, ["127.0.0.1:8080"]);
    let per_message_deflate = Some(PerMessageDeflate::default());
    let server = Server::bind(&address, Options { per_message_deflate, ..Options::default() });
    let mut server = server.unwrap_or_else(|e| match e.kind() {
        ErrorKind::InvalidInput => fail(2, USAGE),
        _ => fail(1, &format!("cannot listen on {address}: {e}")),
    });
    let port = server.address().map_or(0, |address| address.port());
    LINES.write(&format!("Server listening on port {port}"));

    server.page(page);
    server.serve(|mut socket| {
        LINES.write("Client connected");
        while let Some(message) = socket.read()? {
            socket.send(message)?;
        }
        let code = socket.closed().map_or(Close::ABNORMAL, |close| close.code);
        LINES.write(&format!("Client disconnected ({code})"));
        Ok(())
    });
}

fn page(request: &Request, _body: &[u8]) -> Response {
    match (&*request.method, request.path()) {
        ("GET" | "HEAD", "/") => Response::html(include_str!("pages/ws.html")),
        ("GET" | "HEAD", _) => Response::text(404, "There is one page here: /"),
        _ => Response::text(405, "Pages are read with GET").with("Allow", "GET, HEAD"),
    }
}
