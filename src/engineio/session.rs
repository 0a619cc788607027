//! A session: one client, whichever requests or WebSocket carry its packets.
//!
//! Over a WebSocket, packets are sent at once. Over polling they wait for a `GET`. A held `GET`
//! does not block a thread: its thread has gone back to `read`, and so it notices when the client
//! leaves. The response is written by whichever thread sends the next packet.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `session` | sending, receiving, the end |
//! | `session/requests` | `GET`s, `POST`s, and the upgrade |
//! | `session/heartbeat` | pings, and the timeout of a client that is silent |
//!
//! Chapters 20 and 21 of the book.

mod heartbeat;
mod requests;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{mem, net::SocketAddr};

use super::events::{Events, describe, describe_all, describe_malformed};
use super::packet::SEPARATOR;
use super::polling::Polling;
use super::serial::Serial;
use super::sessions::Sessions;
use super::{Outgoing, Packet};
use crate::http::Request;
use crate::json::Value;
use crate::net::clock::{self, Timer};
use crate::net::outbox::{Answers, DEADLINE, Dropped, MAX_ANSWERS, queue_limit};
use crate::net::report::report;
use crate::net::{catch_panic, lock};
use crate::ws::{self, Close, Message};

/// The reasons after which a client may still fetch the packets that wait for it.
const GRACEFUL: [&str; 3] = ["forced close", "forced server close", "server shutting down"];

/// An event of a session that is open.
#[derive(Debug)]
pub enum Event {
    /// A message has arrived.
    Message(Message),
    /// The last event: the session has ended; why (`transport close`, `ping timeout`, …).
    Close(&'static str),
}

/// Receives every event of a session, one at a time, in order.
pub type Listener = Box<dyn Fn(Event) + Send + Sync>;

/// The same, as a session keeps it.
type SharedListener = Arc<dyn Fn(Event) + Send + Sync>;

/// A session. A clone is the same one; any thread may use it.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: String,
    request: Arc<Request>,
    sessions: Arc<Sessions>,
    listener: Mutex<Option<SharedListener>>,
    /// The calls of the listener.
    calls: Serial,
    /// Whether the listener has returned since the last ping was sent.
    returned: AtomicBool,
    /// Whether a `POST` has come, and its packets have not all been received yet.
    receiving: AtomicBool,
    /// The events, once somebody has asked for them.
    events: OnceLock<Arc<Events>>,
    /// More about the reason of the end.
    details: OnceLock<String>,
    state: Mutex<State>,
    /// A `GET` has fetched what waited, or no `GET` will.
    fetched: Condvar,
}

struct State {
    transport: Transport,
    /// Whether a WebSocket has been probed, and the upgrade is to come: no `GET` is held any more.
    upgrading: bool,
    /// The reason of the end, once the session has ended.
    closed: Option<&'static str>,
    /// The next ping, or the end of the time for a pong.
    timer: Option<Timer>,
    /// The answers that the client has caused and not read.
    answers: Answers,
}

enum Transport {
    Polling(Box<Polling>),
    Websocket(ws::Sender),
    /// The session has ended; the name of its last transport. A session that is kept holds no
    /// connection.
    Closed(&'static str),
}

impl Transport {
    fn name(&self) -> &'static str {
        match self {
            Transport::Polling(_) => "polling",
            Transport::Websocket(_) => "websocket",
            Transport::Closed(name) => name,
        }
    }

    /// Takes the connection out. Drop it under no lock, as its end may take a moment.
    #[must_use]
    fn close(&mut self) -> Transport {
        let name = self.name();
        mem::replace(self, Transport::Closed(name))
    }
}

impl Session {
    // Not inlined: the thread of a silent client keeps the stack of the caller.
    #[inline(never)]
    pub(super) fn new(
        sessions: &Arc<Sessions>,
        id: String,
        request: Arc<Request>,
        websocket: Option<ws::Sender>,
    ) -> Session {
        let transport = match websocket {
            Some(sender) => Transport::Websocket(sender),
            None => Transport::Polling(Box::new(Polling::new())),
        };
        let state = State {
            transport,
            upgrading: false,
            closed: None,
            timer: None,
            answers: Answers::default(),
        };
        Session(Arc::new(Inner {
            id,
            request,
            sessions: sessions.clone(),
            listener: Mutex::new(None),
            calls: Serial::default(),
            returned: AtomicBool::new(false),
            receiving: AtomicBool::new(false),
            events: OnceLock::new(),
            details: OnceLock::new(),
            state: Mutex::new(state),
            fetched: Condvar::new(),
        }))
    }

    /// The id (`sid`): 20 characters that cannot be guessed.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The request of the handshake.
    pub fn request(&self) -> &Request {
        &self.0.request
    }

    /// The address of the client, or of a proxy in front of the server: see
    /// [`Options::trust_proxy`](super::Options::trust_proxy).
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.0.request.remote_address
    }

    /// The transport: `polling` or `websocket`.
    pub fn transport(&self) -> &'static str {
        self.lock().transport.name()
    }

    /// The events of the session besides those of its listener, such as `upgrade` and `packet`.
    /// Their listeners are called in turn with that one, and `close` after it. Then all of them are
    /// removed.
    ///
    /// ```
    /// use sockets_by_hand::engineio::{Options, Server};
    ///
    /// let server = Server::bind("127.0.0.1:0", Options::default())?;
    /// # server.handle().close();
    /// server.serve(|session| {
    ///     session.events().on("upgrade", |transport| println!("upgraded to {transport}"));
    ///     Box::new(|event| println!("{event:?}"))
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn events(&self) -> &Events {
        self.0.events.get_or_init(|| Arc::new(Events::new(self.0.calls.clone())))
    }

    /// Sends packets after all that were sent before. Returns `false` if the session has ended, now
    /// or before; then they are ignored.
    pub fn send(&self, outgoing: &Arc<Outgoing>) -> bool {
        let mut state = self.lock();
        if state.closed.is_some() {
            return false;
        }
        let events = self.0.events.get();
        if let Some(events) = events {
            events.emit_created(outgoing);
        }
        match &mut state.transport {
            Transport::Websocket(sender) => {
                let sender = sender.clone();
                drop(state);
                // If it fails, the thread of the WebSocket ends the session.
                let sent = sender.send_encoded(outgoing.frames_for(&sender)).is_ok();
                if let Some(events) = events {
                    events.defer("flush", || describe_all(outgoing.packets()));
                    events.emit_drain(&sender);
                }
                sent
            }
            Transport::Polling(polling) => {
                let max_queued = queue_limit(self.0.sessions.options.max_queued);
                polling.add(outgoing);
                self.emit_flushed(&polling.flush());
                let waiting = polling.waiting();
                drop(state);
                if waiting > max_queued {
                    self.drop_client(Dropped::TooSlow(max_queued));
                }
                waiting <= max_queued
            }
            Transport::Closed(_) => false,
        }
    }

    /// Emits `flush` and `drain` for payloads that have answered a `GET`.
    fn emit_flushed(&self, payloads: &[Arc<str>]) {
        let Some(events) = self.0.events.get().filter(|_| !payloads.is_empty()) else { return };
        events.defer("flush", || {
            describe_all(&Packet::parse_payload(&payloads.join(SEPARATOR)).unwrap_or_default())
        });
        events.defer("drain", || Value::Null);
    }

    /// Emits an event on a thread that reads, and waits until its listeners have returned.
    fn emit(&self, name: &'static str, value: impl FnOnce() -> Value) {
        if let Some(events) = self.0.events.get() {
            events.emit(name, value);
        }
    }

    /// Sends an answer that the client has caused, such as the refusal of a namespace. A client
    /// that causes more and more answers and reads none is dropped.
    pub(crate) fn answer(&self, outgoing: &Arc<Outgoing>) {
        let mut state = self.lock();
        let all_sent = match &state.transport {
            Transport::Polling(polling) => polling.is_empty(),
            Transport::Websocket(sender) => sender.is_writable(),
            Transport::Closed(_) => return,
        };
        let allowed = state.answers.allow(outgoing.payload().len(), all_sent);
        drop(state);
        match allowed {
            true => _ = self.send(outgoing),
            false => self.drop_client(Dropped::TooSlow(MAX_ANSWERS)),
        }
    }

    fn drop_client(&self, why: Dropped) {
        self.set_details(&why.to_string());
        if self.end("transport error") {
            report(&format!("Client lost: {why}"));
            self.defer_close_event("transport error");
        }
    }

    /// More about the reason of the end, such as that the client was too slow.
    pub fn details(&self) -> Option<&str> {
        self.0.details.get().map(String::as_str)
    }

    /// Ends the session with the reason `transport error`, and these details.
    pub(super) fn on_error(&self, details: &str) {
        self.set_details(details);
        self.on_close("transport error");
    }

    /// Sets the details of the end that is to come. Only the first call counts.
    fn set_details(&self, details: &str) {
        if self.closed().is_none() {
            _ = self.0.details.set(details.to_string());
        }
    }

    /// The reason of the end, once the session has ended.
    pub fn closed(&self) -> Option<&'static str> {
        self.lock().closed
    }

    /// Whether a packet that is sent now would be written at once.
    pub fn is_writable(&self) -> bool {
        match &self.lock().transport {
            Transport::Polling(polling) => polling.get.is_some(),
            Transport::Websocket(sender) => sender.is_writable(),
            Transport::Closed(_) => false,
        }
    }

    /// Waits until all that was sent is written, or the session has ended: a thread that sends much
    /// does not send faster than the client reads. Over polling, that is when the next `GET` has
    /// fetched it; the wait is not longer than [`DEADLINE`]. (In Node: the `drain` event.)
    pub fn wait_until_sent(&self) {
        let gets = |state: &State| match &state.transport {
            Transport::Polling(polling) if !polling.is_empty() => Some(polling.gets),
            _ => None,
        };
        let state = self.lock();
        let before = gets(&state);
        let waits =
            |state: &mut State| state.closed.is_none() && before.is_some() && gets(state) == before;
        let waited = self.0.fetched.wait_timeout_while(state, DEADLINE, waits);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if let Transport::Websocket(sender) = &state.transport {
            let sender = sender.clone();
            drop(state);
            sender.wait_until_sent();
        }
    }

    /// Ends the session, after the packets that were sent before.
    ///
    /// The listener is called on another thread, or after the call of the listener that calls this:
    /// the caller may hold a lock that the listener takes.
    pub fn close(&self, reason: &'static str) {
        if self.end(reason) {
            self.defer_close_event(reason);
        }
    }

    fn defer_close_event(&self, reason: &'static str) {
        let session = self.clone();
        self.defer(move || session.emit_close(reason));
    }

    /// Ends the session on a thread of the library, which holds no lock: the listener may be called
    /// on it.
    pub(super) fn on_close(&self, reason: &'static str) {
        if self.end(reason) {
            let session = self.clone();
            self.0.calls.submit(move || session.emit_close(reason));
        }
    }

    /// Runs `task` after all events before, on another thread or after the call of the listener
    /// that calls this.
    pub(crate) fn defer(&self, task: impl FnOnce() + Send + 'static) {
        self.0.calls.defer(task);
    }

    /// Whether this thread calls the listener now, or runs a task of [`defer`](Session::defer): the
    /// session receives nothing before that returns.
    pub(crate) fn receives_here(&self) -> bool {
        self.0.calls.runs_here()
    }

    /// Ends the session. Returns `false` if it has ended before. The listener is still to be
    /// called.
    fn end(&self, reason: &'static str) -> bool {
        let mut state = self.lock();
        if state.closed.is_some() {
            drop(state);
            if reason == "transport close" {
                self.remove(); // the client fetches nothing more
            }
            return false;
        }
        state.closed = Some(reason);
        state.timer = None;
        self.0.fetched.notify_all();
        let mut waits = false;
        match &mut state.transport {
            Transport::Websocket(sender) if reason == "ping timeout" => sender.terminate(),
            Transport::Websocket(sender) => _ = sender.close(Close::NO_STATUS, ""),
            Transport::Polling(polling) if polling.get.is_some() => match reason {
                "transport close" => polling.push(Packet::Noop),
                _ => polling.push_close(reason),
            },
            Transport::Polling(_) if GRACEFUL.contains(&reason) => waits = true,
            Transport::Polling(polling) => drop(polling.take()), // the client cannot fetch it
            Transport::Closed(_) => {}
        }
        if waits {
            // The next `GET` fetches what waits, and the one after it the close packet: a client
            // would act on that first. If no `GET` comes in time, the session is removed.
            let session = self.clone();
            let time = self.0.sessions.options.ping_timeout;
            state.timer = Some(clock::after(time, move || session.remove()));
        }
        drop(state);
        if !waits {
            self.remove();
        }
        true
    }

    pub(super) fn listen(&self, listener: Listener) {
        *lock(&self.0.listener) = Some(listener.into());
        if let Some(reason) = self.closed() {
            let session = self.clone();
            // It has ended before it had a listener.
            self.0.calls.submit(move || session.emit_close(reason));
        }
    }

    /// Receives a packet from either transport; `None` stands for a malformed one. Returns `false`
    /// if it has ended the session.
    pub(super) fn receive(&self, packet: Option<Packet>) -> bool {
        self.emit("packet", || packet.as_ref().map_or_else(describe_malformed, describe));
        match packet {
            Some(Packet::Message(message)) => self.emit_message(message),
            Some(Packet::Pong(_)) => {
                self.schedule_ping(&mut self.lock());
                self.emit("heartbeat", || Value::Null);
            }
            Some(Packet::Close) => self.on_close("transport close"),
            _ => {
                self.on_close("parse error");
                return false;
            }
        }
        true
    }

    /// Removes the session from the list, and closes its connection.
    fn remove(&self) {
        let removed = self.0.sessions.remove(&self.0.id);
        let transport = self.lock().transport.close();
        drop((removed, transport)); // under no lock: this may be the last reference
    }

    /// Calls the listener with a message. If it panics, this session ends, and no other.
    fn emit_message(&self, message: Message) {
        self.0.calls.run(|| {
            let Some(listener) = lock(&self.0.listener).clone() else { return };
            if !catch_panic(|| listener(Event::Message(message))) {
                self.close("forced close");
            }
        });
        self.0.returned.store(true, Relaxed);
    }

    /// Calls the listener for the last time.
    fn emit_close(&self, reason: &'static str) {
        let Some(listener) = lock(&self.0.listener).take() else { return };
        catch_panic(|| listener(Event::Close(reason)));
        self.events().end(reason);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}
