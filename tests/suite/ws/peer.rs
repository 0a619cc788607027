//! A WebSocket peer written by hand: it knows the bytes of RFC 6455, and nothing of the library.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use sockets_by_hand::ws::handshake::accept_key;
use sockets_by_hand::ws::{Close, Error, Message, Options, Server, Socket, connect};

use crate::common::LIMIT;

/// The request of the opening handshake, and the `Sec-WebSocket-Accept` of its key (RFC 6455 §1.3).
pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// The first bytes of the frames of a fragmented message (§5.4).
pub const TEXT_FIRST: u8 = 0x01;
pub const BINARY_FIRST: u8 = 0x02;
pub const CONTINUATION: u8 = 0x00;
pub const FINAL: u8 = 0x80;

/// Which endpoint is written by hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    Client,
    Server,
}

impl Role {
    /// A frame as this endpoint must send it: a client masks (§5.1).
    pub fn frame(self, first: u8, payload: &[u8]) -> Vec<u8> {
        match self {
            Role::Client => frame(first, payload, Some([0x37, 0xfa, 0x21, 0x3d])),
            Role::Server => frame(first, payload, None),
        }
    }

    pub fn close(self, code: u16, reason: &str) -> Vec<u8> {
        self.frame(CLOSE, &close_payload(code, reason))
    }

    /// A header with the extended payload length as given: after 126 two bytes, after 127 eight.
    pub fn header(self, first: u8, second: u8, length: &[u8]) -> Vec<u8> {
        match self {
            Role::Client => [&[first, second | 0x80], length, &[0; 4]].concat(),
            Role::Server => [&[first, second], length].concat(),
        }
    }
}

pub fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        n @ 0..=125 => bytes.push(mask_bit | n as u8),
        n @ 126..=65535 => bytes.extend([mask_bit | 126, (n >> 8) as u8, n as u8]),
        n => {
            bytes.push(mask_bit | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    let Some(key) = key else { return [&bytes, payload].concat() };
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The payload of a close frame.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// The endpoint of a connection that is written by hand.
pub struct Peer {
    socket: BufReader<TcpStream>,
    pub role: Role,
    /// The masking key of the last frame that was read.
    pub key: [u8; 4],
}

impl Peer {
    pub fn new(socket: TcpStream, role: Role) -> Peer {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.set_nodelay(true).unwrap();
        Peer { socket: BufReader::new(socket), role, key: [0; 4] }
    }

    /// A client that has sent no request yet.
    pub fn connect(server: SocketAddr) -> Peer {
        Peer::new(TcpStream::connect(server).unwrap(), Role::Client)
    }

    /// A client whose handshake is done.
    pub fn open(server: SocketAddr) -> Peer {
        let mut peer = Peer::connect(server);
        peer.write(REQUEST);
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        peer
    }

    /// A server whose handshake is done; it sends `first` in the same write.
    pub fn accept(listener: &TcpListener, first: &[u8]) -> Peer {
        let mut peer = Peer::new(listener.accept().unwrap().0, Role::Server);
        let key = header(&peer.head(), "Sec-WebSocket-Key").unwrap();
        let accept = accept_key(&key);
        let head = format!(
            "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        peer.write([head.as_bytes(), first].concat());
        peer
    }

    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a valid frame.
    #[track_caller]
    pub fn send(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.write(self.role.frame(first, payload.as_ref()));
    }

    /// Reads a head, up to its empty line.
    #[track_caller]
    pub fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.socket.read_line(&mut head).unwrap(), 0, "it ended after {head:?}");
        }
        head
    }

    /// Reads a frame: its first byte and its payload, unmasked. `None` at the end of the stream. Asserts
    /// that only a client masks (§5.1), and that each length is encoded in the fewest bytes (§5.2).
    #[track_caller]
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut first = Vec::new(); // (`read_to_end` goes on after a signal, and `read` does not)
        (&mut self.socket).take(1).read_to_end(&mut first).unwrap();
        let ([first], [second]) = (first[..].try_into().ok()?, self.take());
        assert_eq!(second & 0x80 != 0, self.role == Role::Server, "who masks: RFC 6455 §5.1");
        let len = match second & 0x7f {
            126 => usize::from(u16::from_be_bytes(self.take())),
            127 => u64::from_be_bytes(self.take()) as usize,
            len => usize::from(len),
        };
        self.key = if second & 0x80 != 0 { self.take() } else { [0; 4] };
        let mut payload = vec![0; len];
        self.socket.read_exact(&mut payload).unwrap();
        if second & 0x80 != 0 {
            payload.iter_mut().zip(self.key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        let shortest = match len {
            0..=125 => len as u8,
            126..=65535 => 126,
            _ => 127,
        };
        assert_eq!(second & 0x7f, shortest, "the shortest length: §5.2");
        Some((first, payload))
    }

    #[track_caller]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[track_caller]
    pub fn expect(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        assert_eq!(self.frame(), Some((first, payload.as_ref().to_vec())));
    }

    /// Asserts that the next frame is a close frame with this code, and returns its reason.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) -> String {
        let Some((CLOSE, payload)) = self.frame() else {
            panic!("a close frame with {code} was expected")
        };
        assert_eq!(payload.get(..2), Some(&code.to_be_bytes()[..]), "{payload:?}");
        String::from_utf8(payload[2..].to_vec()).unwrap()
    }

    /// Asserts that no frame follows.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.frame(), None);
    }

    /// Asserts that the connection ends without a close frame. If the other end left bytes unread, that is a
    /// reset.
    #[track_caller]
    pub fn expect_cut(&mut self) {
        match self.socket.read(&mut [0]) {
            Ok(n) => assert_eq!(n, 0, "more came"),
            Err(e) => assert_ne!(e.kind(), ErrorKind::WouldBlock, "the connection is still there"),
        }
    }

    /// Reads to the end, as text.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Reads to the end, and returns the number of bytes.
    pub fn rest_len(&mut self) -> u64 {
        std::io::copy(&mut self.socket, &mut std::io::sink()).unwrap()
    }

    /// Asserts that these bytes follow.
    #[track_caller]
    pub fn expect_bytes(&mut self, expected: &str) {
        let mut bytes = vec![0; expected.len()];
        self.socket.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    /// A writer for another thread.
    pub fn writer(&self) -> TcpStream {
        self.socket.get_ref().try_clone().unwrap()
    }

    /// Shuts down both directions, for every clone.
    pub fn destroy(&self) {
        _ = self.socket.get_ref().shutdown(Shutdown::Both);
    }

    /// Shuts down writing.
    pub fn half_close(&self) {
        self.socket.get_ref().shutdown(Shutdown::Write).unwrap();
    }
}

/// The value of a header in a head.
pub fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_string())
}

/// Serves on a thread until the tests end.
pub fn serve<H>(server: Server, handler: H) -> SocketAddr
where
    H: Fn(Socket) -> Result<(), Error> + Send + Sync + 'static,
{
    let address = server.address().unwrap();
    thread::spawn(|| server.serve(handler));
    address
}

pub fn server() -> Server {
    server_with(Options::default())
}

/// A server with these options.
pub fn server_with(options: Options) -> Server {
    Server::bind("127.0.0.1:0", options).unwrap()
}

/// A handler that echoes every message.
pub fn echo(mut socket: Socket) -> Result<(), Error> {
    while let Some(message) = socket.read()? {
        socket.send(message)?;
    }
    Ok(())
}

/// How a socket of the library ended: the messages that it read, its error, and its close frame.
#[derive(Debug)]
pub struct End {
    pub messages: Vec<Message>,
    pub error: Option<Error>,
    pub closed: Close,
}

/// Reads to the end.
pub fn read_all(socket: &mut Socket) -> End {
    let mut messages = Vec::new();
    let error = loop {
        match socket.read() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => break None,
            Err(e) => break Some(e),
        }
    };
    assert!(matches!(socket.read(), Ok(None)), "nothing can be read after the end");
    End { messages, error, closed: socket.closed().unwrap().clone() }
}

/// Serves, and returns the receiver of each connection's end.
pub fn reporting(server: Server) -> (SocketAddr, Receiver<End>) {
    let (sender, receiver) = mpsc::channel();
    let address = serve(server, move |mut socket| {
        _ = sender.send(read_all(&mut socket));
        Ok(())
    });
    (address, receiver)
}

/// A client of the library, and a server by hand.
fn client_and_peer() -> (Socket, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let peer = thread::spawn(move || Peer::accept(&listener, b""));
    (connect(&url).unwrap(), peer.join().unwrap())
}

/// A client by hand, and the socket that a server of the library has for it.
fn server_and_peer() -> (Socket, Peer) {
    let (sender, receiver) = mpsc::channel();
    let address = serve(server(), move |socket| {
        _ = sender.send(socket);
        Ok(())
    });
    let peer = Peer::open(address);
    (receiver.recv().unwrap(), peer)
}

/// A peer with that role, and the library's socket at the other end. (Drop the peer first: a socket that
/// is dropped waits a moment for the other end to close.)
pub fn against(role: Role) -> (Socket, Peer) {
    match role {
        Role::Client => server_and_peer(),
        Role::Server => client_and_peer(),
    }
}

/// A pair for each role.
pub fn both() -> [(Socket, Peer); 2] {
    [against(Role::Server), against(Role::Client)]
}
