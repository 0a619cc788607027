//! A client's session with a server: over long-polling, a WebSocket, or the one and then the other.
//!
//! Picture someone who writes letters to a house, and would rather have a telephone. They knock with a
//! letter, and are given a number; then they try the telephone with that number. If it works, no
//! more letters are written; if not, one is always on its way there to fetch what is new, and others
//! carry what there is to say.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use super::letterbox::Letterbox;
use super::{Options, is_unreserved};
use crate::engineio::{Outgoing, Packet};
use crate::http::{DeadlineReader, Error::Refused, Request, Response};
use crate::json::Value;
use crate::net::{Outbox, Stream, outbox::Answers};
use crate::ws::{self, Message};

/// How long a WebSocket may take to prove itself before long-polling goes on without it.
const PROBE_TIME: Duration = Duration::from_secs(5);

/// How long a goodbye may take.
pub const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Why there is no session with a server, or none any more.
#[derive(Debug)]
pub enum Error {
    /// The connection failed.
    Io(io::Error),
    /// There is somebody, but of no use; why.
    Unusable(String),
}

impl Error {
    /// The server said something that is not Engine.IO; what was expected.
    fn expected(what: &str) -> Error {
        Error::Unusable(format!("the server does not speak Engine.IO 4: {what} was expected"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Error::Unusable(what) => f.write_str(what),
        }
    }
}

/// Whatever goes wrong on the floors below.
impl<E: Into<ws::Error>> From<E> for Error {
    fn from(e: E) -> Error {
        match e.into() {
            ws::Error::Io(e) => Error::Io(e),
            ws::Error::Http(Refused(408, _)) => Error::Io(ErrorKind::TimedOut.into()),
            ws::Error::Http(e) => Error::Unusable(format!("the server does not speak HTTP: {e}")),
            e => Error::Unusable(e.to_string()),
        }
    }
}

/// Where a server is, and how a client wants to talk to it.
#[derive(Clone, Debug)]
pub struct Address {
    /// `HOST:PORT`.
    pub authority: String,
    /// The path of the sessions, and the beginning of a query.
    pub target: String,
    pub options: Arc<Options>,
}

/// A session, as the one who reads it holds it.
pub struct Transport {
    incoming: Incoming,
    /// What has come, and has not been read.
    packets: VecDeque<Packet>,
    /// Sends in it, from any thread.
    pub sender: Sender,
    /// Pongs that the server has provoked and not taken.
    pongs: Answers,
    /// How long the server may be silent.
    patience: Duration,
}

enum Incoming {
    Websocket(Box<ws::Socket>),
    Polling { address: Address, letterbox: Arc<Letterbox>, poster: Option<JoinHandle<()>> },
}

/// Sends in a session, from any thread. A clone is the same.
#[derive(Clone)]
pub enum Sender {
    Websocket(ws::Sender),
    Polling(Arc<Letterbox>),
}

/// What the first packet of a session says.
struct Hello {
    sid: String,
    upgrade: bool,
    patience: Duration,
    max_payload: usize,
}

impl Transport {
    /// Opens a session: at most `timeout` later there is one, or a reason why not.
    pub fn open(address: &Address) -> Result<Transport, Error> {
        let deadline = Instant::now() + address.options.timeout;
        if address.options.transports[0] == "websocket" {
            let mut socket = websocket(address, "", deadline)?;
            let first = socket.read()?.and_then(Packet::from_message);
            let hello = Hello::parse(first)?;
            return Ok(Transport::websocket(socket, VecDeque::new(), hello.patience));
        }
        let mut polling = address.clone();
        polling.target += "&transport=polling";
        let mut packets = payload(exchange(&polling, "GET", b"", deadline, |_| true)?)?;
        let hello = Hello::parse(packets.pop_front())?;
        let sid = format!("&sid={}", hello.sid);
        if hello.upgrade && address.options.transports.contains(&"websocket") {
            // No ping is heard meanwhile: the server must not lose patience over it.
            let limit = deadline.min(Instant::now() + PROBE_TIME.min(hello.patience / 2));
            if let Ok(socket) = upgrade(address, &sid, limit) {
                return Ok(Transport::websocket(socket, packets, hello.patience));
            }
        }
        polling.target += &sid;
        let letterbox = Arc::<Letterbox>::default();
        let poster = {
            let (letterbox, address) = (letterbox.clone(), polling.clone());
            thread::Builder::new().spawn(move || letterbox.post(&address, hello.max_payload))?
        };
        let (sender, poster) = (Sender::Polling(letterbox.clone()), Some(poster));
        let incoming = Incoming::Polling { address: polling, letterbox, poster };
        let (pongs, patience) = (Answers::default(), hello.patience);
        Ok(Transport { incoming, packets, sender, pongs, patience })
    }

    fn websocket(socket: ws::Socket, packets: VecDeque<Packet>, patience: Duration) -> Transport {
        let sender = Sender::Websocket(socket.sender());
        let (incoming, pongs) = (Incoming::Websocket(Box::new(socket)), Answers::default());
        Transport { incoming, packets, sender, pongs, patience }
    }

    /// Waits for a message, and answers pings meanwhile; `None` when the session is over.
    pub fn read(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.next()? {
                Some(Packet::Message(message)) => return Ok(Some(message)),
                Some(Packet::Ping(data)) => {
                    if !self.pongs.allow(data.len(), self.sender.is_writable()) {
                        return Err(Error::Unusable("the server takes no pongs".to_string()));
                    }
                    _ = self.sender.send(&Packet::Pong(data).into());
                }
                Some(Packet::Close) | None => return Ok(None),
                Some(_) => {} // a noop, or what is only said at the beginning
            }
        }
    }

    fn next(&mut self) -> Result<Option<Packet>, Error> {
        if let Some(packet) = self.packets.pop_front() {
            return Ok(Some(packet));
        }
        let deadline = Instant::now() + self.patience;
        match &mut self.incoming {
            Incoming::Websocket(socket) => {
                socket.set_deadline(Some(deadline));
                let Some(message) = socket.read()? else { return Ok(None) };
                Packet::from_message(message).map(Some).ok_or_else(|| Error::expected("a packet"))
            }
            Incoming::Polling { address, letterbox, .. } => {
                let wait = |stream: &Stream| letterbox.gets_on(stream);
                self.packets = payload(exchange(address, "GET", b"", deadline, wait)?)?;
                Ok(self.packets.pop_front())
            }
        }
    }
}

/// Ends the session, and the thread that posts.
impl Drop for Transport {
    fn drop(&mut self) {
        self.sender.close();
        if let Incoming::Polling { poster, .. } = &mut self.incoming {
            _ = poster.take().map(JoinHandle::join);
        }
    }
}

impl Sender {
    /// Sends packets, after all that were sent before, and nothing of another's between them. Returns
    /// `false` if nothing can be sent any more; whoever reads sees that too.
    pub fn send(&self, outgoing: &Outgoing) -> bool {
        match self {
            Sender::Websocket(sender) => sender.send_encoded(outgoing.masked_frames()).is_ok(),
            Sender::Polling(letterbox) => letterbox.drop_in(&outgoing.payload()),
        }
    }

    /// Whether what is sent now would leave at once.
    pub fn is_writable(&self) -> bool {
        match self {
            Sender::Websocket(sender) => sender.is_writable(),
            Sender::Polling(letterbox) => letterbox.is_empty(),
        }
    }

    /// Says goodbye, after all that was sent before; whoever reads is woken soon.
    pub fn close(&self) {
        match self {
            Sender::Websocket(sender) => _ = sender.close_within(1000, "", CLOSE_TIME),
            Sender::Polling(letterbox) => letterbox.close(),
        }
    }

    /// Ends the session at once; whoever reads is woken.
    pub fn cut(&self) {
        match self {
            Sender::Websocket(sender) => sender.terminate(),
            Sender::Polling(letterbox) => letterbox.cut(),
        }
    }
}

impl Hello {
    fn parse(packet: Option<Packet>) -> Result<Hello, Error> {
        let Some(Packet::Open(json)) = packet else {
            return Err(Error::expected("an open packet"));
        };
        let json = Value::parse(&json).unwrap_or(Value::Null);
        let ms = |name: &str| json[name].as_f64().filter(|ms| (0.0..1e10).contains(ms));
        let (Some(sid), Some(interval), Some(timeout)) =
            (json["sid"].as_str(), ms("pingInterval"), ms("pingTimeout"))
        else {
            return Err(Error::expected("an open packet with sid, pingInterval and pingTimeout"));
        };
        if sid.is_empty() || !sid.bytes().all(is_unreserved) {
            return Err(Error::expected("a sid that may stand in a URL"));
        }
        let upgrades = json["upgrades"].as_array().unwrap_or_default();
        Ok(Hello {
            sid: sid.to_string(),
            upgrade: upgrades.iter().any(|name| name.as_str() == Some("websocket")),
            patience: Duration::from_millis((interval + timeout) as u64),
            max_payload: json["maxPayload"].as_f64().map_or(usize::MAX, |max| max as usize),
        })
    }
}

/// A WebSocket to the server; with a `sid`, one that belongs to that session.
fn websocket(address: &Address, sid: &str, deadline: Instant) -> Result<ws::Socket, Error> {
    let Address { authority, target, options } = address;
    let left = deadline.saturating_duration_since(Instant::now());
    let client = ws::Client {
        headers: options.extra_headers.clone(),
        max_payload: options.max_payload,
        handshake_timeout: left.max(Duration::from_millis(1)),
        ..ws::Client::default()
    };
    let mut socket =
        client.connect(&format!("ws://{authority}{target}&transport=websocket{sid}"))?;
    socket.set_deadline(Some(deadline));
    Ok(socket)
}

/// Tries out a WebSocket for a session, and moves over to it. No news are awaited meanwhile, so none
/// can be lost: the server keeps them until the session has moved.
fn upgrade(address: &Address, sid: &str, deadline: Instant) -> Result<ws::Socket, Error> {
    let mut socket = websocket(address, sid, deadline)?;
    socket.send("2probe")?;
    match socket.read()?.and_then(Packet::from_message) {
        Some(Packet::Pong(probe)) if probe == "probe" => {}
        _ => return Err(Error::expected("the answer to a probe")),
    }
    socket.send("5")?;
    Ok(socket)
}

/// The packets in a body.
fn payload(body: Vec<u8>) -> Result<VecDeque<Packet>, Error> {
    let text = String::from_utf8(body).map_err(|_| Error::expected("text"))?;
    let packets = Packet::parse_payload(&text).ok_or(Error::expected("a packet"))?;
    Ok(packets.into())
}

/// One request and its response, on a connection of its own. `ready` is shown the connection, and
/// may say that it is not wanted any more.
pub fn exchange(
    address: &Address,
    method: &str,
    body: &[u8],
    deadline: Instant,
    ready: impl Fn(&Stream) -> bool,
) -> Result<Vec<u8>, Error> {
    let Address { authority, target, options } = address;
    let left = deadline.saturating_duration_since(Instant::now());
    let stream = Stream::connect_within(&**authority, left)?;
    stream.set_no_delay(true)?;
    if !ready(&stream) {
        return Err(Error::Io(ErrorKind::ConnectionAborted.into()));
    }
    let mut request = Request::new(method, target);
    if options.extra_headers.get("Host").is_none() {
        request.headers.push("Host", authority);
    }
    request.headers.push("Connection", "close");
    if method == "POST" {
        request.headers.push("Content-Type", "text/plain;charset=UTF-8");
    }
    for (name, value) in options.extra_headers.iter() {
        request.headers.push(name, value);
    }
    // Through an outbox: a server that does not read must not hold us up beyond the deadline.
    let outbox = Outbox::with_limits(stream.clone(), usize::MAX, options.timeout)?;
    outbox.send(request.encode(body))?;
    let mut reader = DeadlineReader::buffered(stream);
    reader.get_mut().deadline = Some(deadline);
    let response = Response::read(&mut reader, options.max_payload)?;
    if response.status != 200 {
        let text: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
        let status = response.status;
        return Err(Error::Unusable(format!("the server answered with status {status}: {text}")));
    }
    Ok(response.body)
}
