//! An open WebSocket: one thread reads, any thread sends.
//!
//! A [`Socket`] reads messages, answers pings, and returns the close frame. A [`Sender`] sends;
//! each clone of it is the same sender.
//!
//! Chapter 14 of the book.

use std::fmt;
use std::io::BufReader;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::compression::{Deflate, Inflate, PerMessageDeflate};
use super::frame::{Header, Opcode, encode};
use super::message::{Close, Incoming, Message, Reader};
use super::permessage::Agreement;
use super::{Error, random::random_bytes};
use crate::http::{DeadlineReader, Request};
use crate::net::clock::{self, Timer};
use crate::net::outbox::{Answers, Dropped};
use crate::net::{Outbox, Stream};

/// How long the other end may take to answer a close frame (as in npm's `ws`).
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Which end of the connection this is. A client MUST mask its frames, a server MUST NOT (RFC 6455
/// §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that accepted the connection.
    Server,
    /// The end that connected.
    Client,
}

/// An open WebSocket: reads messages, and sends them. It dereferences to its [`Sender`], because
/// every method of a sender is one of the socket too.
///
/// Dropping it ends the connection. If no close frame has been sent, one is: with the code
/// [`Close::NORMAL`], or [`Close::INTERNAL_ERROR`] if its thread is panicking.
#[derive(Debug)]
pub struct Socket {
    reader: Reader<BufReader<DeadlineReader>>,
    sender: Sender,
    closed: Option<Box<Close>>,
    /// Whether the close frame for an error of the other end has the error as its reason.
    gives_reason: bool,
    pongs: Answers,
    ping_listener: Option<Listener>,
    pong_listener: Option<Listener>,
    /// The request of the handshake: its path, its query, its headers.
    pub request: Arc<Request>,
    /// The subprotocol that was negotiated.
    pub protocol: Option<String>,
}

/// Receives the payloads of pings or pongs.
struct Listener(Box<Call>);

type Call = dyn FnMut(&[u8]) + Send + Sync;

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Socket {
    /// A WebSocket on a connection whose handshake is done. It reads messages of at most
    /// `max_payload` bytes from `reader`, and sends through `outbox`.
    pub fn new(
        mut reader: BufReader<DeadlineReader>,
        outbox: Outbox,
        role: Role,
        max_payload: usize,
        request: Arc<Request>,
        protocol: Option<String>,
    ) -> Socket {
        reader.get_mut().deadline = None;
        let sender = Sender(Arc::new(Shared {
            stream: reader.get_ref().stream.clone(),
            outbox,
            role,
            alive: AtomicBool::new(true),
            reading: AtomicBool::new(false),
            deadline: OnceLock::new(),
            deflate: OnceLock::new(),
        }));
        let reader = Reader::new(reader, role == Role::Server, max_payload);
        Socket {
            reader,
            sender,
            closed: None,
            gives_reason: true,
            pongs: Answers::default(),
            ping_listener: None,
            pong_listener: None,
            request,
            protocol,
        }
    }

    /// The close frame for an error of the other end has the code and no reason from now on, as with
    /// npm's `ws`.
    pub(crate) fn omit_reason(&mut self) {
        self.gives_reason = false;
    }

    /// Messages may be compressed from now on, in both directions.
    pub(crate) fn set_compression(&mut self, agreed: Agreement, options: &PerMessageDeflate) {
        let Agreement { server, client } = agreed;
        let (ours, theirs) = match self.sender.0.role {
            Role::Server => (server, client),
            Role::Client => (client, server),
        };
        self.reader.set_inflate(Inflate::new(theirs));
        _ = self.sender.0.deflate.set(Deflate::new(ours, options).into());
    }

    /// Waits for the next message, and answers pings meanwhile; `None` when the connection has
    /// ended, see [`closed`](Socket::closed). It stops reading from a peer that does not read.
    ///
    /// # Errors
    /// The other end violated the protocol (it gets a close frame with [`Error::close_code`]), or
    /// the connection failed. Nothing can be read afterwards.
    pub fn read(&mut self) -> Result<Option<Message>, Error> {
        // No pong was read while the handler was busy: the time for it begins anew.
        self.sender.0.alive.store(true, Relaxed);
        self.sender.0.reading.store(true, Relaxed);
        let read = self.read_message();
        self.sender.0.reading.store(false, Relaxed);
        read
    }

    fn read_message(&mut self) -> Result<Option<Message>, Error> {
        while self.closed.is_none() {
            match self.next() {
                Ok(Some(Incoming::Message(message))) => return Ok(Some(message)),
                Ok(Some(Incoming::Ping(payload))) => self.receive_ping(&payload),
                Ok(Some(Incoming::Pong(payload))) => self.receive_pong(&payload),
                Ok(Some(Incoming::Close(close))) => {
                    // §5.5.1: an endpoint MUST answer a close frame with one.
                    _ = self.sender.close(close.code, &close.reason);
                    self.sender.0.outbox.end();
                    self.closed = Some(close.into());
                }
                Ok(None) => self.closed = Some(abnormal().into()),
                Err(e) => {
                    if let Some(code) = e.close_code() {
                        let reason = if self.gives_reason { e.to_string() } else { String::new() };
                        _ = self.sender.close(code, &reason);
                    }
                    self.sender.0.outbox.end();
                    self.closed = Some(abnormal().into());
                    return Err(e);
                }
            }
        }
        Ok(None)
    }

    /// Calls `listener` with the payload of each ping, after the pong has been sent (the event
    /// `ping`). It is called within [`read`](Socket::read), which reads on when it returns. A second
    /// listener replaces the first.
    pub fn on_ping(&mut self, listener: impl FnMut(&[u8]) + Send + Sync + 'static) {
        self.ping_listener = Some(Listener(Box::new(listener)));
    }

    /// Calls `listener` with the payload of each pong (the event `pong`), as
    /// [`on_ping`](Socket::on_ping) does. A pong may arrive without a ping.
    ///
    /// ```no_run
    /// use std::time::Instant;
    ///
    /// let mut socket = sockets_by_hand::ws::connect("ws://127.0.0.1:8080/")?;
    /// let sent = Instant::now();
    /// socket.on_pong(move |_payload| println!("the round trip took {:?}", sent.elapsed()));
    /// socket.ping(b"")?;
    /// while let Some(message) = socket.read()? {
    ///     println!("{message}");
    /// }
    /// # Ok::<(), sockets_by_hand::ws::Error>(())
    /// ```
    pub fn on_pong(&mut self, listener: impl FnMut(&[u8]) + Send + Sync + 'static) {
        self.pong_listener = Some(Listener(Box::new(listener)));
    }

    /// How the connection ended, once it has.
    pub fn closed(&self) -> Option<&Close> {
        self.closed.as_deref()
    }

    /// After `deadline`, [`read`](Socket::read) fails with
    /// [`ErrorKind::TimedOut`](std::io::ErrorKind::TimedOut), and the connection ends. `None`, the
    /// default, waits for ever.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.reader.get_mut().get_mut().deadline = deadline;
    }

    /// The sender, for other threads.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    fn next(&mut self) -> Result<Option<Incoming>, Error> {
        let outbox = &self.sender.0.outbox;
        outbox.wait_for_room()?;
        let incoming = self.reader.read();
        if let Ok(Some(_)) = incoming {
            return incoming;
        }
        match outbox.dropped() {
            Some(why @ (Dropped::TooSlow(_) | Dropped::Stalled(_))) => Err(why.into()),
            _ => incoming,
        }
    }

    /// Answers a ping. A peer that does not read its pongs gets no more: an endpoint MAY answer
    /// only the latest ping (RFC 6455 §5.5.3).
    fn receive_ping(&mut self, payload: &[u8]) {
        if self.pongs.allow(payload.len(), self.sender.is_writable()) {
            _ = self.sender.frame(Opcode::Pong, payload);
        }
        if let Some(Listener(listener)) = &mut self.ping_listener {
            listener(payload);
        }
    }

    fn receive_pong(&mut self, payload: &[u8]) {
        self.sender.0.alive.store(true, Relaxed);
        if let Some(Listener(listener)) = &mut self.pong_listener {
            listener(payload);
        }
    }
}

/// RFC 6455 §7.1.5: the connection ended without a close frame.
fn abnormal() -> Close {
    Close { code: Close::ABNORMAL, reason: String::new() }
}

impl Deref for Socket {
    type Target = Sender;

    fn deref(&self) -> &Sender {
        &self.sender
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.closed.is_none() {
            let panicking = thread::panicking();
            let code = if panicking { Close::INTERNAL_ERROR } else { Close::NORMAL };
            _ = self.sender.close(code, "");
        }
        self.sender.0.outbox.end();
        self.sender.0.outbox.wait_until_sent();
        self.reader.get_mut().get_mut().lingering_close();
    }
}

/// Sends to the other end of a [`Socket`], from any thread. A clone is the same sender.
///
/// It sends through an [`Outbox`]: it never waits longer than some milliseconds, and a peer that
/// does not read is dropped in the end.
#[derive(Clone, Debug)]
pub struct Sender(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: Stream,
    outbox: Outbox,
    role: Role,
    /// Whether a message or a pong has arrived since the last [`Sender::check_alive`].
    alive: AtomicBool,
    /// Whether a thread is in [`Socket::read`], where a pong is noticed.
    reading: AtomicBool,
    /// Ends the connection if the other end does not answer our close frame.
    deadline: OnceLock<Timer>,
    /// Deflates messages, if both sides have agreed on that.
    deflate: OnceLock<Box<Deflate>>,
}

impl Sender {
    /// Sends a message: text from a `&str` or a `String`, bytes from a `Vec<u8>`.
    ///
    /// # Errors
    /// The connection has ended, or a close frame has been sent ([`Error::Dropped`]).
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.send_fragmented(message, usize::MAX)
    }

    /// Sends a message in fragments of at most `size` bytes each.
    ///
    /// # Errors
    /// As for [`send`](Sender::send).
    pub fn send_fragmented(&self, message: impl Into<Message>, size: usize) -> Result<(), Error> {
        self.send_with(self.0.deflate.get().map(Box::as_ref), message.into(), size)
    }

    /// Sends a message as it is, even if compression has been agreed on (`compress: false`): one
    /// that would not get shorter, such as a picture, or that has a secret in it.
    ///
    /// # Errors
    /// As for [`send`](Sender::send).
    pub fn send_uncompressed(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.send_with(None, message.into(), usize::MAX)
    }

    fn send_with(
        &self,
        deflate: Option<&Deflate>,
        message: Message,
        size: usize,
    ) -> Result<(), Error> {
        let (opcode, payload) = message.payload();
        let send = |rsv1, payload: &[u8]| {
            self.0.outbox.send(self.fragments(rsv1, opcode, payload, size.max(1)))
        };
        let sent = match deflate {
            Some(deflate) => deflate.deflate(payload, send),
            None => send(false, payload),
        };
        Ok(sent?)
    }

    /// The frames of a message.
    fn fragments(&self, rsv1: bool, opcode: Opcode, payload: &[u8], size: usize) -> Vec<u8> {
        let mut header = Header { fin: false, rsv1, opcode, mask: None, len: 0 };
        let mut frames = Vec::new();
        for start in (0..payload.len().max(1)).step_by(size) {
            let end = payload.len().min(start.saturating_add(size));
            header.fin = end == payload.len();
            (header.len, header.mask) = ((end - start) as u64, self.mask());
            header.encode(&payload[start..end], &mut frames);
            (header.rsv1, header.opcode) = (false, Opcode::Continuation); // only of the first
        }
        frames
    }

    /// What deflates its messages, if this client can inflate those that are deflated for all.
    pub(crate) fn shared_deflate(&self) -> Option<&Deflate> {
        self.0.deflate.get().map(Box::as_ref).filter(|deflate| deflate.has_whole_window())
    }

    /// Sends encoded frames, without another thread's frames between them. (A server can send the
    /// same frames to many clients. A client must have masked them.)
    ///
    /// # Errors
    /// As for [`send`](Sender::send).
    pub fn send_encoded(&self, frames: impl AsRef<[u8]> + Into<Arc<[u8]>>) -> Result<(), Error> {
        Ok(self.0.outbox.send(frames)?)
    }

    /// Sends a ping with up to 125 bytes, which the other end returns in a pong.
    ///
    /// # Errors
    /// The payload has more bytes, or the connection has ended.
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        if payload.len() > 125 {
            return Err(Error::Invalid("a ping has at most 125 bytes"));
        }
        self.frame(Opcode::Ping, payload)
    }

    /// Sends a close frame, with a code such as [`Close::NORMAL`] and up to 123 bytes of reason.
    /// Afterwards nothing can be sent. Messages of the other end can be read until it answers the
    /// close frame, for which it has [`CLOSE_TIMEOUT`]. A second close frame is not sent.
    ///
    /// # Errors
    /// The code must not be sent, the reason is too long ([`Error::Invalid`]), or the connection
    /// has ended.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), Error> {
        self.close_within(code, reason, CLOSE_TIMEOUT)
    }

    /// The same, with another time that the other end has to answer the close frame.
    ///
    /// # Errors
    /// As for [`close`](Sender::close).
    pub fn close_within(&self, code: u16, reason: &str, time: Duration) -> Result<(), Error> {
        let payload = Close { code, reason: reason.to_string() }.encode()?;
        let frame = encode(true, Opcode::Close, &payload, self.mask());
        match self.0.outbox.send_last(frame) {
            Err(Dropped::Ended) => return Ok(()),
            sent => sent?,
        }
        let stream = self.0.stream.clone();
        _ = self.0.deadline.set(clock::after(time, move || stream.destroy()));
        Ok(())
    }

    /// Ends the connection at once, without a close frame.
    pub fn terminate(&self) {
        self.0.stream.destroy();
    }

    /// The heartbeat: ends the connection of a client that has not answered since the last call,
    /// and pings any other. While no thread reads, a pong would not be noticed, and the connection
    /// goes on.
    pub fn check_alive(&self) {
        let busy = !self.0.reading.load(Relaxed);
        match self.0.alive.swap(busy, Relaxed) || busy {
            true => _ = self.ping(b""),
            false => self.terminate(),
        }
    }

    /// Waits until all that was sent is written, or the connection has ended.
    pub(crate) fn wait_until_sent(&self) {
        self.0.outbox.wait_until_sent();
    }

    /// Whether a message that is sent now would be written at once.
    pub fn is_writable(&self) -> bool {
        self.0.outbox.is_writable()
    }

    /// The address of the other end; `None` once the connection has ended.
    pub fn remote_address(&self) -> Option<std::net::SocketAddr> {
        self.0.stream.remote_address()
    }

    fn frame(&self, opcode: Opcode, payload: &[u8]) -> Result<(), Error> {
        Ok(self.0.outbox.send(encode(true, opcode, payload, self.mask()))?)
    }

    fn mask(&self) -> Option<[u8; 4]> {
        (self.0.role == Role::Client).then(random_bytes)
    }
}

/// Two senders are equal if they send over the same connection.
impl PartialEq for Sender {
    fn eq(&self, other: &Sender) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
