//! npm's `socket.io-client` against our server. Each test runs against npm's own server too, and the client
//! must observe the same.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use sockets_by_hand::engineio::Cors;
use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::json;
use sockets_by_hand::socketio::{
    ConnectError, Event, Namespace, Options, Parser, Server, Socket, Value,
};
use sockets_by_hand::ws::PerMessageDeflate;

use super::node::{LIMIT, Peer};

const NEW: &str = "socket.io-client";
const OLD: &str = "socket.io-client-4.0";
/// With that parser.
const NEW_MSGPACK: &str = "socket.io-client+socket.io-msgpack-parser";
const OLD_MSGPACK: &str = "socket.io-client-4.0+socket.io-msgpack-parser";

const UPGRADE: &str = "polling,websocket";
const TRANSPORTS: [&str; 3] = ["polling", "websocket", UPGRADE];

/// A server of ours, or npm's, with the listeners of `sio-host.js`.
pub enum Host {
    Ours(String, Receiver<String>, Receiver<()>),
    Npms(String, Peer),
}

impl Host {
    /// Both, with the same options, which are npm's.
    fn both(options: &str) -> [Host; 2] {
        [Host::ours, Host::npms].map(|start| start("127.0.0.1:0", options))
    }

    pub fn npms(address: &str, options: &str) -> Host {
        let peer = Peer::node("sio-host.js", &[address, options]);
        Host::Npms(url(&peer), peer)
    }

    /// Serves until a client closes it, or the tests end.
    pub fn ours(address: &str, options: &str) -> Host {
        let (sender, lines) = mpsc::channel();
        let print = move |line: String| _ = sender.send(line);
        let mut server = Server::bind(address, translate(options)).unwrap();
        server.page(page);
        let url = format!("http://{}", server.address().unwrap());
        let (io, handle) = (server.io(), server.handle());
        for name in ["/", "/news", "/이름 with spaces?x=1", "/locked"] {
            let (print, handle) = (print.clone(), handle.clone());
            io.of(name).on_connection(move |socket| {
                add_listeners(&socket, print.clone());
                let handle = handle.clone();
                socket.on("close the server", move |_| handle.close());
            });
        }
        require_password(&io.of("/locked"));
        let (done, end) = mpsc::channel();
        thread::spawn(move || {
            server.serve();
            _ = done.send(());
        });
        Host::Ours(url, lines, end)
    }

    pub fn url(&self) -> &str {
        match self {
            Host::Ours(url, ..) | Host::Npms(url, _) => url,
        }
    }

    /// Waits until it has ended: a client closes it.
    pub fn ended(self) {
        match self {
            Host::Ours(_, _, end) => end.recv_timeout(LIMIT).unwrap(),
            Host::Npms(_, peer) => _ = peer.finish(),
        }
    }

    /// The next line that the server prints.
    #[track_caller]
    fn line(&self) -> String {
        match self {
            Host::Ours(_, lines, _) => lines.recv_timeout(LIMIT).unwrap(),
            Host::Npms(_, peer) => peer.line(),
        }
    }

    /// Runs a client that does this over these transports, and returns what it observed.
    #[track_caller]
    fn run_client(&self, module: &str, transports: &str, what: &[&str]) -> Vec<String> {
        let mut seen = client(self.url(), module, transports, what).finish();
        assert_eq!(seen.pop().as_deref(), Some("done"), "{seen:?}");
        assert!(!seen.iter().any(|line| line.starts_with("error:")), "{seen:?}");
        seen
    }
}

fn client(url: &str, module: &str, transports: &str, what: &[&str]) -> Peer {
    Peer::node("sio-client.js", &[&[url, module, transports], what].concat())
}

fn url(server: &Peer) -> String {
    let line = server.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    format!("http://127.0.0.1:{port}")
}

/// npm's options, as ours.
fn translate(npms: &str) -> Options {
    let npms = Value::parse(npms).unwrap();
    let mut options = Options::default();
    let engine = &mut options.engine;
    let time = |name: &str| npms[name].as_f64().map(|ms| Duration::from_millis(ms as u64));
    engine.ping_interval = time("pingInterval").unwrap_or(engine.ping_interval);
    engine.ping_timeout = time("pingTimeout").unwrap_or(engine.ping_timeout);
    options.connect_timeout = time("connectTimeout").unwrap_or(options.connect_timeout);
    if npms["parser"] == "socket.io-msgpack-parser" {
        options.parser = Parser::MessagePack;
    }
    if let Some(size) = npms["maxHttpBufferSize"].as_f64() {
        engine.max_payload = size as usize;
    }
    engine.per_message_deflate =
        (npms["perMessageDeflate"] == true).then(PerMessageDeflate::default);
    if let Some(cors) = npms.get("cors") {
        let origins = cors["origin"].as_array().unwrap();
        let origins = origins.iter().map(|origin| origin.as_str().unwrap().to_string()).collect();
        let credentials = cors["credentials"].as_bool().unwrap_or_default();
        engine.cors = Some(Cors { origins, credentials });
    }
    options
}

/// A page with the official client in it.
pub fn page(request: &Request, _body: &[u8]) -> Response {
    const BUNDLE: &str = "tests/peers/node_modules/socket.io-client/dist/socket.io.min.js";
    match request.path() {
        "/" => Response::html(r#"<!doctype html><script src="/client.js"></script>"#),
        "/client.js" => Response::text(200, &std::fs::read_to_string(BUNDLE).unwrap()),
        _ => Response::text(404, ""),
    }
}

fn texts(values: &[Value]) -> Vec<&str> {
    values.iter().filter_map(Value::as_str).collect()
}

fn add_listeners(socket: &Socket, print: impl Fn(String) + Clone + Send + Sync + 'static) {
    socket.on("echo", |event| {
        event.socket.emit("echoed", &event.args);
        event.ack(&event.args);
        event.ack(["a second ack, which must not arrive".into()]);
    });
    socket.on("1", |event| event.ack(&event.args));
    let also = print.clone();
    socket.on("ask", move |event| {
        let (socket, print) = (event.socket.clone(), also.clone());
        let limit = Duration::from_millis(event.args[0].as_f64().unwrap() as u64);
        event.socket.timeout(limit).emit_with_callback(
            "question",
            &event.args[1..],
            move |answer| match answer {
                Ok(values) => _ = socket.emit("answered", values),
                Err(why) => print(format!("no answer: {why}")),
            },
        );
    });
    socket.on("join", |event| {
        let id = event.socket.id();
        event.socket.join(texts(&event.args));
        let mut rooms = event.socket.rooms();
        let own = rooms.iter().any(|room| room == id);
        rooms.retain(|room| room != id);
        rooms.sort();
        event.ack([rooms.into(), own.into()]);
    });
    socket.on("leave", |event| {
        event.socket.leave(texts(&event.args));
        event.ack([]);
    });
    socket.on("tell", |event| {
        let [target, rooms, text] = &event.args[..] else { return };
        let mut target = match target.as_str() {
            Some("io") => event.socket.namespace().everyone(),
            _ => event.socket.broadcast(),
        };
        for room in texts(rooms["to"].as_array().unwrap_or_default()) {
            target = target.to(room);
        }
        for room in texts(rooms["except"].as_array().unwrap_or_default()) {
            target = target.except(room);
        }
        target.emit("said", [text.clone()]);
    });
    socket.on("say", |event| event.socket.namespace().emit("said", &event.args));
    socket.on("tick", |event| _ = event.socket.emit_volatile("tick", [1.into()]));
    socket.on("who am I?", who);
    socket.on("count", |event| {
        let (socket, numbers) = (event.socket.clone(), event.args[0].as_f64().unwrap() as u32);
        thread::spawn(move || {
            for i in 0..numbers {
                socket.emit("number", [i.into()]);
                if i % 10 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
    });
    socket.on("disconnect me", |event| event.socket.disconnect(event.args[0] == true));
    socket.on("disconnect me after events", |event| {
        for value in [1.into(), Value::Binary(b"2".to_vec()), 3.into()] {
            event.socket.emit("last", [value]);
        }
        event.socket.disconnect(true);
    });
    socket.on("disconnect the room", |event| {
        let room = event.args[0].as_str().unwrap();
        event.socket.namespace().to(room).disconnect_sockets(true);
    });
    let also = print.clone();
    socket.on("disconnecting", move |event| {
        let socket = &event.socket;
        also(format!("{} still in {} rooms", socket.namespace().name(), socket.rooms().len()));
    });
    socket.on("disconnect", move |event| {
        let reason = event.args[0].as_str().unwrap();
        print(format!("{} {reason}", event.socket.namespace().name()));
    });
}

fn who(event: &Event<Socket>) {
    let handshake = event.socket.handshake();
    let query = |name| handshake.request.query(name).map(|value| (name.to_string(), value.into()));
    let query = ["EIO", "transport", "room"].into_iter().filter_map(query).collect();
    let flavour = handshake.request.headers.get("x-flavour").map(Value::from);
    let (auth, data) = (handshake.auth.clone(), event.socket.data());
    event.ack([Value::Object(query), flavour.into(), auth, data]);
}

fn require_password(namespace: &Namespace) {
    namespace.use_middleware(|socket| {
        let password = socket.handshake().auth["password"].clone();
        let Some(given) = password.as_str() else { return Err("Who are you?".into()) };
        socket.set_data(json!({"password": given}));
        if given == "Sesame" {
            return Ok(());
        }
        let data = Some(json!({"given": given, "hints": ["seeds", null]}));
        Err(ConnectError { message: "Wrong password".to_string(), data })
    });
}

/// Asserts that a client that does this observes the same with both servers, over all transports.
#[track_caller]
fn alike(module: &str, options: &str, what: &[&str]) {
    let [ours, npms] = Host::both(options);
    for transports in TRANSPORTS {
        let expected = npms.run_client(module, transports, what);
        assert_eq!(
            ours.run_client(module, transports, what),
            expected,
            "{what:?} over {transports}"
        );
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn a_burst_on_connection_arrives_over_each_transport_and_through_an_upgrade() {
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    server.io().on_connection(|socket| {
        (0..5_000).for_each(|i| _ = socket.emit("stroke", [json!(i), json!("x".repeat(300))]));
        (0..5).for_each(|_| _ = socket.emit("image", [Value::Binary(vec![7; 400_000])]));
    });
    thread::spawn(|| server.serve());
    for module in [NEW, OLD] {
        for transports in TRANSPORTS {
            let seen = client(&url, module, transports, &["burst"]).finish();
            let all = "5000 in order: true images: [ 400000, 400000, 400000, 400000, 400000 ]";
            assert_eq!(seen, [all, "done"], "{module} {transports}");
        }
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn values_come_back_as_from_npms_server() {
    alike(NEW, "{}", &["values"]);
    alike(OLD, "{}", &["values"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn binary_comes_back_from_anywhere_among_the_arguments() {
    alike(NEW, "{}", &["binary"]);
    alike(OLD, "{}", &["binary"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn both_sides_get_an_ack_or_a_timeout() {
    let [ours, npms] = Host::both("{}");
    for transports in TRANSPORTS {
        let expected = npms.run_client(NEW, transports, &["acks"]);
        assert_eq!(ours.run_client(NEW, transports, &["acks"]), expected, "{transports}");
        assert_eq!(ours.line(), "no answer: operation has timed out");
        assert_eq!(ours.line(), "/ still in 1 rooms");
        assert_eq!(ours.line(), "/ client namespace disconnect");
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn namespaces_share_a_connection_and_middleware_refuses_with_a_reason() {
    alike(NEW, "{}", &["namespaces"]);
    alike(OLD, "{}", &["namespaces"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn events_to_a_room_reach_its_members_only() {
    alike(NEW, "{}", &["rooms"]);
    alike(OLD, "{}", &["rooms"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn a_hundred_npm_clients_receive_the_events_of_their_room() {
    let host = Host::ours("127.0.0.1:0", "{}");
    for transports in TRANSPORTS {
        let seen = host.run_client(NEW, transports, &["clients", "100"]);
        assert_eq!(seen, ["ids: 100", "100 received the first", "99 received more"]);
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn listeners_for_any_event_and_volatile_events_do_as_with_npms_server() {
    for module in [NEW, OLD] {
        alike(module, "{}", &["any"]);
        alike(module, "{}", &["volatile"]);
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn an_event_may_have_max_payload_bytes_and_not_one_more() {
    let small = r#"{"maxHttpBufferSize": 2001}"#;
    for module in [NEW, OLD] {
        alike(module, small, &["large", "2001"]);
        alike(module, small, &["large bytes", "2001"]);
    }
    alike(NEW, "{}", &["large", "1000000"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn events_in_both_directions_during_an_upgrade_arrive_once_and_in_order() {
    let [ours, npms] = Host::both("{}");
    for module in [NEW, OLD] {
        let seen = ours.run_client(module, UPGRADE, &["flood"]);
        assert_eq!(seen[0], "from polling to websocket");
        assert_eq!(seen, npms.run_client(module, UPGRADE, &["flood"]));
        assert_eq!(seen[1], "the server counted to 1000 in order: true");
        assert_eq!(seen[2], "all came back: true in order: true");
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn query_headers_and_auth_reach_the_server() {
    alike(NEW, "{}", &["handshake"]);
    alike(OLD, "{}", &["handshake"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn invalid_requests_get_the_same_errors_as_from_npms_server() {
    alike(NEW, "{}", &["wrong path"]);
    alike(NEW, "{}", &["wrong version"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn cors_headers_are_those_of_npms_server() {
    // (By default npm's would name methods that Engine.IO does not use.)
    let some = r#"{"cors": {"origin": ["http://good.example"], "credentials": true, "methods": ["GET", "POST"]}}"#;
    let all = r#"{"cors": {"origin": ["*"]}}"#;
    alike(NEW, some, &["cors"]);
    let star = Host::ours("127.0.0.1:0", all).run_client(NEW, UPGRADE, &["cors"]);
    assert_eq!(star[1], "  access-control-allow-origin *");
}

/// Asserts that client and server observe a disconnection as with npm's server.
#[track_caller]
fn end_alike(options: &str, module: &str, transports: &str, what: &[&str]) {
    let hosts = Host::both(options);
    let [ours, npms] = hosts.map(|host| {
        let mut seen = host.run_client(module, transports, what);
        seen.extend([host.line(), host.line()]);
        seen
    });
    assert_eq!(ours, npms, "{what:?} over {transports}");
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn both_sides_get_the_disconnect_reasons_of_npms() {
    for transports in TRANSPORTS {
        for what in [
            "disconnects",
            "closes the engine",
            "is disconnected",
            "receives the last events",
            "is cut off",
        ] {
            end_alike("{}", NEW, transports, &[what]);
        }
        end_alike("{}", NEW, transports, &["is disconnected", "closed"]);
        end_alike("{}", OLD, transports, &["is disconnected"]);
    }
    for transports in ["websocket", UPGRADE] {
        end_alike("{}", NEW, transports, &["sees the server close"]);
    }
    // (npm's server does not tell a polling client: that one gets an error, and the server a ping timeout.)
    let ours = Host::ours("127.0.0.1:0", "{}");
    let seen = ours.run_client(NEW, "polling", &["sees the server close"]);
    assert_eq!(seen, ["transport close true"]);
    assert_eq!([ours.line(), ours.line()], ["/ still in 1 rooms", "/ server shutting down"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn npms_client_uses_the_message_pack_parser_as_with_npms_server() {
    let parser = r#"{"parser": "socket.io-msgpack-parser"}"#;
    for what in ["values of MessagePack", "namespaces", "rooms", "any", "acks"] {
        alike(NEW_MSGPACK, parser, &[what]);
    }
    alike(OLD_MSGPACK, parser, &["values of MessagePack"]);
    for transports in TRANSPORTS {
        end_alike(parser, NEW_MSGPACK, transports, &["receives the last events"]);
    }
    // (npm's server names this reason `forced close`.)
    let [ours, npms] = Host::both(parser);
    for malformed in ["text", "bytes", "type", "namespace", "data", "id"] {
        let what = ["sends a malformed packet", malformed];
        let seen = ours.run_client(NEW_MSGPACK, "websocket", &what);
        assert_eq!(seen, npms.run_client(NEW_MSGPACK, "websocket", &what), "{malformed}");
        assert_eq!([ours.line(), ours.line()], ["/ still in 1 rooms", "/ parse error"]);
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn both_sides_notice_a_stalled_network_by_the_heartbeat() {
    let pings = r#"{"pingInterval": 300, "pingTimeout": 5000}"#;
    for transports in TRANSPORTS {
        end_alike(pings, NEW, transports, &["stalls", "2000"]);
    }
}

/// Runs a client whose server is stopped and restarted on the same port.
#[track_caller]
fn reconnect(module: &str, transports: &str, start: impl Fn(&str) -> Peer) {
    let server = start("127.0.0.1:0");
    let url = url(&server);
    let client = client(&url, module, transports, &["reconnects"]);
    assert_eq!(client.line(), "connected");
    drop(server);
    let reason = client.line();
    assert!(["transport close true", "transport error true"].contains(&&*reason), "{reason}");
    assert_eq!(client.line(), "reconnecting");
    let _server = start(url.strip_prefix("http://").unwrap());
    assert_eq!(client.line(), "back [ 'an ack after all' ]");
    assert_eq!(client.finish(), ["100 once and in order: true", "done"]);
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn events_emitted_while_disconnected_arrive_once_and_in_order() {
    for transports in TRANSPORTS {
        reconnect(NEW, transports, |address| Peer::ours("socketio-server", &[address]));
        reconnect(NEW, transports, |address| Peer::node("sio-host.js", &[address]));
    }
    reconnect(OLD, UPGRADE, |address| Peer::ours("socketio-server", &[address]));
}
