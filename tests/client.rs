//! The Socket.IO client: what it tells, what it keeps, what it survives, and how it comes back. Between
//! it and a server of ours stands, where needed, a network that does what networks do.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sockets_by_hand::engineio::Handle;
use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::net::Backoff;
use sockets_by_hand::socketio::client::{self, Client};
use sockets_by_hand::socketio::{Args, ConnectError, Io, NoAnswer, Options, Server, Value};
use sockets_by_hand::{json, ws};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

const WAYS: [&[&str]; 3] = [&["polling"], &["websocket"], &["polling", "websocket"]];

// ---- a server ----

struct House {
    address: SocketAddr,
    io: Io,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl House {
    /// A server that says what it hears: see [`House::lines`].
    fn new(options: Options) -> House {
        House::at("127.0.0.1:0".parse().unwrap(), options)
    }

    fn at(address: SocketAddr, options: Options) -> House {
        let server = Server::bind(address, options).unwrap();
        let (address, io, handle) = (server.address().unwrap(), server.io(), server.handle());
        io.on_connection(|socket| {
            socket.on("echo", |event| event.ack(&event.args));
            socket.on("transport", |event| event.ack([json!(event.socket.transport())]));
        });
        House { address, io, handle, thread: thread::spawn(|| server.serve()) }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All events that come, and how their clients leave, in the order in which they come.
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

    /// Waits until nobody has a session any more.
    fn is_empty_soon(&self) {
        let begun = Instant::now();
        while self.handle.sessions() > 0 {
            assert!(begun.elapsed() < LIMIT, "a session is still there");
            thread::yield_now();
        }
    }

    fn stop(self) {
        self.handle.close();
        self.thread.join().unwrap();
    }
}

/// Times after which a server misses a silent client.
fn impatient() -> Options {
    let mut options = Options::default();
    options.engine.ping_interval = Duration::from_millis(100);
    options.engine.ping_timeout = Duration::from_secs(2);
    options
}

// ---- a network ----

/// Carries bytes between clients and a server, as a network does.
#[derive(Clone)]
struct Network(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    lines: Mutex<Vec<TcpStream>>,
    stalled: Mutex<bool>,
    changed: Condvar,
    /// How many bytes go at a time.
    piece: AtomicUsize,
    delay: Mutex<Duration>,
    /// How many bytes more may pass before everything is cut.
    credit: AtomicUsize,
}

impl Network {
    fn before(server: SocketAddr) -> Network {
        Network::to(move |_| server)
    }

    /// A network that leads each connection where `server` says, which is shown the first bytes.
    fn to(server: impl Fn(&str) -> SocketAddr + Send + 'static) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Network(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            lines: Mutex::default(),
            stalled: Mutex::new(false),
            changed: Condvar::new(),
            piece: AtomicUsize::new(usize::MAX),
            delay: Mutex::default(),
            credit: AtomicUsize::new(usize::MAX),
        }));
        let carrier = network.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut beginning = [0; 100];
                let n = client.peek(&mut beginning).unwrap_or(0);
                let to = server(&String::from_utf8_lossy(&beginning[..n]));
                let Ok(server) = TcpStream::connect(to) else { continue };
                let both = [client.try_clone().unwrap(), server.try_clone().unwrap()];
                carrier.0.lines.lock().unwrap().extend(both);
                carrier.carry(&client, &server);
                carrier.carry(&server, &client);
            }
        });
        network
    }

    fn carry(&self, from: &TcpStream, to: &TcpStream) {
        let (network, mut from) = (self.clone(), from.try_clone().unwrap());
        let mut to = to.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                for piece in buffer[..n].chunks(network.0.piece.load(Relaxed).min(n)) {
                    let stalled = network.0.stalled.lock().unwrap();
                    drop(network.0.changed.wait_while(stalled, |stalled| *stalled).unwrap());
                    thread::sleep(*network.0.delay.lock().unwrap()); // the length of the way
                    let pays = |credit: usize| credit.checked_sub(piece.len());
                    if network.0.credit.fetch_update(Relaxed, Relaxed, pays).is_err() {
                        return network.cut();
                    }
                    _ = to.write_all(piece);
                }
            }
            _ = to.shutdown(Shutdown::Write);
        });
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    fn stall(&self, stalled: bool) {
        *self.0.stalled.lock().unwrap() = stalled;
        self.0.changed.notify_all();
    }

    /// Cuts all lines that there are.
    fn cut(&self) {
        self.0.credit.store(usize::MAX, Relaxed);
        for line in self.0.lines.lock().unwrap().drain(..) {
            _ = line.shutdown(Shutdown::Both);
        }
    }
}

/// A server that does what it likes with each connection.
fn odd(does: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let does = Arc::new(does);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let does = does.clone();
            thread::spawn(move || does(client));
        }
    });
    url
}

/// One that answers each request with `answer`.
fn answering(answer: &'static [u8]) -> String {
    odd(move |mut client| {
        head(&client);
        _ = client.write_all(answer);
    })
}

/// Reads the head of a request.
fn head(client: &TcpStream) -> String {
    let lines = BufReader::new(client).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

// ---- a client ----

fn options(transports: &[&'static str]) -> client::Options {
    let (min, max) = (Duration::from_millis(5), Duration::from_millis(20));
    client::Options {
        transports: transports.to_vec(),
        backoff: Backoff { min, max, ..Backoff::default() },
        ..client::Options::default()
    }
}

fn client(url: &str, transports: &[&'static str]) -> Client {
    Client::new(url, options(transports)).unwrap()
}

/// What a client's listeners hear of its connection, and of the attempts to get it back.
fn heard(client: &Client) -> Receiver<String> {
    let (sender, heard) = mpsc::channel();
    watch(client, sender.clone());
    for name in ["reconnect_attempt", "reconnect", "reconnect_failed"] {
        let sender = sender.clone();
        client.io().on(name, move |value| _ = sender.send(format!("{name} {value}")));
    }
    client.io().on("reconnect_error", move |_| _ = sender.send("reconnect_error".to_string()));
    heard
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

#[track_caller]
fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).expect("nothing came in time")
}

/// Skips to a line that begins with `start`.
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

/// Cuts the line until somebody has heard of it: who polls has none between two requests. (A second cut
/// before the first has been noticed would hit the attempt to reconnect.)
#[track_caller]
fn breaks(network: &Network, heard: &Receiver<String>) -> String {
    for _ in 0..20 {
        network.cut();
        if let Ok(line) = heard.recv_timeout(Duration::from_secs(1)) {
            return line;
        }
    }
    panic!("nobody notices that the line is cut");
}

type Answer = Result<Args, NoAnswer>;

fn ask(socket: &client::Socket, name: &str, values: &[Value], time: Duration) -> Receiver<Answer> {
    let (sender, answer) = mpsc::channel();
    socket.emit_with_ack(name, values, time, move |answer| _ = sender.send(answer));
    answer
}

/// Waits until all that was emitted before has been heard.
#[track_caller]
fn settle(socket: &client::Socket) {
    assert_eq!(next(&ask(socket, "echo", &[json!(1)], LIMIT)), Ok(Args(vec![json!(1)])));
}

// ---- much at once ----

#[test]
fn a_burst_on_connection_arrives_over_each_transport_and_through_an_upgrade() {
    for way in WAYS {
        let house = House::new(Options::default());
        house.io.on_connection(|socket| {
            (0..5_000).for_each(|i| socket.emit("stroke", [json!(i), json!("x".repeat(300))]));
            (0..5).for_each(|_| socket.emit("image", [Value::Binary(vec![7; 400_000])]));
        });
        let (sender, news) = mpsc::channel();
        let client = client(&house.url(), way);
        client.on_any(move |event| _ = sender.send(event.args[0].clone()));
        client.open();
        for i in 0..5_000 {
            assert_eq!(next(&news), json!(i));
        }
        (0..5).for_each(|_| assert!(next(&news) == Value::Binary(vec![7; 400_000])));
        drop(client);
        house.stop();
    }
}

/// The first packets of a session, and of a socket.
const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
const CONNECT: &str = r#"40{"sid":"b"}"#;

#[test]
fn a_server_that_pings_and_takes_no_pongs_over_a_websocket_is_left() {
    let server = ws::Server::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.address().unwrap());
    let handle = server.handle();
    let server = thread::spawn(move || {
        server.serve(|socket| {
            let ping = format!("2{}", "x".repeat(60_000));
            socket.send(OPEN)?;
            socket.send(CONNECT)?;
            while socket.send(&*ping).is_ok() {
                thread::yield_now();
            }
            Ok(())
        })
    });
    let client = client(&url, &["websocket"]);
    let heard = heard(&client);
    client.open();
    assert_eq!(next(&heard), "connect");
    assert_eq!(next(&heard), "disconnect transport error");
    drop(client);
    handle.close();
    server.join().unwrap();
}

#[test]
fn a_server_that_pings_and_takes_no_pongs_over_long_polling_is_left() {
    let url = odd(|mut client| {
        let head = head(&client);
        let body = match &*head {
            head if head.starts_with("POST") => {
                _ = io::copy(&mut client, &mut io::sink()); // and it is never answered
                return;
            }
            head if head.contains("sid=") => [CONNECT, &["2"; 2_000].join("\x1e")].join("\x1e"),
            _ => OPEN.to_string(),
        };
        let length = body.len();
        _ = write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    });
    let client = client(&url, &["polling"]);
    let heard = heard(&client);
    client.open();
    assert_eq!(next(&heard), "connect");
    assert_eq!(next(&heard), "disconnect transport error");
}

// ---- coming and going ----

#[test]
fn it_connects_over_each_transport_and_leaves() {
    for (way, transport) in WAYS.iter().zip(["polling", "websocket", "websocket"]) {
        let house = House::new(Options::default());
        let lines = house.lines();
        let client = client(&house.url(), way);
        let heard = heard(&client);
        assert!(!client.is_connected());
        client.open();
        client.open(); // it has asked
        assert_eq!(next(&heard), "connect");
        assert!(client.is_connected() && client.id().is_some());
        assert_eq!(next(&ask(&client, "transport", &[], LIMIT)), Ok(Args(vec![json!(transport)])));
        client.disconnect();
        assert_eq!(next(&heard), "disconnect io client disconnect");
        assert!(!client.is_connected() && client.id().is_none());
        assert_eq!(next(&lines), "transport");
        assert_eq!(next(&lines), r#"left: "client namespace disconnect""#);
        drop(client);
        assert_eq!(heard.try_iter().count(), 0);
        house.stop();
    }
}

#[test]
fn a_middleware_that_refuses_is_heard_and_convinced_the_next_time() {
    let house = House::new(Options::default());
    house.io.use_middleware(|socket| match socket.handshake().auth["token"].as_str() {
        Some("right") => Ok(()),
        _ => Err(ConnectError { message: "Not you".into(), data: Some(json!({"code": 7})) }),
    });
    for way in WAYS {
        let client = client(&house.url(), way);
        let (sender, errors) = mpsc::channel();
        client.on("connect_error", move |event| _ = sender.send(event.args[0].clone()));
        let heard = heard(&client);
        client.open();
        assert_eq!(next(&errors), json!({"message": "Not you", "data": {"code": 7}}));
        assert_eq!(next(&heard), "connect_error Not you");
        client.set_auth(json!({"token": "right"}));
        client.open();
        assert_eq!(next(&heard), "connect"); // at once: nothing has failed
    }
}

#[test]
fn a_namespace_that_is_not_there_is_refused_and_the_others_stay() {
    let house = House::new(Options::default());
    let client = client(&house.url(), &["websocket"]);
    let (main, nowhere) = (heard(&client), client.of("nowhere", Value::Null));
    let (sender, other) = mpsc::channel();
    watch(&nowhere, sender);
    client.open();
    nowhere.open();
    assert_eq!(next(&other), "connect_error Invalid namespace");
    assert_eq!(next(&main), "connect");
    settle(&client);
}

#[test]
fn a_server_that_disconnects_it_is_not_asked_again_unless_it_is_told_to() {
    for (way, close) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let house = House::new(Options::default());
        house.io.on_connection(move |socket| {
            socket.on("out", move |event| event.socket.disconnect(close));
        });
        let client = client(&house.url(), way);
        let heard = heard(&client);
        client.open();
        assert_eq!(next(&heard), "connect");
        client.emit("out", []);
        assert_eq!(next(&heard), "disconnect io server disconnect");
        let silence = heard.recv_timeout(Duration::from_millis(50));
        assert_eq!(silence, Err(RecvTimeoutError::Timeout));
        assert_eq!(house.io.fetch_sockets().len(), 0);
        client.open();
        assert_eq!(next(&heard), "connect"); // at once: nothing has failed
        settle(&client);
    }
}

#[test]
fn a_line_that_breaks_is_told_and_comes_back() {
    for (way, reason) in WAYS.iter().zip(["transport error", "transport close", "transport close"])
    {
        let house = House::new(Options::default());
        let network = Network::before(house.address);
        let client = client(&network.url(), way);
        let heard = heard(&client);
        client.open();
        assert_eq!(next(&heard), "connect");
        for _ in 0..3 {
            settle(&client);
            assert_eq!(breaks(&network, &heard), format!("disconnect {reason}"));
            assert_eq!(next(&heard), "reconnect_attempt 1");
            assert_eq!(next(&heard), "reconnect 1");
            assert_eq!(next(&heard), "connect");
        }
    }
}

#[test]
fn a_network_that_stalls_is_a_ping_timeout_and_it_comes_back() {
    let ways = WAYS.map(|way| {
        thread::spawn(move || {
            let house = House::new(impatient());
            let network = Network::before(house.address);
            let client = client(&network.url(), way);
            let heard = heard(&client);
            client.open();
            assert_eq!(next(&heard), "connect");
            settle(&client);
            let stalled = Instant::now();
            network.stall(true);
            assert_eq!(next(&heard), "disconnect ping timeout");
            assert!(stalled.elapsed() < LIMIT, "{:?}", stalled.elapsed());
            network.cut();
            network.stall(false);
            skip_to(&heard, "connect");
            settle(&client);
        })
    });
    ways.into_iter().for_each(|way| way.join().unwrap());
}

#[test]
fn pings_are_answered_for_as_long_as_it_takes() {
    let ways = WAYS.map(|way| {
        thread::spawn(move || {
            let house = House::new(impatient());
            let client = client(&house.url(), way);
            let heard = heard(&client);
            client.open();
            assert_eq!(next(&heard), "connect");
            // (For longer than the server waits for an answer to its pings.)
            let silence = heard.recv_timeout(Duration::from_millis(2500));
            assert_eq!(silence, Err(RecvTimeoutError::Timeout));
            settle(&client);
        })
    });
    ways.into_iter().for_each(|way| way.join().unwrap());
}

#[test]
fn it_gives_up_after_so_many_attempts_and_can_be_told_to_begin_again() {
    let address = nobody();
    let few = client::Options { reconnection_attempts: 2, ..options(&["polling"]) };
    let client = Client::new(&format!("http://{address}"), few).unwrap();
    let heard = heard(&client);
    let refused = || assert!(next(&heard).starts_with("connect_error the connection failed: "));
    for _ in 0..2 {
        client.open();
        refused();
        for attempt in 1..=2 {
            assert_eq!(next(&heard), format!("reconnect_attempt {attempt}"));
            let mut both = [next(&heard), next(&heard)];
            both.sort();
            assert!(both[0].starts_with("connect_error the connection failed: "));
            assert_eq!(both[1], "reconnect_error");
        }
        assert_eq!(next(&heard), "reconnect_failed null");
    }
    let _house = House::at(address, Options::default());
    client.open();
    assert_eq!(next(&heard), "connect"); // the first attempt, and no "reconnect"
}

/// Options with pauses of that length.
fn pausing(pause: Duration) -> client::Options {
    let backoff = Backoff { min: pause, max: pause, jitter: 0.0, ..Backoff::default() };
    client::Options { backoff, ..options(&["websocket"]) }
}

#[test]
fn opened_again_after_its_own_disconnect_it_connects_without_a_pause() {
    let house = House::new(Options::default());
    let network = Network::before(house.address);
    let client = Client::new(&network.url(), pausing(100 * LIMIT)).unwrap();
    let heard = heard(&client);
    let (sender, pauses) = mpsc::channel();
    client.io().on("reconnect_pause", move |_| _ = sender.send(()));
    client.open();
    assert_eq!(next(&heard), "connect");
    client.disconnect(); // in a session
    assert_eq!(next(&heard), "disconnect io client disconnect");
    client.open();
    assert_eq!(next(&heard), "connect");
    network.cut();
    assert_eq!(next(&heard), "disconnect transport close");
    next(&pauses);
    client.disconnect(); // in a pause
    client.open();
    assert_eq!(next(&heard), "connect"); // and no "reconnect": it has begun anew
    settle(&client);
}

#[test]
fn opened_again_by_a_listener_after_a_short_session_it_waits_for_the_first_pause() {
    let pause = Duration::from_millis(200);
    let open: fn(&client::Event) = |event| event.socket.open();
    let open_elsewhere: fn(&client::Event) = |event| {
        let socket = event.socket.clone();
        _ = thread::spawn(move || socket.open());
    };
    for (name, reopen) in
        [("disconnect", open), ("disconnect", open_elsewhere), ("connect_error", open)]
    {
        let house = House::new(Options::default());
        let (sender, sessions) = mpsc::channel();
        house.io.use_middleware(move |_| {
            _ = sender.send(());
            if name == "connect_error" { Err("not you".into()) } else { Ok(()) }
        });
        house.io.on_connection(|socket| socket.disconnect(true));
        let client = Client::new(&house.url(), pausing(pause)).unwrap();
        client.on(name, reopen);
        let begun = Instant::now();
        client.open();
        (0..4).for_each(|_| next(&sessions));
        assert!(begun.elapsed() >= 3 * pause, "{name}: 4 sessions in {:?}", begun.elapsed());
    }
}

#[test]
fn one_that_may_not_reconnect_stays_away_until_it_is_opened_again() {
    let house = House::new(Options::default());
    let network = Network::before(house.address);
    let once = client::Options { reconnection: false, ..options(&["websocket"]) };
    let client = Client::new(&network.url(), once).unwrap();
    let heard = heard(&client);
    client.open();
    assert_eq!(next(&heard), "connect");
    network.cut();
    assert_eq!(next(&heard), "disconnect transport close");
    house.is_empty_soon();
    assert_eq!(heard.try_iter().count(), 0);
    // From within a listener too.
    let tries = AtomicUsize::new(0);
    client.on("connect_error", move |event| {
        if tries.fetch_add(1, Relaxed) < 3 {
            event.socket.open();
        }
    });
    client.io().on("reconnect_attempt", |_| panic!("it was not to try by itself"));
    client.open();
    assert_eq!(skip_to(&heard, "connect"), "connect");
    settle(&client);
}

#[test]
fn a_listener_may_open_again_where_nothing_comes_back_by_itself() {
    let once = client::Options { reconnection: false, ..options(&["polling"]) };
    let client = Client::new(&format!("http://{}", nobody()), once).unwrap();
    let heard = heard(&client);
    let tries = AtomicUsize::new(0);
    client.on("connect_error", move |event| {
        if tries.fetch_add(1, Relaxed) < 3 {
            event.socket.open();
        }
    });
    client.open();
    (0..4).for_each(|_| assert!(next(&heard).starts_with("connect_error ")));
    drop(client);
    assert_eq!(heard.iter().count(), 0);
}

// ---- what is emitted ----

#[test]
fn what_is_emitted_while_away_arrives_afterwards_once_and_in_order() {
    for way in WAYS {
        let house = House::new(Options::default());
        let network = Network::before(house.address);
        let lines = house.lines();
        let client = client(&network.url(), way);
        let heard = heard(&client);
        client.emit("a", [json!(1), json!("two")]);
        client.emit_volatile("b", []);
        let answer = ask(&client, "echo", &[json!(3)], LIMIT);
        client.open();
        assert_eq!(next(&answer), Ok(Args(vec![json!(3)])));
        assert_eq!([next(&lines), next(&lines)], [r#"a 1 "two""#, "echo 3"]);

        let away = client.clone();
        client.on("disconnect", move |_| {
            away.emit_volatile("c", []);
            (0..100).for_each(|n| away.emit("d", [json!(n)]));
        });
        assert_eq!(next(&heard), "connect");
        breaks(&network, &heard);
        skip_to(&heard, "reconnect 1");
        client.emit("e", []);
        settle(&client);
        let told: Vec<String> = lines.try_iter().filter(|line| !line.starts_with("left")).collect();
        let mut kept: Vec<String> = (0..100).map(|n| format!("d {n}")).collect();
        kept.extend(["e".to_string(), "echo 1".to_string()]);
        assert_eq!(told, kept);
    }
}

#[test]
fn each_answer_comes_once_or_it_is_said_why_none_does() {
    for way in WAYS {
        let house = House::new(Options::default());
        let network = Network::before(house.address);
        let lines = house.lines();
        let client = client(&network.url(), way);
        let short = Duration::from_millis(50);
        // It has not left when its time is over, and never leaves.
        assert_eq!(next(&ask(&client, "early", &[], short)), Err(NoAnswer::Timeout));
        client.open();
        settle(&client);
        assert_eq!(next(&lines), "echo 1");
        // Nobody answers.
        assert_eq!(next(&ask(&client, "silence", &[], short)), Err(NoAnswer::Timeout));
        let heard = heard(&client);
        let lost = ask(&client, "silence", &[], LIMIT);
        skip_to(&lines, "silence");
        skip_to(&lines, "silence");
        let away = client.clone();
        let (sender, kept) = mpsc::channel();
        client.once("disconnect", move |_| {
            _ = sender.send(ask(&away, "echo", &[json!("kept")], LIMIT));
        });
        breaks(&network, &heard);
        assert_eq!(next(&lost), Err(NoAnswer::Disconnected));
        assert_eq!(next(&next(&kept)), Ok(Args(vec![json!("kept")])));
        // Nobody will answer any more.
        client.disconnect();
        let never = ask(&client, "echo", &[], LIMIT);
        drop(client);
        assert_eq!(next(&never), Err(NoAnswer::Disconnected));
    }
}

#[test]
fn the_servers_questions_are_answered_once_and_in_the_session_that_asked() {
    for way in WAYS {
        let house = House::new(Options::default());
        let network = Network::before(house.address);
        let (sender, answers) = mpsc::channel();
        house.io.on_connection(move |socket| {
            let sender = sender.clone();
            socket.emit_with_ack("who?", [json!(1)], LIMIT, move |answer| {
                _ = sender.send(answer);
            });
        });
        let client = client(&network.url(), way);
        let heard = heard(&client);
        let (sender, questions) = mpsc::channel();
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
        assert_eq!(next(&heard), "connect");
        assert_eq!(next(&questions), "who?");
        breaks(&network, &heard);
        assert_eq!(next(&questions), "who?");
        // The client may be back before the server knows that its first session has ended.
        let both = [next(&answers), next(&answers)];
        assert!(both.contains(&Err(NoAnswer::Disconnected)), "{both:?}");
        assert!(both.contains(&Ok(Args(vec![json!("Ada"), json!(2.0)]))), "{both:?}");
    }
}

#[test]
fn an_argument_that_was_not_sent_is_null() {
    let house = House::new(Options::default());
    house.io.on_connection(|socket| socket.emit("news", []));
    let client = client(&house.url(), &["websocket"]);
    let (sender, news) = mpsc::channel();
    client.on("news", move |event| _ = sender.send(event.args[0].clone()));
    client.open();
    assert_eq!(next(&news), Value::Null);
    let (sender, answers) = mpsc::channel();
    client.emit_with_ack("echo", [json!(1)], LIMIT, move |answer| {
        _ = sender.send(answer.map(|args| [args[0].clone(), args[1].clone()]));
    });
    assert_eq!(next(&answers), Ok([json!(1), Value::Null]));
}

#[test]
fn a_question_that_is_kept_can_be_answered_later() {
    let house = House::new(Options::default());
    let (sender, answers) = mpsc::channel();
    house.io.on_connection(move |socket| {
        let sender = sender.clone();
        socket.emit_with_ack("who?", [], LIMIT, move |answer| _ = sender.send(answer));
    });
    let client = client(&house.url(), &["websocket"]);
    let (sender, questions) = mpsc::channel::<client::Event>();
    client.on("who?", move |event| _ = sender.send(event.clone()));
    client.open();
    let question = next(&questions);
    settle(&client);
    question.clone().ack([json!("Ada")]);
    question.ack([json!("twice")]);
    assert_eq!(next(&answers), Ok(Args(vec![json!("Ada")])));
}

#[test]
fn an_answer_to_an_earlier_session_does_not_answer_the_next() {
    let house = House::new(Options::default());
    let (sender, answers) = mpsc::channel();
    let asked = AtomicUsize::new(0);
    house.io.on_connection(move |socket| {
        let sender = sender.clone();
        let first = asked.fetch_add(1, Relaxed) == 0;
        let time = if first { LIMIT } else { Duration::from_millis(100) };
        socket.emit_with_ack("who?", [], time, move |answer| _ = sender.send(answer));
    });
    let client = client(&house.url(), &["websocket"]);
    // (Both questions have the number 0.)
    client.once("who?", move |event| {
        event.socket.disconnect();
        event.ack([json!("late")]);
        event.socket.open();
    });
    client.open();
    assert_eq!(next(&answers), Err(NoAnswer::Disconnected));
    assert_eq!(next(&answers), Err(NoAnswer::Timeout));
}

#[test]
fn what_the_server_says_before_it_lets_it_in_is_heard_once_it_is_in() {
    let (url, said) = scripted(|said| match said {
        "40" => &[r#"420["who?"]"#, r#"42["news"]"#, r#"40{"sid":"b"}"#],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let (sender, heard) = mpsc::channel();
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
    assert_eq!([next(&heard), next(&heard), next(&heard)], ["who?", "news", "connect"]);
    let said = [next(&said), next(&said), next(&said), next(&said)];
    assert_eq!(said, ["40", r#"430["Ada"]"#, r#"42["kept"]"#, r#"42["new"]"#]);
}

#[test]
fn what_the_server_says_before_it_lets_it_in_takes_16_mib_of_memory_at_most() {
    let (url, _said) = scripted(|said| match said {
        "40" => {
            // Each is 200 KB of text, and 3.2 MB of values.
            let many = format!(r#"42["many",{}]"#, vec!["[0]"; 50_000].join(","));
            let mut packets = vec![&*many.leak(); 8];
            packets.push(r#"40{"sid":"b"}"#);
            packets.leak()
        }
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let (sender, heard) = mpsc::channel();
    for name in ["many", "connect"] {
        let sender = sender.clone();
        client.on(name, move |event| _ = sender.send(event.name.clone()));
    }
    client.open();
    for _ in 0..5 {
        assert_eq!(next(&heard), "many");
    }
    assert_eq!(next(&heard), "connect");
}

#[test]
fn a_listener_of_what_came_early_may_leave_and_come_back() {
    let (url, _said) = scripted(|said| match said {
        "40" => &[r#"42["early"]"#, r#"42["news"]"#, r#"40{"sid":"b"}"#],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let heard = heard(&client);
    let (sender, news) = mpsc::channel();
    client.once("early", |event| {
        event.socket.disconnect();
        event.socket.open();
    });
    client.on("news", move |_| _ = sender.send(()));
    client.open();
    assert_eq!([next(&heard), next(&heard)], ["disconnect io client disconnect", "connect"]);
    assert_eq!(news.try_iter().count(), 1);
}

#[test]
fn what_a_disconnect_listener_says_is_not_overtaken_by_who_awaits_an_answer() {
    let house = House::new(Options::default());
    let network = Network::before(house.address);
    let lines = house.lines();
    let client = client(&network.url(), &["websocket"]);
    client.on("disconnect", |event| event.socket.emit("first", []));
    client.open();
    settle(&client);
    let heard = heard(&client);
    let socket = client.clone();
    client.emit_with_ack("silence", [], LIMIT, move |_| socket.emit("second", []));
    skip_to(&lines, "silence");
    breaks(&network, &heard);
    skip_to(&lines, "first");
    skip_to(&lines, "second");
}

#[test]
fn bytes_go_both_ways_anywhere_among_the_values() {
    for way in WAYS {
        let house = House::new(Options::default());
        house.io.on_connection(|socket| {
            socket.on("send back", |event| event.socket.emit("back", &event.args));
        });
        let client = client(&house.url(), way);
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
        assert_eq!(next(&ask(&client, "echo", &values, LIMIT)), Ok(Args(values)));
    }
}

#[test]
fn ten_threads_emit_at_once_and_each_is_heard_in_order() {
    for way in WAYS {
        let house = House::new(Options::default());
        let lines = house.lines();
        let client = client(&house.url(), way);
        client.open();
        thread::scope(|scope| {
            for n in 0..10 {
                let client = &client;
                scope.spawn(move || (0..100).for_each(|i| client.emit("n", [json!(n), json!(i)])));
            }
        });
        settle(&client);
        let mut told = [0; 10];
        for line in lines.try_iter().filter(|line| line.starts_with("n ")) {
            let numbers: Vec<usize> = line.split(' ').skip(1).map(|n| n.parse().unwrap()).collect();
            assert_eq!(numbers[1], told[numbers[0]], "of thread {}", numbers[0]);
            told[numbers[0]] += 1;
        }
        assert_eq!(told, [100; 10]);
    }
}

#[test]
fn once_off_and_on_any_do_what_they_say() {
    let house = House::new(Options::default());
    house.io.on_connection(|socket| {
        socket.on("say", |event| {
            for name in ["a", "b", "a", "b"] {
                event.socket.emit(name, []);
            }
            event.ack([]);
        });
    });
    let client = client(&house.url(), &["websocket"]);
    let (sender, heard) = mpsc::channel();
    let says = |what: &'static str| {
        let sender = sender.clone();
        move |event: &client::Event| _ = sender.send(format!("{what} {}", event.name))
    };
    client.once("a", says("once"));
    client.on("a", says("on"));
    let any = client.on_any(says("any"));
    let gone = client.on("b", says("never"));
    client.off(gone);
    client.open();
    next(&ask(&client, "say", &[], LIMIT)).unwrap();
    let told: Vec<String> = heard.try_iter().collect();
    assert_eq!(told, ["any a", "once a", "on a", "any b", "any a", "on a", "any b"]);
    client.off_any(any);
    next(&ask(&client, "say", &[], LIMIT)).unwrap();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["on a", "on a"]);
}

// ---- namespaces ----

#[test]
fn several_namespaces_share_a_line_and_one_leaves_while_the_others_stay() {
    for way in WAYS {
        let house = House::new(Options::default());
        let lines = house.lines();
        let (sender, talk) = mpsc::channel();
        let admin = house.io.of("admin");
        admin.on_connection(move |socket| {
            let sender = sender.clone();
            _ = sender.send(format!("in: {}", socket.handshake().auth));
            socket.on("echo", |event| event.ack(&event.args));
            socket
                .on("disconnect", move |event| _ = sender.send(format!("left: {}", event.args[0])));
        });
        let client = client(&house.url(), way);
        let other = client.of("/admin", json!({"name": "Ada"}));
        client.open();
        other.open();
        settle(&client);
        settle(&other);
        assert_eq!(house.handle.sessions(), 1);
        assert_eq!(next(&talk), r#"in: {"name":"Ada"}"#);
        assert_ne!(client.id(), other.id());

        other.disconnect();
        assert_eq!(next(&talk), r#"left: "client namespace disconnect""#);
        settle(&client);
        other.open();
        settle(&other);
        client.disconnect(); // now the one that the URL named
        assert_eq!(skip_to(&lines, "left"), r#"left: "client namespace disconnect""#);
        settle(&other);
        other.disconnect(); // the last
        house.is_empty_soon();
        client.open();
        settle(&client);
        assert!(!other.is_connected());
    }
}

#[test]
fn leaving_and_coming_back_before_the_answer_does_not_hurt_the_line() {
    let house = House::new(Options::default());
    let admin = house.io.of("admin");
    admin.on_connection(|socket| _ = socket.on("echo", |event| event.ack(&event.args)));
    let client = client(&house.url(), &["websocket"]);
    let heard = heard(&client);
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
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["connect"]);
    other.open();
    other.disconnect();
    settle(&client);
    assert_eq!(admin.fetch_sockets().len(), 0, "the server believes that it is there");
}

#[test]
fn what_the_session_that_it_left_still_says_is_not_taken_for_the_next() {
    let house = House::new(Options::default());
    let network = Network::before(house.address);
    let ((sender, asked), (answer, answers)) = (mpsc::channel(), mpsc::channel());
    let answers = Mutex::new(answers);
    house.io.use_middleware(move |_| {
        _ = sender.send(());
        _ = answers.lock().unwrap().recv();
        Ok(())
    });
    let (sender, entered) = mpsc::channel();
    house.io.on_connection(move |socket| {
        socket.emit("welcome", [json!(socket.id())]);
        _ = sender.send(());
    });
    let client = client(&network.url(), &["websocket"]);
    let heard = heard(&client);
    let (sender, welcomes) = mpsc::channel();
    client.on("welcome", move |event| _ = sender.send(event.args[0].clone()));
    client.open();
    next(&asked);
    network.stall(true);
    _ = answer.send(());
    next(&entered); // the server's answer is on its way
    client.disconnect();
    client.open();
    network.stall(false);
    _ = answer.send(());
    next(&entered);
    settle(&client);
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["connect"]);
    assert_eq!(welcomes.try_iter().collect::<Vec<_>>(), [json!(client.id().unwrap())]);
}

#[test]
fn a_disconnect_that_crosses_its_own_is_not_for_one_who_has_come_back() {
    let (url, said) = scripted(|said| match said {
        "40" => &[r#"40{"sid":"b"}"#],
        "40/admin," => &[r#"40/admin,{"sid":"c"}"#],
        "41/admin," => &["41/admin,"],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let admin = client.of("admin", Value::Null);
    let (sender, heard) = mpsc::channel();
    watch(&admin, sender);
    client.open();
    admin.open();
    assert_eq!(next(&heard), "connect");
    admin.disconnect();
    admin.open();
    assert_eq!([next(&heard), next(&heard)], ["disconnect io client disconnect", "connect"]);
    admin.emit("here", []);
    assert_eq!(skip_to(&said, "42"), r#"42/admin,["here"]"#);
}

#[test]
fn the_same_namespace_twice_is_the_same_conversation() {
    let house = House::new(Options::default());
    let client = client(&house.url(), &["websocket"]);
    let heard = heard(&client);
    let again = client.of("/", json!({"token": 1}));
    client.open();
    again.open();
    settle(&again);
    settle(&client);
    assert_eq!(client.id(), again.id());
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["connect"]);
    assert_eq!(house.io.fetch_sockets()[0].handshake().auth, &json!({"token": 1}));
}

// ---- listeners ----

#[test]
fn listeners_emit_disconnect_and_open() {
    for way in WAYS {
        let house = House::new(Options::default());
        let lines = house.lines();
        let client = client(&house.url(), way);
        client.on("connect", |event| event.socket.emit("hello", []));
        let (sender, done) = mpsc::channel();
        let visits = AtomicUsize::new(0);
        client.on("disconnect", move |event| match visits.fetch_add(1, Relaxed) {
            0..3 => event.socket.open(),
            _ => _ = sender.send(()),
        });
        house.io.on_connection(|socket| {
            socket.on("hello", |event| event.socket.emit("welcome", []));
        });
        client.on("welcome", |event| event.socket.disconnect());
        client.open();
        next(&done);
        house.is_empty_soon();
        let told: Vec<String> = lines.try_iter().collect();
        assert_eq!(told.len(), 8, "{told:?}");
        assert_eq!(told.iter().filter(|line| *line == "hello").count(), 4, "{told:?}");
    }
}

#[test]
fn a_listener_that_panics_ends_the_session_and_it_comes_back() {
    let house = House::new(Options::default());
    house.io.on_connection(|socket| {
        socket.on("say", |event| event.socket.emit("said", &event.args));
    });
    let client = client(&house.url(), &["websocket"]);
    let heard = heard(&client);
    client.on("said", |_| panic!("as it was told to"));
    client.open();
    assert_eq!(next(&heard), "connect");
    client.emit("say", []);
    assert_eq!(next(&heard), "disconnect transport error");
    skip_to(&heard, "connect");
    settle(&client);
}

// ---- its end ----

#[test]
fn dropped_it_says_goodbye_after_all_that_was_emitted() {
    for way in WAYS {
        let house = House::new(Options::default());
        let lines = house.lines();
        let client = client(&house.url(), way);
        client.open();
        settle(&client);
        (0..100).for_each(|n| client.emit("n", [json!(n)]));
        drop(client);
        assert_eq!(next(&lines), "echo 1");
        (0..100).for_each(|n| assert_eq!(next(&lines), format!("n {n}")));
        assert_eq!(next(&lines), r#"left: "client namespace disconnect""#);
        house.is_empty_soon();
        house.stop(); // returns when its last connection has ended
    }
}

#[test]
fn it_may_be_dropped_from_within_a_listener() {
    for (way, name) in WAYS.into_iter().zip(["connect", "welcome", "disconnect"]) {
        let house = House::new(Options::default());
        house.io.on_connection(|socket| socket.emit("welcome", []));
        let client = Arc::new(Mutex::new(Some(client(&house.url(), way))));
        let (sender, dropped) = mpsc::channel();
        let (holder, handle) = (client.clone(), house.handle.clone());
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
        house.is_empty_soon();
        house.stop();
    }
}

#[test]
fn dropped_it_ends_whole_though_a_listener_panics() {
    let house = House::new(Options::default());
    house.io.of("admin");
    let client = client(&house.url(), &["websocket"]);
    let admin = client.of("admin", Value::Null);
    let (sender, connected) = mpsc::channel();
    for socket in [&client, &admin] {
        watch(socket, sender.clone());
        socket.on("disconnect", |_| panic!("as it was told to"));
        socket.open();
        assert_eq!(next(&connected), "connect");
    }
    drop((client, sender));
    assert_eq!([next(&connected), next(&connected)], ["disconnect io client disconnect"; 2]);
    assert_eq!(connected.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
    house.is_empty_soon();
}

#[test]
fn who_asks_a_socket_that_outlives_its_client_is_told_at_once() {
    let house = House::new(Options::default());
    let client = client(&house.url(), &["websocket"]);
    client.open();
    settle(&client);
    let socket = client.clone();
    drop(client);
    socket.open();
    assert_eq!(next(&ask(&socket, "echo", &[], 2 * LIMIT)), Err(NoAnswer::Disconnected));
}

#[test]
fn no_callback_is_called_on_the_thread_that_asks() {
    let socket = Client::new("http://127.0.0.1:1", Default::default()).unwrap().clone();
    let (sender, called) = mpsc::channel();
    socket.emit_with_ack("echo", [], LIMIT, move |answer| {
        _ = sender.send((answer, thread::current().id()));
    });
    let (answer, on) = next(&called);
    assert_eq!(answer, Err(NoAnswer::Disconnected));
    assert_ne!(on, thread::current().id());
}

#[test]
fn what_may_not_be_emitted_panics_and_leaves_no_callback_behind() {
    let client = Client::new("http://127.0.0.1:1", Default::default()).unwrap();
    let bytes = vec![json!(vec![0u8]); 11];
    client.emit("ten", &bytes[1..]);
    for (name, values) in [("disconnect", &bytes[..1]), ("eleven", &bytes[..])] {
        let panics = |emit: &dyn Fn()| catch_unwind(AssertUnwindSafe(emit)).is_err();
        assert!(panics(&|| client.emit(name, values)), "{name}");
        assert!(panics(&|| client.emit_volatile(name, values)), "{name}");
        let (sender, called) = mpsc::channel();
        assert!(panics(&|| {
            let sender = sender.clone();
            client.emit_with_ack(name, values, Duration::ZERO, move |_| sender.send(()).unwrap());
        }));
        drop(sender);
        assert_eq!(called.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected), "{name}");
    }
}

#[test]
fn dropped_it_ends_though_a_listener_opens_it_again() {
    for way in WAYS {
        let house = House::new(Options::default());
        let client = client(&house.url(), way);
        client.on("disconnect", |event| event.socket.open());
        client.open();
        settle(&client);
        let (sender, dropped) = mpsc::channel();
        thread::spawn(move || {
            drop(client);
            sender.send(())
        });
        next(&dropped);
        house.is_empty_soon();
    }
}

#[test]
fn what_its_listeners_hold_goes_with_it() {
    let house = House::new(Options::default());
    for opened in [true, false] {
        let (sender, gone) = mpsc::channel::<()>();
        let client = client(&house.url(), &["websocket"]);
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
fn dropped_while_the_server_says_nothing_it_is_gone_soon() {
    let stalls: [fn(); 5] = [
        // It has connected, and waits for the first packet.
        || goes_soon(&odd(|client| _ = client.peek(&mut [0; 10]).map(|_| thread::park())), WAYS[0]),
        || goes_soon(&odd(|client| _ = client.peek(&mut [0; 10]).map(|_| thread::park())), WAYS[1]),
        // It talks, and the network stalls.
        || stalled_goes_soon(WAYS[0]),
        || stalled_goes_soon(WAYS[1]),
        // It waits before it tries again.
        || goes_soon(&format!("http://{}", nobody()), WAYS[2]),
    ];
    let threads = stalls.map(thread::spawn);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn goes_soon(url: &str, way: &[&'static str]) {
    let patient = client::Options { timeout: 100 * LIMIT, ..options(way) };
    let client = Client::new(url, patient).unwrap();
    let heard = heard(&client);
    client.open();
    _ = heard.recv_timeout(Duration::from_millis(50));
    is_dropped_soon(client);
}

fn stalled_goes_soon(way: &[&'static str]) {
    let mut patient = Options::default();
    patient.engine.ping_timeout = 100 * LIMIT;
    let house = House::new(patient);
    let network = Network::before(house.address);
    let client = client(&network.url(), way);
    client.open();
    settle(&client);
    network.stall(true);
    client.emit("lost", []);
    is_dropped_soon(client);
}

/// It waits for none of its limits, which are all far longer.
#[track_caller]
fn is_dropped_soon(client: Client) {
    let begun = Instant::now();
    drop(client);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}

// ---- servers that talk nonsense ----

/// The client says `error` of the server at `url`, twice: it tries again.
#[track_caller]
fn complains(url: &str, way: &[&'static str], error: &str) {
    complains_within(LIMIT, url, way, error);
}

/// The same, of a client that gives an attempt so much time.
#[track_caller]
fn complains_within(timeout: Duration, url: &str, way: &[&'static str], error: &str) {
    let client = Client::new(url, client::Options { timeout, ..options(way) }).unwrap();
    let (sender, errors) = mpsc::channel();
    watch(&client, sender);
    client.open();
    for _ in 0..2 {
        assert_eq!(next(&errors), format!("connect_error {error}"));
    }
}

#[test]
fn what_is_not_http_is_said_to_be_so() {
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
        complains(
            &answering(answer),
            &["polling"],
            &format!("the server does not speak HTTP: {what}"),
        );
    }
}

#[test]
fn an_endless_answer_is_read_to_a_limit() {
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
        let url = odd(move |mut client| {
            head(&client);
            _ = client.write_all(beginning.as_bytes());
            while client.write_all(much.as_bytes()).is_ok() {}
        });
        let client = client(&url, &["polling"]);
        let heard = heard(&client);
        client.open();
        assert_eq!(next(&heard), format!("connect_error the server does not speak HTTP: {what}"));
    }
}

#[test]
fn a_server_that_refuses_is_quoted() {
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
        complains(&url, &["polling"], format!("the server answered with {what}").trim_end());
        let what = format!("the server refused the handshake with {what}");
        for way in [&["websocket"][..], &["websocket", "polling"]] {
            complains(&url, way, what.trim_end());
        }
    }
}

#[test]
fn what_is_not_engine_io_is_said_to_be_so() {
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
        complains(&answering(answer.leak().as_bytes()), &["polling"], &error);
        if expected != "a packet" {
            complains(&saying(body), &["websocket"], &error);
        }
    }
    let error = "the server does not speak Engine.IO 4: text was expected";
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n0\xff";
    complains(&answering(answer), &["polling"], error);
}

/// A WebSocket server that says the same to everybody.
fn saying(what: &'static str) -> String {
    let server = ws::Server::bind("127.0.0.1:0").unwrap();
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

/// A WebSocket server that answers each packet with others, and tells what it has heard.
fn scripted(answers: fn(&str) -> &'static [&'static str]) -> (String, Receiver<String>) {
    let server = ws::Server::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.address().unwrap());
    let (sender, said) = mpsc::channel();
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
    (url, said)
}

#[test]
fn a_server_that_never_finishes_its_answer_is_given_up_in_time() {
    let drips = |mut client: TcpStream| {
        head(&client);
        for byte in b"HTTP/1.1 200 OK\r\n".iter().chain(std::iter::repeat(&b'x')) {
            if client.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    };
    let silent = |client: TcpStream| while let Ok(1..) = (&client).read(&mut [0; 1000]) {};
    let urls = [odd(silent), odd(drips)];
    let each = urls.iter().flat_map(|url| [(url, WAYS[0]), (url, WAYS[1])]);
    thread::scope(|scope| {
        for (url, way) in each {
            scope.spawn(move || {
                let begun = Instant::now();
                let short = Duration::from_millis(300);
                complains_within(short, url, way, "the connection failed: timed out");
                assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
            });
        }
    });
}

#[test]
fn a_websocket_that_cannot_be_had_leaves_it_polling() {
    let refusing = answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let closing = odd(drop);
    for other in [saying("3wrong"), saying("x"), refusing, closing] {
        let house = House::new(Options::default());
        let (polling, other) = (house.address, other["http://".len()..].parse().unwrap());
        let network =
            Network::to(move |beginning| match beginning.contains("transport=websocket") {
                true => other,
                false => polling,
            });
        let client = client(&network.url(), WAYS[2]);
        let heard = heard(&client);
        client.open();
        assert_eq!(next(&heard), "connect");
        assert_eq!(next(&ask(&client, "transport", &[], LIMIT)), Ok(Args(vec![json!("polling")])));
    }
}

#[test]
fn a_session_that_turns_into_nonsense_ends_and_begins_anew() {
    for (answer, reason) in [
        ("zzz", "transport error"),
        ("4zzz", "parse error"),
        ("42[\"connect\"]", "parse error"),
        ("451-[\"a\",{\"_placeholder\":true,\"num\":9}]\x1ebAAAA", "parse error"),
        ("1", "transport close"),
    ] {
        let gets = AtomicUsize::new(0);
        let url = odd(move |mut client| {
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
        let heard = heard(&client);
        client.open();
        for _ in 0..2 {
            skip_to(&heard, "connect");
            assert_eq!(next(&heard), format!("disconnect {reason}"));
        }
    }
}

#[test]
fn what_comes_with_the_first_packet_is_not_lost_in_the_upgrade() {
    let mut server = ws::Server::bind("127.0.0.1:0").unwrap();
    server.options.page = Box::new(|_| {
        let open =
            r#"0{"sid":"a","upgrades":["websocket"],"pingInterval":9999,"pingTimeout":9999}"#;
        Response::text(200, &format!("{open}\x1e42[\"early\"]"))
    });
    let url = format!("http://{}", server.address().unwrap());
    thread::spawn(move || {
        server.serve(|mut socket| {
            socket.send("3probe")?;
            while let Some(message) = socket.read()? {
                if message == "40".into() {
                    socket.send(r#"40{"sid":"b"}"#)?;
                }
            }
            Ok(())
        });
    });
    let client = client(&url, &["polling", "websocket"]);
    let (sender, heard) = mpsc::channel();
    watch(&client, sender.clone());
    client.on("early", move |_| _ = sender.send("early".to_string()));
    client.open();
    assert_eq!([next(&heard), next(&heard)], ["early", "connect"]);
}

#[test]
fn an_answer_to_nothing_is_not_taken_for_an_event() {
    let server = ws::Server::bind("127.0.0.1:0").unwrap();
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
    let (sender, heard) = mpsc::channel();
    watch(&client, sender.clone());
    client.on("end", move |_| _ = sender.send("end".to_string()));
    client.open();
    assert_eq!([next(&heard), next(&heard)], ["connect", "end"]);
}

#[test]
fn a_server_of_another_version_that_gives_no_id_is_a_connect_error() {
    let server = ws::Server::bind("127.0.0.1:0").unwrap();
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
    let heard = heard(&client);
    client.open();
    assert!(next(&heard).starts_with("connect_error the server does not speak Socket.IO 5"));
    assert!(!client.is_connected());
}

#[test]
fn a_session_that_ends_before_it_is_let_in_is_a_connect_error_each_time() {
    let (url, _said) = scripted(|said| if said == "40" { &["1"] } else { &[] });
    let client = client(&url, &["websocket"]);
    let heard = heard(&client);
    client.open();
    let refused = "connect_error the session ended too soon: transport close";
    for line in [refused, "reconnect_attempt 1", "reconnect 1", refused, "reconnect_attempt 1"] {
        assert_eq!(next(&heard), line);
    }
}

#[test]
fn who_leaves_while_the_others_are_told_of_the_end_hears_nothing_more() {
    let (url, _said) = scripted(|said| match said {
        "40" => &[r#"40{"sid":"a"}"#],
        "40/b," => &[r#"40/b,{"sid":"b"}"#, "1"],
        _ => &[],
    });
    let client = client(&url, &["websocket"]);
    let other = client.of("/b", Value::Null);
    let (sender, other_heard) = mpsc::channel();
    watch(&other, sender);
    let heard = heard(&client);
    let leaves = other.clone();
    client.on("disconnect", move |_| leaves.disconnect());
    client.open();
    other.open();
    skip_to(&heard, "disconnect");
    skip_to(&heard, "connect");
    let all: Vec<_> = other_heard.try_iter().collect();
    assert_eq!(all, ["connect", "disconnect io client disconnect"]);
}

#[test]
fn a_url_that_cannot_be_one_is_refused_at_once() {
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
fn transports_that_there_are_not_are_refused_at_once() {
    for transports in [&[][..], &["websockets"], &["polling", "carrier pigeon"]] {
        let error = Client::new("http://localhost", options(transports)).unwrap_err();
        assert_eq!(error.to_string(), r#"the transports are "polling" and "websocket""#);
    }
}

#[test]
fn query_headers_and_path_reach_the_server_whatever_stands_in_them() {
    let mut at = Options::default();
    at.engine.path = "/chat/".to_string();
    let house = House::new(at);
    let (sender, requests) = mpsc::channel();
    house.io.of("/in side").on_connection(move |socket| {
        _ = sender.send(socket.handshake().request.clone());
    });
    for way in WAYS {
        let mut odd = options(way);
        odd.path = "/chat".to_string();
        odd.query = vec![("a&b".to_string(), "c=d\r\n&sid=x 안녕".to_string())];
        odd.extra_headers.push("X-Name", "a\r\nX-Other: b");
        odd.extra_headers.push("host", "tea.example");
        let client = Client::new(&format!("{}/in side/?x#y", house.url()), odd).unwrap();
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
fn bytes_that_come_one_at_a_time_are_put_together() {
    for way in WAYS {
        let house = House::new(Options::default());
        let network = Network::before(house.address);
        network.0.piece.store(1, Relaxed);
        let client = client(&network.url(), way);
        client.open();
        let values =
            [json!("안녕"), Value::Binary(vec![7; 300]), json!({"a": [1, 2, {"b": null}]})];
        assert_eq!(next(&ask(&client, "echo", &values, LIMIT)), Ok(Args(values.to_vec())));
    }
}

#[test]
fn a_long_way_changes_nothing_but_the_time() {
    for way in WAYS {
        let house = House::new(Options::default());
        let network = Network::before(house.address);
        *network.0.delay.lock().unwrap() = Duration::from_millis(5);
        let client = client(&network.url(), way);
        client.open();
        let answers: Vec<_> = (0..20).map(|n| ask(&client, "echo", &[json!(n)], LIMIT)).collect();
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(next(answer), Ok(Args(vec![json!(n)])));
        }
    }
}

/// Emits while the line breaks: each question is answered once, or it is said that none will come; and
/// what the server has heard, it has heard once and in order.
fn talks_through(house: &House, way: &[&'static str], url: &str, mut trouble: impl FnMut(usize)) {
    let lines = house.lines();
    let client = client(url, way);
    client.open();
    let mut answers = Vec::new();
    for n in 0..40 {
        answers.push(ask(&client, "echo", &[json!(n)], LIMIT));
        trouble(n);
    }
    let mut answered = Vec::new();
    for (n, answer) in answers.iter().enumerate() {
        match next(answer) {
            Ok(values) => {
                assert_eq!(values, [json!(n)]);
                answered.push(format!("echo {n}"));
            }
            Err(why) => assert_eq!(why, NoAnswer::Disconnected),
        }
        assert!(answer.try_recv().is_err(), "two answers");
    }
    settle(&client);
    let heard: Vec<String> = lines.try_iter().filter(|line| line.starts_with("echo")).collect();
    let numbers: Vec<usize> = heard.iter().map(|line| line[5..].parse().unwrap()).collect();
    assert!(numbers[..numbers.len() - 1].is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(answered.iter().all(|line| heard.contains(line)));
}

#[test]
fn a_line_that_is_cut_anywhere_loses_nothing_unsaid() {
    let ways = WAYS.map(|way| {
        thread::spawn(move || {
            for step in 0..12 {
                let house = House::new(Options::default());
                let network = Network::before(house.address);
                network.0.credit.store(50 + step * 161, Relaxed);
                talks_through(&house, way, &network.url(), |n| {
                    if n % 15 == 14 {
                        network.0.credit.store(step * 31, Relaxed);
                    }
                });
            }
        })
    });
    ways.into_iter().for_each(|way| way.join().unwrap());
}

#[test]
fn a_server_that_stops_and_starts_again_while_messages_flow_loses_nothing_unsaid() {
    for way in WAYS {
        let mut house = House::new(Options::default());
        let address = house.address;
        let client = client(&house.url(), way);
        let heard = heard(&client);
        client.open();
        let mut answers = Vec::new();
        let mut ask_more = |n: usize| {
            for _ in 0..n {
                let number = json!(answers.len());
                answers.push(ask(&client, "echo", &[number], LIMIT));
            }
        };
        for _ in 0..3 {
            ask_more(10);
            skip_to(&heard, "connect");
            settle(&client);
            ask_more(5); // on their way, when it stops
            house.stop();
            skip_to(&heard, "disconnect");
            ask_more(10);
            house = House::at(address, Options::default());
        }
        let mut lost = 0;
        for (n, answer) in answers.iter().enumerate() {
            match next(answer) {
                Ok(values) => assert_eq!(values, [json!(n)]),
                Err(why) => {
                    assert_eq!(why, NoAnswer::Disconnected);
                    lost += 1;
                }
            }
        }
        assert!(lost <= 15, "{lost} were lost: what was emitted while it was away was to be kept");
        settle(&client);
    }
}

// ---- limits ----

#[test]
fn an_event_longer_than_a_request_may_be_is_posted_in_several() {
    let mut options = Options::default();
    options.engine.max_payload = 1000;
    let house = House::new(options);
    let client = client(&house.url(), &["polling"]);
    client.open();
    let pieces = [Value::Binary(vec![1; 500]), Value::Binary(vec![2; 500])]; // 668 as base64
    assert_eq!(next(&ask(&client, "echo", &pieces, LIMIT)), Ok(Args(pieces.to_vec())));
}

#[test]
fn an_answer_may_be_as_long_as_the_options_say() {
    let house = House::new(Options::default());
    for (way, error) in [
        ("polling", "the server does not speak HTTP: the body is longer than is allowed here"),
        ("websocket", "a message of more than 10 bytes arrived"),
    ] {
        let short = client::Options { max_payload: 10, ..options(&[way]) };
        let client = Client::new(&house.url(), short).unwrap();
        let heard = heard(&client);
        client.open();
        assert_eq!(next(&heard), format!("connect_error {error}"));
    }
}

#[test]
fn a_timeout_may_be_as_good_as_for_ever() {
    let house = House::new(Options::default());
    for way in WAYS {
        let patient = client::Options { timeout: Duration::MAX, ..options(way) };
        let client = Client::new(&house.url(), patient).unwrap();
        client.open();
        settle(&client);
    }
}
