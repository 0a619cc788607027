//! Faults that a server must survive: too few descriptors, too few threads, output without a reader, a
//! handler that panics, a client that ends at any byte of its handshake, a server that is closed while it is
//! busy, and many clients at once. Afterwards another client is served, and no resource is left in use.

#[allow(dead_code)] // tests/ws uses the rest
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{
    Arc,
    mpsc::{self, Receiver},
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::common::LIMIT;
use crate::ws::peer::{self, CLOSE, Peer, REQUEST, TEXT};
use sockets_by_hand::engineio;
use sockets_by_hand::net::{self, Backoff, Stream};
use sockets_by_hand::socketio::{self, Args, Client};
use sockets_by_hand::{json, ws};

/// Waits until a condition holds.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "timed out: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Receives from a channel.
#[track_caller]
fn next<T>(what: &str, receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).unwrap_or_else(|e| panic!("not received: {what} ({e})"))
}

/// Joins a thread.
#[track_caller]
fn join(what: &str, thread: JoinHandle<()>) {
    until(what, || thread.is_finished());
    assert!(thread.join().is_ok(), "it panicked: {what}");
}

type Outcome = Result<(), Box<dyn Error>>;

/// Connects to a program, sends a message, and waits for the answer.
fn conversation(kind: &str, address: &str) -> Outcome {
    if kind == "server" {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.write_all(b"Hello")?;
        return Ok(socket.read_exact(&mut [0; 17])?);
    }
    let path = if kind == "ws-server" { "" } else { "socket.io/?EIO=4&transport=websocket" };
    let mut socket = ws::connect(&format!("ws://{address}/{path}"))?;
    socket.set_deadline(Some(Instant::now() + LIMIT));
    let messages = if kind == "ws-server" { vec!["Hello"] } else { vec!["40", "420[\"echo\",1]"] };
    let last = if kind == "ws-server" { "Hello" } else { "430[1]" };
    for message in messages {
        socket.send(message)?;
    }
    while let Some(message) = socket.read()? {
        if message == ws::Message::from(last) {
            return Ok(());
        }
    }
    Err("the connection ended before the answer".into())
}

#[track_caller]
fn assert_serves(kind: &str, address: &str) {
    let served = conversation(kind, address);
    assert!(served.is_ok(), "{kind}: {served:?}");
}

/// A server program that runs until the test has ended.
struct Program {
    kind: &'static str,
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<BufReader<ChildStderr>>,
    address: String,
}

const PROGRAMS: [(&str, &str); 3] = [
    ("server", env!("CARGO_BIN_EXE_server")),
    ("ws-server", env!("CARGO_BIN_EXE_ws-server")),
    ("socketio-server", env!("CARGO_BIN_EXE_socketio-server")),
];

impl Program {
    fn start(kind: &'static str, command: &mut Command) -> Program {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = Some(BufReader::new(child.stderr.take().unwrap()));
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line.trim_end().strip_prefix("Server listening on port ").expect(&line);
        let address = format!("127.0.0.1:{port}");
        Program { kind, child, stdout: Some(stdout), stderr, address }
    }

    fn plain(kind: &'static str, path: &str) -> Program {
        Program::start(kind, Command::new(path).arg("127.0.0.1:0"))
    }

    /// Reads and discards its stdout.
    #[cfg(unix)]
    fn discard_stdout(&mut self) {
        let mut stdout = self.stdout.take().unwrap();
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    }

    /// Receives the first line of its stderr; the rest is read and discarded.
    #[cfg(unix)]
    fn first_error(&mut self) -> Receiver<String> {
        let mut stderr = self.stderr.take().unwrap();
        let (sender, error) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            _ = stderr.read_line(&mut line);
            _ = sender.send(line);
            std::io::copy(&mut stderr, &mut std::io::sink())
        });
        error
    }

    /// Connects thirty silent clients, more than can be served, and drops them. Asserts that the program
    /// prints `error`, and that it serves again once `restore` has given back what it lacked.
    #[cfg(unix)]
    #[track_caller]
    fn exhaust_and_recover(&mut self, error: &str, restore: impl FnOnce()) {
        let first = self.first_error();
        let clients: Vec<TcpStream> =
            (0..30).map(|_| TcpStream::connect(&self.address).unwrap()).collect();
        let line = next("an error on stderr", &first);
        assert!(line.starts_with(error), "{}: {line}", self.kind);
        drop(clients);
        restore();
        until("a client is served again", || {
            let end = self.child.try_wait().unwrap();
            assert!(end.is_none(), "{} has ended: {end:?}", self.kind);
            conversation(self.kind, &self.address).is_ok()
        });
        assert_serves(self.kind, &self.address);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn every_server_serves_again_after_running_out_of_descriptors() {
    for (kind, path) in PROGRAMS {
        let script = format!("ulimit -n 14; exec '{path}' 127.0.0.1:0");
        let mut program = Program::start(kind, Command::new("sh").args(["-c", &script]));
        program.discard_stdout();
        program.exhaust_and_recover("Client not served: Too many open files", || {});
    }
}

/// The limit on a user's threads does not apply to root: where root runs the tests, another user runs the
/// server.
#[cfg(target_os = "linux")]
#[test]
fn every_server_serves_again_after_running_out_of_threads() {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    for (kind, path) in PROGRAMS {
        // A copy: perhaps only root may read the folder of the program. And `cp` makes it, not this process:
        // another test's child could still have it open for writing.
        let copy = std::env::temp_dir().join(format!("{kind}-{}", std::process::id()));
        assert!(Command::new("cp").args([path.as_ref(), &*copy]).status().unwrap().success());
        let user = |program: &std::path::Path| {
            let mut command = Command::new(if root { "setpriv".as_ref() } else { program });
            if root {
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
            }
            command
        };
        let mut program = Program::start(kind, user(&copy).arg("127.0.0.1:0"));
        std::fs::remove_file(copy).unwrap();
        program.discard_stdout();
        assert_serves(kind, &program.address);
        let pid = program.child.id().to_string();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let usual = limits.lines().find_map(|line| line.strip_prefix("Max processes")).unwrap();
        let usual = usual.split_whitespace().next().unwrap();
        let allow = |threads: &str| {
            let limit = format!("--nproc={threads}:"); // the soft limit
            let set = user("prlimit".as_ref()).args(["-p", &pid, &limit]).status().unwrap();
            assert!(set.success());
        };
        allow("1");
        program.exhaust_and_recover("Client not served: ", || allow(usual));
    }
}

#[test]
fn every_server_whose_stdout_is_closed_ends_without_an_error() {
    for (kind, path) in PROGRAMS {
        let mut program = Program::plain(kind, path);
        program.stdout = None;
        // (Perhaps not the first conversation ends it: a program that another test starts at this moment
        // holds the other end of its stdout too, until it runs.)
        until("its end", || {
            _ = conversation(program.kind, &program.address);
            program.child.try_wait().unwrap().is_some()
        });
        assert!(program.child.wait().unwrap().success(), "{kind}");
        let mut errors = String::new();
        program.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "", "{kind}");
    }
}

/// Starts a Socket.IO server with this heartbeat.
fn socketio(
    ping: Duration,
    set: impl FnOnce(&socketio::Io),
) -> (SocketAddr, engineio::Handle, JoinHandle<()>) {
    let mut options = socketio::Options::default();
    (options.engine.ping_interval, options.engine.ping_timeout) = (ping, ping);
    let server = socketio::Server::bind("127.0.0.1:0", options).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let io = server.io();
    io.on_connection(|socket| _ = socket.on("echo", |event| event.ack(&event.args)));
    set(&io);
    (address, handle, thread::spawn(|| server.serve()))
}

const LONG: Duration = Duration::from_secs(25);

#[test]
fn a_panic_in_a_net_handler_ends_its_own_connection() {
    let server = net::Server::bind("127.0.0.1:0", net::Options::default()).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let serving = thread::spawn(|| {
        server.serve(|mut stream| {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            assert_ne!(byte, *b"!", "the handler panics");
            stream.write_all(&byte)
        });
    });
    let mut other = TcpStream::connect(address).unwrap();
    for _ in 0..10 {
        let mut panicking = Stream::connect(address).unwrap();
        panicking.write_all(b"!").unwrap();
        panicking.set_timeout(Some(LIMIT)).unwrap();
        assert_eq!(panicking.read(&mut [0]).unwrap(), 0);
    }
    until("only the other client is left", || handle.connections() == 1);
    other.write_all(b"x").unwrap();
    other.read_exact(&mut [0]).unwrap();
    handle.close();
    join("the server", serving);
}

#[test]
fn a_panic_in_a_ws_handler_closes_its_own_connection_with_1011() {
    let options = ws::Options {
        verify_client: Box::new(|request| {
            assert_ne!(request.path(), "/verify", "the handler panics");
            Ok(())
        }),
        handle_protocols: Box::new(|_, request| {
            assert_ne!(request.path(), "/protocols", "the handler panics");
            None
        }),
        ..ws::Options::default()
    };
    let mut server = ws::Server::bind("127.0.0.1:0", options).unwrap();
    server.page(|request, _| panic!("a page that panics, {}", request.path()));
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let serving = thread::spawn(|| {
        server.serve(|mut socket| {
            while let Some(message) = socket.read()? {
                assert_ne!(message, ws::Message::from("!"), "the handler panics");
                socket.send(message)?;
            }
            Ok(())
        });
    });
    let mut other = Peer::open(address);
    let mut panicking = Peer::open(address);
    panicking.send(TEXT, "!");
    panicking.expect_close(1011);
    panicking.half_close();
    panicking.expect_end();
    for target in ["/verify", "/protocols", "/page"] {
        let request = REQUEST.replacen("/ ", &format!("{target} "), 1);
        let request = if target == "/page" { request.replace("websocket", "x") } else { request };
        let mut panicking = Peer::connect(address);
        panicking.write(request);
        panicking.expect_cut();
    }
    until("only the other client is left", || {
        handle.connections() == 1 && clients.all().len() == 1
    });
    other.send(TEXT, "still here");
    other.expect(TEXT, "still here");
    drop(other);
    handle.close();
    join("the server", serving);
}

#[test]
fn a_panic_in_an_engineio_handler_ends_its_own_session() {
    let server = engineio::Server::bind("127.0.0.1:0", engineio::Options::default()).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let (sender, events) = mpsc::channel();
    let serving = thread::spawn(|| {
        server.serve(move |_| {
            let sender = sender.clone();
            Box::new(move |event| {
                let text = format!("{event:?}");
                sender.send(text.clone()).unwrap();
                assert!(!text.contains('!'), "the handler panics");
            })
        });
    });
    for target in ["/socket.io/?EIO=4&transport=websocket"; 2] {
        let mut socket = ws::connect(&format!("ws://{address}{target}")).unwrap();
        socket.set_deadline(Some(Instant::now() + LIMIT));
        socket.send("4one").unwrap();
        socket.send("4!").unwrap();
        while socket.read().unwrap().is_some() {}
        assert_eq!(next("a message", &events), r#"Message(Text("one"))"#);
        assert_eq!(next("a message", &events), r#"Message(Text("!"))"#);
        assert_eq!(next("the end", &events), r#"Close("forced close")"#);
    }
    until("no session is left", || handle.sessions() == 0);
    handle.close();
    join("the server", serving);
}

/// Wherever a handler panics, its own client is disconnected and leaves its rooms; no other client is.
#[test]
fn a_panic_in_a_socketio_handler_disconnects_its_own_client() {
    let (io_sender, ios) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        io.use_middleware(|socket| {
            assert_ne!(socket.handshake().auth["panic"].as_str(), Some("middleware"));
            Ok(())
        });
        io.on_connection(|socket| {
            assert_ne!(socket.handshake().auth["panic"].as_str(), Some("connection"));
            socket.join("room");
            socket.on("event", |_| panic!("the handler panics"));
            socket.on_any(|event| assert_ne!(event.name, "any", "the handler panics"));
        });
        _ = io_sender.send(io.clone());
    });
    let io = next("the server", &ios);
    let other = Client::connect(&format!("http://{address}")).unwrap();
    until("the other client is connected", || io.to("room").fetch_sockets().len() == 1);
    for place in ["middleware", "connection", "event", "any"] {
        let mut socket =
            ws::connect(&format!("ws://{address}/socket.io/?EIO=4&transport=websocket")).unwrap();
        socket.set_deadline(Some(Instant::now() + LIMIT));
        socket.send(format!("40{{\"panic\":\"{place}\"}}")).unwrap();
        socket.send(format!("42[\"{place}\"]")).unwrap();
        while socket.read().unwrap_or_else(|e| panic!("{place}: {e}")).is_some() {}
        until(place, || handle.sessions() == 1 && io.fetch_sockets().len() == 1);
        assert_eq!(io.to("room").fetch_sockets().len(), 1, "{place}");
    }
    let (sender, answer) = mpsc::channel();
    other
        .timeout(LIMIT)
        .emit_with_callback("echo", [json!(1)], move |values| _ = sender.send(values));
    assert_eq!(next("an answer", &answer), Ok(Args(vec![json!(1)])));
    drop(other);
    handle.close();
    join("the server", serving);
}

/// A disconnect listener that panics leaves its client in no room, and the other namespaces emit theirs.
#[test]
fn a_panic_in_a_disconnect_listener_leaves_no_room_and_no_session() {
    let (io_sender, ios) = mpsc::channel();
    let (sender, reasons) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        for name in ["/", "/one", "/two"] {
            let sender = sender.clone();
            io.of(name).on_connection(move |socket| {
                socket.join("room");
                socket.on("disconnecting", |_| panic!("the handler panics"));
                let sender = sender.clone();
                socket.on("disconnect", move |event| {
                    sender.send(event.args[0].clone()).unwrap();
                    panic!("the handler panics");
                });
            });
        }
        _ = io_sender.send(io.clone());
    });
    let io = next("the server", &ios);
    let members = || ["/", "/one", "/two"].map(|name| io.of(name).to("room").fetch_sockets().len());
    let client = Client::connect(&format!("http://{address}")).unwrap();
    let one = client.of("/one", json!({}));
    one.open();
    client.of("/two", json!({})).open();
    until("it is connected to all", || members() == [1; 3] && one.is_connected());
    io.of("/one").disconnect_sockets(false); // on this thread
    assert_eq!(next("a reason", &reasons), json!("server namespace disconnect"));
    // (If the client disconnected from a namespace that it has left, its session would end, as with npm's.)
    until("the client has disconnected", || !one.is_connected());
    drop(client);
    for _ in 0..2 {
        let reason = next("a reason", &reasons);
        let expected = ["client namespace disconnect", "transport close"];
        assert!(expected.contains(&reason.as_str().unwrap()), "{reason}");
    }
    until("no session is left", || handle.sessions() == 0 && members() == [0; 3]);
    handle.close();
    join("the server", serving);
}

/// A call that takes a lock, with the name of what the lock guards.
type Call<T> = (&'static str, fn(&T));

/// The first lock that is held, if there is one. Each call runs on a thread of its own, while the handler
/// that checks still runs.
fn held<T: Clone + Send + 'static>(at: &T, calls: &[Call<T>]) -> Option<&'static str> {
    let waits = |call: fn(&T)| {
        let (sender, done) = mpsc::channel();
        let at = at.clone();
        thread::spawn(move || {
            call(&at);
            sender.send(())
        });
        done.recv_timeout(LIMIT / 2).is_err()
    };
    calls.iter().find(|(_, call)| waits(*call)).map(|(lock, _)| *lock)
}

const LOCKS_OF_A_SERVER: &[Call<(socketio::Io, socketio::Socket)>] = &[
    ("namespaces", |(io, _)| _ = io.of("/another")),
    ("middleware", |(io, _)| io.use_middleware(|_| Ok(()))),
    ("members", |(io, _)| _ = io.fetch_sockets()),
    ("broadcast order", |(io, _)| io.to("an empty room").emit("event", [])),
    ("rooms", |(_, socket)| _ = socket.rooms()),
    ("data", |(_, socket)| socket.set_data(1)),
    ("listeners", |(_, socket)| socket.off(socket.on("later", |_| {}))),
    ("listeners for any", |(_, socket)| socket.off_any(socket.on_any(|_| {}))),
    ("acks", |(_, socket)| socket.timeout(Duration::ZERO).emit_with_callback("why", [], |_| {})),
    ("session", |(_, socket)| _ = socket.transport()),
    ("outbox", |(_, socket)| _ = socket.emit("event", [])),
];

#[test]
fn no_lock_of_a_server_is_held_while_a_handler_runs() {
    let (sender, found) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        let check = {
            let io = io.clone();
            move |handler: &'static str, socket: &socketio::Socket| {
                _ = sender.send((handler, held(&(io.clone(), socket.clone()), LOCKS_OF_A_SERVER)));
            }
        };
        let checks = check.clone();
        io.use_middleware(move |socket| {
            checks("middleware", &socket);
            Ok(())
        });
        io.on_connection(move |socket| {
            check("connection", &socket);
            for name in ["event", "disconnecting", "disconnect"] {
                let check = check.clone();
                socket.on(name, move |event| check(name, &event.socket));
            }
            for (name, time) in [("answer me", LIMIT), ("ignore me", Duration::from_millis(1))] {
                let (check, emitting) = (check.clone(), socket.clone());
                socket.timeout(time).emit_with_callback(name, [], move |_| check(name, &emitting));
            }
            for (name, time) in [("answer all", LIMIT), ("ignore all", Duration::from_millis(1))] {
                let (check, emitting) = (check.clone(), socket.clone());
                let all = socket.namespace().timeout(time);
                all.emit_with_callback(name, [], move |_| check(name, &emitting));
            }
            let check = check.clone();
            socket.on_any(move |event| check("any", &event.socket));
        });
    });
    let client = Client::new(&format!("http://{address}"), socketio::client::Options::default());
    let client = client.unwrap();
    client.on("answer me", |event| event.ack([]));
    client.on("answer all", |event| event.ack([]));
    client.open();
    let mut handlers: Vec<_> = (0..6).map(|_| next("a handler", &found)).collect();
    client.emit("event", []);
    handlers.extend((0..2).map(|_| next("a handler", &found)));
    drop(client);
    handlers.extend((0..2).map(|_| next("a handler", &found)));
    handlers.sort();
    let all = [
        "answer all",
        "answer me",
        "any",
        "connection",
        "disconnect",
        "disconnecting",
        "event",
        "ignore all",
        "ignore me",
        "middleware",
    ];
    assert_eq!(handlers, all.map(|handler| (handler, None)));
    handle.close();
    join("the server", serving);
}

const LOCKS_OF_A_CLIENT: &[Call<Arc<Client>>] = &[
    ("state", |client| _ = client.is_connected()),
    ("connection", |client| client.of("/another", json!({})).disconnect()),
    ("auth", |client| client.set_auth(json!({}))),
    ("listeners", |client| client.off(client.on("later", |_| {}))),
    ("listeners for any", |client| client.off_any(client.on_any(|_| {}))),
    ("listeners of the manager", |client| client.io().off(client.io().on("later", |_| {}))),
    ("acks", |client| client.timeout(Duration::ZERO).emit_with_callback("why", [], |_| {})),
    ("outbox", |client| _ = client.emit("ignored", [])),
];

#[test]
fn no_lock_of_a_client_is_held_while_a_handler_runs() {
    let (address, handle, serving) = socketio(LONG, |io| {
        io.on_connection(|socket| _ = socket.emit("event", []));
    });
    let backoff = Backoff { min: Duration::from_millis(1), ..Backoff::default() };
    let options = socketio::client::Options { backoff, ..Default::default() };
    let client = Arc::new(Client::new(&format!("http://{address}"), options).unwrap());
    let (sender, found) = mpsc::channel();
    let handlers = ["connect", "event", "disconnect"];
    let of_the_manager = ["reconnect_attempt", "reconnect_error", "reconnect_pause"];
    let check = |handler: &'static str| {
        let (sender, client) = (sender.clone(), Arc::downgrade(&client));
        move || {
            let Some(client) = client.upgrade() else { return };
            _ = sender.send((handler, held(&client, LOCKS_OF_A_CLIENT)));
        }
    };
    for name in handlers {
        let check = check(name);
        client.once(name, move |_| check());
    }
    for name in of_the_manager {
        let check = check(name);
        client.io().once(name, move |_| check());
    }
    let any = check("any");
    client.on_any(move |_| any());
    for (name, time) in [("echo", LIMIT), ("not acknowledged", Duration::ZERO)] {
        let check = check(name);
        client.timeout(time).emit_with_callback(name, [], move |_| check());
    }
    client.open();
    let before = ["any", "connect", "echo", "event", "not acknowledged"];
    let mut seen: Vec<_> = before.iter().map(|_| next("a handler", &found)).collect();
    seen.sort();
    assert_eq!(seen, before.map(|handler| (handler, None)));
    handle.close();
    join("the server", serving);
    let after = ["disconnect", "reconnect_attempt", "reconnect_error", "reconnect_pause"];
    let mut seen: Vec<_> = after.iter().map(|_| next("a handler", &found)).collect();
    seen.sort();
    assert_eq!(seen, after.map(|handler| (handler, None)));
}

/// One step of a handshake by hand: the bytes to send, and whether to wait for an answer.
type Step = (Vec<u8>, bool);

/// Plays `steps` until `left` bytes have been sent; then closes or resets the connection. Returns whether
/// there was more to send.
fn play(address: SocketAddr, steps: &[Step], mut left: usize, reset: bool) -> bool {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    if reset {
        // A connection that is closed with an answer unread is reset.
        socket.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        socket.peek(&mut [0]).unwrap();
    }
    for (bytes, wait) in steps {
        let part = &bytes[..left.min(bytes.len())];
        if socket.write_all(part).is_err() {
            return false; // the server has closed the connection
        }
        left -= part.len();
        if part.len() < bytes.len() {
            return true;
        }
        if *wait && !reset {
            let mut answer = [0; 1024];
            assert_ne!(socket.read(&mut answer).unwrap(), 0, "no answer to {bytes:?}");
        }
    }
    false
}

fn text(payload: &str) -> Vec<u8> {
    peer::Role::Client.frame(TEXT, payload.as_bytes())
}

#[test]
fn a_ws_client_may_end_at_every_byte_of_its_handshake() {
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let serving = thread::spawn(|| server.serve(peer::echo));
    for reset in [false, true] {
        let steps = [(REQUEST.into(), true)];
        let mut left = 0;
        while play(address, &steps, left, reset) {
            left += 1;
        }
        assert_eq!(left, REQUEST.len());
    }
    assert_serves("ws-server", &address.to_string());
    until("no client is left", || handle.connections() == 0 && clients.all().is_empty());
    handle.close();
    join("the server", serving);
}

#[test]
fn a_socketio_client_may_end_at_every_byte_of_its_handshake() {
    let (io_sender, ios) = mpsc::channel();
    let (address, handle, serving) =
        socketio(Duration::from_secs(2), |io| _ = io_sender.send(io.clone()));
    let io = next("the server", &ios);
    let path = "/socket.io/?EIO=4&transport=";
    let get = |query: &str| format!("GET {path}polling{query} HTTP/1.1\r\nHost: a\r\n\r\n");
    let polling = |sid: &str| -> Vec<Step> {
        let post = |body: &str| {
            let length = body.len();
            let target = format!("{path}polling&sid={sid}");
            format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
                .into_bytes()
        };
        let sid = format!("&sid={sid}");
        vec![
            (post("40"), true),
            (get(&sid).into(), true),
            (post("420[\"echo\"]"), true),
            (get(&sid).into(), true),
        ]
    };
    let upgrade = |sid: &str| {
        let target = format!("GET {path}websocket{sid} ");
        REQUEST.replacen("GET / ", &target, 1).replacen("\r\n\r\n", "\r\nCookie: a=b\r\n\r\n", 1)
    };
    let sid = || {
        let mut peer = Peer::connect(address);
        peer.write(get("").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        peer.rest().split("\"sid\":\"").nth(1).unwrap()[..20].to_string()
    };
    for reset in [false, true] {
        let mut cut = 0;
        while play(address, &[(get("").into(), true)], cut, reset) {
            cut += 1;
        }
        // Every seventh byte is enough: the lines differ in length, so that each position in a line is cut.
        for make in [
            &|| polling(&sid()),
            &|| {
                vec![
                    (upgrade(&format!("&sid={}", sid())).into(), true),
                    (text("2probe"), true),
                    (text("5"), false),
                ]
            },
            &|| vec![(upgrade("").into(), true), (text("40"), true), (text("420[\"echo\"]"), true)],
        ] as [&dyn Fn() -> Vec<Step>; 3]
        {
            let mut cut = 1;
            while play(address, &make(), cut, reset) {
                cut += 7;
            }
        }
    }
    assert_serves("socketio-server", &address.to_string());
    until("no session is left", || handle.sessions() == 0 && io.fetch_sockets().is_empty());
    handle.close();
    join("the server", serving);
}

/// Asserts that no client can connect any more. (A program that another test starts at this moment holds a
/// copy of the listener, as of all that this process has open, until it runs.)
#[track_caller]
fn assert_refuses(address: SocketAddr) {
    until("no connection is accepted", || TcpStream::connect(address).is_err());
}

#[test]
fn a_closed_net_server_lets_its_clients_finish() {
    let server = net::Server::bind("127.0.0.1:0", net::Options::default()).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let serving = thread::spawn(|| {
        server.serve(|mut stream| {
            let mut buffer = [0; 100];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(()),
                    n => stream.write_all(&buffer[..n])?,
                }
            }
        });
    });
    let mut busy: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    until("all are connected", || handle.connections() == 5);
    handle.close();
    assert_refuses(address);
    for socket in &mut busy {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.write_all(b"and this?").unwrap();
        socket.read_exact(&mut [0; 9]).unwrap();
    }
    assert!(!serving.is_finished(), "clients are still connected");
    drop(busy);
    join("the server", serving);
}

/// As in npm's `ws`, a server that is closed accepts no new connection and leaves the open ones alone: the
/// program that closes it must close those too.
#[test]
fn a_closed_ws_server_serves_until_its_clients_have_been_closed() {
    const MESSAGES: usize = 200;
    let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let serving = thread::spawn(|| server.serve(peer::echo));
    let mut silent = Peer::open(address); // never returns a close frame
    until("it is connected", || clients.all().len() == 1);
    let silent_client = clients.all().remove(0);
    let mut busy: Vec<Peer> = (0..5).map(|_| Peer::open(address)).collect();
    until("all are connected", || clients.all().len() == 6);
    handle.close();
    assert_refuses(address);
    for peer in &mut busy {
        peer.send(TEXT, "are we still served?");
        peer.expect(TEXT, "are we still served?");
    }
    for number in 0..MESSAGES {
        clients.broadcast(format!("{number}"));
    }
    silent_client.close_within(1001, "", Duration::from_millis(500)).unwrap();
    for client in clients.all() {
        client.close_within(1001, "", LIMIT).unwrap();
    }
    for peer in busy.iter_mut().chain([&mut silent]) {
        for number in 0..MESSAGES {
            peer.expect(TEXT, format!("{number}"));
        }
        peer.expect(CLOSE, 1001_u16.to_be_bytes());
    }
    assert!(!serving.is_finished(), "no client has returned its close frame");
    for peer in &mut busy {
        peer.write(peer.role.close(1001, ""));
    }
    join("the server, though one client never returned its close frame", serving);
}

/// A long-polling client by hand, over one connection.
struct Polling {
    socket: BufReader<TcpStream>,
    sid: String,
}

impl Polling {
    /// A session that is connected to the main namespace.
    fn open(address: SocketAddr) -> Polling {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let mut polling = Polling { socket: BufReader::new(socket), sid: String::new() };
        polling.send("GET", "");
        let open = polling.answer();
        polling.sid = format!("&sid={}", &open.split("\"sid\":\"").nth(1).expect(&open)[..20]);
        polling.send("POST", "40");
        assert_eq!(polling.answer(), "ok");
        polling.send("GET", "");
        let connect = polling.answer();
        assert!(connect.starts_with("40{\"sid\":"), "{connect}");
        polling
    }

    fn send(&mut self, method: &str, body: &str) {
        let (sid, length) = (&self.sid, body.len());
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}");
        self.socket.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    }

    /// The body of the next response.
    fn answer(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.socket.read_line(&mut head).unwrap(), 0, "it ended after {head:?}");
        }
        let length = peer::header(&head, "Content-Length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

#[test]
fn a_closed_socketio_server_sends_what_is_queued_and_then_disconnects() {
    const MESSAGES: usize = 200;
    let (sender, reasons) = mpsc::channel();
    let (io_sender, ios) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        io.on_connection(move |socket| {
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args[0].clone()));
        });
        _ = io_sender.send(io.clone());
    });
    let io = next("the server", &ios);
    let (received, events) = mpsc::channel();
    let clients: Vec<Client> = (0..4)
        .map(|i| {
            let mut options =
                socketio::client::Options { reconnection: false, ..Default::default() };
            if i % 2 == 0 {
                options.engine.transports = vec!["websocket"];
            }
            let client = Client::new(&format!("http://{address}"), options).unwrap();
            for name in ["number", "disconnect"] {
                let received = received.clone();
                client.on(name, move |event| _ = received.send((i, event.args[0].clone())));
            }
            client.open();
            client
        })
        .collect();
    let (mut held, mut idle) = (Polling::open(address), Polling::open(address));
    // (What is queued for a client whose upgrade is under way is lost, as with npm's server.)
    let over = |transport| {
        io.fetch_sockets().iter().filter(|socket| socket.transport() == transport).count()
    };
    until("all are connected", || (over("websocket"), over("polling")) == (4, 2));
    held.send("GET", "");
    for number in 0..MESSAGES {
        io.emit("number", [json!(number)]);
    }
    handle.close();
    assert_refuses(address);
    let mut numbers = [0.0; 4];
    let mut connected = numbers.len();
    while connected > 0 {
        let (client, value) = next("an event", &events);
        match value.as_f64() {
            Some(number) => {
                assert_eq!(number, numbers[client], "client {client}");
                numbers[client] += 1.0;
            }
            None => {
                assert_eq!(value, json!("transport close"), "client {client}");
                assert_eq!(
                    numbers[client], MESSAGES as f64,
                    "client {client}: not every event arrived"
                );
                connected -= 1;
            }
        }
    }
    // A polling client receives the rest with its next GETs on its open connection, then the close packet.
    let all: Vec<String> = (0..MESSAGES).map(|number| format!("42[\"number\",{number}]")).collect();
    idle.send("GET", "");
    for polling in [&mut held, &mut idle] {
        let mut answers = vec![polling.answer()];
        while answers[answers.len() - 1] != "1" {
            polling.send("GET", "");
            answers.push(polling.answer());
        }
        answers.pop();
        let packets = answers.join("\x1e").replace("2\x1e", ""); // a ping, where this machine is slow
        assert_eq!(packets, all.join("\x1e"));
    }
    for _ in 0..6 {
        assert_eq!(next("a reason", &reasons), json!("server shutting down"));
    }
    drop((clients, held, idle));
    join("the server", serving);
}

/// The number of clients: 1,500, or as many as there are descriptors for. (This process needs one for each,
/// and the server another.)
#[cfg(unix)]
fn client_count() -> usize {
    let output = Command::new("sh").args(["-c", "ulimit -n"]).output().unwrap().stdout;
    let allowed = String::from_utf8(output).unwrap().trim().parse().unwrap_or(usize::MAX);
    allowed.saturating_sub(100).min(1500)
}

/// Completes the handshake of a client.
#[cfg(unix)]
fn handshake(kind: &str, mut peer: Peer) -> Peer {
    match kind {
        "server" => {
            peer.write("Hello");
            peer.expect_bytes("Hello from server");
        }
        "ws-server" => {
            peer.write(REQUEST);
            peer.head();
        }
        _ => {
            let target = "GET /socket.io/?EIO=4&transport=websocket ";
            peer.write(REQUEST.replacen("GET / ", target, 1));
            peer.head();
            peer.frame();
            peer.send(TEXT, "40");
            peer.frame();
        }
    }
    peer
}

/// Connects many clients, sends a message to each, and closes them.
#[cfg(unix)]
#[track_caller]
fn run_many_clients(kind: &str, address: &str, while_connected: impl FnOnce(usize)) {
    let server = address.parse().unwrap();
    let begun = Instant::now();
    let mut clients: Vec<Peer> =
        (0..client_count()).map(|_| handshake(kind, Peer::connect(server))).collect();
    let opened = begun.elapsed();
    assert!(opened < LIMIT, "{kind}: {opened:?} until {} clients were connected", clients.len());
    while_connected(clients.len());
    match kind {
        "server" => {}
        "ws-server" => {
            for peer in &mut clients {
                peer.send(TEXT, "and back");
                peer.expect(TEXT, "and back");
            }
        }
        _ => {
            clients[0].send(TEXT, r#"42["say","to all"]"#);
            for peer in &mut clients {
                peer.expect(TEXT, r#"42["said","to all"]"#);
            }
        }
    }
    let received = begun.elapsed() - opened;
    assert!(received < LIMIT, "{kind}: {received:?} until {} messages arrived", clients.len());
}

/// The allocator keeps some of the memory of the first round for the next: the later rounds take no more.
#[cfg(unix)]
#[test]
#[ignore = "opens 1,500 connections to each server program; .ci/run runs it"]
fn many_clients_leave_no_thread_and_no_memory_in_use() {
    for (kind, path) in PROGRAMS {
        let mut program = Program::plain(kind, path);
        program.discard_stdout();
        drop(program.first_error());
        let mut left = Vec::new();
        for _ in 0..3 {
            run_many_clients(kind, &program.address, |clients| {
                if cfg!(target_os = "linux") {
                    assert!(status(&program, "Threads:") > clients, "{kind}: a thread for each");
                }
            });
            assert_serves(kind, &program.address);
            if cfg!(target_os = "linux") {
                // The threads that stay: accept, spawner, clock, and the writers of stdout and stderr.
                until("its threads have ended", || status(&program, "Threads:") <= 5);
                left.push(status(&program, "VmRSS:"));
            }
        }
        let more = left.last() > left.first().map(|first| first + first / 4 + 2048).as_ref();
        assert!(!more, "{kind}: {left:?} KiB after one, two, three rounds");
    }
}

/// A third page of stack for each would be 4 KiB more: see the functions that are not inlined.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "opens 1,500 connections to each server program, and measures an optimized build; .ci/run runs it"]
fn a_silent_client_takes_at_most_17_kib_of_memory() {
    for (kind, path) in PROGRAMS {
        let mut program = Program::plain(kind, path);
        program.discard_stdout();
        drop(program.first_error());
        let before = status(&program, "VmRSS:");
        run_many_clients(kind, &program.address, |clients| {
            let each = (status(&program, "VmRSS:") - before) as f64 / clients as f64;
            assert!(each < 17.0, "{kind}: {each:.2} KiB for each of {clients} clients");
        });
    }
}

/// The number in a line of the status of a program.
#[cfg(unix)]
fn status(program: &Program, name: &str) -> usize {
    crate::common::status(program.child.id(), name).unwrap()
}
