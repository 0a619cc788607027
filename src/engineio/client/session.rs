//! A client's session: over long-polling, over a WebSocket, or over the one and then the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::polling_writer::PollingWriter;
use super::{CLOSE_TIMEOUT, Endpoint, Error, Options, is_unreserved};
use crate::engineio::{Outgoing, Packet};
use crate::http::Url;
use crate::json::Value;
use crate::net::{Stream, outbox::Answers};
use crate::ws::{self, Message};

/// How long the probe of a WebSocket may take. Then long-polling goes on without it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A session with a server, for the thread that reads. Dropping it ends the session.
///
/// ```no_run
/// use sockets_by_hand::engineio::{Packet, client::{Options, Session}};
/// use sockets_by_hand::{http::Url, ws::Message};
///
/// let url = Url::parse("http://127.0.0.1:3000")?;
/// let mut session = Session::open(url, Options::default())?;
/// session.sender().send(&Packet::Message(Message::from("Hello")).into());
/// while let Some(message) = session.read()? {
///     println!("{message:?}");
/// }
/// # Ok::<(), sockets_by_hand::engineio::client::Error>(())
/// ```
pub struct Session {
    transport: Transport,
    /// Packets that have arrived and have not been read.
    packets: VecDeque<Packet>,
    sender: Sender,
    /// The pongs that the server has caused and not read.
    pongs: Answers,
    /// How long the server may be silent: its ping interval and its ping timeout.
    read_timeout: Duration,
}

enum Transport {
    Websocket(Box<ws::Socket>),
    Polling { endpoint: Endpoint, writer: Arc<PollingWriter>, thread: Option<JoinHandle<()>> },
}

/// Sends in a session, from any thread. A clone is the same sender.
#[derive(Clone)]
pub struct Sender(Kind);

#[derive(Clone)]
enum Kind {
    Websocket(ws::Sender),
    Polling(Arc<PollingWriter>),
}

/// The data of the handshake, the first packet of a session.
struct Handshake {
    sid: String,
    /// Whether the server offers an upgrade to a WebSocket.
    upgrade: bool,
    read_timeout: Duration,
    max_payload: usize,
}

impl Session {
    /// Opens a session within [`Options::timeout`]. The path of the URL is ignored.
    ///
    /// # Errors
    /// The connection failed, or the server or the options cannot be used.
    pub fn open(url: Url, options: Options) -> Result<Session, Error> {
        Session::connect(&Endpoint::new(url, options)?)
    }

    pub(crate) fn connect(endpoint: &Endpoint) -> Result<Session, Error> {
        let deadline = Instant::now() + endpoint.options.timeout;
        let websocket = endpoint.clone().with("&transport=websocket");
        if endpoint.options.transports[0] == "websocket" {
            let mut socket = websocket.websocket(deadline)?;
            let handshake = Handshake::parse(socket.read()?.and_then(Packet::from_message))?;
            return Ok(Session::websocket(socket, VecDeque::new(), handshake.read_timeout));
        }
        let polling = endpoint.clone().with("&transport=polling");
        let mut packets = parse(polling.request("GET", b"", deadline, |_| true)?)?;
        let handshake = Handshake::parse(packets.pop_front())?;
        let sid = format!("&sid={}", handshake.sid);
        if handshake.upgrade && endpoint.options.transports.contains(&"websocket") {
            // No ping is read meanwhile: the probe must end before the server misses a pong.
            let limit = Instant::now() + PROBE_TIMEOUT.min(handshake.read_timeout / 2);
            if let Ok(socket) = upgrade(&websocket.with(&sid), limit.min(deadline)) {
                return Ok(Session::websocket(socket, packets, handshake.read_timeout));
            }
        }
        Session::polling(polling.with(&sid), packets, handshake)
    }

    fn websocket(socket: ws::Socket, packets: VecDeque<Packet>, read_timeout: Duration) -> Session {
        let sender = Sender(Kind::Websocket(socket.sender()));
        let (transport, pongs) = (Transport::Websocket(Box::new(socket)), Answers::default());
        Session { transport, packets, sender, pongs, read_timeout }
    }

    fn polling(
        endpoint: Endpoint,
        packets: VecDeque<Packet>,
        handshake: Handshake,
    ) -> Result<Session, Error> {
        let writer = Arc::<PollingWriter>::default();
        let thread = {
            let (writer, endpoint) = (writer.clone(), endpoint.clone());
            thread::Builder::new().spawn(move || writer.run(&endpoint, handshake.max_payload))?
        };
        let (sender, thread) = (Sender(Kind::Polling(writer.clone())), Some(thread));
        let transport = Transport::Polling { endpoint, writer, thread };
        let (pongs, read_timeout) = (Answers::default(), handshake.read_timeout);
        Ok(Session { transport, packets, sender, pongs, read_timeout })
    }

    /// The sender, for any thread.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Waits for a message, and answers pings meanwhile; `None` when the server has ended the
    /// session.
    ///
    /// # Errors
    /// The connection failed, the server was silent for too long, or it violated the protocol.
    /// (After [`Sender::close`], a `GET` that waits fails too.)
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
                Some(_) => {} // a noop, or a packet that means nothing here
            }
        }
    }

    fn next(&mut self) -> Result<Option<Packet>, Error> {
        if let Some(packet) = self.packets.pop_front() {
            return Ok(Some(packet));
        }
        let deadline = Instant::now() + self.read_timeout;
        match &mut self.transport {
            Transport::Websocket(socket) => {
                socket.set_deadline(Some(deadline));
                let Some(message) = socket.read()? else { return Ok(None) };
                Packet::from_message(message).map(Some).ok_or_else(|| Error::expected("a packet"))
            }
            Transport::Polling { endpoint, writer, .. } => {
                let connected = |stream: &Stream| writer.set_poll_stream(stream);
                self.packets = parse(endpoint.request("GET", b"", deadline, connected)?)?;
                Ok(self.packets.pop_front())
            }
        }
    }
}

/// Ends the session, and the thread that posts.
impl Drop for Session {
    fn drop(&mut self) {
        self.sender.close();
        if let Transport::Polling { thread, .. } = &mut self.transport {
            _ = thread.take().map(JoinHandle::join);
        }
    }
}

impl Sender {
    /// Sends packets after all that were sent before, without others between them. Returns `false`
    /// if the session has ended; the thread that reads finds that out too.
    pub fn send(&self, outgoing: &Outgoing) -> bool {
        match &self.0 {
            Kind::Websocket(sender) => sender.send_encoded(outgoing.masked_frames()).is_ok(),
            Kind::Polling(writer) => writer.push(&outgoing.payload()),
        }
    }

    /// Whether a packet that is sent now would be written at once.
    pub fn is_writable(&self) -> bool {
        match &self.0 {
            Kind::Websocket(sender) => sender.is_writable(),
            Kind::Polling(writer) => writer.is_writable(),
        }
    }

    /// Ends the session after the packets that were sent before. The thread that reads wakes up
    /// soon.
    pub fn close(&self) {
        match &self.0 {
            Kind::Websocket(sender) => {
                _ = sender.close_within(ws::Close::NORMAL, "", CLOSE_TIMEOUT);
            }
            Kind::Polling(writer) => writer.close(),
        }
    }

    /// Ends the session at once. The thread that reads wakes up.
    pub fn abort(&self) {
        match &self.0 {
            Kind::Websocket(sender) => sender.terminate(),
            Kind::Polling(writer) => writer.abort(),
        }
    }
}

impl Handshake {
    fn parse(packet: Option<Packet>) -> Result<Handshake, Error> {
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
        Ok(Handshake {
            sid: sid.to_string(),
            upgrade: upgrades.iter().any(|name| name.as_str() == Some("websocket")),
            read_timeout: Duration::from_millis((interval + timeout) as u64),
            max_payload: json["maxPayload"].as_f64().map_or(usize::MAX, |max| max as usize),
        })
    }
}

/// Probes a WebSocket for a session, and upgrades the session to it. No `GET` is sent meanwhile, so
/// no packet can be lost: the server keeps them until the upgrade.
fn upgrade(endpoint: &Endpoint, deadline: Instant) -> Result<ws::Socket, Error> {
    let mut socket = endpoint.websocket(deadline)?;
    socket.send("2probe")?;
    match socket.read()?.and_then(Packet::from_message) {
        Some(Packet::Pong(probe)) if probe == "probe" => {}
        _ => return Err(Error::expected("the answer to a probe")),
    }
    socket.send("5")?;
    Ok(socket)
}

/// The packets of an HTTP body.
fn parse(body: Vec<u8>) -> Result<VecDeque<Packet>, Error> {
    let text = String::from_utf8(body).map_err(|_| Error::expected("text"))?;
    let packets = Packet::parse_payload(&text).ok_or(Error::expected("a packet"))?;
    Ok(packets.into())
}
