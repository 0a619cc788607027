//! The Socket.IO client: which events it emits, what it buffers, which faults it survives, and how it
//! reconnects. Where a test needs it, a proxy between the client and a server of ours plays the network.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sockets_by_hand::engineio::{self, Handle, client as engine};
use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::Backoff;
use sockets_by_hand::socketio::client::{self, Client};
use sockets_by_hand::socketio::{
    AckError, Args, ClientSocket, ConnectError, Emitted, Event, Io, Options, Server, Value,
};
use sockets_by_hand::{json, ws};

use crate::common::{LIMIT, next, retry, until};

const TRANSPORTS: [&[&str]; 3] = [&["polling"], &["websocket"], &["polling", "websocket"]];

// ---- a server ----

struct TestServer {
    address: SocketAddr,
    io: Io,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl TestServer {
    /// A server that acknowledges `echo` and `transport`.
    fn new(options: Options) -> TestServer {
        TestServer::at("127.0.0.1:0".parse().unwrap(), options)
    }

    fn at(address: SocketAddr, options: Options) -> TestServer {
        let server = Server::bind(address, options).unwrap();
        let (address, io, handle) = (server.address().unwrap(), server.io(), server.handle());
        io.on_connection(|socket| {
            socket.on("echo", |event| event.ack(&event.args));
            socket.on("transport", |event| event.ack([json!(event.socket.transport())]));
        });
        TestServer { address, io, handle, thread: thread::spawn(|| server.serve()) }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Receives a line for each event and for each disconnection, in order.
    fn lines(&self) -> Receiver<String> {
        let (sender, lines) = mpsc::channel();
        self.io.on_connection(move |socket| {
            let any = sender.clone();
            socket.on_any(move |event| {
                let args: String = event.args.iter().map(|value| format!(" {value}")).collect();
                _ = any.send(event.name.clone() + &args);
            });
            let end = sender.clone();
            socket.on("disconnect", move |event| _ = end.send(format!("left: {}", event.args[0])));
        });
        lines
    }

    /// Waits until every session has ended.
    #[track_caller]
    fn assert_empty_soon(&self) {
        until(|| self.handle.sessions() == 0);
    }

    fn stop(self) {
        self.handle.close();
        self.thread.join().unwrap();
    }
}

/// Options of a server with a short heartbeat.
fn short_heartbeat() -> Options {
    let mut options = Options::default();
    options.engine.ping_interval = Duration::from_millis(100);
    options.engine.ping_timeout = Duration::from_secs(2);
    options
}

// ---- a network ----

/// A TCP proxy between clients and a server, which can stall, delay and cut connections.
#[derive(Clone)]
struct Network(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    connections: Mutex<Vec<TcpStream>>,
    stalled: Mutex<bool>,
    changed: Condvar,
    /// How many bytes one write carries at most.
    piece: AtomicUsize,
    delay: Mutex<Duration>,
    /// How many bytes may still pass before every connection is cut.
    credit: AtomicUsize,
}

impl Network {
    fn before(server: SocketAddr) -> Network {
        Network::to(move |_| server)
    }

    /// A proxy that connects each client to the address that `server` returns for its first bytes.
    fn to(server: impl Fn(&str) -> SocketAddr + Send + 'static) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Network(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            connections: Mutex::default(),
            stalled: Mutex::new(false),
            changed: Condvar::new(),
            piece: AtomicUsize::new(usize::MAX),
            delay: Mutex::default(),
            credit: AtomicUsize::new(usize::MAX),
        }));
        let proxy = network.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut beginning = [0; 100];
                let n = client.peek(&mut beginning).unwrap_or(0);
                let to = server(&String::from_utf8_lossy(&beginning[..n]));
                let Ok(server) = TcpStream::connect(to) else { continue };
                let both = [client.try_clone().unwrap(), server.try_clone().unwrap()];
                proxy.0.connections.lock().unwrap().extend(both);
                proxy.forward(&client, &server);
                proxy.forward(&server, &client);
            }
        });
        network
    }

    fn forward(&self, from: &TcpStream, to: &TcpStream) {
        let (network, mut from) = (self.clone(), from.try_clone().unwrap());
        let mut to = to.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                for piece in buffer[..n].chunks(network.0.piece.load(Relaxed).min(n)) {
                    network.wait_while_stalled();
                    thread::sleep(*network.0.delay.lock().unwrap()); // latency
                    let take = |credit: usize| credit.checked_sub(piece.len());
                    if network.0.credit.fetch_update(Relaxed, Relaxed, take).is_err() {
                        return network.cut();
                    }
                    _ = to.write_all(piece);
                }
            }
            network.wait_while_stalled(); // no end of a stream passes either
            _ = to.shutdown(Shutdown::Write);
        });
    }

    fn wait_while_stalled(&self) {
        let stalled = self.0.stalled.lock().unwrap();
        drop(self.0.changed.wait_while(stalled, |stalled| *stalled).unwrap());
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    fn stall(&self, stalled: bool) {
        *self.0.stalled.lock().unwrap() = stalled;
        self.0.changed.notify_all();
    }

    /// Shuts down every connection there is.
    fn cut(&self) {
        self.0.credit.store(usize::MAX, Relaxed);
        for connection in self.0.connections.lock().unwrap().drain(..) {
            _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// The URL of a server that runs `handle` for each connection.
fn serve_raw(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let handle = handle.clone();
            thread::spawn(move || handle(client));
        }
    });
    url
}

/// The URL of a server that answers each request with `answer`.
fn answering(answer: &'static [u8]) -> String {
    serve_raw(move |mut client| {
        head(&client);
        _ = client.write_all(answer);
    })
}

/// Reads the head of a request.
fn head(client: &TcpStream) -> String {
    let lines = BufReader::new(client).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// An address on which nothing listens.
fn closed_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

// ---- a client ----

fn options(transports: &[&'static str]) -> client::Options {
    let (min, max) = (Duration::from_millis(5), Duration::from_millis(20));
    client::Options {
        engine: engine::Options { transports: transports.to_vec(), ..engine::Options::default() },
        backoff: Backoff { min, max, ..Backoff::default() },
        ..client::Options::default()
    }
}

fn client(url: &str, transports: &[&'static str]) -> Client {
    Client::new(url, options(transports)).unwrap()
}

/// Receives a line for each event about the client's connection and its reconnection.
fn events(client: &Client) -> Receiver<String> {
    let (sender, events) = mpsc::channel();
    watch(client, sender.clone());
    for name in ["reconnect_attempt", "reconnect", "reconnect_failed"] {
        let sender = sender.clone();
        client.io().on(name, move |value| _ = sender.send(format!("{name} {value}")));
    }
    client.io().on("reconnect_error", move |_| _ = sender.send("reconnect_error".to_string()));
    events
}

fn watch(socket: &client::Socket, sender: mpsc::Sender<String>) {
    for name in ["connect", "connect_error", "disconnect"] {
        let sender = sender.clone();
        socket.on(name, move |event| {
            let what = event.args.first().map(|value| match value {
                Value::String(text) => text.clone(),
                value => value["message"].as_str().unwrap_or_default().to_string(),
            });
            _ = sender.send(format!("{name} {}", what.unwrap_or_default()).trim_end().to_string());
        });
    }
}

/// Receives lines up to the first that begins with `start`, and returns that.
#[track_caller]
fn skip_to(lines: &Receiver<String>, start: &str) -> String {
    let begun = Instant::now();
    loop {
        let line = next(lines);
        assert!(begun.elapsed() < LIMIT, "no {start}, but {line}");
        if line.starts_with(start) {
            return line;
        }
    }
}

/// Cuts the connection until the client emits an event: between two polling requests there may be none to
/// cut. (A second cut before the first has been noticed would hit the attempt to reconnect.)
#[track_caller]
fn cut_until_noticed(network: &Network, events: &Receiver<String>) -> String {
    for _ in 0..20 {
        network.cut();
        if let Ok(line) = events.recv_timeout(Duration::from_secs(1)) {
            return line;
        }
    }
    panic!("the client does not notice that its connection was cut");
}

type Answer = Result<Args, AckError>;

/// Emits, and returns the receiver of the ack.
fn emit_with_ack(
    socket: &client::Socket,
    name: &str,
    values: &[Value],
    time: Duration,
) -> Receiver<Answer> {
    let (sender, answer) = mpsc::channel();
    socket.timeout(time).emit_with_callback(name, values, move |answer| _ = sender.send(answer));
    answer
}

/// Waits until all that was emitted before has arrived.
#[track_caller]
fn settle(socket: &client::Socket) {
    assert_eq!(next(&emit_with_ack(socket, "echo", &[json!(1)], LIMIT)), Ok(Args(vec![json!(1)])));
}

/// Receives a line for each of these events of the sessions.
fn engine_events(client: &Client, names: &[&'static str]) -> Receiver<String> {
    let (sender, events) = mpsc::channel();
    for &name in names {
        let sender = sender.clone();
        let line = move |value: &Value| _ = sender.send(format!("{name} {value}"));
        client.io().engine().on(name, line);
    }
    events
}

/// Waits until the session is upgraded, if both transports are allowed.
#[track_caller]
fn wait_for_upgrade(upgrades: &Receiver<String>, transports: &[&str]) {
    if transports.len() == 2 {
        next(upgrades);
    }
}

// ---- a burst ----

#[test]
fn a_burst_on_connection_arrives_over_each_transport_and_through_an_upgrade() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        server.io.on_connection(|socket| {
            (0..5_000).for_each(|i| _ = socket.emit("stroke", [json!(i), json!("x".repeat(300))]));
            (0..5).for_each(|_| _ = socket.emit("image", [Value::Binary(vec![7; 400_000])]));
        });
        let (sender, messages) = mpsc::channel();
        let client = client(&server.url(), transports);
        client.on_any(move |event| _ = sender.send(event.args[0].clone()));
        client.open();
        for i in 0..5_000 {
            assert_eq!(next(&messages), json!(i));
        }
        (0..5).for_each(|_| assert!(next(&messages) == Value::Binary(vec![7; 400_000])));
        drop(client);
        server.stop();
    }
}

/// The first packets of a session, and of a socket.
const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
const CONNECT: &str = r#"40{"sid":"b"}"#;

#[test]
fn a_websocket_server_that_pings_and_reads_no_pongs_is_disconnected() {
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    let handle = server.handle();
    let server = thread::spawn(move || {
        server.serve(|socket| {
            let ping = format!("2{}", "x".repeat(60_000));
            socket.send(OPEN)?;
            socket.send(CONNECT)?;
            // A server that queues more than the client reads drops the client itself.
            while socket.send(&*ping).is_ok() {
                let sent = Instant::now();
                while !socket.is_writable() && sent.elapsed() < Duration::from_secs(1) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            Ok(())
        })
    });
    let client = client(&url, &["websocket"]);
    let events = events(&client);
    client.open();
    assert_eq!(next(&events), "connect");
    assert_eq!(next(&events), "disconnect transport error");
    drop(client);
    handle.close();
    server.join().unwrap();
}

#[test]
fn a_polling_server_that_pings_and_reads_no_pongs_is_disconnected() {
    let url = serve_raw(|mut client| {
        let head = head(&client);
        let body = match &*head {
            head if head.starts_with("POST") => {
                _ = io::copy(&mut client, &mut io::sink()); // no response
                return;
            }
            head if head.contains("sid=") => [CONNECT, &["2"; 2_000].join("\x1e")].join("\x1e"),
            _ => OPEN.to_string(),
        };
        let length = body.len();
        _ = write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    });
    let client = client(&url, &["polling"]);
    let events = events(&client);
    client.open();
    assert_eq!(next(&events), "connect");
    assert_eq!(next(&events), "disconnect transport error");
}

// ---- connecting and disconnecting ----

#[test]
fn connects_and_disconnects_over_each_transport() {
    for (transports, transport) in TRANSPORTS.iter().zip(["polling", "websocket", "websocket"]) {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let client = client(&server.url(), transports);
        let (events, upgrades) = (events(&client), engine_events(&client, &["upgrade"]));
        assert!(!client.is_connected());
        client.open();
        client.open(); // open already: does nothing
        assert_eq!(next(&events), "connect");
        wait_for_upgrade(&upgrades, transports);
        assert!(client.is_connected() && client.id().is_some());
        assert_eq!(
            next(&emit_with_ack(&client, "transport", &[], LIMIT)),
            Ok(Args(vec![json!(transport)]))
        );
        client.disconnect();
        assert_eq!(next(&events), "disconnect io client disconnect");
        assert!(!client.is_connected() && client.id().is_none());
        assert_eq!(next(&lines), "transport");
        assert_eq!(next(&lines), r#"left: "client namespace disconnect""#);
        drop(client);
        assert_eq!(events.try_iter().count(), 0);
        server.stop();
    }
}

#[test]
fn a_middleware_error_is_a_connect_error_and_another_auth_passes() {
    let server = TestServer::new(Options::default());
    server.io.use_middleware(|socket| match socket.handshake().auth["token"].as_str() {
        Some("right") => Ok(()),
        _ => Err(ConnectError { message: "Not you".into(), data: Some(json!({"code": 7})) }),
    });
    for transports in TRANSPORTS {
        let client = client(&server.url(), transports);
        let (sender, errors) = mpsc::channel();
        client.on("connect_error", move |event| _ = sender.send(event.args[0].clone()));
        let events = events(&client);
        client.open();
        assert_eq!(next(&errors), json!({"message": "Not you", "data": {"code": 7}}));
        assert_eq!(next(&events), "connect_error Not you");
        client.set_auth(json!({"token": "right"}));
        client.open();
        assert_eq!(next(&events), "connect"); // without a delay: no attempt has failed
    }
}

#[test]
fn an_auth_closure_is_called_at_each_connection() {
    let server = TestServer::new(Options::default());
    let (sender, seen) = mpsc::channel();
    server.io.use_middleware(move |socket| {
        _ = sender.send(socket.handshake().auth["token"].clone());
        Ok(())
    });
    let network = Network::before(server.address);
    for transports in TRANSPORTS {
        let tokens = AtomicUsize::new(0);
        let token = move || json!({"token": tokens.fetch_add(1, Relaxed)});
        let with_token = client::Options { auth: token.into(), ..options(transports) };
        let client = Client::connect_with(&network.url(), with_token).unwrap();
        assert_eq!(next(&seen), json!(0));
        settle(&client);
        let events = events(&client);
        cut_until_noticed(&network, &events);
        assert_eq!(next(&seen), json!(1));
        skip_to(&events, "connect");
        client.close();
        client.set_auth(json!({"token": "fixed"}));
        client.connect();
        assert_eq!(next(&seen), json!("fixed"));
    }
}

#[test]
fn an_auth_closure_may_use_its_socket_and_a_panic_of_it_is_a_connect_error() {
    let server = TestServer::new(Options::default());
    server.io.of("admin");
    let client = client(&server.url(), &["websocket"]);
    client.open();
    settle(&client);
    let admin = client.of("/admin", Value::Null);
    let (sender, lines) = mpsc::channel();
    watch(&admin, sender);
    let (socket, calls) = (admin.clone(), AtomicUsize::new(0));
    admin.set_auth(move || {
        assert!(calls.fetch_add(1, Relaxed) > 0, "a panic of the test's closure");
        socket.emit("buffered", socket.id().is_none().to_string());
        json!({})
    });
    admin.open();
    skip_to(&lines, "connect_error the session ended too soon: transport ");
    assert_eq!(next(&lines), "connect");
    settle(&client);
}

#[test]
fn is_active_says_whether_the_socket_connects_by_itself() {
    let server = TestServer::new(Options::default());
    let network = Network::before(server.address);
    let client = client(&network.url(), &["websocket"]);
    let (sender, seen) = mpsc::channel();
    client.on("disconnect", move |event| _ = sender.send(event.socket.is_active()));
    assert!(!client.is_active());
    for (end, active) in [("network", true), ("server", false), ("client", false)] {
        client.connect();
        assert!(client.is_active());
        settle(&client);
        match end {
            "network" => network.cut(),
            "server" => server.io.disconnect_sockets(false),
            _ => client.close(),
        }
        assert_eq!(next(&seen), active, "{end}");
    }
}

#[test]
fn an_unknown_namespace_is_a_connect_error_and_the_others_stay_connected() {
    let server = TestServer::new(Options::default());
    let client = client(&server.url(), &["websocket"]);
    let (main, nowhere) = (events(&client), client.of("nowhere", Value::Null));
    let (sender, refusals) = mpsc::channel();
    watch(&nowhere, sender);
    client.open();
    nowhere.open();
    assert_eq!(next(&refusals), "connect_error Invalid namespace");
    assert_eq!(next(&main), "connect");
    settle(&client);
}

#[test]
fn after_a_server_disconnect_nothing_reconnects_until_open_is_called() {
    for (transports, close) in
        TRANSPORTS.into_iter().flat_map(|transports| [(transports, false), (transports, true)])
    {
        let server = TestServer::new(Options::default());
        server.io.on_connection(move |socket| {
            socket.on("out", move |event| event.socket.disconnect(close));
        });
        let client = client(&server.url(), transports);
        let events = events(&client);
        client.open();
        assert_eq!(next(&events), "connect");
        client.emit("out", []);
        assert_eq!(next(&events), "disconnect io server disconnect");
        let silence = events.recv_timeout(Duration::from_millis(50));
        assert_eq!(silence, Err(RecvTimeoutError::Timeout));
        assert_eq!(server.io.fetch_sockets().len(), 0);
        client.open();
        assert_eq!(next(&events), "connect"); // without a delay: no attempt has failed
        settle(&client);
    }
}

#[test]
fn a_broken_connection_emits_disconnect_and_reconnects() {
    for (transports, reason) in
        TRANSPORTS.iter().zip(["transport error", "transport close", "transport close"])
    {
        let server = TestServer::new(Options::default());
        let network = Network::before(server.address);
        let client = client(&network.url(), transports);
        let (events, upgrades) = (events(&client), engine_events(&client, &["upgrade"]));
        client.open();
        assert_eq!(next(&events), "connect");
        for _ in 0..3 {
            settle(&client);
            wait_for_upgrade(&upgrades, transports);
            assert_eq!(cut_until_noticed(&network, &events), format!("disconnect {reason}"));
            assert_eq!(next(&events), "reconnect_attempt 1");
            assert_eq!(next(&events), "reconnect 1");
            assert_eq!(next(&events), "connect");
        }
    }
}

#[test]
fn a_stalled_network_is_a_ping_timeout_and_the_client_reconnects() {
    let threads = TRANSPORTS.map(|transports| {
        thread::spawn(move || {
            let server = TestServer::new(short_heartbeat());
            let network = Network::before(server.address);
            let client = client(&network.url(), transports);
            let events = events(&client);
            client.open();
            assert_eq!(next(&events), "connect");
            settle(&client);
            let stalled = Instant::now();
            network.stall(true);
            assert_eq!(next(&events), "disconnect ping timeout");
            assert!(stalled.elapsed() < LIMIT, "{:?}", stalled.elapsed());
            network.cut();
            network.stall(false);
            skip_to(&events, "connect");
            settle(&client);
        })
    });
    threads.into_iter().for_each(|transports| transports.join().unwrap());
}

#[test]
fn pings_are_answered_as_long_as_the_session_lasts() {
    let threads = TRANSPORTS.map(|transports| {
        thread::spawn(move || {
            let server = TestServer::new(short_heartbeat());
            let client = client(&server.url(), transports);
            let events = events(&client);
            client.open();
            assert_eq!(next(&events), "connect");
            // (Longer than the server's ping timeout.)
            let silence = events.recv_timeout(Duration::from_millis(2500));
            assert_eq!(silence, Err(RecvTimeoutError::Timeout));
            settle(&client);
        })
    });
    threads.into_iter().for_each(|transports| transports.join().unwrap());
}

#[test]
fn reconnect_failed_after_the_last_attempt_and_open_begins_again() {
    let address = closed_address();
    let few = client::Options { reconnection_attempts: 2, ..options(&["polling"]) };
    let client = Client::new(&format!("http://{address}"), few).unwrap();
    let events = events(&client);
    let refused = || assert!(next(&events).starts_with("connect_error the connection failed: "));
    for _ in 0..2 {
        client.open();
        refused();
        for attempt in 1..=2 {
            assert_eq!(next(&events), format!("reconnect_attempt {attempt}"));
            let mut both = [next(&events), next(&events)];
            both.sort();
            assert!(both[0].starts_with("connect_error the connection failed: "));
            assert_eq!(both[1], "reconnect_error");
        }
        assert_eq!(next(&events), "reconnect_failed null");
    }
    let _server = TestServer::at(address, Options::default());
    client.open();
    assert_eq!(next(&events), "connect"); // the first attempt, and no "reconnect"
}

/// Options with that reconnection delay.
fn delayed(delay: Duration) -> client::Options {
    let backoff = Backoff { min: delay, max: delay, jitter: 0.0, ..Backoff::default() };
    client::Options { backoff, ..options(&["websocket"]) }
}

#[test]
fn open_after_disconnect_connects_without_a_reconnection_delay() {
    let server = TestServer::new(Options::default());
    let network = Network::before(server.address);
    let client = Client::new(&network.url(), delayed(100 * LIMIT)).unwrap();
    let events = events(&client);
    let (sender, delays) = mpsc::channel();
    client.io().on("reconnect_pause", move |_| _ = sender.send(()));
    client.open();
    assert_eq!(next(&events), "connect");
    client.disconnect(); // in a session
    assert_eq!(next(&events), "disconnect io client disconnect");
    client.open();
    assert_eq!(next(&events), "connect");
    network.cut();
    assert_eq!(next(&events), "disconnect transport close");
    next(&delays);
    client.disconnect(); // during a delay
    client.open();
    assert_eq!(next(&events), "connect"); // and no "reconnect": it has begun again
    settle(&client);
}

#[test]
fn open_in_a_listener_after_a_short_session_waits_for_the_reconnection_delay() {
    let delay = Duration::from_millis(200);
    let open: fn(&Event<ClientSocket>) = |event| event.socket.open();
    let open_elsewhere: fn(&Event<ClientSocket>) = |event| {
        let socket = event.socket.clone();
        _ = thread::spawn(move || socket.open());
    };
    for (name, reopen) in
        [("disconnect", open), ("disconnect", open_elsewhere), ("connect_error", open)]
    {
        let server = TestServer::new(Options::default());
        let (sender, sessions) = mpsc::channel();
        server.io.use_middleware(move |_| {
            _ = sender.send(());
            if name == "connect_error" { Err("not you".into()) } else { Ok(()) }
        });
        server.io.on_connection(|socket| socket.disconnect(true));
        let client = Client::new(&server.url(), delayed(delay)).unwrap();
        client.on(name, reopen);
        let begun = Instant::now();
        client.open();
        (0..4).for_each(|_| next(&sessions));
        assert!(begun.elapsed() >= 3 * delay, "{name}: 4 sessions in {:?}", begun.elapsed());
    }
}

#[test]
fn options_of_reconnection_change_while_the_client_runs() {
    let client = Client::new(&format!("http://{}", closed_address()), delayed(LIMIT)).unwrap();
    let (events, io) = (events(&client), client.io());
    assert!(io.reconnection() && io.reconnection_attempts() == u32::MAX);
    io.set_reconnection_attempts(2);
    io.set_backoff(options(&[]).backoff);
    io.set_timeout(LIMIT);
    assert_eq!((io.backoff().max, io.timeout()), (Duration::from_millis(20), LIMIT));
    client.open();
    skip_to(&events, "reconnect_attempt 2");
    skip_to(&events, "reconnect_failed null");
    // A pause ends, and `open` does not wait for the rest of it.
    let (sender, pauses) = mpsc::channel();
    io.on("reconnect_pause", move |_| _ = sender.send(()));
    io.set_backoff(delayed(100 * LIMIT).backoff);
    client.open();
    next(&pauses);
    events.try_iter().for_each(drop);
    io.set_reconnection(false);
    client.open();
    assert!(next(&events).starts_with("connect_error "));
}

#[test]
fn without_reconnection_the_client_stays_disconnected_until_open_is_called() {
    let server = TestServer::new(Options::default());
    let network = Network::before(server.address);
    let once = client::Options { reconnection: false, ..options(&["websocket"]) };
    let client = Client::new(&network.url(), once).unwrap();
    let events = events(&client);
    client.open();
    assert_eq!(next(&events), "connect");
    network.cut();
    assert_eq!(next(&events), "disconnect transport close");
    server.assert_empty_soon();
    assert_eq!(events.try_iter().count(), 0);
    // In a listener too.
    let tries = AtomicUsize::new(0);
    client.on("connect_error", move |event| {
        if tries.fetch_add(1, Relaxed) < 3 {
            event.socket.open();
        }
    });
    client.io().on("reconnect_attempt", |_| panic!("it was not to try by itself"));
    client.open();
    assert_eq!(skip_to(&events, "connect"), "connect");
    settle(&client);
}

#[test]
fn without_reconnection_a_connect_error_listener_may_open_again() {
    let once = client::Options { reconnection: false, ..options(&["polling"]) };
    let client = Client::new(&format!("http://{}", closed_address()), once).unwrap();
    let events = events(&client);
    let tries = AtomicUsize::new(0);
    client.on("connect_error", move |event| {
        if tries.fetch_add(1, Relaxed) < 3 {
            event.socket.open();
        }
    });
    client.open();
    (0..4).for_each(|_| assert!(next(&events).starts_with("connect_error ")));
    drop(client);
    assert_eq!(events.iter().count(), 0);
}

// ---- what is emitted ----

#[test]
fn events_emitted_while_disconnected_arrive_later_once_and_in_order() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let network = Network::before(server.address);
        let lines = server.lines();
        let client = client(&network.url(), transports);
        let events = events(&client);
        client.emit("a", [json!(1), json!("two")]);
        client.emit_volatile("b", []);
        let answer = emit_with_ack(&client, "echo", &[json!(3)], LIMIT);
        client.open();
        assert_eq!(next(&answer), Ok(Args(vec![json!(3)])));
        assert_eq!([next(&lines), next(&lines)], [r#"a 1 "two""#, "echo 3"]);

        let socket = client.clone();
        client.on("disconnect", move |_| {
            socket.emit_volatile("c", []);
            (0..100).for_each(|n| _ = socket.emit("d", [json!(n)]));
        });
        assert_eq!(next(&events), "connect");
        cut_until_noticed(&network, &events);
        skip_to(&events, "reconnect 1");
        client.emit("e", []);
        settle(&client);
        let received: Vec<String> =
            lines.try_iter().filter(|line| !line.starts_with("left")).collect();
        let mut buffered: Vec<String> = (0..100).map(|n| format!("d {n}")).collect();
        buffered.extend(["e".to_string(), "echo 1".to_string()]);
        assert_eq!(received, buffered);
    }
}

#[test]
fn emit_returns_whether_the_event_was_sent_or_is_queued() {
    for transports in &TRANSPORTS[..2] {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let client = client(&server.url(), transports);
        assert_eq!(client.emit("queued", ()), Emitted::Queued);
        assert_eq!(client.emit_volatile("lost", ()), Emitted::Dropped);
        client.wait_until_sent(); // there is no session: it returns at once
        client.open();
        assert_eq!(next(&lines), "queued");
        until(|| client.is_connected());
        for n in 0..100 {
            assert_eq!(client.emit("n", (n, "x".repeat(10_000))), Emitted::Sent);
        }
        client.wait_until_sent();
        assert_eq!(client.emit_volatile("volatile", ()), Emitted::Sent);
        (0..100).for_each(|_| assert!(next(&lines).starts_with("n ")));
        assert_eq!(next(&lines), "volatile");
        let socket = client.clone();
        drop(client);
        assert_eq!(socket.emit("late", ()), Emitted::Dropped);
    }
}

#[test]
fn each_ack_callback_gets_one_ack_or_one_error() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let network = Network::before(server.address);
        let lines = server.lines();
        let client = client(&network.url(), transports);
        let short = Duration::from_millis(50);
        // Its time is over before the client connects: it is never sent.
        assert_eq!(next(&emit_with_ack(&client, "early", &[], short)), Err(AckError::Timeout));
        client.open();
        settle(&client);
        assert_eq!(next(&lines), "echo 1");
        // The server has no listener that acknowledges it.
        assert_eq!(next(&emit_with_ack(&client, "silence", &[], short)), Err(AckError::Timeout));
        let events = events(&client);
        let lost = emit_with_ack(&client, "silence", &[], LIMIT);
        skip_to(&lines, "silence");
        skip_to(&lines, "silence");
        let socket = client.clone();
        let (sender, buffered) = mpsc::channel();
        client.once("disconnect", move |_| {
            _ = sender.send(emit_with_ack(&socket, "echo", &[json!("buffered")], LIMIT));
        });
        cut_until_noticed(&network, &events);
        assert_eq!(next(&lost), Err(AckError::Disconnected));
        assert_eq!(next(&next(&buffered)), Ok(Args(vec![json!("buffered")])));
        // No server will acknowledge it any more.
        client.disconnect();
        let never = emit_with_ack(&client, "echo", &[], LIMIT);
        drop(client);
        assert_eq!(next(&never), Err(AckError::Disconnected));
    }
}

#[test]
fn an_ack_is_sent_once_and_in_the_session_of_its_event() {
    for transports in TRANSPORTS {
        let server = TestServer::new(short_heartbeat()); // the cut may come between two `GET`s
        let network = Network::before(server.address);
        let (sender, answers) = mpsc::channel();
        server.io.on_connection(move |socket| {
            let sender = sender.clone();
            socket.timeout(LIMIT).emit_with_callback("who?", [json!(1)], move |answer| {
                _ = sender.send(answer);
            });
        });
        let client = client(&network.url(), transports);
        let (events, upgrades) = (events(&client), engine_events(&client, &["upgrade"]));
        let (sender, requests) = mpsc::channel();
        client.on_any(move |event| {
            assert!(event.wants_ack());
            _ = sender.send(event.name.clone());
        });
        let first = AtomicUsize::new(1);
        client.on("who?", move |event| {
            if first.swap(0, Relaxed) == 0 {
                event.ack([json!("Ada"), json!(event.args[0].as_f64().unwrap() + 1.0)]);
                event.ack([json!("twice")]);
            }
        });
        client.open();
        assert_eq!(next(&events), "connect");
        assert_eq!(next(&requests), "who?");
        wait_for_upgrade(&upgrades, transports);
        cut_until_noticed(&network, &events);
        assert_eq!(next(&requests), "who?");
        // The client may have reconnected before the server knows that the first session has ended.
        let both = [next(&answers), next(&answers)];
        assert!(both.contains(&Err(AckError::Disconnected)), "{both:?}");
        assert!(both.contains(&Ok(Args(vec![json!("Ada"), json!(2.0)]))), "{both:?}");
    }
}

#[test]
fn emit_with_ack_waits_for_one_ack_or_one_error() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let client = client(&server.url(), transports);
        let short = Duration::from_millis(20);
        assert_eq!(client.timeout(short).emit_with_ack("early", ()), Err(AckError::Timeout));
        let socket: ClientSocket = client.clone();
        let buffered = thread::spawn(move || socket.emit_with_ack("echo", "buffered"));
        until(|| !buffered.is_finished());
        client.open();
        assert_eq!(buffered.join().unwrap(), Ok(Args(vec![json!("buffered")])));
        assert_eq!(next(&lines), r#"echo "buffered""#, "the event that timed out was sent too");
        let answer = client.timeout(LIMIT).emit_with_ack("echo", (1, "two"));
        assert_eq!(answer, Ok(Args(vec![json!(1), json!("two")])));
        assert_eq!(client.timeout(short).emit_with_ack("silence", ()), Err(AckError::Timeout));
        skip_to(&lines, "silence");
        let socket: ClientSocket = client.clone();
        let lost = thread::spawn(move || socket.emit_with_ack("silence", ()));
        skip_to(&lines, "silence");
        client.disconnect();
        assert_eq!(lost.join().unwrap(), Err(AckError::Disconnected));
        let socket: ClientSocket = client.clone();
        drop(client);
        assert_eq!(socket.emit_with_ack("echo", ()), Err(AckError::Disconnected));
    }
}

#[test]
fn ack_timeout_is_the_timeout_of_events_without_one() {
    let server = TestServer::new(Options::default());
    let ack_timeout = Some(Duration::from_millis(20));
    let options = client::Options { ack_timeout, ..options(&["websocket"]) };
    let client = Client::new(&server.url(), options).unwrap();
    client.open();
    assert_eq!(client.emit_with_ack("silence", ()), Err(AckError::Timeout));
    assert_eq!(client.timeout(LIMIT).emit_with_ack("echo", 1), Ok(Args(vec![json!(1)])));
    let (sender, answer) = mpsc::channel();
    client.emit_with_callback("silence", (), move |result| _ = sender.send(result));
    assert_eq!(next(&answer), Err(AckError::Timeout));
}

#[test]
fn emit_with_ack_fails_at_once_in_every_listener_of_the_client() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        server.io.on_connection(|socket| _ = socket.emit("hello", ()));
        let client = client(&server.url(), transports);
        let admin = client.of("admin", json!({}));
        let (sender, results) = mpsc::channel();
        let (other, also) = (admin.clone(), sender.clone());
        client.on("connect", move |event| {
            _ = also.send(event.socket.emit_with_ack("echo", ()));
            _ = also.send(other.timeout(LIMIT).emit_with_ack("echo", ())); // it shares the session
        });
        let also = sender.clone();
        client.on("hello", move |event| _ = also.send(event.socket.emit_with_ack("echo", ())));
        client.open();
        (0..3).for_each(|_| assert_eq!(next(&results), Err(AckError::Deadlock)));
        let socket: ClientSocket = client.clone();
        client.emit_with_callback("echo", (), move |_| {
            _ = sender.send(socket.emit_with_ack("echo", ()))
        });
        assert_eq!(next(&results), Err(AckError::Deadlock));
    }
}

#[test]
fn an_argument_that_was_not_sent_is_null() {
    let server = TestServer::new(Options::default());
    server.io.on_connection(|socket| _ = socket.emit("message", []));
    let client = client(&server.url(), &["websocket"]);
    let (sender, messages) = mpsc::channel();
    client.on("message", move |event| _ = sender.send(event.args[0].clone()));
    client.open();
    assert_eq!(next(&messages), Value::Null);
    let (sender, answers) = mpsc::channel();
    client.timeout(LIMIT).emit_with_callback("echo", [json!(1)], move |answer| {
        _ = sender.send(answer.map(|args| [args[0].clone(), args[1].clone()]));
    });
    assert_eq!(next(&answers), Ok([json!(1), Value::Null]));
}

#[test]
fn an_event_that_is_kept_can_be_acknowledged_later() {
    let server = TestServer::new(Options::default());
    let (sender, answers) = mpsc::channel();
    server.io.on_connection(move |socket| {
        let sender = sender.clone();
        socket.timeout(LIMIT).emit_with_callback("who?", [], move |answer| _ = sender.send(answer));
    });
    let client = client(&server.url(), &["websocket"]);
    let (sender, requests) = mpsc::channel::<Event<ClientSocket>>();
    client.on("who?", move |event| _ = sender.send(event.clone()));
    client.open();
    let request = next(&requests);
    settle(&client);
    request.clone().ack([json!("Ada")]);
    request.ack([json!("twice")]);
    assert_eq!(next(&answers), Ok(Args(vec![json!("Ada")])));
}

#[test]
fn an_ack_of_an_earlier_session_is_not_taken_for_the_next() {
    // In both sessions, as from a server that has been started again, the id of the ack is 0.
    let (url, sent) = scripted(|packet| match packet {
        "40" => &[r#"40{"sid":"b"}"#, r#"420["who?"]"#],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let events = events(&client);
    let (sender, requests) = mpsc::channel::<Event<ClientSocket>>();
    client.on("who?", move |event| _ = sender.send(event.clone()));
    client.open();
    let first = next(&requests);
    client.disconnect();
    client.open();
    let second = next(&requests);
    for event in ["connect", "disconnect io client disconnect", "connect"] {
        assert_eq!(next(&events), event);
    }
    first.ack([json!("late")]);
    second.ack([json!("Ada")]);
    until(|| next(&sent) == r#"430["Ada"]"#);
}

#[test]
fn events_before_the_connect_packet_are_emitted_once_connected() {
    let (url, sent) = scripted(|packet| match packet {
        "40" => &[r#"420["who?"]"#, r#"42["message"]"#, r#"40{"sid":"b"}"#],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let (sender, events) = mpsc::channel();
    watch(&client, sender.clone());
    client.on_any(move |event| {
        assert_eq!(event.socket.id().as_deref(), Some("b"));
        _ = sender.send(event.name.clone());
    });
    client.on("who?", |event| {
        event.socket.emit("new", []);
        event.ack([json!("Ada")]);
    });
    client.emit("kept", []);
    client.open();
    assert_eq!([next(&events), next(&events), next(&events)], ["who?", "message", "connect"]);
    let sent = [next(&sent), next(&sent), next(&sent), next(&sent)];
    assert_eq!(sent, ["40", r#"430["Ada"]"#, r#"42["kept"]"#, r#"42["new"]"#]);
}

#[test]
fn events_before_the_connect_packet_take_16_mib_of_memory_at_most() {
    let (url, _sent) = scripted(|packet| match packet {
        "40" => {
            // Each is 200 KB of text, and 3.2 MB as values in memory.
            let many = format!(r#"42["many",{}]"#, vec!["[0]"; 50_000].join(","));
            let mut packets = vec![&*many.leak(); 8];
            packets.push(r#"40{"sid":"b"}"#);
            packets.leak()
        }
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let (sender, events) = mpsc::channel();
    for name in ["many", "connect"] {
        let sender = sender.clone();
        client.on(name, move |event| _ = sender.send(event.name.clone()));
    }
    client.open();
    for _ in 0..5 {
        assert_eq!(next(&events), "many");
    }
    assert_eq!(next(&events), "connect");
}

#[test]
fn a_listener_of_an_early_event_may_disconnect_and_open_again() {
    let (url, _sent) = scripted(|packet| match packet {
        "40" => &[r#"42["early"]"#, r#"42["message"]"#, r#"40{"sid":"b"}"#],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let events = events(&client);
    let (sender, messages) = mpsc::channel();
    client.once("early", |event| {
        event.socket.disconnect();
        event.socket.open();
    });
    client.on("message", move |_| _ = sender.send(()));
    client.open();
    assert_eq!([next(&events), next(&events)], ["disconnect io client disconnect", "connect"]);
    assert_eq!(messages.try_iter().count(), 1);
}

#[test]
fn disconnect_listener_emits_before_ack_callbacks() {
    let server = TestServer::new(Options::default());
    let network = Network::before(server.address);
    let lines = server.lines();
    let client = client(&network.url(), &["websocket"]);
    client.on("disconnect", |event| _ = event.socket.emit("first", []));
    client.open();
    settle(&client);
    let events = events(&client);
    let socket = client.clone();
    client.timeout(LIMIT).emit_with_callback("silence", [], move |_| {
        _ = socket.emit("second", []);
    });
    skip_to(&lines, "silence");
    cut_until_noticed(&network, &events);
    skip_to(&lines, "first");
    skip_to(&lines, "second");
}

#[test]
fn binary_goes_both_ways_anywhere_among_the_arguments() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        server.io.on_connection(|socket| {
            socket.on("send back", |event| _ = event.socket.emit("back", &event.args));
        });
        let client = client(&server.url(), transports);
        let (sender, back) = mpsc::channel();
        client.on("back", move |event| _ = sender.send(event.args.clone()));
        client.open();
        let bytes = |n: usize| Value::Binary((0..n).map(|i| i as u8).collect());
        let values = vec![
            bytes(3),
            Value::Object(vec![("deep".into(), Value::Array(vec![bytes(0), json!("and text")]))]),
            bytes(100_000),
        ];
        client.emit("send back", &values);
        assert_eq!(next(&back), values);
        assert_eq!(next(&emit_with_ack(&client, "echo", &values, LIMIT)), Ok(Args(values)));
    }
}

#[test]
fn ten_threads_emit_at_once_and_the_events_of_each_arrive_in_order() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let client = client(&server.url(), transports);
        client.open();
        thread::scope(|scope| {
            for n in 0..10 {
                let client = &client;
                scope.spawn(move || {
                    (0..100).for_each(|i| _ = client.emit("n", [json!(n), json!(i)]))
                });
            }
        });
        settle(&client);
        let mut received = [0; 10];
        for line in lines.try_iter().filter(|line| line.starts_with("n ")) {
            let numbers: Vec<usize> = line.split(' ').skip(1).map(|n| n.parse().unwrap()).collect();
            assert_eq!(numbers[1], received[numbers[0]], "of thread {}", numbers[0]);
            received[numbers[0]] += 1;
        }
        assert_eq!(received, [100; 10]);
    }
}

#[test]
fn once_off_and_on_any_work_as_on_the_server() {
    let server = TestServer::new(Options::default());
    server.io.on_connection(|socket| {
        socket.on("say", |event| {
            for name in ["a", "b", "a", "b"] {
                event.socket.emit(name, []);
            }
            event.ack([]);
        });
    });
    let client = client(&server.url(), &["websocket"]);
    let (sender, events) = mpsc::channel();
    let logs = |what: &'static str| {
        let sender = sender.clone();
        move |event: &Event<ClientSocket>| _ = sender.send(format!("{what} {}", event.name))
    };
    client.once("a", logs("once"));
    client.on("a", logs("on"));
    let any = client.on_any(logs("any"));
    let gone = client.on("b", logs("never"));
    client.off(gone);
    client.open();
    next(&emit_with_ack(&client, "say", &[], LIMIT)).unwrap();
    let received: Vec<String> = events.try_iter().collect();
    assert_eq!(received, ["any a", "once a", "on a", "any b", "any a", "on a", "any b"]);
    client.off_any(any);
    next(&emit_with_ack(&client, "say", &[], LIMIT)).unwrap();
    assert_eq!(events.try_iter().collect::<Vec<_>>(), ["on a", "on a"]);
}

#[test]
fn outgoing_listeners_get_each_event_when_it_is_sent() {
    let server = TestServer::new(Options::default());
    let client = client(&server.url(), &["websocket"]);
    let (sender, events) = mpsc::channel();
    let connected = sender.clone();
    client.on_any_outgoing(move |event| _ = sender.send(event.name.clone()));
    client.on("connect", move |_| _ = connected.send("connect".to_string()));
    client.emit("buffered", ());
    client.emit_volatile("lost", ());
    assert_eq!(events.try_iter().count(), 0);
    client.open();
    assert_eq!([next(&events), next(&events)], ["buffered", "connect"]);
    settle(&client);
    assert_eq!(events.try_iter().collect::<Vec<_>>(), ["echo"]);
}

// ---- namespaces ----

#[test]
fn namespaces_share_a_connection_and_one_disconnects_while_the_others_stay() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let (sender, admin_lines) = mpsc::channel();
        let admin = server.io.of("admin");
        admin.on_connection(move |socket| {
            let sender = sender.clone();
            _ = sender.send(format!("in: {}", socket.handshake().auth));
            socket.on("echo", |event| event.ack(&event.args));
            socket
                .on("disconnect", move |event| _ = sender.send(format!("left: {}", event.args[0])));
        });
        let client = client(&server.url(), transports);
        let other = client.of("/admin", json!({"name": "Ada"}));
        client.open();
        other.open();
        settle(&client);
        settle(&other);
        assert_eq!(server.handle.sessions(), 1);
        assert_eq!(next(&admin_lines), r#"in: {"name":"Ada"}"#);
        assert_ne!(client.id(), other.id());

        other.disconnect();
        assert_eq!(next(&admin_lines), r#"left: "client namespace disconnect""#);
        settle(&client);
        other.open();
        settle(&other);
        client.disconnect(); // now the namespace of the URL
        assert_eq!(skip_to(&lines, "left"), r#"left: "client namespace disconnect""#);
        settle(&other);
        other.disconnect(); // the last
        server.assert_empty_soon();
        client.open();
        settle(&client);
        assert!(!other.is_connected());
    }
}

#[test]
fn disconnecting_before_the_connect_packet_arrives_keeps_the_connection() {
    let server = TestServer::new(Options::default());
    let admin = server.io.of("admin");
    admin.on_connection(|socket| _ = socket.on("echo", |event| event.ack(&event.args)));
    let client = client(&server.url(), &["websocket"]);
    let events = events(&client);
    client.open();
    settle(&client);
    let other = client.of("admin", Value::Null);
    for _ in 0..50 {
        other.open();
        other.disconnect();
        other.open();
        other.disconnect();
    }
    other.open();
    settle(&other);
    settle(&client);
    assert_eq!(events.try_iter().collect::<Vec<_>>(), ["connect"]);
    other.open();
    other.disconnect();
    settle(&client);
    assert_eq!(admin.fetch_sockets().len(), 0, "the server still lists it");
}

#[test]
fn packets_of_an_earlier_session_are_not_taken_for_the_next() {
    let server = TestServer::new(Options::default());
    let network = Network::before(server.address);
    let ((sender, asked), (answer, answers)) = (mpsc::channel(), mpsc::channel());
    let answers = Mutex::new(answers);
    server.io.use_middleware(move |_| {
        _ = sender.send(());
        _ = answers.lock().unwrap().recv();
        Ok(())
    });
    let (sender, connected) = mpsc::channel();
    server.io.on_connection(move |socket| {
        socket.emit("welcome", [json!(socket.id())]);
        _ = sender.send(());
    });
    let client = client(&network.url(), &["websocket"]);
    let events = events(&client);
    let (sender, welcomes) = mpsc::channel();
    client.on("welcome", move |event| _ = sender.send(event.args[0].clone()));
    client.open();
    next(&asked);
    network.stall(true);
    _ = answer.send(());
    next(&connected); // the CONNECT packet has been sent, and stalls
    client.disconnect();
    client.open();
    network.stall(false);
    _ = answer.send(());
    next(&connected);
    settle(&client);
    assert_eq!(events.try_iter().collect::<Vec<_>>(), ["connect"]);
    assert_eq!(welcomes.try_iter().collect::<Vec<_>>(), [json!(client.id().unwrap())]);
}

#[test]
fn a_disconnect_packet_that_crosses_ours_does_not_end_the_next_session() {
    let (url, sent) = scripted(|packet| match packet {
        "40" => &[r#"40{"sid":"b"}"#],
        "40/admin," => &[r#"40/admin,{"sid":"c"}"#],
        "41/admin," => &["41/admin,"],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let admin = client.of("admin", Value::Null);
    let (sender, events) = mpsc::channel();
    watch(&admin, sender);
    client.open();
    admin.open();
    assert_eq!(next(&events), "connect");
    admin.disconnect();
    admin.open();
    assert_eq!([next(&events), next(&events)], ["disconnect io client disconnect", "connect"]);
    admin.emit("here", []);
    assert_eq!(skip_to(&sent, "42"), r#"42/admin,["here"]"#);
}

#[test]
fn the_same_namespace_twice_is_one_socket() {
    let server = TestServer::new(Options::default());
    let client = client(&server.url(), &["websocket"]);
    let events = events(&client);
    let again = client.of("/", json!({"token": 1}));
    client.open();
    again.open();
    settle(&again);
    settle(&client);
    assert_eq!(client.id(), again.id());
    assert_eq!(events.try_iter().collect::<Vec<_>>(), ["connect"]);
    assert_eq!(server.io.fetch_sockets()[0].handshake().auth, &json!({"token": 1}));
}

// ---- listeners ----

#[test]
fn listeners_may_emit_disconnect_and_open() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let client = client(&server.url(), transports);
        client.on("connect", |event| _ = event.socket.emit("greeting", []));
        let (sender, done) = mpsc::channel();
        let sessions = AtomicUsize::new(0);
        client.on("disconnect", move |event| match sessions.fetch_add(1, Relaxed) {
            0..3 => event.socket.open(),
            _ => _ = sender.send(()),
        });
        server.io.on_connection(|socket| {
            socket.on("greeting", |event| _ = event.socket.emit("welcome", []));
        });
        client.on("welcome", |event| event.socket.disconnect());
        client.open();
        next(&done);
        server.assert_empty_soon();
        let received: Vec<String> = lines.try_iter().collect();
        assert_eq!(received.len(), 8, "{received:?}");
        assert_eq!(received.iter().filter(|line| *line == "greeting").count(), 4, "{received:?}");
    }
}

#[test]
fn a_listener_that_panics_ends_the_session_and_the_client_reconnects() {
    let server = TestServer::new(Options::default());
    server.io.on_connection(|socket| {
        socket.on("say", |event| _ = event.socket.emit("said", &event.args));
    });
    let client = client(&server.url(), &["websocket"]);
    let events = events(&client);
    client.on("said", |_| panic!("the listener panics"));
    client.open();
    assert_eq!(next(&events), "connect");
    client.emit("say", []);
    assert_eq!(next(&events), "disconnect transport error");
    skip_to(&events, "connect");
    settle(&client);
}

// ---- drop ----

#[test]
fn drop_sends_all_that_was_emitted_and_then_disconnects() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let client = client(&server.url(), transports);
        client.open();
        settle(&client);
        (0..100).for_each(|n| _ = client.emit("n", [json!(n)]));
        drop(client);
        assert_eq!(next(&lines), "echo 1");
        (0..100).for_each(|n| assert_eq!(next(&lines), format!("n {n}")));
        assert_eq!(next(&lines), r#"left: "client namespace disconnect""#);
        server.assert_empty_soon();
        server.stop(); // returns when its last connection has ended
    }
}

#[test]
fn a_client_may_be_dropped_within_a_listener() {
    for (transports, name) in TRANSPORTS.into_iter().zip(["connect", "welcome", "disconnect"]) {
        // A session that is closed between two `GET`s waits for the time of a pong.
        let server = TestServer::new(short_heartbeat());
        server.io.on_connection(|socket| _ = socket.emit("welcome", []));
        let client = Arc::new(Mutex::new(Some(client(&server.url(), transports))));
        let (sender, dropped) = mpsc::channel();
        let (holder, handle) = (client.clone(), server.handle.clone());
        let guard = client.lock().unwrap();
        let socket = guard.as_ref().unwrap();
        socket.on(name, move |_| {
            drop(holder.lock().unwrap().take());
            _ = sender.send(());
        });
        if name == "disconnect" {
            socket.on("welcome", move |_| handle.close());
        }
        socket.open();
        drop(guard);
        next(&dropped);
        assert!(client.lock().unwrap().is_none());
        assert_eq!(dropped.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
        server.assert_empty_soon();
        server.stop();
    }
}

#[test]
fn drop_disconnects_every_namespace_though_a_listener_panics() {
    let server = TestServer::new(Options::default());
    server.io.of("admin");
    let client = client(&server.url(), &["websocket"]);
    let admin = client.of("admin", Value::Null);
    let (sender, connected) = mpsc::channel();
    for socket in [&client, &admin] {
        watch(socket, sender.clone());
        socket.on("disconnect", |_| panic!("the listener panics"));
        socket.open();
        assert_eq!(next(&connected), "connect");
    }
    drop((client, sender));
    assert_eq!([next(&connected), next(&connected)], ["disconnect io client disconnect"; 2]);
    assert_eq!(connected.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
    server.assert_empty_soon();
}

#[test]
fn emit_with_ack_on_a_socket_without_its_client_fails_at_once() {
    let server = TestServer::new(Options::default());
    let client = client(&server.url(), &["websocket"]);
    client.open();
    settle(&client);
    let socket = client.clone();
    drop(client);
    socket.open();
    assert_eq!(next(&emit_with_ack(&socket, "echo", &[], 2 * LIMIT)), Err(AckError::Disconnected));
}

#[test]
fn no_ack_callback_runs_on_the_thread_that_emits() {
    let socket = Client::new("http://127.0.0.1:1", Default::default()).unwrap().clone();
    let (sender, called) = mpsc::channel();
    socket.timeout(LIMIT).emit_with_callback("echo", [], move |answer| {
        _ = sender.send((answer, thread::current().id()));
    });
    let (answer, on) = next(&called);
    assert_eq!(answer, Err(AckError::Disconnected));
    assert_ne!(on, thread::current().id());
}

#[test]
fn emit_of_a_reserved_name_panics_and_keeps_no_ack_callback() {
    let client = Client::new("http://127.0.0.1:1", Default::default()).unwrap();
    let panics = |emit: &dyn Fn()| catch_unwind(AssertUnwindSafe(emit)).is_err();
    assert!(panics(&|| _ = client.emit("disconnect", ())));
    assert!(panics(&|| _ = client.emit_volatile("disconnect", ())));
    let (sender, called) = mpsc::channel();
    assert!(panics(&|| {
        let sender = sender.clone();
        client
            .timeout(Duration::ZERO)
            .emit_with_callback("disconnect", (), move |_| sender.send(()).unwrap());
    }));
    drop(sender);
    assert_eq!(called.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn emit_with_too_many_attachments_queues_nothing() {
    for retries in [0, 3] {
        let options = client::Options { retries, ..Default::default() };
        let client = Client::new("http://127.0.0.1:1", options).unwrap();
        let bytes = vec![json!(vec![0u8]); 11];
        assert_eq!(client.emit("ten", &bytes[1..]), Emitted::Queued);
        assert_eq!(client.emit("eleven", &bytes), Emitted::TooManyAttachments);
        assert_eq!(client.emit_volatile("eleven", &bytes), Emitted::TooManyAttachments);
        assert_eq!(client.emit_with_ack("eleven", &bytes), Err(AckError::TooManyAttachments));
        let (sender, called) = mpsc::channel();
        client.emit_with_callback("eleven", &bytes, move |result| sender.send(result).unwrap());
        assert_eq!(next(&called), Err(AckError::TooManyAttachments));
    }
}

#[test]
fn drop_ends_the_client_though_a_listener_opens_it_again() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let client = client(&server.url(), transports);
        client.on("disconnect", |event| event.socket.open());
        client.open();
        settle(&client);
        let (sender, dropped) = mpsc::channel();
        thread::spawn(move || {
            drop(client);
            sender.send(())
        });
        next(&dropped);
        server.assert_empty_soon();
    }
}

#[test]
fn drop_frees_what_the_listeners_hold() {
    let server = TestServer::new(Options::default());
    for opened in [true, false] {
        let (sender, gone) = mpsc::channel::<()>();
        let client = client(&server.url(), &["websocket"]);
        let other = client.of("admin", Value::Null);
        for socket in [&client, &other] {
            let (held, sender) = (socket.clone(), sender.clone());
            socket.on("say", move |_| drop((held.id(), sender.clone())));
        }
        if opened {
            client.open();
            settle(&client);
        }
        drop((client, other, sender));
        assert_eq!(gone.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
    }
}

#[test]
fn drop_does_not_wait_for_a_silent_server() {
    let stalls: [fn(); 5] = [
        // It waits for the open packet.
        || {
            drops_soon(
                &serve_raw(|client| _ = client.peek(&mut [0; 10]).map(|_| thread::park())),
                TRANSPORTS[0],
            )
        },
        || {
            drops_soon(
                &serve_raw(|client| _ = client.peek(&mut [0; 10]).map(|_| thread::park())),
                TRANSPORTS[1],
            )
        },
        // It is connected, and the network stalls.
        || drops_soon_when_stalled(TRANSPORTS[0]),
        || drops_soon_when_stalled(TRANSPORTS[1]),
        // It waits before it reconnects.
        || drops_soon(&format!("http://{}", closed_address()), TRANSPORTS[2]),
    ];
    let threads = stalls.map(thread::spawn);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn drops_soon(url: &str, transports: &[&'static str]) {
    let mut long_timeout = options(transports);
    long_timeout.engine.timeout = 100 * LIMIT;
    let client = Client::new(url, long_timeout).unwrap();
    let events = events(&client);
    client.open();
    _ = events.recv_timeout(Duration::from_millis(50));
    assert_drop_returns(client);
}

fn drops_soon_when_stalled(transports: &[&'static str]) {
    let mut long_timeout = Options::default();
    long_timeout.engine.ping_timeout = 100 * LIMIT;
    let server = TestServer::new(long_timeout);
    let network = Network::before(server.address);
    let client = client(&network.url(), transports);
    client.open();
    settle(&client);
    network.stall(true);
    client.emit("lost", []);
    assert_drop_returns(client);
}

/// Asserts that dropping the client waits for none of its timeouts, which are all far longer.
#[track_caller]
fn assert_drop_returns(client: Client) {
    let begun = Instant::now();
    drop(client);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}

// ---- servers that break the protocol ----

/// Asserts that the client emits this `connect_error` twice: it tries again.
#[track_caller]
fn assert_connect_error(url: &str, transports: &[&'static str], error: &str) {
    assert_connect_error_within(LIMIT, url, transports, error);
}

/// The same, with this timeout for an attempt to connect.
#[track_caller]
fn assert_connect_error_within(
    timeout: Duration,
    url: &str,
    transports: &[&'static str],
    error: &str,
) {
    let mut options = options(transports);
    options.engine.timeout = timeout;
    let client = Client::new(url, options).unwrap();
    let (sender, errors) = mpsc::channel();
    watch(&client, sender);
    client.open();
    for _ in 0..2 {
        assert_eq!(next(&errors), format!("connect_error {error}"));
    }
}

#[test]
fn a_response_that_is_not_http_is_a_connect_error() {
    for (answer, what) in [
        (&b""[..], "the stream ended before a response came"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the first line is not HTTP/1.1 and a status"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "the body is longer than is allowed here",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n0",
            "the stream ended in the middle of a message",
        ),
    ] {
        assert_connect_error(
            &answering(answer),
            &["polling"],
            &format!("the server does not speak HTTP: {what}"),
        );
    }
}

#[test]
fn an_endless_response_is_read_up_to_a_limit() {
    let chunk = format!("8000\r\n{}\r\n", "0".repeat(0x8000));
    for (beginning, rest, what) in [
        ("HTTP/1.1 200 OK\r\n", "name: value\r\n", "the head is longer than 16 KiB"),
        ("HTTP/1.1 200 OK\r\n\r\n", "0", "the body is longer than is allowed here"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            &*chunk,
            "the body is longer than is allowed here",
        ),
    ] {
        let much = rest.repeat(64 * 1024 / rest.len());
        let url = serve_raw(move |mut client| {
            head(&client);
            _ = client.write_all(beginning.as_bytes());
            while client.write_all(much.as_bytes()).is_ok() {}
        });
        let client = client(&url, &["polling"]);
        let events = events(&client);
        client.open();
        assert_eq!(next(&events), format!("connect_error the server does not speak HTTP: {what}"));
    }
}

#[test]
fn a_connect_error_quotes_the_response_that_refused() {
    let answers: [(&[u8], &str); 3] = [
        (
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9\r\n\r\nElsewhere",
            "status 302: Elsewhere",
        ),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nSorry", "status 500: Sorry"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "status 204: "),
    ];
    for (answer, what) in answers {
        let url = answering(answer);
        assert_connect_error(
            &url,
            &["polling"],
            format!("the server answered with {what}").trim_end(),
        );
        let what = format!("the server refused the handshake with {what}");
        for transports in [&["websocket"][..], &["websocket", "polling"]] {
            assert_connect_error(&url, transports, what.trim_end());
        }
    }
}

#[test]
fn a_response_that_is_not_engine_io_is_a_connect_error() {
    let open = "an open packet with sid, pingInterval and pingTimeout";
    for (body, expected) in [
        ("", "a packet"),
        ("<!doctype html>", "a packet"),
        ("4hello", "an open packet"),
        ("0", open),
        (r#"0{"sid":"#, open),
        (r#"0{"pingInterval":1,"pingTimeout":1}"#, open),
        (r#"0{"sid":7,"pingInterval":1,"pingTimeout":1}"#, open),
        (r#"0{"sid":"a","pingInterval":-1,"pingTimeout":1}"#, open),
        (r#"0{"sid":"","pingInterval":1,"pingTimeout":1}"#, "a sid that may stand in a URL"),
        (r#"0{"sid":"a b","pingInterval":1,"pingTimeout":1}"#, "a sid that may stand in a URL"),
        (
            r#"0{"sid":"a\r\nX: y","pingInterval":1,"pingTimeout":1}"#,
            "a sid that may stand in a URL",
        ),
        (r#"0{"sid":"a&b=c","pingInterval":1,"pingTimeout":1}"#, "a sid that may stand in a URL"),
    ] {
        let error = format!("the server does not speak Engine.IO 4: {expected} was expected");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_connect_error(&answering(answer.leak().as_bytes()), &["polling"], &error);
        if expected != "a packet" {
            assert_connect_error(&sending(body), &["websocket"], &error);
        }
    }
    let error = "the server does not speak Engine.IO 4: text was expected";
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n0\xff";
    assert_connect_error(&answering(answer), &["polling"], error);
}

/// The URL of a WebSocket server that sends each client the same message.
fn sending(what: &'static str) -> String {
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(move || {
        server.serve(move |mut socket| {
            socket.send(what)?;
            while socket.read()?.is_some() {}
            Ok(())
        });
    });
    url
}

/// The URL of a WebSocket server that answers each packet with others; and the packets that it receives.
fn scripted(answers: fn(&str) -> &'static [&'static str]) -> (String, Receiver<String>) {
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        server.serve(move |mut socket| {
            socket.send(r#"0{"sid":"a","pingInterval":9999,"pingTimeout":9999}"#)?;
            while let Some(ws::Message::Text(text)) = socket.read()? {
                answers(&text).iter().try_for_each(|answer| socket.send(*answer))?;
                _ = sender.send(text.to_string());
            }
            Ok(())
        });
    });
    (url, received)
}

#[test]
fn an_attempt_times_out_though_its_response_goes_on() {
    let trickles = |mut client: TcpStream| {
        head(&client);
        for byte in b"HTTP/1.1 200 OK\r\n".iter().chain(std::iter::repeat(&b'x')) {
            if client.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    };
    let silent = |client: TcpStream| while let Ok(1..) = (&client).read(&mut [0; 1000]) {};
    let urls = [serve_raw(silent), serve_raw(trickles)];
    let each = urls.iter().flat_map(|url| [(url, TRANSPORTS[0]), (url, TRANSPORTS[1])]);
    thread::scope(|scope| {
        for (url, transports) in each {
            scope.spawn(move || {
                let begun = Instant::now();
                let short = Duration::from_millis(300);
                assert_connect_error_within(
                    short,
                    url,
                    transports,
                    "the connection failed: timed out",
                );
                assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
            });
        }
    });
}

#[test]
fn a_failed_upgrade_leaves_the_session_on_polling() {
    let refusing = answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let closing = serve_raw(drop);
    for other in [sending("3wrong"), sending("x"), refusing, closing] {
        let server = TestServer::new(Options::default());
        let (polling, other) = (server.address, other["http://".len()..].parse().unwrap());
        let network =
            Network::to(move |beginning| match beginning.contains("transport=websocket") {
                true => other,
                false => polling,
            });
        let client = client(&network.url(), TRANSPORTS[2]);
        let (events, upgrades) = (events(&client), engine_events(&client, &["upgradeError"]));
        client.open();
        assert_eq!(next(&events), "connect");
        assert!(next(&upgrades).starts_with("upgradeError \"probe error: "));
        assert_eq!(
            next(&emit_with_ack(&client, "transport", &[], LIMIT)),
            Ok(Args(vec![json!("polling")]))
        );
    }
}

// ---- retries ----

/// A client that emits each event until it is acknowledged.
fn retrying(url: &str, transports: &[&'static str], retries: u32, ack_timeout: Duration) -> Client {
    let ack_timeout = Some(ack_timeout);
    Client::new(url, client::Options { retries, ack_timeout, ..options(transports) }).unwrap()
}

#[test]
fn retries_emit_each_event_until_it_is_acknowledged_in_order() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let (sender, tries) = mpsc::channel();
        server.io.on_connection(move |socket| {
            let sender = sender.clone();
            let last = Mutex::new(Value::Null);
            socket.on("number", move |event| {
                let again = std::mem::replace(&mut *last.lock().unwrap(), event.args[0].clone());
                _ = sender.send(event.args[0].as_f64().unwrap());
                if again == event.args[0] {
                    event.ack(&event.args); // the second try
                }
            });
        });
        let client = retrying(&server.url(), transports, u32::MAX, Duration::from_millis(20));
        (0..5).for_each(|n| _ = client.emit("number", n));
        let answer = emit_with_ack(&client, "number", &[json!(5)], Duration::from_millis(20));
        client.open();
        assert_eq!(next(&answer), Ok(Args(vec![json!(5)])));
        let mut tries: Vec<f64> = tries.try_iter().collect();
        assert!(tries.len() >= 12 && tries.is_sorted(), "{tries:?}");
        tries.dedup();
        assert_eq!(tries, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}

#[test]
fn after_the_last_retry_an_event_is_given_up_and_the_next_is_emitted() {
    let server = TestServer::new(Options::default());
    let lines = server.lines();
    let client = retrying(&server.url(), &["websocket"], 2, LIMIT);
    let short = Duration::from_millis(20);
    let silence = emit_with_ack(&client, "silence", &[], short);
    client.emit("echo", 1);
    client.emit_volatile("volatile", ()); // it is not connected
    client.open();
    assert_eq!(next(&silence), Err(AckError::Timeout));
    let tries = [(); 4].map(|()| next(&lines));
    assert_eq!(tries, ["silence", "silence", "silence", "echo 1"]);
    // The time of an event is that of one try, while it is connected.
    settle(&client);
    client.emit_volatile("volatile", ());
    skip_to(&lines, "volatile");
    drop(client);
    skip_to(&lines, "left: ");
}

#[test]
fn with_retries_no_event_is_lost_when_the_connection_is() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let lines = server.lines();
        let network = Network::before(server.address);
        let client = retrying(&network.url(), transports, u32::MAX, LIMIT);
        client.open();
        for n in 0..200 {
            client.emit("echo", n);
            if n % 20 == 10 {
                network.cut();
            }
        }
        network.0.credit.store(3_000, Relaxed); // and once in the middle of a packet
        settle(&client);
        let arrived = lines.try_iter().filter_map(|line| line.strip_prefix("echo ")?.parse().ok());
        let mut arrived: Vec<usize> = arrived.collect();
        let mut seen = BTreeSet::new();
        arrived.retain(|n| seen.insert(*n));
        assert!(arrived.iter().copied().eq(0..200), "{arrived:?}");
    }
}

#[test]
fn drop_resolves_the_acks_of_queued_events() {
    let server = TestServer::new(Options::default());
    let lines = server.lines();
    let client = retrying(&server.url(), &["websocket"], 1, LIMIT);
    client.open();
    let answers = ["silence", "never sent"].map(|name| emit_with_ack(&client, name, &[], LIMIT));
    skip_to(&lines, "silence");
    drop(client);
    for answer in answers {
        assert_eq!(next(&answer), Err(AckError::Disconnected));
    }
}

// ---- the upgrade ----

/// A proxy before a server, and another one through which its WebSockets go.
fn networks(server: SocketAddr) -> (Network, Network) {
    let websockets = Network::before(server);
    let address = websockets.0.address;
    let all = Network::to(move |beginning| match beginning.contains("transport=websocket") {
        true => address,
        false => server,
    });
    (all, websockets)
}

#[test]
fn a_network_that_swallows_websockets_delays_no_event_and_no_drop() {
    let server = TestServer::new(Options::default());
    let (network, websockets) = networks(server.address);
    websockets.stall(true);
    let mut long_timeout = options(TRANSPORTS[2]);
    long_timeout.engine.timeout = 100 * LIMIT;
    let client = Client::new(&network.url(), long_timeout).unwrap();
    let begun = Instant::now();
    client.open();
    settle(&client);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    assert_eq!(
        next(&emit_with_ack(&client, "transport", &[], LIMIT)),
        Ok(Args(vec![json!("polling")]))
    );
    assert_drop_returns(client);
    server.assert_empty_soon();
}

#[test]
fn drop_does_not_wait_for_a_request_that_is_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut long_timeout = options(&["polling"]);
    long_timeout.engine.timeout = 100 * LIMIT;
    let client = Client::new(&format!("http://{address}"), long_timeout).unwrap();
    let (sender, opened) = mpsc::channel();
    client.io().on("open", move |_| _ = sender.send(()));
    client.open();
    let (mut handshake, _) = listener.accept().unwrap();
    head(&handshake);
    // No other is accepted: when the backlog is full, SYNs are dropped.
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok();
    let _backlog: Vec<_> = std::iter::from_fn(connect).take(5_000).collect();
    let open = r#"0{"sid":"a","upgrades":[],"pingInterval":9999,"pingTimeout":9999}"#;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", open.len());
    handshake.write_all((head + open).as_bytes()).unwrap();
    next(&opened);
    assert_drop_returns(client);
}

#[test]
fn a_late_upgrade_loses_no_event_doubles_none_and_keeps_their_order() {
    let server = TestServer::new(Options::default());
    let lines = server.lines();
    let (network, websockets) = networks(server.address);
    websockets.stall(true);
    let client = client(&network.url(), TRANSPORTS[2]);
    let upgrades = engine_events(&client, &["upgrading", "upgrade", "upgradeError"]);
    let (sender, received) = mpsc::channel();
    client.on("number", move |event| _ = sender.send(event.args[0].as_f64().unwrap() as usize));
    client.open();
    settle(&client);
    assert_eq!(next(&lines), "echo 1");
    let upgraded = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (client, io) = (&client, &server.io);
        let both: [Box<dyn Fn(usize) + Send>; 2] = [
            Box::new(move |n| _ = client.emit("number", n as f64)),
            Box::new(move |n| io.emit("number", n as f64)),
        ];
        for emit in both {
            let upgraded = &upgraded;
            scope.spawn(move || {
                for n in 0.. {
                    emit(n);
                    match upgraded.load(Relaxed) {
                        0 => thread::sleep(Duration::from_micros(200)),
                        _ if n > 500 => break,
                        _ => {}
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(50));
        websockets.stall(false);
        assert_eq!(next(&upgrades), r#"upgrading "websocket""#);
        assert_eq!(next(&upgrades), r#"upgrade "websocket""#);
        upgraded.store(1, Relaxed);
    });
    client.emit("end", ());
    server.io.emit("number", 1e300);
    let arrived = lines.iter().take_while(|line| line != "end");
    let numbers: Vec<usize> = arrived.map(|line| line[7..].parse().unwrap()).collect();
    assert!(numbers.len() > 500 && numbers.iter().copied().eq(0..numbers.len()), "{numbers:?}");
    let numbers: Vec<_> = received.iter().take_while(|n| *n != usize::MAX).collect();
    assert!(numbers.len() > 500 && numbers.iter().copied().eq(0..numbers.len()), "{numbers:?}");
    assert_eq!(
        next(&emit_with_ack(&client, "transport", &[], LIMIT)),
        Ok(Args(vec![json!("websocket")]))
    );
}

#[test]
fn an_upgrade_waits_for_the_response_to_the_last_post() {
    let server = TestServer::new(Options::default());
    let (network, websockets) = networks(server.address);
    websockets.stall(true);
    let client = client(&network.url(), TRANSPORTS[2]);
    let upgrades = engine_events(&client, &["upgrade", "upgradeError"]);
    let (entered, enters) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    server.io.on_connection(move |socket| {
        entered.send(socket.clone()).unwrap();
        _ = released.lock().unwrap().recv_timeout(LIMIT); // the response to the `POST` waits
    });
    client.open();
    next(&enters);
    client.emit("echo", 1);
    websockets.stall(false);
    // The probe is answered, and then its WebSocket is open.
    assert!(upgrades.recv_timeout(Duration::from_millis(300)).is_err());
    release.send(()).unwrap();
    assert_eq!(next(&upgrades), r#"upgrade "websocket""#);
    settle(&client);
}

#[test]
fn close_during_the_probe_ends_the_session_over_polling() {
    let server = TestServer::new(Options::default());
    let lines = server.lines();
    let (network, websockets) = networks(server.address);
    websockets.stall(true);
    let client = client(&network.url(), TRANSPORTS[2]);
    let events = engine_events(&client, &["upgradeError", "close"]);
    client.open();
    settle(&client);
    client.emit("last", ());
    client.disconnect();
    assert_eq!([next(&lines), next(&lines)], ["echo 1", "last"]);
    assert_eq!(next(&lines), r#"left: "client namespace disconnect""#);
    let mut both = [next(&events), next(&events)];
    both.sort();
    assert_eq!(both[0], r#"close "forced close""#);
    assert!(both[1].starts_with("upgradeError "), "{both:?}");
    server.assert_empty_soon();
}

#[test]
fn engine_events_of_a_session_in_order() {
    let server = TestServer::new(Options::default());
    for (transports, name) in TRANSPORTS.iter().zip(["polling", "websocket", "polling"]) {
        let client = client(&server.url(), transports);
        let names = ["open", "packet", "packetCreate", "upgrade", "error", "close"];
        let lines = engine_events(&client, &names);
        let drains = engine_events(&client, &["drain"]);
        client.open();
        assert!(next(&lines).starts_with(r#"packet {"type":"open","data":"{\"sid\""#));
        assert_eq!(next(&lines), format!("open {name:?}"));
        assert_eq!(next(&lines), r#"packetCreate {"type":"message","data":"0"}"#);
        skip_to(&lines, r#"packet {"type":"message","data":"0{\"sid\""#);
        settle(&client);
        skip_to(&lines, r#"packetCreate {"type":"message","data":"20[\"echo\",1]"}"#);
        skip_to(&lines, r#"packet {"type":"message","data":"30[1]"}"#);
        assert_eq!(next(&drains), "drain null");
        client.disconnect();
        skip_to(&lines, r#"packetCreate {"type":"message","data":"1"}"#);
        skip_to(&lines, r#"close "forced close""#);
    }
    let nowhere = client(&format!("http://{}", closed_address()), &["polling"]);
    let lines = engine_events(&nowhere, &["open", "error", "close"]);
    nowhere.open();
    assert!(next(&lines).starts_with("error \"the connection failed: "));
    assert_eq!(next(&lines), r#"close "transport error""#);
}

// ---- malformed packets ----

#[test]
fn a_malformed_packet_ends_the_session_and_the_client_reconnects() {
    for (answer, reason) in [
        ("zzz", "transport error"),
        ("4zzz", "parse error"),
        ("42[\"connect\"]", "parse error"),
        ("451-[\"a\",{\"_placeholder\":true,\"num\":9}]\x1ebAAAA", "parse error"),
        ("1", "transport close"),
    ] {
        let gets = AtomicUsize::new(0);
        let url = serve_raw(move |mut client| {
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let Ok(Some(request)) = Request::read(&mut reader) else { return };
            _ = request.body(&mut reader, 1000);
            let body = match (&*request.method, request.query("sid")) {
                ("GET", None) => r#"0{"sid":"a","pingInterval":9999,"pingTimeout":9999}"#.into(),
                ("GET", _) if gets.fetch_add(1, Relaxed) % 2 == 0 => r#"40{"sid":"b"}"#.into(),
                ("GET", _) => answer.to_string(),
                _ => "ok".to_string(),
            };
            let length = body.len();
            _ = write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        });
        let client = client(&url, &["polling"]);
        let events = events(&client);
        client.open();
        for _ in 0..2 {
            skip_to(&events, "connect");
            assert_eq!(next(&events), format!("disconnect {reason}"));
        }
    }
}

#[test]
fn packets_after_the_open_packet_are_not_lost_in_the_upgrade() {
    let mut server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    server.page(|request, _| {
        let open =
            r#"0{"sid":"a","upgrades":["websocket"],"pingInterval":9999,"pingTimeout":9999}"#;
        match request.query("sid") {
            None => Response::text(200, &format!("{open}\x1e42[\"early\"]")),
            Some(_) => Response::text(200, "6"),
        }
    });
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(move || {
        server.serve(|mut socket| {
            socket.send("3probe")?;
            while let Some(message) = socket.read()? {
                if message == "5".into() {
                    socket.send(r#"40{"sid":"b"}"#)?;
                }
            }
            Ok(())
        });
    });
    let client = client(&url, &["polling", "websocket"]);
    let (sender, events) = mpsc::channel();
    watch(&client, sender.clone());
    client.on("early", move |_| _ = sender.send("early".to_string()));
    client.open();
    assert_eq!([next(&events), next(&events)], ["early", "connect"]);
}

#[test]
fn an_ack_without_an_event_is_not_taken_for_an_event() {
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(move || {
        server.serve(|mut socket| {
            socket.send(r#"0{"sid":"a","pingInterval":9999,"pingTimeout":9999}"#)?;
            for packet in [r#"40{"sid":"b"}"#, r#"43["disconnect","no"]"#, "43[]", r#"42["end"]"#] {
                socket.send(packet)?;
            }
            while socket.read()?.is_some() {}
            Ok(())
        });
    });
    let client = client(&url, &["websocket"]);
    let (sender, events) = mpsc::channel();
    watch(&client, sender.clone());
    client.on("end", move |_| _ = sender.send("end".to_string()));
    client.open();
    assert_eq!([next(&events), next(&events)], ["connect", "end"]);
}

#[test]
fn a_connect_packet_without_an_id_is_a_connect_error() {
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(move || {
        server.serve(|mut socket| {
            socket.send(r#"0{"sid":"a","pingInterval":9999,"pingTimeout":9999}"#)?;
            socket.send("40")?;
            while socket.read()?.is_some() {}
            Ok(())
        });
    });
    let client = client(&url, &["websocket"]);
    let events = events(&client);
    client.open();
    assert!(next(&events).starts_with("connect_error the server does not speak Socket.IO 5"));
    assert!(!client.is_connected());
}

#[test]
fn a_session_that_ends_before_the_connect_packet_is_a_connect_error_each_time() {
    let (url, _sent) = scripted(|packet| if packet == "40" { &["1"] } else { &[] });
    let client = client(&url, &["websocket"]);
    let events = events(&client);
    client.open();
    let refused = "connect_error the session ended too soon: transport close";
    for line in [refused, "reconnect_attempt 1", "reconnect 1", refused, "reconnect_attempt 1"] {
        assert_eq!(next(&events), line);
    }
}

#[test]
fn a_socket_that_a_disconnect_listener_disconnects_emits_one_disconnect() {
    let (url, _sent) = scripted(|packet| match packet {
        "40" => &[r#"40{"sid":"a"}"#],
        "40/b," => &[r#"40/b,{"sid":"b"}"#, "1"],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let other = client.of("/b", Value::Null);
    let (sender, other_events) = mpsc::channel();
    watch(&other, sender);
    let events = events(&client);
    let leaving = other.clone();
    client.on("disconnect", move |_| leaving.disconnect());
    client.open();
    other.open();
    skip_to(&events, "disconnect");
    skip_to(&events, "connect");
    let all: Vec<_> = other_events.try_iter().collect();
    assert_eq!(all, ["connect", "disconnect io client disconnect"]);
}

#[test]
fn an_invalid_url_is_refused_at_once() {
    for (url, why) in [
        ("", "the URL of a server begins with http://"),
        ("127.0.0.1:3000", "the URL of a server begins with http://"),
        ("https://localhost", "there is no TLS here: https:// needs a proxy in front"),
        ("http://", "the URL of a server names a host, and no user"),
        ("http://:3000", "the URL of a server names a host, and no user"),
        ("http://me@localhost", "the URL of a server names a host, and no user"),
        ("http://localhost:99999/", "the port of a URL is a number up to 65535"),
        ("http://localhost:x/", "the port of a URL is a number up to 65535"),
    ] {
        let error = Client::new(url, client::Options::default()).unwrap_err();
        assert_eq!(error.to_string(), why, "{url}");
    }
}

#[test]
fn unknown_transports_are_refused_at_once() {
    for transports in [&[][..], &["websockets"], &["polling", "carrier pigeon"]] {
        let error = Client::new("http://localhost", options(transports)).unwrap_err();
        assert_eq!(error.to_string(), r#"the transports are "polling" and "websocket""#);
    }
}

#[test]
fn query_headers_and_path_reach_the_server_whatever_they_contain() {
    let mut at = Options::default();
    at.engine.path = "/chat/".to_string();
    let server = TestServer::new(at);
    let (sender, requests) = mpsc::channel();
    server.io.of("/in side").on_connection(move |socket| {
        _ = sender.send(socket.handshake().request.clone());
    });
    for transports in TRANSPORTS {
        let mut custom = options(transports);
        custom.engine.path = "/chat".to_string();
        custom.engine.query = vec![("a&b".to_string(), "c=d\r\n&sid=x 안녕".to_string())];
        custom.engine.extra_headers.push("X-Name", "a\r\nX-Other: b");
        custom.engine.extra_headers.push("host", "tea.example");
        let client = Client::new(&format!("{}/in side/?x#y", server.url()), custom).unwrap();
        assert_eq!(client.namespace(), "/in side");
        client.open();
        let request = next(&requests);
        assert_eq!(request.query("a&b").unwrap(), "c=d\r\n&sid=x 안녕");
        assert_eq!(request.headers.get("x-name"), Some("a  X-Other: b"));
        assert_eq!(request.headers.get("x-other"), None);
        assert_eq!(request.headers.all("host").collect::<Vec<_>>(), ["tea.example"]);
    }
}

// ---- networks ----

#[test]
fn packets_that_arrive_byte_by_byte_are_put_together() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let network = Network::before(server.address);
        network.0.piece.store(1, Relaxed);
        let client = client(&network.url(), transports);
        client.open();
        let values =
            [json!("안녕"), Value::Binary(vec![7; 300]), json!({"a": [1, 2, {"b": null}]})];
        assert_eq!(
            next(&emit_with_ack(&client, "echo", &values, LIMIT)),
            Ok(Args(values.to_vec()))
        );
    }
}

#[test]
fn latency_changes_nothing_but_the_time() {
    for transports in TRANSPORTS {
        let server = TestServer::new(Options::default());
        let network = Network::before(server.address);
        *network.0.delay.lock().unwrap() = Duration::from_millis(5);
        let client = client(&network.url(), transports);
        client.open();
        let answers: Vec<_> =
            (0..20).map(|n| emit_with_ack(&client, "echo", &[json!(n)], LIMIT)).collect();
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(next(answer), Ok(Args(vec![json!(n)])));
        }
    }
}

/// Emits while `trouble` cuts connections. Each event gets one ack or one error, and the events that the
/// server receives arrive once and in order.
fn emit_through(
    server: &TestServer,
    transports: &[&'static str],
    url: &str,
    mut trouble: impl FnMut(usize),
) {
    let lines = server.lines();
    let client = client(url, transports);
    client.open();
    let mut answers = Vec::new();
    for n in 0..40 {
        answers.push(emit_with_ack(&client, "echo", &[json!(n)], LIMIT));
        trouble(n);
    }
    let mut answered = Vec::new();
    for (n, answer) in answers.iter().enumerate() {
        match next(answer) {
            Ok(values) => {
                assert_eq!(values, [json!(n)]);
                answered.push(format!("echo {n}"));
            }
            Err(why) => assert_eq!(why, AckError::Disconnected),
        }
        assert!(answer.try_recv().is_err(), "two answers");
    }
    settle(&client);
    let received: Vec<String> = lines.try_iter().filter(|line| line.starts_with("echo")).collect();
    let numbers: Vec<usize> = received.iter().map(|line| line[5..].parse().unwrap()).collect();
    assert!(numbers[..numbers.len() - 1].is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(answered.iter().all(|line| received.contains(line)));
}

#[test]
fn a_connection_cut_anywhere_loses_no_event_without_an_error() {
    let threads = TRANSPORTS.map(|transports| {
        thread::spawn(move || {
            for step in 0..12 {
                let server = TestServer::new(Options::default());
                let network = Network::before(server.address);
                network.0.credit.store(50 + step * 161, Relaxed);
                emit_through(&server, transports, &network.url(), |n| {
                    if n % 15 == 14 {
                        network.0.credit.store(step * 31, Relaxed);
                    }
                });
            }
        })
    });
    threads.into_iter().for_each(|transports| transports.join().unwrap());
}

#[test]
fn a_server_that_restarts_loses_no_event_without_an_error() {
    for transports in TRANSPORTS {
        let mut server = TestServer::new(Options::default());
        let address = server.address;
        let client = client(&server.url(), transports);
        let events = events(&client);
        client.open();
        let mut answers = Vec::new();
        let mut emit_more = |n: usize| {
            for _ in 0..n {
                let number = json!(answers.len());
                answers.push(emit_with_ack(&client, "echo", &[number], LIMIT));
            }
        };
        for _ in 0..3 {
            emit_more(10);
            skip_to(&events, "connect");
            settle(&client);
            emit_more(5); // in flight when it stops
            server.stop();
            skip_to(&events, "disconnect");
            emit_more(10);
            server = TestServer::at(address, Options::default());
        }
        let mut lost = 0;
        for (n, answer) in answers.iter().enumerate() {
            match next(answer) {
                Ok(values) => assert_eq!(values, [json!(n)]),
                Err(why) => {
                    assert_eq!(why, AckError::Disconnected);
                    lost += 1;
                }
            }
        }
        assert!(
            lost <= 15,
            "{lost} were lost: events emitted while disconnected are to be buffered"
        );
        settle(&client);
    }
}

// ---- limits ----

#[test]
fn an_event_longer_than_max_payload_is_posted_in_several_requests() {
    let mut options = Options::default();
    options.engine.max_payload = 1000;
    let server = TestServer::new(options);
    let client = client(&server.url(), &["polling"]);
    client.open();
    let pieces = [Value::Binary(vec![1; 500]), Value::Binary(vec![2; 500])]; // 668 as base64
    assert_eq!(next(&emit_with_ack(&client, "echo", &pieces, LIMIT)), Ok(Args(pieces.to_vec())));
}

#[test]
fn max_payload_limits_what_the_client_receives() {
    let server = TestServer::new(Options::default());
    for (transports, error) in [
        ("polling", "the server does not speak HTTP: the body is longer than is allowed here"),
        ("websocket", "a message of more than 10 bytes arrived"),
    ] {
        let mut short = options(&[transports]);
        short.engine.max_payload = 10;
        let client = Client::new(&server.url(), short).unwrap();
        let events = events(&client);
        client.open();
        assert_eq!(next(&events), format!("connect_error {error}"));
    }
}

#[test]
fn a_timeout_of_duration_max_is_accepted() {
    let server = TestServer::new(Options::default());
    for transports in TRANSPORTS {
        let mut long_timeout = options(transports);
        long_timeout.engine.timeout = Duration::MAX;
        let client = Client::new(&server.url(), long_timeout).unwrap();
        client.open();
        settle(&client);
    }
}

#[test]
fn opened_again_before_the_answer_it_connects_with_its_new_auth() {
    let server = TestServer::new(Options::default());
    let (entered, enters) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    server.io.of("/admin").use_middleware(move |socket| {
        entered.send(socket.handshake().auth["name"].clone()).unwrap();
        if socket.handshake().auth["name"] == json!("Ann") {
            _ = released.lock().unwrap().recv_timeout(LIMIT);
        }
        Ok(())
    });
    let (connected, sockets) = mpsc::channel();
    server.io.of("/admin").on_connection(move |socket| {
        let sent = connected.send(socket.handshake().auth["name"].clone());
        sent.unwrap();
        socket.on("echo", |event| event.ack(&event.args));
    });
    let client = client(&server.url(), &["websocket"]);
    client.open();
    settle(&client);
    let admin = client.of("/admin", json!({"name": "Ann"}));
    admin.open();
    assert_eq!(next(&enters), json!("Ann"));
    admin.disconnect();
    admin.set_auth(json!({"name": "Bob"}));
    admin.open();
    release.send(()).unwrap();
    assert_eq!(next(&sockets), json!("Ann"));
    assert_eq!(next(&sockets), json!("Bob"));
    settle(&admin);
    assert!(client.is_connected());
}

#[test]
fn a_handler_may_take_longer_than_the_timeout_over_polling() {
    let server = TestServer::new(Options::default());
    let timeout = Duration::from_millis(500);
    server.io.on_connection(move |socket| {
        socket.on("slow", move |event| {
            thread::sleep(2 * timeout);
            event.ack([]);
        });
    });
    retry(|| {
        let mut short = options(&["polling"]);
        short.engine.timeout = timeout; // each request must connect within it
        let client = Client::new(&server.url(), short).unwrap();
        client.open();
        let (sender, acks) = mpsc::channel();
        client.timeout(LIMIT).emit_with_callback("slow", [], move |ack| _ = sender.send(ack));
        next(&acks).ok()
    });
}

#[test]
fn a_connect_error_packet_for_a_connected_socket_is_ignored() {
    let server = engineio::Server::bind("127.0.0.1:0", engineio::Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(|| {
        server.serve(|session| {
            for text in [r#"0{"sid":"a"}"#, r#"4{"message":"no"}"#, r#"2["after"]"#] {
                session.send(&Arc::new(engineio::Packet::Message(text.into()).into()));
            }
            Box::new(|_| {})
        })
    });
    let client = client(&url, &["websocket"]);
    let (sender, events) = mpsc::channel();
    watch(&client, sender.clone());
    client.on("after", move |_| _ = sender.send("after".to_string()));
    client.open();
    assert_eq!([next(&events), next(&events)], ["connect", "after"]);
    assert!(client.is_connected());
}
