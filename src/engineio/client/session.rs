//! A client's session: over long-polling, over a WebSocket, or over the one and then the other.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::mem;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handshake::Handshake;
use super::sender::{Purpose, Sender};
use super::{Endpoint, Error, Options, parse_url, probe};
use crate::engineio::Packet;
use crate::engineio::events::{Events, describe};
use crate::json::Value;
use crate::net::{Stream, outbox::Answers};
use crate::ws::{self, Message};

/// A client of an Engine.IO server: npm's `engine.io-client`. One thread reads; any thread may send
/// through its [`Sender`]. Dropping it ends the session.
///
/// ```no_run
/// use sockets_by_hand::engineio::Client;
///
/// let mut client = Client::connect("http://127.0.0.1:3000")?;
/// client.events().on("upgrade", |transport| println!("now over {transport}"));
/// client.send("Hello");
/// while let Some(message) = client.read()? {
///     println!("{message:?}");
/// }
/// # Ok::<(), sockets_by_hand::engineio::client::Error>(())
/// ```
pub struct Client {
    id: String,
    transport: Transport,
    /// Packets that have arrived and have not been read.
    packets: VecDeque<Packet>,
    sender: Sender,
    /// The pongs that the server has caused and not read.
    pongs: Answers,
    /// How long the server may be silent: its ping interval and its ping timeout.
    read_timeout: Duration,
    events: Arc<Events>,
    /// Whether the listeners are for this session only.
    owns_events: bool,
    /// Whether `close` has been emitted.
    ended: bool,
}

enum Transport {
    Websocket(Box<ws::Socket>),
    Polling(Endpoint),
}

impl Client {
    /// Opens a session with the server at `url`, whose path is ignored, with the default options.
    ///
    /// # Errors
    /// As for [`connect_with`](Client::connect_with).
    pub fn connect(url: &str) -> Result<Client, Error> {
        Client::connect_with(url, Options::default())
    }

    /// Opens a session within [`Options::timeout`]: npm's `new Socket(url, options)` up to its event
    /// `open`. The path of the URL is ignored.
    ///
    /// # Errors
    /// The connection failed, or the server or the options cannot be used.
    pub fn connect_with(url: &str, options: Options) -> Result<Client, Error> {
        let mut client = Client::open(&Endpoint::new(parse_url(url)?, options)?, &Arc::default())?;
        client.owns_events = true;
        Ok(client)
    }

    /// Opens a session whose events are emitted to listeners that stay when it ends.
    pub(crate) fn open(endpoint: &Endpoint, events: &Arc<Events>) -> Result<Client, Error> {
        let deadline = Instant::now() + endpoint.options.timeout;
        let transports = &endpoint.options.transports[..];
        let mut opened = Client::open_over(transports, endpoint, deadline, events);
        if endpoint.options.try_all_transports {
            for tried in 1..transports.len() {
                let others = &transports[tried..];
                opened = opened.or_else(|_| Client::open_over(others, endpoint, deadline, events));
            }
        }
        match &opened {
            Ok(client) => events.emit("open", || client.transport().into()),
            Err(e) => {
                events.emit("error", || e.to_string().into());
                events.emit("close", || "transport error".into());
            }
        }
        opened
    }

    /// Opens a session over the first of these transports. If that is polling, and a WebSocket is
    /// among the others, it is probed meanwhile.
    fn open_over(
        transports: &[&str],
        endpoint: &Endpoint,
        deadline: Instant,
        events: &Arc<Events>,
    ) -> Result<Client, Error> {
        let websocket = endpoint.clone().with("&transport=websocket");
        if transports[0] == "websocket" {
            let mut socket = websocket.websocket(deadline, |_| true)?;
            let open_packet = socket.read()?.and_then(Packet::from_message);
            let handshake = Handshake::parse(open_packet, events)?;
            let sender = Sender::websocket(socket.sender(), events);
            let transport = Transport::Websocket(socket.into());
            return Ok(Client::new(handshake, transport, VecDeque::new(), sender, events));
        }
        let polling = endpoint.clone().with("&transport=polling");
        let mut packets = parse(polling.request("GET", b"", deadline, |_| true)?)?;
        let handshake = Handshake::parse(packets.pop_front(), events)?;
        let sid = format!("&sid={}", handshake.sid);
        let polling = polling.with(&sid);
        let sender = Sender::polling(polling.clone(), handshake.max_payload, events)?;
        if handshake.upgrade && transports.contains(&"websocket") {
            probe::start(websocket.with(&sid), &sender, events);
        }
        Ok(Client::new(handshake, Transport::Polling(polling), packets, sender, events))
    }

    fn new(
        handshake: Handshake,
        transport: Transport,
        packets: VecDeque<Packet>,
        sender: Sender,
        events: &Arc<Events>,
    ) -> Client {
        let Handshake { sid: id, read_timeout, .. } = handshake;
        let (pongs, events) = (Answers::default(), events.clone());
        let (owns_events, ended) = (false, false);
        Client { id, transport, packets, sender, pongs, read_timeout, events, owns_events, ended }
    }

    /// The id of the session.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The events of the session. Listeners are best added before the first
    /// [`read`](Client::read).
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The sender, for any thread.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Waits for a message, and answers pings meanwhile; `None` when the session has ended. The
    /// thread that calls this completes the upgrade, too.
    ///
    /// # Errors
    /// The connection failed, the server was silent for too long, or it violated the protocol.
    pub fn read(&mut self) -> Result<Option<Message>, Error> {
        let read = self.read_message();
        match &read {
            Ok(Some(_)) => {}
            Ok(None) if self.sender.is_closed() => self.emit_close("forced close"),
            Ok(None) => self.emit_close("transport close"),
            Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut => self.emit_close("ping timeout"),
            Err(e) => {
                self.events.emit("error", || e.to_string().into());
                self.emit_close("transport error");
            }
        }
        read
    }

    fn read_message(&mut self) -> Result<Option<Message>, Error> {
        loop {
            let Some(packet) = self.next()? else { return Ok(None) };
            self.events.emit("packet", || describe(&packet));
            match packet {
                Packet::Message(message) => return Ok(Some(message)),
                Packet::Ping(data) => {
                    if !self.pongs.allow(data.len(), self.sender.is_writable()) {
                        return Err(Error::Unusable("the server takes no pongs".to_string()));
                    }
                    _ = self.sender.send_outgoing(&Packet::Pong(data).into());
                    self.events.emit("ping", || Value::Null);
                }
                Packet::Close => return Ok(None),
                _ => {} // a noop, or a packet that means nothing here
            }
        }
    }

    fn next(&mut self) -> Result<Option<Packet>, Error> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return Ok(Some(packet));
            }
            let deadline = Instant::now() + self.read_timeout;
            match &mut self.transport {
                Transport::Websocket(socket) => {
                    socket.set_deadline(Some(deadline));
                    let Some(message) = socket.read()? else { return Ok(None) };
                    let packet = Packet::from_message(message);
                    return packet.map(Some).ok_or_else(|| Error::expected("a packet"));
                }
                Transport::Polling(_) if self.sender.is_closed() => return Ok(None),
                Transport::Polling(endpoint) => {
                    if let Some(socket) = probe::upgrade(&self.sender, &self.events) {
                        self.transport = Transport::Websocket(socket.into());
                        continue;
                    }
                    let connected = |stream: &Stream| self.sender.connected(Purpose::Get, stream);
                    match endpoint.request("GET", b"", deadline, connected).and_then(parse) {
                        Ok(packets) => self.packets = packets,
                        Err(_) if self.sender.is_closed() => return Ok(None),
                        Err(e) => return Err(e),
                    }
                }
            }
        }
    }

    fn emit_close(&mut self, reason: &'static str) {
        if !mem::replace(&mut self.ended, true) {
            self.events.emit("close", || reason.into());
        }
    }
}

impl Deref for Client {
    type Target = Sender;

    fn deref(&self) -> &Sender {
        &self.sender
    }
}

/// Ends the session, after what was sent.
impl Drop for Client {
    fn drop(&mut self) {
        self.sender.close();
        if let Transport::Polling(_) = self.transport {
            self.sender.wait_until_posted();
        }
        self.emit_close("forced close");
        if self.owns_events {
            self.events.remove_all(); // a listener may hold the sender, which holds the events
        }
    }
}

/// The packets of an HTTP body.
fn parse(body: Vec<u8>) -> Result<VecDeque<Packet>, Error> {
    let text = String::from_utf8(body).map_err(|_| Error::expected("text"))?;
    let packets = Packet::parse_payload(&text).ok_or(Error::expected("a packet"))?;
    Ok(packets.into())
}
