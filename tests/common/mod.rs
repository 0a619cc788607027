//! What several files of tests share: a polling and a WebSocket client by hand, and how they wait. What goes
//! over the wire is written out here, and nothing of the library is used for it.
#![allow(dead_code)] // each file of tests uses its part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

/// So long a thing may take that happens at once, on a machine that has much else to do.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits for what nobody announces.
#[track_caller]
pub fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "it did not come to that");
        thread::yield_now();
    }
}

/// Tries until an attempt succeeds. One fails where this machine has paused for longer than a limit that
/// the attempt must keep; what it must miss afterwards is then seen in another.
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

/// Waits for what is announced.
#[track_caller]
pub fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).expect("nothing was announced")
}

/// A connection over which requests go.
pub struct Connection(BufReader<TcpStream>);

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The status and the body.
    pub fn short(&self) -> (u16, &str) {
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

    pub fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, "", "");
        self.answer()
    }

    pub fn post(&mut self, target: &str, body: &str) -> Answer {
        self.request("POST", target, "", body);
        self.answer()
    }

    /// Waits for an answer, whole.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{first:?} is no answer"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_string(), value.to_string()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body = String::from_utf8(self.bytes(length)).unwrap();
        answer
    }

    /// Whether something has come that has not been read.
    pub fn has_come(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !self.0.buffer().is_empty() || peeked.is_ok()
    }

    /// Whether the server has ended the connection, after what has been read.
    pub fn has_ended(&mut self) -> bool {
        self.0.fill_buf().map_or_else(|e| !is_late(&e), <[u8]>::is_empty)
    }

    /// Ends our side, and waits for the other.
    pub fn leave(mut self) {
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

fn is_late(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Where the sessions are.
pub const PATH: &str = "/socket.io/";

/// What to ask for over long-polling.
pub const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// What to ask for over a WebSocket.
pub const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A session over long-polling: one connection for what it asks, another for what it says.
pub struct Polling {
    pub address: SocketAddr,
    pub sid: String,
    pub asks: Connection,
    pub says: Connection,
}

impl Polling {
    pub fn open(address: SocketAddr) -> Polling {
        let (mut asks, says) = (Connection::open(address), Connection::open(address));
        let hello = asks.get(POLLING).body;
        let sid = hello.split('"').nth(3).unwrap_or_else(|| panic!("{hello:?} has no sid"));
        Polling { address, sid: sid.to_string(), asks, says }
    }

    pub fn target(&self) -> String {
        format!("{POLLING}&sid={}", self.sid)
    }

    /// Sends the GET that is held until there is something to say.
    pub fn ask(&mut self) {
        let target = self.target();
        self.asks.request("GET", &target, "", "");
    }

    /// What the GET brings.
    #[track_caller]
    pub fn heard(&mut self) -> String {
        let answer = self.asks.answer();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    #[track_caller]
    pub fn poll(&mut self) -> String {
        self.ask();
        self.heard()
    }

    #[track_caller]
    pub fn say(&mut self, body: &str) {
        let target = self.target();
        let answer = self.says.post(&target, body);
        assert_eq!(answer.short(), (200, "ok"));
    }

    /// Waits until the server does not know the session any more: it may have its last word before.
    #[track_caller]
    pub fn assert_forgotten(&self) {
        let unknown = (400, r#"{"code":1,"message":"Session ID unknown"}"#);
        let said = || Connection::open(self.address).post(&self.target(), "4are you there?");
        until(|| said().short() == unknown);
    }

    /// Moves over to a WebSocket, and returns it.
    pub fn upgrade(&mut self) -> WebSocket {
        let mut socket = self.probe();
        socket.send("5");
        socket
    }

    /// A WebSocket that has been probed, and has not taken over yet.
    pub fn probe(&mut self) -> WebSocket {
        let mut socket = WebSocket::open(self.address, &format!("{WEBSOCKET}&sid={}", self.sid));
        socket.send("2probe");
        assert_eq!(socket.text(), "3probe");
        socket
    }
}

/// A WebSocket.
pub struct WebSocket(Connection);

/// What comes over a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    /// A goodbye, with its code. It has been returned.
    Close(u16),
    /// The end without one.
    End,
}

/// The key of all masks: none of the server's tests is about those.
const KEY: [u8; 4] = [1, 2, 3, 4];

impl WebSocket {
    #[track_caller]
    pub fn open(address: SocketAddr, target: &str) -> WebSocket {
        WebSocket::ask(address, target)
            .unwrap_or_else(|answer| panic!("there is no WebSocket: {answer:?}"))
    }

    /// Asks for a WebSocket; `Err` is the answer that refuses.
    pub fn ask(address: SocketAddr, target: &str) -> Result<WebSocket, Answer> {
        let mut connection = Connection::open(address);
        let lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        connection.request("GET", target, lines, "");
        let answer = connection.answer();
        if answer.status == 101 { Ok(WebSocket(connection)) } else { Err(answer) }
    }

    /// A session of its own, after its first packet.
    pub fn session(address: SocketAddr) -> WebSocket {
        let mut socket = WebSocket::open(address, WEBSOCKET);
        let hello = socket.text();
        assert!(hello.starts_with(r#"0{"sid":""#), "{hello}");
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

    fn frame(&mut self, opcode: u8, payload: &[u8]) {
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
        // The server may have ended the connection: what it said before can still be read.
        _ = self.0.0.get_mut().write_all(&frame);
    }

    /// Waits for what comes.
    #[track_caller]
    pub fn read(&mut self) -> Frame {
        if self.0.has_ended() {
            return Frame::End;
        }
        let [first, short] = self.0.bytes(2).try_into().unwrap();
        let length = match short {
            127 => u64::from_be_bytes(self.0.bytes(8).try_into().unwrap()) as usize,
            126 => u16::from_be_bytes(self.0.bytes(2).try_into().unwrap()).into(),
            short => short.into(),
        };
        let payload = self.0.bytes(length);
        match first {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x82 => Frame::Binary(payload),
            0x88 => {
                self.frame(8, &payload);
                Frame::Close(u16::from_be_bytes([payload[0], payload[1]]))
            }
            first => panic!("a frame that begins with {first:#x} came"),
        }
    }

    /// Waits for text.
    #[track_caller]
    pub fn text(&mut self) -> String {
        match self.read() {
            Frame::Text(text) => text,
            other => panic!("no text, but {other:?} came"),
        }
    }
}
