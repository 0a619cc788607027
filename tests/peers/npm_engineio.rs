//! Our Engine.IO server and npm's `engine.io`, asked the same: a client must observe the same.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sockets_by_hand::engineio::{
    Client, ClientOptions, Cookie, Event, Options, Packet, Server, Session,
};
use sockets_by_hand::http::Response;
use sockets_by_hand::json::Value;
use sockets_by_hand::ws::{self, Message};

use super::common::{
    self, Connection, Frame, POLLING, Polling, UPGRADE, WEBSOCKET, WebSocket, next, sid,
};
use super::node::Peer;

/// A server of ours, or npm's `eio-host.js`.
struct Host {
    address: SocketAddr,
    lines: Lines,
}

/// The lines that a server prints.
enum Lines {
    Ours(Receiver<String>),
    Npms(Peer),
}

impl Host {
    /// Both, with the same options, which are npm's.
    fn both(options: &str) -> [Host; 2] {
        [Host::ours(options), Host::npms(options)]
    }

    fn npms(options: &str) -> Host {
        let peer = Peer::node("eio-host.js", &["127.0.0.1:0", options]);
        let line = peer.line();
        let address = line.strip_prefix("Server listening on ").expect(&line).parse().unwrap();
        Host { address, lines: Lines::Npms(peer) }
    }

    /// Serves until the tests end.
    fn ours(options: &str) -> Host {
        let (sender, lines) = mpsc::channel();
        let say = Say(Arc::new(Mutex::new(sender)));
        let mut server = Server::bind("127.0.0.1:0", translate(options, &say)).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        server.page(move |request, body| {
            let (sessions, ip) = (handle.sessions(), request.remote_address.unwrap().ip());
            let (method, path) = (&request.method, request.path());
            let body = String::from_utf8_lossy(body);
            Response::text(200, &format!("{sessions} {ip} {method} {path} {body}"))
        });
        let path = Some("/feed".to_string());
        server.ws(ws::Options { path, ..ws::Options::default() }, |mut socket| {
            while let Some(message) = socket.read()? {
                socket.send(message)?;
            }
            Ok(())
        });
        thread::spawn(move || server.serve(move |session| listener(session.clone(), &say)));
        Host { address, lines: Lines::Ours(lines) }
    }

    /// The next line that the server prints.
    #[track_caller]
    fn line(&self) -> String {
        match &self.lines {
            Lines::Ours(lines) => next(lines),
            Lines::Npms(peer) => peer.line(),
        }
    }

    /// Sends one request with these lines in its head, on a connection of its own.
    fn request(&self, method: &str, target: &str, lines: &str) -> common::Response {
        let mut connection = Connection::open(self.address);
        connection.request(method, target, lines, "");
        connection.response()
    }
}

/// Prints lines for a test.
#[derive(Clone)]
struct Say(Arc<Mutex<Sender<String>>>);

impl Say {
    fn say(&self, line: &str) {
        _ = self.0.lock().unwrap().send(line.to_string());
    }
}

/// Our options, out of npm's, with the hooks of `eio-host.js`.
fn translate(npms: &str, say: &Say) -> Options {
    let npms = Value::parse(npms).unwrap();
    let mut options = Options::default();
    options.allow_upgrades = npms["allowUpgrades"].as_bool().unwrap_or(options.allow_upgrades);
    if let Some(ms) = npms["pingInterval"].as_u64() {
        options.ping_interval = Duration::from_millis(ms);
    }
    let max_payload = npms["maxHttpBufferSize"].as_u64();
    options.max_payload = max_payload.map_or(options.max_payload, |max| max as usize);
    options.cookie = npms.get("cookie").map(|npms| {
        let text = |name: &str| npms[name].as_str().map(str::to_string);
        let cookie = Cookie::default();
        Cookie {
            name: text("name").unwrap_or(cookie.name),
            max_age: npms["maxAge"].as_u64().map(Duration::from_secs),
            domain: text("domain"),
            path: text("path").or(cookie.path),
            http_only: npms["httpOnly"].as_bool().unwrap_or(cookie.http_only),
            secure: npms["secure"].as_bool().unwrap_or(cookie.secure),
            same_site: text("sameSite").or(cookie.same_site),
        }
    });
    options.allow_request = Box::new(|request| request.headers.get("x-refuse").is_none());
    let random = Options::default().generate_id;
    options.generate_id = Box::new(move |request| match request.headers.get("x-id") {
        Some(id) => id.to_string(),
        None => random(request),
    });
    let printed = say.clone();
    options.initial_headers = Box::new(move |headers, request| {
        printed.say(&format!("initial_headers {}", request.method));
        headers.set("X-Initial", "yes");
    });
    let printed = say.clone();
    options.headers = Box::new(move |headers, request| {
        printed.say(&format!("headers {}", request.method));
        headers.set("X-Every", "yes");
    });
    let printed = say.clone();
    options.connection_error = Box::new(move |error| {
        let (code, message, context) = (error.code, error.message, &error.context);
        let (method, target) = (&error.request.method, &error.request.target);
        printed.say(&format!("connection_error {code} {message} {context} {method} {target}"));
    });
    options
}

/// The listener of a session with what `eio-host.js` does for each.
fn listener(session: Session, say: &Say) -> Box<dyn Fn(Event) + Send + Sync> {
    say.say("connection");
    let shown = session.request().headers.get("x-events").is_some();
    if shown {
        for name in ["packet", "packetCreate", "flush", "upgrading", "upgrade", "close"] {
            let printed = say.clone();
            session.events().on(name, move |value| match value.as_str() {
                Some(text) => printed.say(&format!("{name} {text}")),
                None => printed.say(&format!("{name} {value}")),
            });
        }
        for name in ["heartbeat", "drain"] {
            let printed = say.clone();
            session.events().on(name, move |_| printed.say(name));
        }
    }
    let printed = say.clone();
    Box::new(move |event| {
        if let Event::Message(message) = event {
            if shown {
                printed.say(&format!("message {message}"));
            }
            if message == Message::from("close") {
                return session.close("forced close");
            }
            session.send(&Arc::new(Packet::Message(message).into()));
        }
    })
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn a_page_plain_websockets_and_sessions_share_a_port() {
    for Host { address, .. } in &Host::both("{}") {
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

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn the_cookie_is_in_the_first_response_over_polling() {
    let cookies = [
        (r#"{}"#, "io=a%20b%2Fc; Path=/; HttpOnly; SameSite=Lax"),
        (
            r#"{"name": "n", "maxAge": 90, "domain": "a.org", "path": "/x", "secure": true}"#,
            "n=a%20b%2Fc; Max-Age=90; Domain=a.org; Path=/x; HttpOnly; Secure; SameSite=Lax",
        ),
        (r#"{"httpOnly": false, "sameSite": "Strict"}"#, "io=a%20b%2Fc; Path=/; SameSite=Strict"),
    ];
    for (cookie, expected) in cookies {
        for host in &Host::both(&format!(r#"{{"cookie": {cookie}}}"#)) {
            let first = host.request("GET", POLLING, "X-Id: a b/c\r\n");
            assert_eq!(first.header("set-cookie"), Some(expected));
            assert_eq!(sid(&first.body), "a b/c");
            let later = host.request("POST", &format!("{POLLING}&sid=a%20b/c"), "");
            assert_eq!(later.header("set-cookie"), None);
            let websocket = host.request("GET", WEBSOCKET, UPGRADE);
            assert_eq!((websocket.status, websocket.header("set-cookie")), (101, None));
        }
    }
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn headers_are_changed_before_the_session_is_open() {
    for host in &Host::both("{}") {
        let changed = |response: &common::Response| {
            (response.header("x-initial").is_some(), response.header("x-every").is_some())
        };
        let first = host.request("GET", POLLING, "");
        assert_eq!(changed(&first), (true, true));
        let mut lines = vec![host.line(), host.line(), host.line()];
        let target = format!("{POLLING}&sid={}", sid(&first.body));
        let mut connection = Connection::open(host.address);
        let later = connection.post(&target, "4hello");
        assert_eq!((later.body.as_str(), changed(&later)), ("ok", (false, true)));
        lines.push(host.line());
        let later = connection.get(&target);
        assert_eq!((later.body.as_str(), changed(&later)), ("4hello", (false, true)));
        lines.push(host.line());
        let target = target.replace("polling", "websocket");
        let upgrade = host.request("GET", &target, UPGRADE);
        assert_eq!((upgrade.status, changed(&upgrade)), (101, (false, true)));
        lines.push(host.line());
        let websocket = host.request("GET", WEBSOCKET, UPGRADE);
        assert_eq!((websocket.status, changed(&websocket)), (101, (true, true)));
        lines.extend([host.line(), host.line(), host.line()]);
        let refused = host.request("GET", POLLING, "X-Refuse: yes\r\n");
        assert_eq!((refused.status, changed(&refused)), (403, (false, false)));
        let opened = ["initial_headers GET", "headers GET", "connection"];
        let between = ["headers POST", "headers GET", "headers GET"];
        assert_eq!(lines, [opened, between, opened].concat());
    }
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn allow_upgrades_is_about_the_offer_alone() {
    for host in &Host::both(r#"{"allowUpgrades": false}"#) {
        let open_packet = Connection::open(host.address).get(POLLING).body;
        assert!(open_packet.contains(r#""upgrades":[]"#), "{open_packet}");
        let mut socket = Polling::open(host.address).upgrade();
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
    }
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn refused_requests_emit_connection_error() {
    let observed = Host::both("{}").map(|host| {
        let mut observed = Vec::new();
        let mut ask = |method: &str, target: &str, lines: &str| {
            let response = host.request(method, target, lines);
            let line = host.line();
            observed.push((line, response.status));
        };
        for (method, query) in [
            ("GET", "EIO=4"),
            ("GET", "EIO=4&transport=a%20b"),
            ("GET", "EIO=4&transport=polling&sid=unknown"),
            ("POST", "EIO=4&transport=polling"),
            ("GET", "EIO=4&transport=websocket"),
            ("GET", "EIO=3&transport=polling"),
            ("GET", "transport=polling"),
        ] {
            ask(method, &format!("/socket.io/?{query}"), "");
        }
        ask("GET", POLLING, "X-Refuse: yes\r\n");
        for query in ["EIO=4", "EIO=4&transport=a", "EIO=4&transport=websocket&sid=unknown"] {
            ask("GET", &format!("/socket.io/?{query}"), UPGRADE);
        }
        assert_eq!(host.request("GET", POLLING, "X-Id: a\r\n").status, 200);
        let opened = ["initial_headers GET", "headers GET", "connection"];
        assert_eq!(opened.map(|_| host.line()), opened);
        let mut ask = |target: &str, lines: &str| {
            let response = host.request("GET", target, lines);
            observed.push((host.line(), response.status));
        };
        ask("/socket.io/?EIO=4&transport=websocket&sid=a", "");
        ask("/socket.io/?EIO=3&transport=polling&sid=a", "");
        ask("/socket.io/?transport=polling&sid=a", "");
        observed
    });
    assert_eq!(observed[0], observed[1]);
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn close_frames_and_a_413_are_npms() {
    for host in &Host::both(r#"{"maxHttpBufferSize": 8}"#) {
        let too_big = 1009u16.to_be_bytes();
        for (last, expected) in [("4close", &[][..]), ("x", &[]), ("4eight 88", &too_big)] {
            let mut socket = WebSocket::session(host.address);
            socket.send(last);
            assert_eq!(socket.read_frame(), Some((0x88, expected.to_vec())), "{last}");
        }
        let mut socket = WebSocket::session(host.address);
        socket.close();
        assert_eq!(socket.read(), Frame::Close(1000));

        let mut client = Polling::open(host.address);
        let target = format!("{WEBSOCKET}&sid={}", client.sid);
        let mut without_probe = WebSocket::open(host.address, &target);
        without_probe.send("4hello");
        assert_eq!(without_probe.read(), Frame::Close(1005));
        let mut upgraded = client.upgrade();
        upgraded.send("4hello");
        assert_eq!(upgraded.text(), "4hello");
        let mut second = WebSocket::open(host.address, &target);
        assert_eq!(second.read(), Frame::Close(1005));

        let mut client = Polling::open(host.address);
        assert_eq!(client.try_post("4eight 88").status_and_body(), (413, ""));
    }
}

/// Asserts that both servers print the same lines, up to `last`, about what `client` does.
#[track_caller]
fn assert_same_events(options: &str, last: &str, client: impl Fn(&Host)) {
    let lines = Host::both(options).map(|host| {
        client(&host);
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != last) {
            let line = host.line();
            if !line.contains("headers") && line != "connection" {
                lines.push(line);
            }
        }
        lines
    });
    assert_eq!(lines[0], lines[1]);
}

/// The lines of a head whose session prints its events.
const EVENTS: &str = "X-Events: yes\r\n";

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn events_over_a_websocket_are_npms() {
    assert_same_events("{}", "close transport close", |host| {
        let mut socket = WebSocket::open_with(host.address, WEBSOCKET, EVENTS).ok().unwrap();
        socket.text();
        for _ in 0..2 {
            socket.send("4hello");
            assert_eq!(socket.text(), "4hello");
        }
        socket.close();
        assert_eq!(socket.read(), Frame::Close(1000));
    });
    assert_same_events("{}", "close parse error", |host| {
        let mut socket = WebSocket::open_with(host.address, WEBSOCKET, EVENTS).ok().unwrap();
        socket.text();
        socket.send("x");
        assert_eq!(socket.read(), Frame::Close(1005));
    });
    assert_same_events("{}", "close forced close", |host| {
        let mut socket = WebSocket::open_with(host.address, WEBSOCKET, EVENTS).ok().unwrap();
        socket.text();
        socket.send("4close");
        assert_eq!(socket.read(), Frame::Close(1005));
    });
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn a_heartbeat_emits_npms_events() {
    assert_same_events(r#"{"pingInterval": 300}"#, "heartbeat", |host| {
        let mut socket = WebSocket::open_with(host.address, WEBSOCKET, EVENTS).ok().unwrap();
        socket.text();
        assert_eq!(socket.text(), "2");
        socket.send("3");
    });
}

#[test]
#[ignore = "needs Node.js; .ci/run runs it"]
fn events_over_polling_and_of_the_upgrade_are_npms() {
    assert_same_events("{}", "close transport close", |host| {
        let mut client = Polling::open_with(host.address, EVENTS);
        client.post("4a\x1e4b");
        assert_eq!(client.poll(), "4a\x1e4b");
        client.send_get();
        client.post("4c");
        assert_eq!(client.received(), "4c");
        client.post("4waits for the upgrade");
        let mut socket = client.upgrade();
        assert_eq!(socket.text(), "4waits for the upgrade");
        socket.send("4d");
        assert_eq!(socket.text(), "4d");
        socket.close();
        assert_eq!(socket.read(), Frame::Close(1000));
    });
}

/// What `eio-events.js` prints, by our client.
fn events(address: SocketAddr, transports: &[&'static str]) -> Vec<String> {
    let options = ClientOptions { transports: transports.to_vec(), ..ClientOptions::default() };
    let mut client = Client::connect_with(&format!("http://{address}"), options).unwrap();
    let (sender, lines) = mpsc::channel();
    // No listener can be added before.
    _ = sender.send("packet open".to_string());
    _ = sender.send(format!("open {}", client.transport()));
    for name in ["upgrading", "upgrade", "ping", "upgradeError", "error", "close"] {
        let sender = sender.clone();
        client.events().on(name, move |value| {
            _ = sender.send(format!("{name} {}", value.as_str().unwrap_or_default()));
        });
    }
    for name in ["packet", "packetCreate"] {
        let sender = sender.clone();
        client.events().on(name, move |packet| {
            let kind = packet["type"].as_str().unwrap();
            let data = packet["data"].as_str().filter(|_| name == "packetCreate");
            let line = [name, kind, data.unwrap_or_default()].join(" ");
            _ = sender.send(line.trim_end().to_string());
        });
    }
    match transports.len() {
        1 => _ = client.send("Hello"),
        _ => {
            let sender = client.sender();
            client.events().on("upgrade", move |_| _ = sender.send("Hello"));
        }
    }
    assert_eq!(client.read().unwrap(), Some("Hello".into()));
    client.close();
    assert_eq!(client.read().unwrap(), None);
    drop((client, sender));
    lines.iter().filter(|line| line != "packet noop").collect()
}

#[test]
#[ignore = "needs npm engine.io-client; .ci/run runs it"]
fn both_clients_emit_the_same_events_in_the_same_order() {
    for host in Host::both("{}") {
        for transports in [&["polling"][..], &["websocket"], &["polling", "websocket"]] {
            let address = host.address.to_string();
            let npms = Peer::node("eio-events.js", &[&address, &format!("{transports:?}")]);
            assert_eq!(events(host.address, transports), npms.finish());
        }
    }
}
