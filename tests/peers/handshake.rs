//! `socket.handshake()` and `socket.conn()`: npm's client observes the same with ours and with npm's server.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::UNIX_EPOCH;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{Handshake, Options, Server, Socket, Value};

use super::node::{LIMIT, Peer};

/// npm's `socket.handshake`, made of ours. (It has no `time`, which is `issued` as text.)
fn describe(handshake: &Handshake) -> Value {
    let headers = handshake.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.into()));
    let query = handshake.query().into_iter().map(|(name, value)| (name, value.into()));
    let issued = handshake.issued.duration_since(UNIX_EPOCH).unwrap().as_millis();
    json!({
        "headers": Value::Object(headers.collect()),
        "url": handshake.url(),
        "query": Value::Object(query.collect()),
        "auth": handshake.auth.clone(),
        "address": handshake.address.unwrap().ip().to_string(),
        "xdomain": handshake.xdomain(),
        "secure": handshake.secure,
        "issued": issued as f64,
    })
}

/// The listeners of the server in `handshake.js`.
fn add_listeners(socket: &Socket, closed: &Sender<String>) {
    let conn = socket.conn();
    let lines = Arc::new(Mutex::new(vec![format!("connected over {}", conn.transport())]));
    let text = |value: &Value| value.as_str().unwrap_or("undefined").to_string();
    for name in ["upgrading", "upgrade"] {
        let lines = lines.clone();
        let add =
            move |value: &Value| lines.lock().unwrap().push(format!("{name} {}", text(value)));
        conn.events().on(name, add);
    }
    for name in ["packet", "packetCreate"] {
        let lines = lines.clone();
        conn.events().on(name, move |packet| {
            if packet["type"] != "noop" {
                let line = format!("{name} {} {}", text(&packet["type"]), text(&packet["data"]));
                lines.lock().unwrap().push(line);
            }
        });
    }
    let closed = closed.clone();
    conn.events().on("close", move |reason| _ = closed.send(format!("close {}", text(reason))));
    socket.on("handshake", |event| event.ack(describe(&event.socket.handshake())));
    socket.on("events", move |event| {
        let mut lines = lines.lock().unwrap().clone();
        lines.push(format!("now over {}", event.socket.conn().transport()));
        event.ack(Value::Array(lines.into_iter().map(Value::from).collect()));
    });
}

/// Our server; returns its URL, and why its sessions have ended.
fn ours() -> (String, Receiver<String>) {
    let (sender, closed) = mpsc::channel();
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    for name in ["/", "/admin"] {
        let sender = sender.clone();
        server.io().of(name).on_connection(move |socket| add_listeners(&socket, &sender));
    }
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(|| server.serve());
    (url, closed)
}

fn npms() -> (String, Peer) {
    let server = Peer::node("handshake.js", &["server"]);
    let line = server.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    (format!("http://127.0.0.1:{port}"), server)
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn the_handshake_is_npms() {
    let ((ours, _closed), (npms, _server)) = (ours(), npms());
    for transport in ["polling", "websocket"] {
        let show = |url: &str| Peer::node("handshake.js", &["show", url, transport]).finish();
        let printed = show(&npms);
        for line in [
            r#"query ["color","a b"]"#,
            r#"query ["flag",""]"#,
            r#"query ["na me/ä","tä & st=1"]"#,
            r#"query ["plus+","a+b"]"#,
            r#"auth {"token":"ä","list":[1,null]}"#,
            "xdomain true secure false",
            "issued now",
        ] {
            assert!(printed.iter().any(|printed| printed == line), "{line}\n{printed:#?}");
        }
        assert_eq!(show(&ours), printed, "over {transport}");
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn conn_of_a_handshake_that_is_upgraded_has_npms_transport_and_events() {
    let ((ours, closed), (npms, server)) = (ours(), npms());
    let upgrade = |url: &str| Peer::node("handshake.js", &["upgrade", url]).finish();
    let printed = upgrade(&npms);
    assert_eq!(printed.first().map(String::as_str), Some("connected over polling"));
    assert_eq!(printed.last().map(String::as_str), Some("now over websocket"));
    assert_eq!(upgrade(&ours), printed);
    assert_eq!(closed.recv_timeout(LIMIT).unwrap(), server.line());
}
