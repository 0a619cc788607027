//! The page of the wiretap: who may read it, and what it sends. (`tests/peers/wiretap.rs` looks at it
//! in a browser.)

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use sockets_by_hand::json::Value;
use sockets_by_hand::ws::{Client, Error, Message, Socket};

mod common;
use common::{Connection, LIMIT};

/// The program, in front of a server that is this test.
struct Wiretap {
    child: Child,
    server: TcpListener,
    address: String,
    page: SocketAddr,
}

impl Wiretap {
    fn start() -> Wiretap {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap().to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_wiretap"))
            .args(["127.0.0.1:0", &target, "--page", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        let address = line().split(' ').nth(2).unwrap().to_string();
        let page = line().replace("The page: http://", "").replace('/', "").parse().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Wiretap { child, server, address, page }
    }

    /// Sends a text through it, and returns both ends of the connection.
    fn say(&self, text: &str) -> [TcpStream; 2] {
        let mut client = TcpStream::connect(&self.address).unwrap();
        client.write_all(text.as_bytes()).unwrap();
        let (mut server, _) = self.server.accept().unwrap();
        server.set_read_timeout(Some(LIMIT)).unwrap();
        let mut received = vec![0; text.len()];
        server.read_exact(&mut received).unwrap();
        assert_eq!(received, text.as_bytes());
        [client, server]
    }

    /// Opens its WebSocket at `host`, as a page of `origin` does.
    fn view(&self, host: &str, origin: &str) -> Result<Socket, Error> {
        let mut client = Client::default();
        client.headers.push("Origin", origin);
        client.connect(&format!("ws://{host}:{}/", self.page.port()))
    }

    /// The same, as the page itself does.
    fn own_view(&self) -> Socket {
        self.view("127.0.0.1", &format!("http://{}", self.page)).unwrap()
    }

    fn get(&self, path: &str, host: &str) -> common::Response {
        let mut connection = Connection::open(self.page);
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        connection.response()
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
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
    let wiretap = Wiretap::start();
    let mut early = wiretap.own_view();
    let _first = wiretap.say("<b>Hello</b>");
    let live = entry(&mut early, "Hello");
    assert_eq!(live["connection"], 1);
    assert_eq!((&live["from"], &live["layer"]), (&"client".into(), &"tcp".into()));
    assert_eq!(live["bytes"], "3c 62 3e 48 65 6c 6c 6f 3c 2f 62 3e");
    assert_eq!(live["length"], 12);

    let mut late = wiretap.own_view();
    assert_eq!(entry(&mut late, "Hello"), live);
    let _second = wiretap.say("Hello again");
    assert_eq!(entry(&mut early, "Hello")["connection"], 2);
    assert_eq!(entry(&mut late, "Hello")["connection"], 2);
}

#[test]
fn the_history_is_limited_to_the_last_2000_entries() {
    let wiretap = Wiretap::start();
    let mut viewer = wiretap.own_view();
    let [mut client, _server] = wiretap.say("first");
    for _ in 0..2000 {
        // One entry each, and the explainer never far behind.
        client.write_all(b".").unwrap();
        entry(&mut viewer, "\".\"");
    }
    client.write_all(b"last").unwrap();
    entry(&mut viewer, "last");

    let mut late = wiretap.own_view();
    let mut texts = std::iter::from_fn(|| Some(entry(&mut late, "")["text"].to_string()));
    let before_last = texts.by_ref().take_while(|text| !text.contains("last")).count();
    assert_eq!(before_last, 1999);
}

#[test]
fn only_the_page_itself_may_open_its_websocket() {
    let wiretap = Wiretap::start();
    let port = wiretap.page.port();
    let refused = |host: &str, origin: &str| match wiretap.view(host, origin) {
        Err(Error::Refused { status, .. }) => assert_eq!(status, 403, "{origin}"),
        other => panic!("{origin}: {:?}", other.map(|_| ())),
    };
    wiretap.view("localhost", &format!("http://localhost:{port}")).unwrap();
    refused("127.0.0.1", "http://example.com");
    refused("127.0.0.1", &format!("http://localhost:{port}"));
    refused("127.0.0.1", &format!("http://127.0.0.1:{}", port ^ 1));
    refused("127.0.0.1", &format!("https://127.0.0.1:{port}"));
    refused("127.0.0.1", "null");
    refused("127.0.0.1", "");
}

#[test]
fn a_host_that_is_a_name_is_refused_because_of_dns_rebinding() {
    let wiretap = Wiretap::start();
    let port = wiretap.page.port();
    for host in [&*format!("example.com:{port}"), "example.com", "127.0.0.1.example.com:80", "a"] {
        assert_eq!(wiretap.get("/", host).status, 403, "{host}");
    }
    let mut connection = Connection::open(wiretap.page);
    let lines = format!("{}Origin: http://a\r\n", common::UPGRADE);
    connection.request("GET", "/", &lines, ""); // with Host: a
    assert_eq!(connection.response().status, 403);
    for host in ["127.0.0.1", "localhost:80", "[::1]:80", "192.168.1.2:3002"] {
        assert_eq!(wiretap.get("/", host).status, 200, "{host}");
    }
}

#[test]
fn the_page_may_run_its_own_script_only() {
    let wiretap = Wiretap::start();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
    ] {
        let file = wiretap.get(path, "127.0.0.1");
        assert_eq!((file.status, file.header("content-type")), (200, Some(content_type)));
        let policy = file.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!file.body.contains("innerHTML") && !file.body.contains("style="), "{path}");
    }
    assert_eq!(wiretap.get("/other", "127.0.0.1").status, 404);
}
