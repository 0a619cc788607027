//! One end of a WebSocket: one thread reads, any thread sends.
//!
//! Picture a telephone with one earpiece and many mouthpieces. The [`Socket`] has the earpiece: it
//! hears messages, and sees to what is not one (answers a ping, returns a goodbye). A [`Sender`] is
//! a mouthpiece; each clone of it speaks on the same line.
//!
//! Chapter 12 of the book.

use std::io::BufReader;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::frame::{Opcode, encode};
use super::message::{Close, Incoming, Message, Reader};
use super::{Error, random::random_bytes};
use crate::http::{DeadlineReader, Request};
use crate::net::clock::{self, Timer};
use crate::net::outbox::{Answers, Dropped};
use crate::net::{Outbox, Stream};

/// How long the other end may take to return a goodbye (as in npm's `ws`).
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Which end of the connection this is: RFC 6455 has clients mask what they send, and not servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was connected to.
    Server,
    /// It connected.
    Client,
}

/// An open WebSocket: reads messages, and sends them ([`Sender`]'s methods are its own too).
///
/// When it is dropped, the connection ends: with a goodbye, if none has been said (code 1000, or
/// 1011 if its thread is panicking), and for good.
#[derive(Debug)]
pub struct Socket {
    reader: Reader<BufReader<DeadlineReader>>,
    sender: Sender,
    closed: Option<Close>,
    pongs: Answers,
    /// The request that opened it: its path, its query, its headers.
    pub request: Arc<Request>,
    /// The subprotocol that was agreed on.
    pub protocol: Option<String>,
}

impl Socket {
    /// The WebSocket on a connection whose handshake is done: reads from `reader`, sends through
    /// `outbox`, takes messages of up to `max_payload` bytes.
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
        }));
        let reader = Reader::new(reader, role == Role::Server, max_payload);
        Socket { reader, sender, closed: None, pongs: Answers::default(), request, protocol }
    }

    /// Waits for the next message; `None` when the connection has ended ([`closed`](Socket::closed)
    /// says how). Pings are answered meanwhile.
    ///
    /// It reads no more while the other end does not take what it is sent.
    ///
    /// # Errors
    /// The other end broke the rules (it has been told so, with [`Error::close_code`]), or the
    /// connection failed. Nothing can be read afterwards.
    pub fn read(&mut self) -> Result<Option<Message>, Error> {
        // Nobody has read while the handler was busy: the time for a pong begins anew.
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
                Ok(Some(Incoming::Ping(payload))) => self.pong(&payload),
                Ok(Some(Incoming::Pong(_))) => self.sender.0.alive.store(true, Relaxed),
                Ok(Some(Incoming::Close(close))) => {
                    // The other end has said goodbye: it gets it back (§5.5.1).
                    _ = self.sender.close(close.code, &close.reason);
                    self.sender.0.outbox.end();
                    self.closed = Some(close);
                }
                Ok(None) => self.closed = Some(abnormal()),
                Err(e) => {
                    if let Some(code) = e.close_code() {
                        _ = self.sender.close(code, &e.to_string());
                    }
                    self.sender.0.outbox.end();
                    self.closed = Some(abnormal());
                    return Err(e);
                }
            }
        }
        Ok(None)
    }

    /// How the connection ended, once it has.
    pub fn closed(&self) -> Option<&Close> {
        self.closed.as_ref()
    }

    /// Reading fails with [`ErrorKind::TimedOut`](std::io::ErrorKind::TimedOut) after `deadline`, and
    /// that is the end of the connection; `None` waits for ever, as at first.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.reader.get_mut().get_mut().deadline = deadline;
    }

    /// What sends from other threads.
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

    /// Answers a ping. While the other end takes no pongs it gets no more: only its latest ping would
    /// have to be answered (RFC 6455 §5.5.3).
    fn pong(&mut self, payload: &[u8]) {
        if self.pongs.allow(payload.len(), self.sender.is_writable()) {
            _ = self.sender.frame(Opcode::Pong, payload);
        }
    }
}

/// RFC 6455 §7.1.5: the code of an end without a goodbye.
fn abnormal() -> Close {
    Close { code: 1006, reason: String::new() }
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
            // 1011: something here went wrong that the other end could not help.
            _ = self.sender.close(if thread::panicking() { 1011 } else { 1000 }, "");
        }
        self.sender.0.outbox.end();
        self.sender.0.outbox.wait_until_sent();
        self.reader.get_mut().get_mut().lingering_close();
    }
}

/// Sends to the other end of a [`Socket`], from any thread. A clone is the same sender.
///
/// What it sends goes through an [`Outbox`]: it never waits longer than some milliseconds, and an
/// other end that does not read is dropped in the end.
#[derive(Clone, Debug)]
pub struct Sender(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: Stream,
    outbox: Outbox,
    role: Role,
    /// A message or a pong has come since the last [`Sender::check_alive`].
    alive: AtomicBool,
    /// A thread is in [`Socket::read`], so that a pong that comes is seen.
    reading: AtomicBool,
    /// Cuts off the other end if it does not return our goodbye.
    deadline: OnceLock<Timer>,
}

impl Sender {
    /// Sends a message: text from a `&str` or a `String`, bytes from a `Vec<u8>`.
    ///
    /// # Errors
    /// The connection has ended, or its end has begun ([`Error::Dropped`]).
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        Ok(self.0.outbox.send(message.into().encode(self.mask()))?)
    }

    /// Sends a message in frames of at most `size` bytes each, as someone would who does not know
    /// yet how long it will become.
    ///
    /// # Errors
    /// As for [`send`](Sender::send).
    pub fn send_fragmented(&self, message: impl Into<Message>, size: usize) -> Result<(), Error> {
        let (mut opcode, bytes) = match message.into() {
            Message::Text(text) => (Opcode::Text, text.into_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let mut frames = Vec::new();
        for start in (0..bytes.len().max(1)).step_by(size.max(1)) {
            let end = bytes.len().min(start.saturating_add(size.max(1)));
            frames.extend(encode(end == bytes.len(), opcode, &bytes[start..end], self.mask()));
            opcode = Opcode::Continuation;
        }
        Ok(self.0.outbox.send(frames)?)
    }

    /// Sends frames that are encoded already, with nothing of another's between them. (A server can
    /// send the same to many; a client must have masked them.)
    ///
    /// # Errors
    /// As for [`send`](Sender::send).
    pub fn send_encoded(&self, frames: impl AsRef<[u8]> + Into<Arc<[u8]>>) -> Result<(), Error> {
        Ok(self.0.outbox.send(frames)?)
    }

    /// Asks the other end for a sign of life, with up to 125 bytes that it is to send back.
    ///
    /// # Errors
    /// There are more bytes than that, or the connection has ended.
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        if payload.len() > 125 {
            return Err(Error::Invalid("a ping has at most 125 bytes"));
        }
        self.frame(Opcode::Ping, payload)
    }

    /// Says goodbye, with a code (1000 is a good end) and up to 123 bytes of reason. Nothing can be
    /// sent any more; what the other end still says can be read, until it returns the goodbye. It
    /// has [`CLOSE_TIMEOUT`] for that. A second goodbye is not sent.
    ///
    /// # Errors
    /// The code may not be sent or the reason is too long ([`Error::Invalid`]); or the connection
    /// has ended.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), Error> {
        self.close_within(code, reason, CLOSE_TIMEOUT)
    }

    /// The same, with another time that the other end has to return the goodbye.
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

    /// Ends the connection at once, without a goodbye.
    pub fn terminate(&self) {
        self.0.stream.destroy();
    }

    /// The heartbeat: a client that has not answered since the last time is cut off, and any other
    /// is sent a ping. While nobody reads, an answer would not be seen, and nobody is cut off.
    pub fn check_alive(&self) {
        let busy = !self.0.reading.load(Relaxed);
        match self.0.alive.swap(busy, Relaxed) || busy {
            true => _ = self.ping(b""),
            false => self.terminate(),
        }
    }

    /// Whether what is sent now would leave at once: nothing waits, and nobody has said goodbye.
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

/// Two senders are equal if they speak on the same line.
impl PartialEq for Sender {
    fn eq(&self, other: &Sender) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
