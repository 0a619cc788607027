//! Connection state recovery: what a client gets back, when it does not, and what is kept for it.

use std::cell::RefCell;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use std::{io, thread};

use sockets_by_hand::json;
use sockets_by_hand::net::Backoff;
use sockets_by_hand::socketio::client::{self, Client};
use sockets_by_hand::socketio::{ConnectError, Options, Recovery, Socket, Value};

use super::{TestServer, assert_receives_nothing_else, server, server_with};
use crate::common::{Frame, LIMIT, Polling, WebSocket, next, retry, until};

fn options(recovery: Recovery) -> Options {
    Options { connection_state_recovery: Some(recovery), ..Options::default() }
}

fn recovery_server(recovery: Recovery) -> TestServer {
    server_with(options(recovery), |_| {})
}

/// A client, and what it must remember.
struct TestClient {
    socket: WebSocket,
    id: String,
    pid: String,
    offset: Option<String>,
    /// The packets before its CONNECT packet.
    missed: Vec<String>,
}

impl TestClient {
    /// Connects with this `auth`, and waits for the CONNECT packet.
    #[track_caller]
    fn connect(address: SocketAddr, auth: &Value) -> TestClient {
        let mut socket = WebSocket::session(address);
        socket.send(&format!("40{auth}"));
        let (mut missed, mut offset) = (Vec::new(), None);
        loop {
            let packet = socket.text();
            if let Some(data) = packet.strip_prefix("40") {
                let data = Value::parse(data).unwrap();
                let text = |name: &str| data[name].as_str().unwrap().to_string();
                return TestClient { id: text("sid"), pid: text("pid"), socket, offset, missed };
            }
            let (event, last) = split(&packet);
            missed.push(event);
            offset = Some(last);
        }
    }

    /// A new client, and its socket on the server.
    #[track_caller]
    fn new(server: &TestServer) -> (TestClient, Socket) {
        let client = TestClient::connect(server.address, &json!({}));
        assert!(client.missed.is_empty());
        let socket = next(&server.sockets);
        assert!(!socket.recovered());
        (client, socket)
    }

    /// Receives an event with an offset, and remembers that.
    #[track_caller]
    fn event(&mut self) -> String {
        let (event, offset) = split(&self.socket.text());
        self.offset = Some(offset);
        event
    }

    fn auth(&self) -> Value {
        json!({"pid": &self.pid, "offset": self.offset.as_deref()})
    }

    /// Loses its connection, and waits until the server has noticed.
    #[track_caller]
    fn lose(&mut self, server: &TestServer) {
        self.socket.close();
        assert_eq!(next(&server.ends).1, "transport close");
    }

    /// Connects again with what it remembers.
    #[track_caller]
    fn again(&self, server: &TestServer) -> (TestClient, Socket) {
        let client = TestClient::connect(server.address, &self.auth());
        let socket = next(&server.sockets);
        assert_eq!(socket.id(), client.id);
        assert_eq!(socket.recovered(), client.id == self.id);
        assert_eq!(socket.recovered(), client.pid == self.pid);
        (client, socket)
    }
}

/// An event, and its last argument, which must be an offset.
#[track_caller]
fn split(packet: &str) -> (String, String) {
    let (event, offset) = packet.rsplit_once(',').unwrap_or_else(|| panic!("{packet}"));
    let offset = offset.strip_prefix('"').and_then(|offset| offset.strip_suffix("\"]"));
    let offset = offset.filter(|offset| offset.len() == 20);
    (format!("{event}]"), offset.unwrap_or_else(|| panic!("no offset in {packet}")).to_string())
}

/// A client that has received an event and lost its connection.
#[track_caller]
fn lost_client(server: &TestServer) -> TestClient {
    let (mut client, socket) = TestClient::new(server);
    socket.emit("first", ());
    assert_eq!(client.event(), r#"42["first"]"#);
    client.lose(server);
    client
}

#[track_caller]
fn assert_new(client: &TestClient, server: &TestServer) {
    let (again, socket) = client.again(server);
    assert!(!socket.recovered());
    assert!(again.missed.is_empty(), "{:?}", again.missed);
    assert_eq!(socket.rooms(), [socket.id()]);
    assert_eq!(socket.data(), json!({}));
    drop(again);
    assert_eq!(next(&server.ends).1, "transport close");
}

#[track_caller]
fn assert_recovered(client: &TestClient, server: &TestServer) -> (TestClient, Socket) {
    let (again, socket) = client.again(server);
    assert!(socket.recovered());
    (again, socket)
}

fn sorted(mut rooms: Vec<String>) -> Vec<String> {
    rooms.sort();
    rooms
}

#[test]
fn a_client_gets_its_id_rooms_data_and_missed_events_back() {
    let server = recovery_server(Recovery::default());
    let (mut client, socket) = TestClient::new(&server);
    socket.join("tea");
    socket.set_data(json!({"name": "Ann"}));
    socket.emit("direct", ("a", 1));
    server.io.emit("all", ());
    assert_eq!([client.event(), client.event()], [r#"42["direct","a",1]"#, r#"42["all"]"#]);
    client.lose(&server);
    server.io.emit("all", 1);
    server.io.to("tea").emit("room", 2);
    server.io.to("coffee").emit("another room", ());
    server.io.except("tea").emit("others", ());
    socket.emit("direct", 3);
    socket.broadcast().emit("others", ());
    server.io.of("/admin").emit("another namespace", ());
    server.io.to("coffee").to("tea").except("coffee").emit("rooms", 4);
    let (mut again, socket) = assert_recovered(&client, &server);
    let missed = [r#"42["all",1]"#, r#"42["room",2]"#, r#"42["direct",3]"#, r#"42["rooms",4]"#];
    assert_eq!(again.missed, missed);
    assert_eq!(sorted(socket.rooms()), sorted(vec!["tea".into(), socket.id().into()]));
    assert_eq!(socket.data(), json!({"name": "Ann"}));
    assert_eq!(socket.handshake().auth["pid"], json!(client.pid));
    server.io.to("tea").emit("room", 5);
    assert_eq!(again.event(), r#"42["room",5]"#);
    again.lose(&server);
    let (again, _) = assert_recovered(&again, &server);
    assert!(again.missed.is_empty(), "{:?}", again.missed);
}

#[test]
fn a_polling_client_recovers_too() {
    let server = recovery_server(Recovery::default());
    let client = lost_client(&server);
    server.io.emit("missed", ());
    let mut polling = Polling::open(server.address);
    polling.post(&format!("40{}", client.auth()));
    let packets = polling.poll();
    let (missed, connect) = packets.split_once('\x1e').unwrap_or_else(|| panic!("{packets}"));
    let (event, offset) = split(missed.strip_prefix('4').map(|_| missed).unwrap());
    assert_eq!(event, r#"42["missed"]"#);
    assert_eq!(connect, format!(r#"40{{"sid":"{}","pid":"{}"}}"#, client.id, client.pid));
    assert!(next(&server.sockets).recovered());
    polling.post("1"); // Engine.IO: close
    assert_eq!(next(&server.ends).1, "transport close");
    server.io.emit("missed again", ());
    let (again, _) = assert_recovered(&TestClient { offset: Some(offset), ..client }, &server);
    assert_eq!(again.missed, [r#"42["missed again"]"#]);
}

#[test]
fn events_have_an_offset_unless_they_are_volatile_or_want_an_acknowledgement() {
    let server = recovery_server(Recovery::default());
    let (mut client, socket) = TestClient::new(&server);
    for broadcast in [server.io.everyone(), server.io.to(socket.id()), server.io.except("x")] {
        broadcast.emit("event", "text");
        assert_eq!(client.event(), r#"42["event","text"]"#);
    }
    socket.emit("bytes", vec![7_u8]);
    assert_eq!(client.event(), r#"451-["bytes",{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.socket.read(), Frame::Binary(vec![7]));
    let client = RefCell::new(client);
    let without = [
        Box::new(|| _ = socket.emit_volatile("volatile", "text")) as Box<dyn Fn()>,
        Box::new(|| server.io.volatile().emit("volatile", "text")),
        Box::new(|| socket.timeout(LIMIT).emit_with_callback("ask", "text", |_| {})),
    ];
    let volatile = r#"42["volatile","text"]"#;
    for (emit, event) in without.iter().zip([volatile, volatile, r#"420["ask","text"]"#]) {
        retry(|| {
            emit();
            socket.emit("end", ());
            let packet = client.borrow_mut().socket.text(); // a volatile event may be lost
            if packet == event {
                assert_eq!(client.borrow_mut().event(), r#"42["end"]"#);
                return Some(());
            }
            assert_eq!(split(&packet).0, r#"42["end"]"#);
            None
        });
    }
    client.borrow_mut().socket.send(r#"420["ask","text"]"#);
    assert_eq!(client.borrow_mut().socket.text(), r#"430["text"]"#);
}

#[test]
fn without_the_option_nothing_is_added_and_nothing_recovered() {
    let server = server(|_| {});
    let mut client = WebSocket::session(server.address);
    client.send(r#"40{"pid":"AAAAAAAAAAAAAAAAAAAA","offset":"AAAAAAAAAAAAAAAAAAAA"}"#);
    let socket = next(&server.sockets);
    assert_eq!(client.text(), format!(r#"40{{"sid":"{}"}}"#, socket.id()));
    assert!(!socket.recovered());
    server.io.emit("event", "text");
    assert_eq!(client.text(), r#"42["event","text"]"#);
    assert_receives_nothing_else(&mut client);
}

#[test]
fn a_client_that_left_or_was_disconnected_is_new() {
    let server = server_with(options(Recovery::default()), |socket| {
        socket.on("disconnect me", |event| event.socket.disconnect(false));
        socket.on("close me", |event| event.socket.disconnect(true));
    });
    for (packet, reason) in [
        ("41", "client namespace disconnect"),
        (r#"42["disconnect me"]"#, "server namespace disconnect"),
        (r#"42["close me"]"#, "server namespace disconnect"),
        ("4no packet", "parse error"),
    ] {
        let (mut client, socket) = TestClient::new(&server);
        socket.emit("first", ());
        client.event();
        client.socket.send(packet);
        assert_eq!(next(&server.ends).1, reason);
        assert_new(&client, &server);
    }
}

#[test]
fn a_client_whose_connection_was_lost_is_recovered() {
    let server = server_with(options(Recovery::default()), |socket| {
        socket.on("panic", |_| panic!("a listener panics, as the test wants it"));
    });
    for (packet, reason) in
        [(r#"42["panic"]"#, "forced close"), ("42/nowhere,[1]", "forced server close")]
    {
        let (mut client, socket) = TestClient::new(&server);
        socket.emit("first", ());
        client.event();
        client.socket.send(packet);
        assert_eq!(next(&server.ends).1, reason);
        server.io.emit("missed", ());
        let (again, _) = assert_recovered(&client, &server);
        assert_eq!(again.missed, [r#"42["missed"]"#]);
        drop(again);
        next(&server.ends);
    }
}

#[test]
fn a_made_up_private_id_or_offset_makes_a_new_client() {
    let server = recovery_server(Recovery::default());
    let (mut other, _) = TestClient::new(&server);
    server.io.emit("event", ());
    other.event();
    let made_up = json!("AAAAAAAAAAAAAAAAAAAA");
    let others = json!(other.offset.as_deref());
    for (name, values) in [
        ("pid", [made_up.clone(), json!(""), json!(1), json!(null), json!({}), json!(&other.pid)]),
        ("offset", [made_up, json!(""), json!(1), json!(null), json!([&others]), json!("0")]),
    ] {
        for value in values {
            let client = lost_client(&server);
            let mut auth = client.auth();
            auth[name] = value;
            let again = TestClient::connect(server.address, &auth);
            assert!(again.missed.is_empty(), "{auth}: {:?}", again.missed);
            assert!(!next(&server.sockets).recovered(), "{auth}");
            assert!(again.id != client.id && again.pid != client.pid);
        }
    }
}

/// Without a private id that is known, an offset is of no use; with an offset that is unknown, the
/// session is of no use any more.
#[test]
fn an_unknown_offset_forgets_the_session() {
    let server = recovery_server(Recovery::default());
    let client = lost_client(&server);
    let auth = json!({"pid": &client.pid, "offset": "unknown"});
    drop(TestClient::connect(server.address, &auth));
    assert!(!next(&server.sockets).recovered());
    assert_new(&client, &server);
}

#[test]
fn a_session_is_recovered_once() {
    let server = recovery_server(Recovery::default());
    let client = lost_client(&server);
    let (_connected, _) = assert_recovered(&client, &server);
    assert_new(&client, &server);
}

#[test]
fn a_session_that_has_expired_is_not_recovered() {
    let max_disconnection_duration = Duration::ZERO;
    let server = recovery_server(Recovery { max_disconnection_duration, ..Recovery::default() });
    let client = lost_client(&server);
    assert_new(&client, &server);
}

#[test]
fn the_oldest_session_is_forgotten_when_there_are_too_many() {
    let server = recovery_server(Recovery { max_sessions: 2, ..Recovery::default() });
    let clients = [lost_client(&server), lost_client(&server), lost_client(&server)];
    let _connected = [1, 2].map(|n| assert_recovered(&clients[n], &server));
    assert_new(&clients[0], &server);
}

#[test]
fn a_session_that_is_lost_again_and_again_is_as_young_as_its_last_loss() {
    let server = recovery_server(Recovery { max_sessions: 2, ..Recovery::default() });
    let mut client = lost_client(&server);
    for _ in 0..5 {
        let (again, _) = assert_recovered(&client, &server);
        client = TestClient { offset: client.offset, ..again };
        client.lose(&server);
    }
}

#[test]
fn the_oldest_sessions_are_forgotten_when_their_data_is_too_much() {
    let server = recovery_server(Recovery { max_bytes: 10_000, ..Recovery::default() });
    let clients = [(); 2].map(|()| {
        let (mut client, socket) = TestClient::new(&server);
        socket.set_data("x".repeat(3000));
        socket.join("room".repeat(750));
        socket.emit("first", ());
        client.event();
        client.lose(&server);
        client
    });
    assert_new(&clients[0], &server);
    assert_recovered(&clients[1], &server);
}

/// A server that has emitted 1, 2, 3 and 4 to a client while its connection was lost: the client has
/// received 1, and has an offset for each.
fn with_offsets(server: &TestServer, value: impl Fn(u8) -> Value) -> (TestClient, Vec<String>) {
    let (mut client, _) = TestClient::new(server);
    let offsets = (1..=4).map(|n| {
        server.io.emit("event", value(n));
        client.event();
        client.offset.clone().unwrap()
    });
    let offsets = offsets.collect();
    client.lose(server);
    (client, offsets)
}

#[test]
fn the_oldest_events_are_forgotten_when_there_are_too_many() {
    for (recovery, length) in [
        (Recovery { max_packets: 2, ..Recovery::default() }, 1),
        (Recovery { max_bytes: 10_000, ..Recovery::default() }, 4000),
    ] {
        let server = recovery_server(recovery);
        for (received, missed) in [(0, None), (1, None), (2, Some(1)), (3, Some(0))] {
            let value = |n: u8| json!(n.to_string().repeat(length));
            let (client, offsets) = with_offsets(&server, value);
            let client = TestClient { offset: Some(offsets[received].clone()), ..client };
            match missed {
                None => assert_new(&client, &server),
                Some(count) => {
                    let (mut again, _) = assert_recovered(&client, &server);
                    assert_eq!(again.missed.len(), count);
                    again.lose(&server);
                }
            }
        }
    }
}

/// A server that keeps nothing at all works.
#[test]
fn limits_of_zero_keep_nothing() {
    let limits = Recovery { max_packets: 0, max_sessions: 0, max_bytes: 0, ..Recovery::default() };
    let server = recovery_server(limits);
    assert_new(&lost_client(&server), &server);
}

/// A server whose middleware sends whether the socket is recovered, and refuses `auth.refuse`.
fn with_middleware(skip_middlewares: bool) -> (TestServer, mpsc::Receiver<bool>) {
    let server = recovery_server(Recovery { skip_middlewares, ..Recovery::default() });
    let (sender, runs) = mpsc::channel();
    server.io.use_middleware(move |socket| {
        _ = sender.send(socket.recovered());
        match socket.handshake().auth["refuse"].as_str() {
            Some("panic") => panic!("the middleware panics, as the test wants it"),
            Some(message) => Err(ConnectError::from(message)),
            None => {
                socket.namespace().to("tea").emit("during", ());
                Ok(())
            }
        }
    });
    server.io.on_connection(|socket| socket.join("tea"));
    (server, runs)
}

#[test]
fn middleware_is_skipped_for_a_recovered_client() {
    let (server, runs) = with_middleware(true);
    let client = lost_client(&server);
    assert!(!next(&runs));
    let (_again, _) = assert_recovered(&client, &server);
    assert!(runs.try_recv().is_err());
}

#[test]
fn middleware_runs_for_a_recovered_client_if_it_is_not_to_be_skipped() {
    let (server, runs) = with_middleware(false);
    let client = lost_client(&server);
    assert!(!next(&runs));
    server.io.emit("missed", ());
    let (again, _) = assert_recovered(&client, &server);
    assert!(next(&runs));
    assert_eq!(again.missed, [r#"42["missed"]"#, r#"42["during"]"#]);
}

#[test]
fn a_client_that_the_middleware_refuses_can_recover_later() {
    let (server, runs) = with_middleware(false);
    let client = lost_client(&server);
    assert!(!next(&runs));
    server.io.emit("missed", ());
    for refuse in ["no", "panic"] {
        let mut auth = client.auth();
        auth["refuse"] = refuse.into();
        let mut refused = WebSocket::session(server.address);
        refused.send(&format!("40{auth}"));
        match refuse {
            "no" => assert_eq!(refused.text(), r#"44{"message":"no"}"#),
            _ => assert!(matches!(refused.read(), Frame::Close(_))),
        }
        assert!(next(&runs));
    }
    let (again, socket) = assert_recovered(&client, &server);
    assert_eq!(again.missed, [r#"42["missed"]"#, r#"42["during"]"#]);
    assert_eq!(sorted(socket.rooms()), sorted(vec!["tea".into(), socket.id().into()]));
}

#[test]
fn the_old_socket_emits_to_the_recovered_client_but_joins_no_room_for_it() {
    let server = recovery_server(Recovery::default());
    let (mut client, old) = TestClient::new(&server);
    old.emit("first", ());
    client.event();
    client.lose(&server);
    let (mut again, socket) = assert_recovered(&client, &server);
    old.emit("late", ());
    assert_eq!(again.event(), r#"42["late"]"#);
    old.join("tea");
    old.disconnect(true);
    assert_eq!(socket.rooms(), [socket.id()]);
    assert!(socket.is_connected() && !old.is_connected());
}

/// Rooms of another client's id are rooms like others, but no event to one socket goes there.
#[test]
fn an_event_to_one_socket_is_no_broadcast_to_the_room_of_its_id() {
    let server = recovery_server(Recovery::default());
    let ((mut ann, ann_socket), (mut bob, bob_socket)) =
        (TestClient::new(&server), TestClient::new(&server));
    bob_socket.join(ann_socket.id());
    server.io.emit("all", ());
    bob.event();
    ann_socket.emit("private", ());
    server.io.emit("all", ());
    assert_eq!(bob.event(), r#"42["all"]"#);
    assert_eq!([ann.event(), ann.event()], [r#"42["all"]"#, r#"42["private"]"#]);
    bob.lose(&server);
    ann_socket.emit("private", ());
    let (again, _) = assert_recovered(&bob, &server);
    assert!(again.missed.is_empty(), "{:?}", again.missed);
}

#[test]
fn each_of_many_events_arrives_once_and_in_order_while_the_connection_is_lost_and_recovered() {
    const ROUNDS: usize = 50;
    let server = recovery_server(Recovery { max_packets: 1_000_000, ..Recovery::default() });
    let (client, socket) = TestClient::new(&server);
    let done = AtomicBool::new(false);
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..usize::MAX {
                match n % 2 {
                    0 => server.io.emit("event", n),
                    _ => _ = socket.emit("event", n),
                }
                if done.load(Relaxed) {
                    break;
                }
                thread::yield_now();
            }
        });
        let received = receive_and_lose(&server, client, ROUNDS);
        done.store(true, Relaxed);
        received
    });
    let expected = (0..received.len()).map(|n| format!(r#"42["event",{n}]"#));
    assert!(received.iter().cloned().eq(expected), "{received:?}");
}

/// Receives events, and loses the connection and recovers again and again.
fn receive_and_lose(server: &TestServer, mut client: TestClient, rounds: usize) -> Vec<String> {
    let mut received = Vec::new();
    for _ in 0..rounds {
        received.extend((0..3).map(|_| client.event()));
        client.lose(server);
        let (again, _) = assert_recovered(&client, server);
        let offset = again.offset.or(client.offset);
        received.extend(again.missed);
        client = TestClient { offset, missed: Vec::new(), ..again };
    }
    received
}

/// A TCP proxy between clients and a server: a network that can be down.
struct Network {
    address: SocketAddr,
    down: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Network {
    fn before(server: SocketAddr) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (down, connections) = (Arc::default(), Arc::default());
        let network = Network { address, down, connections };
        let (down, connections) = (network.down.clone(), network.connections.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut connections = connections.lock().unwrap();
                if down.load(Relaxed) {
                    continue;
                }
                let server = TcpStream::connect(server).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        _ = io::copy(&mut from, &mut to);
                        _ = to.shutdown(Shutdown::Both);
                    });
                }
                connections.extend([client, server]);
            }
        });
        network
    }

    fn set_down(&self, down: bool) {
        let mut connections = self.connections.lock().unwrap();
        self.down.store(down, Relaxed);
        connections.drain(..).for_each(|connection| _ = connection.shutdown(Shutdown::Both));
    }

    /// A client that reconnects soon, and its events: a line for each, and for each `connect` too.
    fn client(&self, transports: &[&'static str]) -> (Client, mpsc::Receiver<String>) {
        let (min, max) = (Duration::from_millis(5), Duration::from_millis(50));
        let backoff = Backoff { min, max, ..Backoff::default() };
        let mut options = client::Options { backoff, ..client::Options::default() };
        options.engine.transports = transports.to_vec();
        let client = Client::new(&format!("http://{}", self.address), options).unwrap();
        let (sender, lines) = mpsc::channel();
        let any = sender.clone();
        client.on_any(move |event| {
            // The offset is an argument, as for npm's client.
            let args: Vec<_> = event.args.iter().map(|value| format!("{value:?}")).collect();
            _ = any.send(format!("{} {}", event.name, args[..args.len() - 1].join(" ")));
        });
        client.on("connect", move |event| {
            _ = sender.send(format!("connected, recovered: {}", event.socket.recovered()));
        });
        client.open();
        (client, lines)
    }
}

#[test]
fn our_client_recovers_over_each_transport() {
    let mut options = options(Recovery::default());
    options.engine.ping_interval = Duration::from_secs(1);
    options.engine.ping_timeout = Duration::from_secs(3);
    let server = server_with(options, |_| {});
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        let network = Network::before(server.address);
        let (client, lines) = network.client(transports);
        assert_eq!(next(&lines), "connected, recovered: false");
        let (id, mut socket) = (client.id(), next(&server.sockets));
        socket.join("tea");
        socket.emit("event", json!([1]));
        assert_eq!(next(&lines), "event Array([Number(1.0)])");
        for _ in 0..2 {
            // Without a `GET` that it holds, the server would only notice that no pong arrives.
            until(|| socket.conn().is_writable());
            network.set_down(true);
            next(&server.ends);
            server.io.to("tea").emit("event", 2);
            socket.emit("bytes", vec![3]);
            network.set_down(false);
            for line in ["event Number(2.0)", "bytes Binary([3])", "connected, recovered: true"] {
                assert_eq!(next(&lines), line);
            }
            assert_eq!(client.id(), id);
            socket = next(&server.sockets);
            assert!(socket.recovered());
        }
        client.disconnect();
        client.open();
        assert_eq!(next(&lines), "connected, recovered: false");
        assert!(!client.recovered() && client.id() != id);
        next(&server.sockets);
        next(&server.ends);
        drop(client);
        next(&server.ends);
    }
}

#[test]
fn our_client_is_not_recovered_if_what_it_missed_takes_too_much_memory() {
    let server = recovery_server(Recovery::default());
    let network = Network::before(server.address);
    let (client, lines) = network.client(&["websocket"]);
    assert_eq!(next(&lines), "connected, recovered: false");
    next(&server.sockets).emit("event", 1);
    assert_eq!(next(&lines), "event Number(1.0)");
    network.set_down(true);
    next(&server.ends);
    // 2 MB of text that take more than the 16 MiB which early events may take.
    server.io.emit("event", Value::from(vec![Value::Array(Vec::new()); 700_000]));
    server.io.emit("event", 2);
    network.set_down(false);
    assert_eq!(next(&lines), "event Number(2.0)");
    assert_eq!(next(&lines), "connected, recovered: false");
    assert!(next(&server.sockets).recovered(), "the server cannot know");
    drop(client);
}

#[test]
fn a_late_acknowledgement_is_not_taken_for_one_of_the_recovered_connection() {
    let server = recovery_server(Recovery::default());
    let (mut client, socket) = TestClient::new(&server);
    socket.emit("first", ());
    client.event();
    let ask = |socket: &Socket, client: &mut TestClient| {
        let (sender, answer) = mpsc::channel();
        socket.timeout(LIMIT).emit_with_callback("ask", (), move |answer| _ = sender.send(answer));
        let packet = client.socket.text();
        let id = packet.strip_prefix("42").and_then(|packet| packet.strip_suffix(r#"["ask"]"#));
        (id.unwrap_or_else(|| panic!("{packet}")).to_string(), answer)
    };
    let (late, _) = ask(&socket, &mut client);
    client.lose(&server);
    let (mut again, socket) = assert_recovered(&client, &server);
    let (id, answer) = ask(&socket, &mut again);
    again.socket.send(&format!(r#"43{late}["late"]"#));
    again.socket.send(&format!(r#"43{id}["in time"]"#));
    assert_eq!(next(&answer).unwrap(), ["in time".into()]);
}
