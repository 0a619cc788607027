//! Our Engine.IO server and npm's `engine.io`, asked the same: a client must observe the same.

use std::net::SocketAddr;
use std::thread;

use sockets_by_hand::engineio::{Event, Options, Packet, Server};
use sockets_by_hand::http::Response;
use sockets_by_hand::ws;

use super::common::{Connection, POLLING, Polling, WebSocket};
use super::node::Peer;

/// A server of ours, or npm's `eio-host.js`.
struct Host {
    address: SocketAddr,
    _npms: Option<Peer>,
}

impl Host {
    fn both() -> [Host; 2] {
        [Host::ours(), Host::npms()]
    }

    fn npms() -> Host {
        let peer = Peer::node("eio-host.js", &["127.0.0.1:0"]);
        let line = peer.line();
        let address = line.strip_prefix("Server listening on ").expect(&line).parse().unwrap();
        Host { address, _npms: Some(peer) }
    }

    /// Serves until the tests end.
    fn ours() -> Host {
        let mut server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        server.page(move |request, body| {
            let (sessions, ip) = (handle.sessions(), request.remote_address.unwrap().ip());
            let (method, path, body) =
                (&request.method, request.path(), String::from_utf8_lossy(body));
            Response::text(200, &format!("{sessions} {ip} {method} {path} {body}"))
        });
        let path = Some("/feed".to_string());
        server.ws(ws::Options { path, ..ws::Options::default() }, |mut socket| {
            while let Some(message) = socket.read()? {
                socket.send(message)?;
            }
            Ok(())
        });
        thread::spawn(|| {
            server.serve(|session| {
                let session = session.clone();
                Box::new(move |event| {
                    if let Event::Message(message) = event {
                        session.send(&std::sync::Arc::new(Packet::Message(message).into()));
                    }
                })
            })
        });
        Host { address, _npms: None }
    }
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn a_page_plain_websockets_and_sessions_share_a_port() {
    for Host { address, .. } in &Host::both() {
        let mut page = Connection::open(*address);
        page.request("POST", "/a", "", "hello");
        let body = "0 127.0.0.1 POST /a hello";
        assert_eq!(page.response().status_and_body(), (200, body));
        let mut feed = WebSocket::open(*address, "/feed?since=7");
        feed.send("hello");
        assert_eq!(feed.text(), "hello");
        let mut session = Polling::open(*address);
        session.post("4over polling");
        assert_eq!(session.poll(), "4over polling");
        let mut session = session.upgrade();
        session.send("4over a WebSocket");
        assert_eq!(session.text(), "4over a WebSocket");
        assert_eq!(page.get("/b").body, "1 127.0.0.1 GET /b ");
        assert_eq!(Connection::open(*address).get("/feed").status, 200);
        assert_eq!(page.get(POLLING).status, 200);
        feed.send("hello again");
        assert_eq!(feed.text(), "hello again");
    }
}
