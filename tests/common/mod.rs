//! What several files of tests share: an Engine.IO client over long-polling and over a WebSocket, and ways
//! to wait. These clients use nothing of the library.
#![allow(dead_code)] // each file of tests uses a part of it

pub mod random;

use std::fmt::Display;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// How long something may take on a loaded machine that takes no time on an idle one.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits until a condition holds.
#[track_caller]
pub fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "the condition does not hold in time");
        thread::sleep(Duration::from_millis(1)); // leaves the processor to what is waited for
    }
}

/// Tries until an attempt succeeds. An attempt fails if the machine has paused for longer than a
/// limit that the attempt must keep.
#[track_caller]
pub fn retry<T>(attempt: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(success) = attempt() {
            return success;
        }
        assert!(start.elapsed() < LIMIT, "no attempt was successful");
    }
}

/// Runs the test that calls this in a process of its own, where it must pass, and returns what that has
/// written to stderr. `None` in that process.
#[track_caller]
pub fn run_alone() -> Option<String> {
    if env::var_os("ALONE").is_some() {
        return None;
    }
    let test = thread::current();
    let test = test.name().expect("the name of the test");
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1", "--nocapture"])
        .env("ALONE", "1")
        .output()
        .unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
    Some(stderr)
}

/// Whether the test that calls this is alone in its process, so that it may count what the whole
/// process has. If it is not, it has passed where it was.
#[track_caller]
pub fn is_alone() -> bool {
    run_alone().is_none()
}

/// The number in a line of `/proc/PROCESS/status`, such as that of `VmHWM:`; of memory, in KiB. `self`
/// is this process. `None` where the system has no such file.
pub fn status(process: impl Display, name: &str) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    Some(line.split_whitespace().next().unwrap().parse().unwrap())
}

/// Receives the next value from a channel.
#[track_caller]
pub fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).expect("nothing was sent in time")
}

/// A connection that carries requests.
pub struct Connection(BufReader<TcpStream>);

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The status and the body.
    pub fn status_and_body(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Connection(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request with these lines (each with its `\r\n`) in its head.
    pub fn request(&mut self, method: &str, target: &str, lines: &str, body: &str) {
        let length = match body {
            "" if method == "GET" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}{length}\r\n");
        self.send(head + body);
    }

    pub fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, "", "");
        self.response()
    }

    pub fn post(&mut self, target: &str, body: &str) -> Response {
        self.request("POST", target, "", body);
        self.response()
    }

    /// Waits for a whole response.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{first:?} is no status line"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_string(), value.to_string()));
        }
        let mut response = Response { status, headers, body: String::new() };
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        response.body = String::from_utf8(self.bytes(length)).unwrap();
        response
    }

    /// Whether data has arrived that has not been read.
    pub fn has_data(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !self.0.buffer().is_empty() || peeked.is_ok()
    }

    /// Whether the server has ended the connection, after what has been read.
    pub fn has_ended(&mut self) -> bool {
        loop {
            match self.0.fill_buf() {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return !is_timeout(&e),
                Ok(bytes) => return bytes.is_empty(),
            }
        }
    }

    /// Ends our direction, and waits for the end of the other.
    pub fn end(mut self) {
        self.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
        while !self.has_ended() {
            let n = self.0.buffer().len();
            self.0.consume(n);
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

fn is_timeout(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// The path of the sessions.
pub const PATH: &str = "/socket.io/";

/// The target of a handshake over long-polling.
pub const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// The target of a handshake over a WebSocket.
pub const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// The session id in an open packet.
#[track_caller]
pub fn sid(open_packet: &str) -> &str {
    open_packet.split('"').nth(3).unwrap_or_else(|| panic!("{open_packet:?} has no sid"))
}

/// A session over long-polling: a connection for its `GET`s, and that of its last `POST`.
pub struct Polling {
    pub address: SocketAddr,
    pub sid: String,
    pub get: Connection,
    pub post: Connection,
}

impl Polling {
    pub fn open(address: SocketAddr) -> Polling {
        Polling::open_with(address, "")
    }

    /// Opens a session with these lines in the head of the first request.
    pub fn open_with(address: SocketAddr, lines: &str) -> Polling {
        let (mut get, post) = (Connection::open(address), Connection::open(address));
        get.request("GET", POLLING, lines, "");
        let sid = sid(&get.response().body).to_string();
        Polling { address, sid, get, post }
    }

    pub fn target(&self) -> String {
        format!("{POLLING}&sid={}", self.sid)
    }

    /// Sends a `GET`, which the server holds until there is a packet.
    pub fn send_get(&mut self) {
        let target = self.target();
        self.get.request("GET", &target, "", "");
    }

    /// The packets that answer the `GET`.
    #[track_caller]
    pub fn received(&mut self) -> String {
        let response = self.get.response();
        assert_eq!(response.status, 200, "{response:?}");
        response.body
    }

    #[track_caller]
    pub fn poll(&mut self) -> String {
        self.send_get();
        self.received()
    }

    #[track_caller]
    pub fn post(&mut self, body: &str) {
        let response = self.try_post(body);
        assert_eq!(response.status_and_body(), (200, "ok"));
    }

    /// Sends a `POST`, and returns its response, which may refuse it.
    pub fn try_post(&mut self, body: &str) -> Response {
        self.send_post(body);
        self.post.response()
    }

    /// Sends a `POST` over a new connection (the server ends one that is idle for some seconds), and
    /// does not wait for its response.
    pub fn send_post(&mut self, body: &str) {
        let target = self.target();
        self.post = Connection::open(self.address);
        self.post.request("POST", &target, "", body);
    }

    /// Waits until the server does not know the session any more. It may send a last packet before.
    #[track_caller]
    pub fn assert_forgotten(&self) {
        let unknown = (400, r#"{"code":1,"message":"Session ID unknown"}"#);
        let response = || Connection::open(self.address).post(&self.target(), "4ping");
        until(|| response().status_and_body() == unknown);
    }

    /// Upgrades the session to a WebSocket, and returns it.
    pub fn upgrade(&mut self) -> WebSocket {
        let mut socket = self.probe();
        socket.send("5");
        socket
    }

    /// A WebSocket that has been probed, before the upgrade.
    pub fn probe(&mut self) -> WebSocket {
        let mut socket = WebSocket::open(self.address, &format!("{WEBSOCKET}&sid={}", self.sid));
        socket.send("2probe");
        assert_eq!(socket.text(), "3probe");
        socket
    }
}

/// A WebSocket.
pub struct WebSocket(Connection);

/// A frame that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    /// A compressed message (RSV1), as it came.
    Compressed(Vec<u8>),
    /// A close frame, with its code, or 1005 if it has none. It has been answered.
    Close(u16),
    /// The end of the stream without a close frame.
    End,
}

/// The lines of a head that ask for a WebSocket.
pub const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                           Sec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The masking key of all frames.
const KEY: [u8; 4] = [1, 2, 3, 4];

impl WebSocket {
    #[track_caller]
    pub fn open(address: SocketAddr, target: &str) -> WebSocket {
        WebSocket::try_open(address, target)
            .unwrap_or_else(|response| panic!("the handshake was refused: {response:?}"))
    }

    /// Opens a WebSocket; `Err` is the response that refuses the handshake.
    pub fn try_open(address: SocketAddr, target: &str) -> Result<WebSocket, Response> {
        WebSocket::open_with(address, target, "")
    }

    /// The same with these lines in the head of the request.
    pub fn open_with(
        address: SocketAddr,
        target: &str,
        lines: &str,
    ) -> Result<WebSocket, Response> {
        let mut connection = Connection::open(address);
        connection.request("GET", target, &format!("{UPGRADE}{lines}"), "");
        let response = connection.response();
        if response.status == 101 { Ok(WebSocket(connection)) } else { Err(response) }
    }

    /// A new session, after its open packet.
    pub fn session(address: SocketAddr) -> WebSocket {
        let mut socket = WebSocket::open(address, WEBSOCKET);
        let open_packet = socket.text();
        assert!(open_packet.starts_with(r#"0{"sid":""#), "{open_packet}");
        socket
    }

    pub fn send(&mut self, text: &str) {
        self.frame(1, text.as_bytes());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.frame(2, bytes);
    }

    pub fn close(&mut self) {
        self.frame(8, &1000u16.to_be_bytes());
    }

    /// Sends a frame.
    pub fn frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len @ 126..0x10000 => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(KEY);
        frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        // The server may have ended the connection: what it sent before can still be read.
        _ = self.0.0.get_mut().write_all(&frame);
    }

    /// Waits for the next frame.
    #[track_caller]
    pub fn read(&mut self) -> Frame {
        let Some((first, payload)) = self.read_frame() else { return Frame::End };
        match first {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x82 => Frame::Binary(payload),
            0xc1 | 0xc2 => Frame::Compressed(payload),
            0x88 => Frame::Close(match payload[..] {
                [high, low, ..] => u16::from_be_bytes([high, low]),
                _ => 1005, // RFC 6455 §7.4.1
            }),
            first => panic!("a frame that begins with {first:#x} arrived"),
        }
    }

    /// Waits for the next frame: its first byte, and its payload. A close frame is answered. `None`
    /// is the end of the stream.
    #[track_caller]
    pub fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        if self.0.has_ended() {
            return None;
        }
        let [first, short] = self.0.bytes(2).try_into().unwrap();
        let length = match short {
            127 => u64::from_be_bytes(self.0.bytes(8).try_into().unwrap()) as usize,
            126 => u16::from_be_bytes(self.0.bytes(2).try_into().unwrap()).into(),
            short => short.into(),
        };
        let payload = self.0.bytes(length);
        if first == 0x88 {
            self.frame(8, &payload);
        }
        Some((first, payload))
    }

    /// Waits for a text frame.
    #[track_caller]
    pub fn text(&mut self) -> String {
        match self.read() {
            Frame::Text(text) => text,
            other => panic!("{other:?} arrived instead of text"),
        }
    }
}
