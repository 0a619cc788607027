//! The programs as a user runs them: what they print, how they fail, and that a client that breaks the
//! protocol disturbs no other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use assert_cmd::Command as Program;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};
use sockets_by_hand::socketio::Client;
use sockets_by_hand::{json, ws::Message};

use crate::common::LIMIT;
#[cfg(target_os = "linux")]
use crate::common::{status, until};

fn program(name: &str) -> Program {
    Program::cargo_bin(name).unwrap()
}

/// A program of the folder `tutorial/examples`.
fn example(name: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_server")).parent().unwrap();
    Command::new(folder.join("examples").join(name))
}

/// A server program that runs until the test has ended.
struct Server {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: BufReader<ChildStderr>,
    address: String,
}

impl Server {
    fn start() -> Server {
        Server::of(Command::new(env!("CARGO_BIN_EXE_server")).arg("127.0.0.1:0"))
    }

    /// The WebSocket server.
    fn ws() -> Server {
        Server::of(Command::new(env!("CARGO_BIN_EXE_ws-server")).arg("127.0.0.1:0"))
    }

    /// Starts it from a shell, under what `ulimit` sets.
    #[cfg(unix)]
    fn under(limit: &str) -> Server {
        // Large stacks: what is left when no more fits is room enough for all else.
        let script = format!(
            "RUST_MIN_STACK=67108864; export RUST_MIN_STACK; ulimit {limit}; exec '{}' 127.0.0.1:0",
            env!("CARGO_BIN_EXE_server")
        );
        Server::of(Command::new("sh").args(["-c", &script]))
    }

    fn of(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut server = Server { child, stdout, stderr, address: String::new() };
        let line = server.line();
        let port = line.strip_prefix("Server listening on port ").expect(&line);
        server.address = format!("127.0.0.1:{port}");
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Asserts that a new client is served.
    #[track_caller]
    fn assert_serves(&self) {
        program("client").arg(&self.address).assert().success().stdout(CONVERSATION);
    }

    /// Asserts that a client is served again, once the clients that exhausted a resource have gone.
    #[cfg(unix)]
    #[track_caller]
    fn assert_serves_again(&self) {
        let served = |_| program("client").arg(&self.address).output().unwrap().status.success();
        assert!((0..100).any(served), "no client is served any more");
        self.assert_serves();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

const CONVERSATION: &str =
    "Connected to server\nReceived from server: Hello from server\nDisconnected from server\n";

/// Sends the client's text and reads the whole answer.
fn exchange(socket: &mut TcpStream) {
    socket.write_all(b"Hello from client").unwrap();
    let mut answer = [0; 17];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"Hello from server");
}

#[test]
fn server_and_client_hold_the_documents_conversation() {
    let mut server = Server::start();
    program("client").arg(&server.address).assert().success().stdout(CONVERSATION).stderr("");
    assert_eq!(server.line(), "Client connected");
    assert_eq!(server.line(), "Received data from client: Hello from client");
    assert_eq!(server.line(), "Client disconnected");
}

#[test]
fn socketio_server_prints_its_port_and_each_connect_and_disconnect() {
    let program = env!("CARGO_BIN_EXE_socketio-server");
    let mut server = Server::of(Command::new(program).arg("127.0.0.1:0"));
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.address);
    let mut client = sockets_by_hand::ws::connect(&url).unwrap();
    let mut expect_then_send = |expected: &str, answer: &str| {
        let Ok(Some(Message::Text(packet))) = client.read() else { panic!("no packet") };
        assert!(packet.starts_with(expected), "{packet}");
        client.send(answer).unwrap();
    };
    expect_then_send("0", "40");
    expect_then_send("40", r#"421["echo",{"n":1},"two"]"#);
    expect_then_send(r#"431[{"n":1},"two"]"#, "41");
    assert_eq!(server.line(), "Client connected");
    assert_eq!(server.line(), "Client disconnected (client namespace disconnect)");
}

#[test]
fn help_prints_the_usage_of_each_program() {
    let names = [
        "server",
        "client",
        "ipc-server",
        "ipc-client",
        "ws-server",
        "ws-client",
        "socketio-server",
        "socketio-client",
    ];
    for name in names {
        let usage = starts_with(format!("usage: {name} "));
        program(name).arg("--help").assert().success().stdout(usage).stderr("");
    }
}

#[test]
fn a_bad_argument_is_one_line_and_status_2() {
    let commands: [(&str, &[&str]); 18] = [
        ("server", &["invalid"]),
        ("server", &["127.0.0.1:99999"]),
        ("server", &["127.0.0.1:0", "more"]),
        ("client", &[""]),
        ("client", &["--port"]),
        ("client", &["127.0.0.1:1", "more"]),
        ("socketio-server", &["invalid"]),
        ("socketio-server", &["--port"]),
        ("socketio-server", &["127.0.0.1:0", "more"]),
        ("ipc-server", &["--path"]),
        ("ipc-client", &["one", "more"]),
        ("socketio-client", &["--url"]),
        ("socketio-client", &["http://127.0.0.1:1", "more"]),
        ("ws-server", &["invalid"]),
        ("ws-server", &["127.0.0.1:99999"]),
        ("ws-server", &["--port"]),
        ("ws-client", &["ws://127.0.0.1:1/", "more"]),
        ("ws-client", &[""]),
    ];
    for (name, arguments) in commands {
        let line = format!("{name}: usage: {name} ");
        program(name)
            .args(arguments)
            .assert()
            .code(2)
            .stdout("")
            .stderr(starts_with(line).and(contains("\n").count(1)));
    }
}

#[test]
fn a_port_in_use_is_one_line_and_status_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in ["server", "ws-server", "socketio-server"] {
        let line = starts_with(format!("{name}: cannot listen on {address}: "));
        let line = line.and(contains("\n").count(1));
        program(name).arg(&address).assert().code(1).stdout("").stderr(line);
    }
}

#[test]
fn no_server_is_one_line_and_status_1() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let line = starts_with(format!("client: cannot connect to {free}: "));
    program("client").arg(&free).assert().code(1).stdout("").stderr(line);
}

#[test]
fn a_host_that_does_not_resolve_is_one_line_and_status_1() {
    // No name server is queried for a name that cannot be valid.
    let address = format!("{}:3000", "x".repeat(300));
    for name in ["server", "client"] {
        let line = contains(&address).and(contains("\n").count(1));
        program(name).arg(&address).assert().code(1).stdout("").stderr(line);
    }
}

#[test]
fn invalid_utf_8_is_shown_replaced_and_disturbs_no_other_client() {
    let mut server = Server::start();
    let mut other = server.connect();
    exchange(&mut other);
    let mut invalid = server.connect();
    invalid.write_all(&"é".as_bytes()[..1]).unwrap();
    invalid.read_exact(&mut [0; 17]).unwrap();
    invalid.write_all(&[0xff, 0xfe, 0x00, 0x80]).unwrap();
    invalid.read_exact(&mut [0; 17]).unwrap();
    drop(invalid);
    exchange(&mut other);
    drop(other);
    let lines: Vec<String> = (0..8).map(|_| server.line()).collect();
    assert!(lines.contains(&"Received data from client: \u{fffd}".to_string()), "{lines:?}");
    let replaced = "Received data from client: \u{fffd}\u{fffd}\0\u{fffd}";
    assert!(lines.contains(&replaced.to_string()), "{lines:?}");
}

#[test]
fn a_client_that_resets_disturbs_no_other() {
    let server = Server::start();
    let mut other = server.connect();
    for _ in 0..20 {
        let mut resetting = server.connect();
        resetting.write_all(b"Hello from client").unwrap();
        resetting.peek(&mut [0; 17]).unwrap(); // the answer has arrived, and stays unread:
        drop(resetting); // the kernel sends a reset
        exchange(&mut other);
    }
    server.assert_serves();
}

#[test]
fn a_client_that_never_reads_disturbs_no_other() {
    let mut server = Server::start();
    let mut stdout = server.stdout.take().unwrap();
    thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    let stalled = server.connect();
    let mut writer = stalled.try_clone().unwrap();
    // It writes until the server's answers have filled every buffer between the two, and then blocks.
    let stuck = thread::spawn(move || while writer.write_all(&[b'x'; 4096]).is_ok() {});
    for _ in 0..5 {
        server.assert_serves();
    }
    stalled.shutdown(Shutdown::Both).unwrap();
    stuck.join().unwrap();
    server.assert_serves();
}

#[test]
fn after_a_half_close_the_client_still_gets_its_answer() {
    let server = Server::start();
    let mut client = server.connect();
    client.write_all(b"Hello from client").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "Hello from server");
}

#[test]
fn after_a_half_close_of_the_server_the_client_can_finish() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = thread::spawn(move || program("client").arg(address).assert().success());
    let mut socket = listener.accept().unwrap().0;
    socket.shutdown(Shutdown::Write).unwrap(); // before it has received anything
    let mut received = String::new();
    socket.read_to_string(&mut received).unwrap();
    assert_eq!(received, "Hello from client");
    client.join().unwrap().stdout("Connected to server\nDisconnected from server\n");
}

#[test]
fn a_reset_by_the_server_is_one_line_and_status_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = thread::spawn(move || program("client").arg(address).assert().code(1));
    let socket = listener.accept().unwrap().0;
    socket.peek(&mut [0; 17]).unwrap();
    drop(socket); // with the client's text unread: a reset
    client.join().unwrap().stderr(starts_with("client: lost the server: "));
}

#[cfg(unix)]
#[test]
fn server_serves_again_after_running_out_of_descriptors() {
    let mut server = Server::under("-n 12");
    let clients: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    let mut error = String::new();
    server.stderr.read_line(&mut error).unwrap();
    assert!(error.starts_with("Client not served: Too many open files"), "{error}");
    drop(clients);
    server.assert_serves_again();
}

#[cfg(target_os = "linux")]
#[test]
fn server_serves_again_after_running_out_of_threads() {
    let mut server = Server::under("-v 688128"); // KiB of address space: ten stacks and a half
    let clients: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    let mut error = String::new();
    server.stderr.read_line(&mut error).unwrap();
    assert!(error.starts_with("Client not served: "), "{error}");
    drop(clients);
    server.assert_serves_again();
}

/// Runs `clients` at once, each with `rounds` messages of its own, and asserts that the server received
/// each message once.
fn run_clients(clients: usize, rounds: usize) {
    let mut server = Server::start();
    let sockets: Vec<TcpStream> = (0..clients).map(|_| server.connect()).collect();
    let printed: Vec<String> = thread::scope(|scope| {
        for (client, mut socket) in sockets.into_iter().enumerate() {
            let run = move || {
                for round in 0..rounds {
                    socket.write_all(format!("{client}/{round}").as_bytes()).unwrap();
                    socket.read_exact(&mut [0; 17]).unwrap();
                }
            };
            thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, run).unwrap();
        }
        let stdout = server.stdout.as_mut().unwrap();
        stdout.lines().take(clients * (rounds + 2)).map(Result::unwrap).collect()
    });
    let count = |line: &str| printed.iter().filter(|printed| *printed == line).count();
    assert_eq!(count("Client connected"), clients);
    assert_eq!(count("Client disconnected"), clients);
    let mut received: Vec<&str> = printed
        .iter()
        .filter_map(|line| line.strip_prefix("Received data from client: "))
        .collect();
    received.sort();
    let mut sent: Vec<String> =
        (0..clients).flat_map(|c| (0..rounds).map(move |r| format!("{c}/{r}"))).collect();
    sent.sort();
    assert!(received == sent, "{} messages were sent, {} received", sent.len(), received.len());
}

#[test]
fn a_hundred_clients_at_once_lose_nothing() {
    run_clients(100, 20);
}

#[test]
#[ignore = "needs 1,000 descriptors for the clients alone, which not every system gives; .ci/run runs it"]
fn a_thousand_clients_at_once_lose_nothing() {
    run_clients(1000, 20);
}

/// Runs `ws-client` with `lines` as its standard input.
fn ws_client(url: &str, lines: &str) -> assert_cmd::assert::Assert {
    program("ws-client").arg(url).write_stdin(lines).assert()
}

#[test]
fn ws_server_echoes_what_ws_client_sends() {
    let mut server = Server::ws();
    let url = format!("ws://{}/", server.address);
    ws_client(&url, "one\ntwo é 😀\n\nfour").success().stdout("one\ntwo é 😀\n\nfour\n").stderr("");
    assert_eq!(server.line(), "Client connected");
    assert_eq!(server.line(), "Client disconnected (1000)");
}

#[test]
fn ws_client_without_input_closes_with_1000() {
    let mut server = Server::ws();
    ws_client(&format!("ws://{}/any/path", server.address), "").success().stdout("").stderr("");
    assert_eq!(server.line(), "Client connected");
    assert_eq!(server.line(), "Client disconnected (1000)");
}

#[test]
fn an_invalid_url_for_ws_client_is_one_line_and_status_2() {
    for url in ["invalid", "http://127.0.0.1/", "wss://127.0.0.1/", "ws://", "ws://127.0.0.1/#a"] {
        let line = starts_with("ws-client: ").and(contains("usage: ws-client [URL]"));
        ws_client(url, "").code(2).stdout("").stderr(line.and(contains("\n").count(1)));
    }
}

#[test]
fn ws_client_without_a_server_is_one_line_and_status_1() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = starts_with(format!("ws-client: cannot connect to ws://{free}/: "));
    ws_client(&format!("ws://{free}/"), "").code(1).stdout("").stderr(line);
}

/// The URL of a server that answers one request with `answer`, and closes.
fn answering(answer: &str) -> String {
    answering_with(answer.into())
}

/// The same with bytes; `KEY` in them becomes the `Sec-WebSocket-Accept` of the client's key.
fn answering_with(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut socket = BufReader::new(listener.accept().unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            socket.read_line(&mut head).unwrap();
        }
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = sockets_by_hand::ws::handshake::accept_key(key);
        let head = answer.windows(3).position(|bytes| bytes == b"KEY").unwrap_or(answer.len());
        let rest = answer.get(head + 3..).unwrap_or_default();
        let key = if rest.is_empty() { "" } else { &accept };
        socket.get_mut().write_all(&[&answer[..head], key.as_bytes(), rest].concat()).unwrap();
        socket.get_mut().shutdown(Shutdown::Write).unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
    });
    url
}

const OPENED: &str = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: KEY\r\n\r\n";

#[test]
fn ws_client_prints_in_one_line_why_the_connection_failed_or_ended() {
    let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot you";
    for (answer, what) in [
        (refused.to_string(), "refused the handshake with status 403: not you"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_string(), "status 200"),
        ("220 mail.example ESMTP\r\n\r\n".to_string(), "not HTTP/1.1"),
        (OPENED.replace("KEY", "wrong"), "not the answer to our key"),
        (OPENED.to_string(), "left without a close frame"),
        (format!("{OPENED}\u{1}"), "lost the server"),
        (format!("{OPENED}\u{3}\0"), "opcode is reserved"),
    ] {
        let url = answering(&answer);
        // Its stdin stays open: the server ends the connection.
        let mut client = Command::new(env!("CARGO_BIN_EXE_ws-client"))
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _open = client.stdin.take();
        let output = client.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.starts_with("ws-client: ") && error.contains(what), "{error}");
    }
}

#[test]
fn ws_server_serves_one_page() {
    let server = Server::ws();
    for (request, status, content) in [
        ("GET / HTTP/1.1", 200, "new WebSocket("),
        ("GET /favicon.ico HTTP/1.1", 404, "one page"),
        ("DELETE / HTTP/1.1", 405, "GET"),
    ] {
        let mut client = server.connect();
        let request = format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(content), "{answer}");
    }
}

/// Starts a server of `kind` whose `stream` (1 is stdout, 2 is stderr) is a full pipe without a reader:
/// `cat` fills it, once the server has printed its port.
#[cfg(unix)]
fn unread(kind: &str, stream: u8) -> Server {
    let script = format!(
        "exec 3<&0; {{ read start <&3; exec cat /dev/zero >&{stream} 2>&-; }} & exec '{}' 127.0.0.1:0",
        assert_cmd::cargo::cargo_bin(kind).display()
    );
    let mut shell = Command::new("sh");
    let mut server = Server::of(shell.args(["-c", &script]).stdin(Stdio::piped()));
    server.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    server
}

/// Opens a WebSocket, and breaks the protocol: the frame is not masked (RFC 6455 §5.1).
fn send_unmasked(server: &Server) {
    let mut client = server.connect();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n\r\n"
    );
    client.write_all(&[request.as_bytes(), b"\x81\x05Hello"].concat()).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("the server ends the connection");
    assert!(answer.windows(2).any(|code| code == 1002u16.to_be_bytes()), "{answer:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stderr_blocks_no_client_threads() {
    let server = unread("ws-server", 2);
    (0..400).for_each(|_| send_unmasked(&server));
    until(|| status(server.child.id(), "Threads:").unwrap() <= 10);
    ws_client(&format!("ws://{}/", server.address), "still there?")
        .success()
        .stdout("still there?\n");
}

#[cfg(unix)]
#[test]
fn a_full_stdout_does_not_stop_a_server() {
    use sockets_by_hand::{net::clock, ws::Client};
    for kind in ["ws-server", "socketio-server"] {
        let server = unread(kind, 1);
        let path = if kind == "ws-server" { "" } else { "socket.io/?EIO=4&transport=websocket" };
        for _ in 0..400 {
            let client = Client { handshake_timeout: LIMIT, ..Client::default() };
            let mut socket = client.connect(&format!("ws://{}/{path}", server.address)).unwrap();
            let timeout = clock::after(LIMIT, {
                let sender = socket.sender();
                move || sender.terminate()
            });
            if kind == "ws-server" {
                socket.send("still there?").unwrap();
            } else {
                socket.send("40").unwrap();
                assert!(
                    matches!(socket.read(), Ok(Some(Message::Text(open))) if open.starts_with('0'))
                );
            }
            assert!(matches!(socket.read(), Ok(Some(_))), "{kind} does not answer");
            drop(timeout);
        }
    }
}

#[test]
fn an_unmasked_frame_to_ws_server_disturbs_no_other_client() {
    let mut server = Server::ws();
    send_unmasked(&server);
    let mut error = String::new();
    server.stderr.read_line(&mut error).unwrap();
    let expected = "Client lost: protocol error: a client sent a frame without a mask\n";
    assert_eq!(error, expected);
    ws_client(&format!("ws://{}/", server.address), "still there?")
        .success()
        .stdout("still there?\n");
    let lines: Vec<String> = (0..3).map(|_| server.line()).collect();
    assert_eq!(lines, ["Client connected", "Client connected", "Client disconnected (1000)"]);
}

#[test]
fn an_invalid_url_for_socketio_client_is_one_line_and_status_2() {
    for url in ["invalid", "https://localhost", "http://", "http://localhost:99999"] {
        let line =
            starts_with("socketio-client: ").and(contains("usage: ")).and(contains("\n").count(1));
        program("socketio-client").arg(url).assert().code(2).stdout("").stderr(line);
    }
}

/// The chat client of a terminal, with its standard input and output.
struct Chat {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Chat {
    fn with(address: &str) -> Chat {
        let mut child = Command::new(env!("CARGO_BIN_EXE_socketio-client"))
            .arg(format!("http://{address}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Chat { stdin: child.stdin.take(), stdout, child }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn socketio_client_without_a_thread_prints_why() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_socketio-client"))
        .env("RUST_MIN_STACK", (1u64 << 50).to_string()) // no stack is so large
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            _ = sender.send(line);
        }
    });
    let line = lines.recv_timeout(LIMIT);
    child.kill().unwrap();
    child.wait().unwrap();
    let line = line.expect("it prints an error");
    assert!(line.starts_with("Cannot connect: no thread can be started: "), "{line}");
}

#[test]
fn two_socketio_clients_chat_in_rooms_too() {
    let server = Server::of(Command::new(env!("CARGO_BIN_EXE_socketio-server")).arg("127.0.0.1:0"));
    let [mut ada, mut bob] = [Chat::with(&server.address), Chat::with(&server.address)];
    assert_eq!([ada.line(), bob.line()], ["Connected to server", "Connected to server"]);
    ada.say("Hello 안녕");
    assert_eq!([ada.line(), bob.line()], ["Hello 안녕", "Hello 안녕"]);
    bob.say("/join tea");
    bob.say("/tell tea two lumps, please");
    assert_eq!(bob.line(), "two lumps, please");
    bob.say("/leave tea");
    bob.say("/tell tea the room is empty");
    bob.say("/what");
    assert_eq!(bob.line(), "/join ROOM, /leave ROOM, /tell ROOM TEXT");
    bob.say("bye");
    bob.stdin = None; // the end of its input
    let lines: Vec<String> = bob.stdout.by_ref().lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["bye", "Disconnected from server (io client disconnect)"]);
    assert!(bob.child.wait().unwrap().success());
    assert_eq!(ada.line(), "bye");
}

#[test]
fn socketio_client_reconnects_and_sends_what_was_typed_meanwhile() {
    let mut chat_server = Command::new(env!("CARGO_BIN_EXE_socketio-server"));
    let server = Server::of(chat_server.arg("127.0.0.1:0"));
    let address = server.address.clone();
    let mut chat = Chat::with(&address);
    assert_eq!(chat.line(), "Connected to server");
    chat.say("/join tea");
    chat.say("/tell tea Hello");
    assert_eq!(chat.line(), "Hello");
    drop(server); // killed
    assert_eq!(chat.line(), "Disconnected from server (transport close)");
    chat.say("buffered");
    assert!(chat.line().starts_with("Trying again in "));
    let _server = Server::of(Command::new(env!("CARGO_BIN_EXE_socketio-server")).arg(&address));
    while chat.line() != "Connected to server" {}
    assert_eq!(chat.line(), "buffered");
    chat.say("/tell tea still there?");
    assert_eq!(chat.line(), "still there?"); // it has joined its room again
}

/// A line feed and a line that imitates the server's output, then an escape sequence for the terminal.
const FORGED: &str = "Hello\nClient disconnected\u{1b}[2J";

/// How a program prints it.
const SHOWN: &str = r"Hello\nClient disconnected\u{1b}[2J";

#[test]
fn ws_client_escapes_control_characters() {
    let message = [&[0x81, FORGED.len() as u8][..], FORGED.as_bytes()].concat();
    let close = [&[0x88, FORGED.len() as u8 + 2, 0x0f, 0xa0][..], FORGED.as_bytes()].concat();
    let url = answering_with([OPENED.as_bytes(), &message, &close].concat());
    let client = program("ws-client").arg(url).assert().code(1).stdout(format!("{SHOWN}\n"));
    client.stderr(format!("ws-client: the server has closed: 4000 {SHOWN}\n"));
}

#[test]
fn socketio_client_escapes_control_characters() {
    let server = Server::of(Command::new(env!("CARGO_BIN_EXE_socketio-server")).arg("127.0.0.1:0"));
    let mut chat = Chat::with(&server.address);
    assert_eq!(chat.line(), "Connected to server");
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.address);
    let mut forger = sockets_by_hand::ws::connect(&url).unwrap();
    forger.send("40").unwrap();
    while !matches!(forger.read(), Ok(Some(Message::Text(packet))) if packet.starts_with("40")) {}
    forger.send(r#"42["say","Hello\nClient disconnected\u001b[2J"]"#).unwrap();
    assert_eq!(chat.line(), SHOWN);
}

#[cfg(unix)]
#[test]
fn ipc_server_and_client_escape_control_characters() {
    use std::os::unix::net::{UnixListener, UnixStream};

    let path = std::env::temp_dir().join(format!("{}-forged", std::process::id()));
    let mut child = Command::new(env!("CARGO_BIN_EXE_ipc-server"))
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines.next().unwrap();
    let mut forger = UnixStream::connect(&path).unwrap();
    forger.write_all(FORGED.as_bytes()).unwrap();
    let [connected, received] = [(); 2].map(|()| lines.next().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(listening.starts_with("Server listening on "), "{listening}");
    assert_eq!(connected, "Client connected");
    assert_eq!(received, format!("Received data from client: {SHOWN}"));

    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let forging = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        client.read_exact(&mut [0; 17]).unwrap();
        client.write_all(FORGED.as_bytes()).unwrap();
    });
    let expected = "Connected to server\nReceived from server: {}\nDisconnected from server\n";
    let client = program("ipc-client").arg(&path).assert().success();
    client.stdout(expected.replace("{}", SHOWN));
    forging.join().unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_servers_of_the_readme_echo() {
    let server = |layer: &str| Server::of(example("echo").args([layer, "127.0.0.1:0"]));

    let net = server("net");
    let mut stream = TcpStream::connect(&net.address).unwrap();
    stream.write_all(b"Hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    assert_eq!(received, "Hello");

    let ws = server("ws");
    let mut socket = sockets_by_hand::ws::connect(&format!("ws://{}/", ws.address)).unwrap();
    socket.send("Hello").unwrap();
    assert_eq!(socket.read().unwrap(), Some(Message::from("Hello")));

    let socketio = server("socketio");
    let client = Client::connect(&format!("http://{}", socketio.address)).unwrap();
    let (sender, receiver) = mpsc::channel();
    client
        .timeout(LIMIT)
        .emit_with_callback("echo", [json!("Hello")], move |ack| _ = sender.send(ack));
    let acknowledged = receiver.recv_timeout(LIMIT).unwrap().unwrap();
    assert_eq!(acknowledged, [json!("Hello")]);
}
