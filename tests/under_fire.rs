//! What must not bring a server down: too few descriptors, too few threads, output that nobody reads,
//! a handler that panics, a client that dies in the middle of a handshake, a stop in the middle of
//! the work, and crowds. Afterwards somebody else is served, and nothing of it is left.

#[allow(dead_code)] // its other half is for the tests of floor 2
#[path = "ws/wire.rs"]
mod wire;

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

use sockets_by_hand::engineio;
use sockets_by_hand::net::{self, Backoff, Stream};
use sockets_by_hand::socketio::{self, Args, Client};
use sockets_by_hand::{json, ws};
use wire::{ASK, CLOSE, Peer, TEXT};

/// So long a thing may take that happens at once, on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(20);

/// Waits for what nobody announces.
#[track_caller]
fn until(what: &str, mut it_is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !it_is_so() {
        assert!(start.elapsed() < LIMIT, "this never was: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for what is announced.
#[track_caller]
fn next<T>(what: &str, receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).unwrap_or_else(|e| panic!("this was not announced: {what} ({e})"))
}

/// Waits until a thread has ended.
#[track_caller]
fn ended(what: &str, thread: JoinHandle<()>) {
    until(what, || thread.is_finished());
    assert!(thread.join().is_ok(), "it panicked: {what}");
}

type Outcome = Result<(), Box<dyn Error>>;

/// Comes, says something, and is answered; over `server`, `ws-server`, `socketio-server`.
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
    let said = if kind == "ws-server" { vec!["Hello"] } else { vec!["40", "420[\"echo\",1]"] };
    let last = if kind == "ws-server" { "Hello" } else { "430[1]" };
    for message in said {
        socket.send(message)?;
    }
    while let Some(message) = socket.read()? {
        if message == ws::Message::from(last) {
            return Ok(());
        }
    }
    Err("it ended before it had answered".into())
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

    /// What it prints is read and forgotten.
    #[cfg(unix)]
    fn mute(&mut self) {
        let mut stdout = self.stdout.take().unwrap();
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    }

    /// The first complaint; what comes after it is read and forgotten.
    #[cfg(unix)]
    fn complaint(&mut self) -> Receiver<String> {
        let mut stderr = self.stderr.take().unwrap();
        let (told, complaint) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            _ = stderr.read_line(&mut line);
            _ = told.send(line);
            std::io::copy(&mut stderr, &mut std::io::sink())
        });
        complaint
    }

    /// Connects thirty clients that say nothing, of whom not all can be served, and lets them go.
    #[cfg(unix)]
    #[track_caller]
    fn crowd_and_back(&mut self, complaint: &str, relief: impl FnOnce()) {
        let first = self.complaint();
        let crowd: Vec<TcpStream> =
            (0..30).map(|_| TcpStream::connect(&self.address).unwrap()).collect();
        let line = next("a complaint on stderr", &first);
        assert!(line.starts_with(complaint), "{}: {line}", self.kind);
        drop(crowd);
        relief();
        until("somebody is served again", || {
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
fn every_server_runs_out_of_descriptors_and_comes_back() {
    for (kind, path) in PROGRAMS {
        let script = format!("ulimit -n 14; exec '{path}' 127.0.0.1:0");
        let mut program = Program::start(kind, Command::new("sh").args(["-c", &script]));
        program.mute();
        program.crowd_and_back("Client not served: Too many open files", || {});
    }
}

/// Threads run out where no user may have more of them. That limit is not for root: where the tests
/// are root's, somebody else runs the server.
#[cfg(target_os = "linux")]
#[test]
fn every_server_runs_out_of_threads_and_comes_back() {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    for (kind, path) in PROGRAMS {
        // A copy: perhaps only root may look into the folder where the program is. And not made by
        // this process: another test's child could still have it open for writing.
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
        program.mute();
        assert_serves(kind, &program.address);
        let pid = program.child.id().to_string();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let usual = limits.lines().find_map(|line| line.strip_prefix("Max processes")).unwrap();
        let usual = usual.split_whitespace().next().unwrap();
        let allow = |threads: &str| {
            let limit = format!("--nproc={threads}:"); // the soft one
            let set = user("prlimit".as_ref()).args(["-p", &pid, &limit]).status().unwrap();
            assert!(set.success());
        };
        allow("1");
        program.crowd_and_back("Client not served: ", || allow(usual));
    }
}

#[test]
fn every_server_whose_output_nobody_reads_ends_quietly() {
    for (kind, path) in PROGRAMS {
        let mut program = Program::plain(kind, path);
        program.stdout = None;
        // (Not the first conversation, perhaps: a program that another test starts at this moment
        // holds what we hold, until it runs.)
        until("its end", || {
            _ = conversation(program.kind, &program.address);
            program.child.try_wait().unwrap().is_some()
        });
        assert!(program.child.wait().unwrap().success(), "{kind}");
        let mut complaints = String::new();
        program.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        assert_eq!(complaints, "", "{kind}");
    }
}

/// Serves until it is closed.
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
fn a_panic_on_floor_1_ends_its_own_connection() {
    let server = net::Server::bind("127.0.0.1:0").unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let serving = thread::spawn(|| {
        server.serve(|mut stream| {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            assert_ne!(byte, *b"!", "as the test wants it");
            stream.write_all(&byte)
        });
    });
    let mut neighbour = TcpStream::connect(address).unwrap();
    for _ in 0..10 {
        let mut bad = Stream::connect(address).unwrap();
        bad.write_all(b"!").unwrap();
        bad.set_timeout(Some(LIMIT)).unwrap();
        assert_eq!(bad.read(&mut [0]).unwrap(), 0);
    }
    until("only the neighbour is left", || handle.connections() == 1);
    neighbour.write_all(b"x").unwrap();
    neighbour.read_exact(&mut [0]).unwrap();
    handle.close();
    ended("the server", serving);
}

#[test]
fn a_panic_on_floor_2_is_told_with_1011_wherever_it_happens() {
    let mut server = ws::Server::bind("127.0.0.1:0").unwrap();
    server.options = ws::Options {
        page: Box::new(|request| panic!("a page that panics, {}", request.path())),
        verify_client: Box::new(|request| {
            assert_ne!(request.path(), "/verify", "as the test wants it");
            Ok(())
        }),
        handle_protocols: Box::new(|_, request| {
            assert_ne!(request.path(), "/protocols", "as the test wants it");
            None
        }),
        ..ws::Options::default()
    };
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let serving = thread::spawn(|| {
        server.serve(|mut socket| {
            while let Some(message) = socket.read()? {
                assert_ne!(message, ws::Message::from("!"), "as the test wants it");
                socket.send(message)?;
            }
            Ok(())
        });
    });
    let mut neighbour = Peer::open(address);
    let mut bad = Peer::open(address);
    bad.send(TEXT, "!");
    bad.expect_close(1011);
    bad.half_close();
    bad.expect_end();
    for target in ["/verify", "/protocols", "/page"] {
        let ask = ASK.replacen("/ ", &format!("{target} "), 1);
        let ask = if target == "/page" { ask.replace("websocket", "x") } else { ask };
        let mut bad = Peer::connect(address);
        bad.write(ask);
        bad.expect_cut();
    }
    until("only the neighbour is left", || handle.connections() == 1 && clients.all().len() == 1);
    neighbour.send(TEXT, "still here");
    neighbour.expect(TEXT, "still here");
    drop(neighbour);
    handle.close();
    ended("the server", serving);
}

#[test]
fn a_panic_on_the_landing_ends_its_own_session() {
    let server = engineio::Server::bind("127.0.0.1:0", engineio::Options::default()).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    let (told, events) = mpsc::channel();
    let serving = thread::spawn(|| {
        server.serve(move |_| {
            let told = told.clone();
            Box::new(move |event| {
                let text = format!("{event:?}");
                told.send(text.clone()).unwrap();
                assert!(!text.contains('!'), "as the test wants it");
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
    ended("the server", serving);
}

/// Where a panic happens on floor 3, whoever caused it is gone afterwards, from the rooms too, and the
/// neighbour is not.
#[test]
fn a_panic_on_floor_3_ends_its_own_client() {
    let (give, handles) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        io.use_middleware(|socket| {
            assert_ne!(socket.handshake().auth["panic"].as_str(), Some("middleware"));
            Ok(())
        });
        io.on_connection(|socket| {
            assert_ne!(socket.handshake().auth["panic"].as_str(), Some("connection"));
            socket.join("room");
            socket.on("event", |_| panic!("as the test wants it"));
            socket.on_any(|event| assert_ne!(event.name, "any", "as the test wants it"));
        });
        _ = give.send(io.clone());
    });
    let io = next("the server", &handles);
    let neighbour = Client::connect(&format!("http://{address}")).unwrap();
    until("the neighbour is in", || io.to("room").fetch_sockets().len() == 1);
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
    let (told, answer) = mpsc::channel();
    neighbour.emit_with_ack("echo", [json!(1)], LIMIT, move |values| _ = told.send(values));
    assert_eq!(next("an answer", &answer), Ok(Args(vec![json!(1)])));
    drop(neighbour);
    handle.close();
    ended("the server", serving);
}

/// A listener of the end that panics keeps nobody in a room, and nobody else from hearing of it.
#[test]
fn a_panic_at_the_end_of_a_client_leaves_nothing_of_it() {
    let (give, handles) = mpsc::channel();
    let (told, reasons) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        for name in ["/", "/one", "/two"] {
            let told = told.clone();
            io.of(name).on_connection(move |socket| {
                socket.join("room");
                socket.on("disconnecting", |_| panic!("as the test wants it"));
                let told = told.clone();
                socket.on("disconnect", move |event| {
                    told.send(event.args[0].clone()).unwrap();
                    panic!("as the test wants it");
                });
            });
        }
        _ = give.send(io.clone());
    });
    let io = next("the server", &handles);
    let there = || ["/", "/one", "/two"].map(|name| io.of(name).to("room").fetch_sockets().len());
    let client = Client::connect(&format!("http://{address}")).unwrap();
    let one = client.of("/one", json!({}));
    one.open();
    client.of("/two", json!({})).open();
    until("it is everywhere", || there() == [1; 3] && one.is_connected());
    io.of("/one").disconnect_sockets(false); // on this thread
    assert_eq!(next("a reason", &reasons), json!("server namespace disconnect"));
    // (Its own goodbye to a namespace where it is no more would end its session, as with npm's.)
    until("it has heard so", || !one.is_connected());
    drop(client);
    for _ in 0..2 {
        let reason = next("a reason", &reasons);
        let good = ["client namespace disconnect", "transport close"];
        assert!(good.contains(&reason.as_str().unwrap()), "{reason}");
    }
    until("nothing of it is left", || handle.sessions() == 0 && there() == [0; 3]);
    handle.close();
    ended("the server", serving);
}

/// What takes a lock, under the name of what that lock guards.
type Call<T> = (&'static str, fn(&T));

/// The lock that cannot be had, if there is one: each call is made on a thread of its own, while the
/// handler that asks goes on running.
fn held<T: Clone + Send + 'static>(at: &T, calls: &[Call<T>]) -> Option<&'static str> {
    let waits = |call: fn(&T)| {
        let (told, done) = mpsc::channel();
        let at = at.clone();
        thread::spawn(move || {
            call(&at);
            told.send(())
        });
        done.recv_timeout(LIMIT / 2).is_err()
    };
    calls.iter().find(|(_, call)| waits(*call)).map(|(lock, _)| *lock)
}

const LOCKS_OF_A_SERVER: &[Call<(socketio::Io, socketio::Socket)>] = &[
    ("namespaces", |(io, _)| _ = io.of("/another")),
    ("rules", |(io, _)| io.use_middleware(|_| Ok(()))),
    ("members", |(io, _)| _ = io.fetch_sockets()),
    ("round", |(io, _)| io.to("nobody").emit("news", [])),
    ("rooms", |(_, socket)| _ = socket.rooms()),
    ("data", |(_, socket)| socket.set_data(1)),
    ("listeners", |(_, socket)| socket.off(socket.on("later", |_| {}))),
    ("listeners for any", |(_, socket)| socket.off_any(socket.on_any(|_| {}))),
    ("answers", |(_, socket)| socket.emit_with_ack("why", [], Duration::ZERO, |_| {})),
    ("session", |(_, socket)| _ = socket.transport()),
    ("outbox", |(_, socket)| socket.emit("news", [])),
];

#[test]
fn no_lock_of_a_server_is_held_while_a_handler_runs() {
    let (told, found) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        let check = {
            let io = io.clone();
            move |handler: &'static str, socket: &socketio::Socket| {
                _ = told.send((handler, held(&(io.clone(), socket.clone()), LOCKS_OF_A_SERVER)));
            }
        };
        let checks = check.clone();
        io.use_middleware(move |socket| {
            checks("middleware", socket);
            Ok(())
        });
        io.on_connection(move |socket| {
            check("connection", &socket);
            for name in ["event", "disconnecting", "disconnect"] {
                let check = check.clone();
                socket.on(name, move |event| check(name, &event.socket));
            }
            for (name, time) in [("answer me", LIMIT), ("ignore me", Duration::from_millis(1))] {
                let (check, asker) = (check.clone(), socket.clone());
                socket.emit_with_ack(name, [], time, move |_| check(name, &asker));
            }
            let check = check.clone();
            socket.on_any(move |event| check("any", &event.socket));
        });
    });
    let client = Client::new(&format!("http://{address}"), socketio::client::Options::default());
    let client = client.unwrap();
    client.on("answer me", |event| event.ack([]));
    client.open();
    let mut handlers: Vec<_> = (0..4).map(|_| next("a handler", &found)).collect();
    client.emit("event", []);
    handlers.extend((0..2).map(|_| next("a handler", &found)));
    drop(client);
    handlers.extend((0..2).map(|_| next("a handler", &found)));
    handlers.sort();
    let all = [
        "answer me",
        "any",
        "connection",
        "disconnect",
        "disconnecting",
        "event",
        "ignore me",
        "middleware",
    ];
    assert_eq!(handlers, all.map(|handler| (handler, None)));
    handle.close();
    ended("the server", serving);
}

const LOCKS_OF_A_CLIENT: &[Call<Arc<Client>>] = &[
    ("state", |client| _ = client.is_connected()),
    ("line", |client| client.of("/another", json!({})).disconnect()),
    ("auth", |client| client.set_auth(json!({}))),
    ("listeners", |client| client.off(client.on("later", |_| {}))),
    ("listeners for any", |client| client.off_any(client.on_any(|_| {}))),
    ("listeners of the line", |client| client.io().off(client.io().on("later", |_| {}))),
    ("answers", |client| client.emit_with_ack("why", [], Duration::ZERO, |_| {})),
    ("outbox", |client| client.emit("news", [])),
];

#[test]
fn no_lock_of_a_client_is_held_while_a_handler_runs() {
    let (address, handle, serving) = socketio(LONG, |io| {
        io.on_connection(|socket| socket.emit("event", []));
    });
    let backoff = Backoff { min: Duration::from_millis(1), ..Backoff::default() };
    let options = socketio::client::Options { backoff, ..Default::default() };
    let client = Arc::new(Client::new(&format!("http://{address}"), options).unwrap());
    let (told, found) = mpsc::channel();
    let handlers = ["connect", "event", "disconnect"];
    let of_the_line = ["reconnect_attempt", "reconnect_error", "reconnect_pause"];
    let check = |handler: &'static str| {
        let (told, client) = (told.clone(), Arc::downgrade(&client));
        move || {
            let Some(client) = client.upgrade() else { return };
            _ = told.send((handler, held(&client, LOCKS_OF_A_CLIENT)));
        }
    };
    for name in handlers {
        let check = check(name);
        client.once(name, move |_| check());
    }
    for name in of_the_line {
        let check = check(name);
        client.io().once(name, move |_| check());
    }
    let any = check("any");
    client.on_any(move |_| any());
    for (name, time) in [("echo", LIMIT), ("nobody answers", Duration::ZERO)] {
        let check = check(name);
        client.emit_with_ack(name, [], time, move |_| check());
    }
    client.open();
    let before = ["any", "connect", "echo", "event", "nobody answers"];
    let mut seen: Vec<_> = before.iter().map(|_| next("a handler", &found)).collect();
    seen.sort();
    assert_eq!(seen, before.map(|handler| (handler, None)));
    handle.close();
    ended("the server", serving);
    let after = ["disconnect", "reconnect_attempt", "reconnect_error", "reconnect_pause"];
    let mut seen: Vec<_> = after.iter().map(|_| next("a handler", &found)).collect();
    seen.sort();
    assert_eq!(seen, after.map(|handler| (handler, None)));
}

/// One step of a conversation by hand: what is sent, and whether an answer is waited for.
type Step = (Vec<u8>, bool);

/// Plays `steps`, until `left` bytes have been sent; then the connection ends, or is reset. Returns
/// whether there was more to send.
fn play(address: SocketAddr, steps: &[Step], mut left: usize, reset: bool) -> bool {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    if reset {
        // A connection that is closed while an answer lies there unread is reset.
        socket.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        socket.peek(&mut [0]).unwrap();
    }
    for (bytes, wait) in steps {
        let part = &bytes[..left.min(bytes.len())];
        if socket.write_all(part).is_err() {
            return false; // the server had enough of it
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
    wire::By::Client.frame(TEXT, payload.as_bytes())
}

#[test]
fn a_client_of_floor_2_may_die_at_every_byte_of_its_handshake() {
    let server = ws::Server::bind("127.0.0.1:0").unwrap();
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let serving = thread::spawn(|| server.serve(wire::echo));
    for reset in [false, true] {
        let steps = [(ASK.into(), true)];
        let mut left = 0;
        while play(address, &steps, left, reset) {
            left += 1;
        }
        assert_eq!(left, ASK.len());
    }
    assert_serves("ws-server", &address.to_string());
    until("nobody is left", || handle.connections() == 0 && clients.all().is_empty());
    handle.close();
    ended("the server", serving);
}

#[test]
fn a_client_of_floor_3_may_die_at_every_byte_of_its_handshake() {
    let (give, handles) = mpsc::channel();
    let (address, handle, serving) =
        socketio(Duration::from_secs(2), |io| _ = give.send(io.clone()));
    let io = next("the server", &handles);
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
        ASK.replacen("GET / ", &target, 1).replacen("\r\n\r\n", "\r\nCookie: a=b\r\n\r\n", 1)
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
        // Every seventh byte is every byte of some line: their lengths differ.
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
    ended("the server", serving);
}

/// Nobody can come any more. (A program that another test starts at this moment holds the door, as all
/// that we have open, until it runs.)
#[track_caller]
fn assert_refuses(address: SocketAddr) {
    until("nobody is let in", || TcpStream::connect(address).is_err());
}

#[test]
fn a_server_of_floor_1_that_is_stopped_lets_its_clients_finish() {
    let server = net::Server::bind("127.0.0.1:0").unwrap();
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
    until("all are in", || handle.connections() == 5);
    handle.close();
    assert_refuses(address);
    for socket in &mut busy {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.write_all(b"and this?").unwrap();
        socket.read_exact(&mut [0; 9]).unwrap();
    }
    assert!(!serving.is_finished(), "they are still there");
    drop(busy);
    ended("the server", serving);
}

/// As in npm's `ws`, a server that is closed lets nobody in and leaves those who are in alone: whoever
/// stops it says goodbye to them.
#[test]
fn a_server_of_floor_2_that_is_stopped_serves_until_its_clients_have_been_told() {
    const SAID: usize = 200;
    let server = ws::Server::bind("127.0.0.1:0").unwrap();
    let (address, handle, clients) = (server.address().unwrap(), server.handle(), server.clients());
    let serving = thread::spawn(|| server.serve(wire::echo));
    let mut silent = Peer::open(address); // never returns a goodbye
    until("it is in", || clients.all().len() == 1);
    let never_answers = clients.all().remove(0);
    let mut busy: Vec<Peer> = (0..5).map(|_| Peer::open(address)).collect();
    until("all are in", || clients.all().len() == 6);
    handle.close();
    assert_refuses(address);
    for peer in &mut busy {
        peer.send(TEXT, "are we still served?");
        peer.expect(TEXT, "are we still served?");
    }
    for number in 0..SAID {
        clients.broadcast(format!("{number}"));
    }
    never_answers.close_within(1001, "", Duration::from_millis(500)).unwrap();
    for client in clients.all() {
        client.close_within(1001, "", LIMIT).unwrap();
    }
    for peer in busy.iter_mut().chain([&mut silent]) {
        for number in 0..SAID {
            peer.expect(TEXT, format!("{number}"));
        }
        peer.expect(CLOSE, 1001_u16.to_be_bytes());
    }
    assert!(!serving.is_finished(), "nobody has answered yet");
    for peer in &mut busy {
        peer.write(peer.by.close(1001, ""));
    }
    ended("the server, though one client never answered", serving);
}

/// Long-polling by hand, over one connection.
struct Polling {
    socket: BufReader<TcpStream>,
    sid: String,
}

impl Polling {
    /// A session that is in the main namespace.
    fn open(address: SocketAddr) -> Polling {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let mut polling = Polling { socket: BufReader::new(socket), sid: String::new() };
        polling.send("GET", "");
        let hello = polling.answer();
        polling.sid = format!("&sid={}", &hello.split("\"sid\":\"").nth(1).expect(&hello)[..20]);
        polling.send("POST", "40");
        assert_eq!(polling.answer(), "ok");
        polling.send("GET", "");
        let hello = polling.answer();
        assert!(hello.starts_with("40{\"sid\":"), "{hello}");
        polling
    }

    fn send(&mut self, method: &str, body: &str) {
        let (sid, length) = (&self.sid, body.len());
        let target = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}");
        self.socket.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    }

    /// The body of the next answer.
    fn answer(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.socket.read_line(&mut head).unwrap(), 0, "it ended after {head:?}");
        }
        let length = wire::header(&head, "Content-Length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

#[test]
fn a_server_of_floor_3_that_is_stopped_says_what_it_had_to_say_and_why_it_ends() {
    const SAID: usize = 200;
    let (told, reasons) = mpsc::channel();
    let (give, handles) = mpsc::channel();
    let (address, handle, serving) = socketio(LONG, |io| {
        io.on_connection(move |socket| {
            let told = told.clone();
            socket.on("disconnect", move |event| _ = told.send(event.args[0].clone()));
        });
        _ = give.send(io.clone());
    });
    let io = next("the server", &handles);
    let (heard, events) = mpsc::channel();
    let clients: Vec<Client> = (0..4)
        .map(|i| {
            let mut options =
                socketio::client::Options { reconnection: false, ..Default::default() };
            if i % 2 == 0 {
                options.transports = vec!["websocket"];
            }
            let client = Client::new(&format!("http://{address}"), options).unwrap();
            for name in ["said", "disconnect"] {
                let heard = heard.clone();
                client.on(name, move |event| _ = heard.send((i, event.args[0].clone())));
            }
            client.open();
            client
        })
        .collect();
    let (mut waits, mut idles) = (Polling::open(address), Polling::open(address));
    until("all are in", || io.fetch_sockets().len() == 6);
    waits.send("GET", "");
    for number in 0..SAID {
        io.emit("said", [json!(number)]);
    }
    handle.close();
    assert_refuses(address);
    let mut numbers = [0.0; 4];
    let mut there = numbers.len();
    while there > 0 {
        let (client, value) = next("what all of them heard", &events);
        match value.as_f64() {
            Some(number) => {
                assert_eq!(number, numbers[client], "client {client}");
                numbers[client] += 1.0;
            }
            None => {
                assert_eq!(value, json!("transport close"), "client {client}");
                assert_eq!(numbers[client], SAID as f64, "client {client}: not all was heard");
                there -= 1;
            }
        }
    }
    // Who polls hears the rest at the next GETs on the connection that is still there, then the end.
    let all: Vec<String> = (0..SAID).map(|number| format!("42[\"said\",{number}]")).collect();
    idles.send("GET", "");
    for guest in [&mut waits, &mut idles] {
        let mut answers = vec![guest.answer()];
        while answers[answers.len() - 1] != "1" {
            guest.send("GET", "");
            answers.push(guest.answer());
        }
        answers.pop();
        let heard = answers.join("\x1e").replace("2\x1e", ""); // a ping, where this machine is slow
        assert_eq!(heard, all.join("\x1e"));
    }
    for _ in 0..6 {
        assert_eq!(next("a reason", &reasons), json!("server shutting down"));
    }
    drop((clients, waits, idles));
    ended("the server", serving);
}

/// As many connections as fit, or 1,500: this process needs a descriptor for each, the server another.
#[cfg(unix)]
fn crowd() -> usize {
    let output = Command::new("sh").args(["-c", "ulimit -n"]).output().unwrap().stdout;
    let allowed = String::from_utf8(output).unwrap().trim().parse().unwrap_or(usize::MAX);
    allowed.saturating_sub(100).min(1500)
}

/// A client that has come in.
#[cfg(unix)]
fn come_in(kind: &str, mut peer: Peer) -> Peer {
    match kind {
        "server" => {
            peer.write("Hello");
            peer.expect_bytes("Hello from server");
        }
        "ws-server" => {
            peer.write(ASK);
            peer.head();
        }
        _ => {
            let target = "GET /socket.io/?EIO=4&transport=websocket ";
            peer.write(ASK.replacen("GET / ", target, 1));
            peer.head();
            peer.frame();
            peer.send(TEXT, "40");
            peer.frame();
        }
    }
    peer
}

/// A crowd comes in, is told something, and leaves.
#[cfg(unix)]
#[track_caller]
fn crowd_comes_and_goes(kind: &str, address: &str, in_all: impl FnOnce(usize)) {
    let server = address.parse().unwrap();
    let begun = Instant::now();
    let mut crowd: Vec<Peer> = (0..crowd()).map(|_| come_in(kind, Peer::connect(server))).collect();
    let opened = begun.elapsed();
    assert!(opened < LIMIT, "{kind}: {opened:?} until {} clients were in", crowd.len());
    in_all(crowd.len());
    match kind {
        "server" => {}
        "ws-server" => {
            for peer in &mut crowd {
                peer.send(TEXT, "and back");
                peer.expect(TEXT, "and back");
            }
        }
        _ => {
            crowd[0].send(TEXT, r#"42["say","to all"]"#);
            for peer in &mut crowd {
                peer.expect(TEXT, r#"42["said","to all"]"#);
            }
        }
    }
    let told = begun.elapsed() - opened;
    assert!(told < LIMIT, "{kind}: {told:?} until {} clients had heard", crowd.len());
}

/// The allocator keeps some of what a crowd has needed, for the next one: that one leaves no more.
#[cfg(unix)]
#[test]
#[ignore = "opens 1,500 connections to each server program; .ci/run runs it"]
fn a_crowd_comes_in_is_told_something_and_leaves_nothing() {
    for (kind, path) in PROGRAMS {
        let mut program = Program::plain(kind, path);
        program.mute();
        drop(program.complaint());
        let mut left = Vec::new();
        for _ in 0..3 {
            crowd_comes_and_goes(kind, &program.address, |clients| {
                if cfg!(target_os = "linux") {
                    assert!(status(&program, "Threads:") > clients, "{kind}: a thread for each");
                }
            });
            assert_serves(kind, &program.address);
            if cfg!(target_os = "linux") {
                // What stays: the threads that accept, spawn, watch the time, and write to stdout and stderr.
                until("its threads have ended", || status(&program, "Threads:") <= 5);
                left.push(status(&program, "VmRSS:"));
            }
        }
        let more = left.last() > left.first().map(|first| first + first / 4 + 2048).as_ref();
        assert!(!more, "{kind}: {left:?} KiB after one, two, three crowds");
    }
}

/// A line of /proc/PID/status, in KiB where it is one of memory.
#[cfg(unix)]
fn status(program: &Program, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
