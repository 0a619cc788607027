//! The page of the wiretap: who may read it, and what it sends. (`tests/peers/wiretap.rs` looks at it
//! in a browser.)

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};

use sockets_by_hand::json::Value;
use sockets_by_hand::ws::{Client, Error, Message, Socket};

use super::{Wiretap, send};
use crate::common::{Connection, LIMIT, Response, UPGRADE, next};

/// A wiretap with a page, in front of a server that is this test.
struct Page {
    wiretap: Wiretap,
    server: TcpListener,
    address: SocketAddr,
}

impl Page {
    fn start() -> Page {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap();
        let wiretap = Wiretap::with(target, &["--page", "127.0.0.1:0"]);
        let line = next(&wiretap.lines);
        let address = line.replace("The page: http://", "").replace('/', "").parse().unwrap();
        Page { wiretap, server, address }
    }

    /// Sends a text through it, and returns both ends of the connection.
    fn say(&self, text: &str) -> [TcpStream; 2] {
        let client = self.wiretap.connect();
        let server = self.server.accept().unwrap().0;
        server.set_read_timeout(Some(LIMIT)).unwrap();
        send(&client, &server, text.as_bytes());
        [client, server]
    }

    /// Opens its WebSocket at `host`, as a page of `origin` does.
    fn view(&self, host: &str, origin: &str) -> Result<Socket, Error> {
        let mut client = Client::default();
        client.headers.push("Origin", origin);
        client.connect(&format!("ws://{host}:{}/", self.address.port()))
    }

    /// The same, as the page itself does.
    fn own_view(&self) -> Socket {
        self.view("127.0.0.1", &format!("http://{}", self.address)).unwrap()
    }

    fn get(&self, path: &str, host: &str) -> Response {
        let mut connection = Connection::open(self.address);
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        connection.response()
    }
}

/// Reads entries up to the first with this text.
fn entry(viewer: &mut Socket, text: &str) -> Value {
    loop {
        let Some(Message::Text(entry)) = viewer.read().unwrap() else { panic!("no entry") };
        let entry = Value::parse(&entry).unwrap();
        if entry["text"].as_str().unwrap().contains(text) {
            return entry;
        }
    }
}

#[test]
fn an_entry_is_sent_to_who_views_now_and_to_who_views_later() {
    let page = Page::start();
    let mut early = page.own_view();
    let _first = page.say("<b>Hello</b>");
    let live = entry(&mut early, "Hello");
    assert_eq!(live["connection"], 1);
    assert_eq!((&live["from"], &live["layer"]), (&"client".into(), &"tcp".into()));
    assert_eq!(live["bytes"], "3c 62 3e 48 65 6c 6c 6f 3c 2f 62 3e");
    assert_eq!(live["length"], 12);

    let mut late = page.own_view();
    assert_eq!(entry(&mut late, "Hello"), live);
    let _second = page.say("Hello again");
    assert_eq!(entry(&mut early, "Hello")["connection"], 2);
    assert_eq!(entry(&mut late, "Hello")["connection"], 2);
}

#[test]
fn the_history_is_limited_to_the_last_2000_entries() {
    let page = Page::start();
    let mut viewer = page.own_view();
    let [mut client, _server] = page.say("first");
    for _ in 0..2000 {
        // One entry each, and the explainer never far behind.
        client.write_all(b".").unwrap();
        entry(&mut viewer, "\".\"");
    }
    client.write_all(b"last").unwrap();
    entry(&mut viewer, "last");

    let mut late = page.own_view();
    let mut texts = std::iter::from_fn(|| Some(entry(&mut late, "")["text"].to_string()));
    let before_last = texts.by_ref().take_while(|text| !text.contains("last")).count();
    assert_eq!(before_last, 1999);
}

#[test]
fn only_the_page_itself_may_open_its_websocket() {
    let page = Page::start();
    let port = page.address.port();
    let refused = |host: &str, origin: &str| match page.view(host, origin) {
        Err(Error::Refused { status, .. }) => assert_eq!(status, 403, "{origin}"),
        other => panic!("{origin}: {:?}", other.map(|_| ())),
    };
    page.view("localhost", &format!("http://localhost:{port}")).unwrap();
    refused("127.0.0.1", "http://example.com");
    refused("127.0.0.1", &format!("http://localhost:{port}"));
    refused("127.0.0.1", &format!("http://127.0.0.1:{}", port ^ 1));
    refused("127.0.0.1", &format!("https://127.0.0.1:{port}"));
    refused("127.0.0.1", "null");
    refused("127.0.0.1", "");
}

#[test]
fn a_host_that_is_a_name_is_refused_because_of_dns_rebinding() {
    let page = Page::start();
    let port = page.address.port();
    for host in [&*format!("example.com:{port}"), "example.com", "127.0.0.1.example.com:80", "a"] {
        assert_eq!(page.get("/", host).status, 403, "{host}");
    }
    let mut connection = Connection::open(page.address);
    let lines = format!("{}Origin: http://a\r\n", UPGRADE);
    connection.request("GET", "/", &lines, ""); // with Host: a
    assert_eq!(connection.response().status, 403);
    for host in ["127.0.0.1", "localhost:80", "[::1]:80", "192.168.1.2:3002"] {
        assert_eq!(page.get("/", host).status, 200, "{host}");
    }
}

#[test]
fn the_page_may_run_its_own_script_only() {
    let page = Page::start();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
    ] {
        let file = page.get(path, "127.0.0.1");
        assert_eq!((file.status, file.header("content-type")), (200, Some(content_type)));
        let policy = file.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!file.body.contains("innerHTML") && !file.body.contains("style="), "{path}");
    }
    assert_eq!(page.get("/other", "127.0.0.1").status, 404);
}
