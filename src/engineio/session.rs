//! A session: one conversation, however many requests or WebSockets carry it.
//!
//! Picture a guest with a cloakroom ticket. Each time somebody comes with that number, it is the same
//! guest, through whichever door. What is meant for the guest waits at the desk until they ask (a
//! `GET` that is held until there is something to say), or is handed over at once if they have a
//! line of their own (a WebSocket).
//!
//! A held `GET` is not a sleeping thread. Its thread has gone back to `read`, so that it notices at
//! once when the client leaves; the response is written by whoever has something to say.
//!
//! | file | idea |
//! | --- | --- |
//! | `session` | what is sent, what is received, and the end |
//! | `session/requests` | its `GET`s and `POST`s, and the upgrade that ends them |
//! | `session/heartbeat` | the pings, and a client of which nothing is heard |
//!
//! Chapters 16 and 17 of the book.

mod heartbeat;
mod requests;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::{mem, net::SocketAddr};

use super::polling::Polling;
use super::serial::Serial;
use super::server::Shared;
use super::{Outgoing, Packet};
use crate::http::Request;
use crate::net::clock::{self, Timer};
use crate::net::outbox::{Answers, Dropped, MAX_ANSWERS, max_queued_now};
use crate::net::report::report;
use crate::net::{lock, survives};
use crate::ws::{self, Message};

/// The ends after which a client may still fetch what was meant for it.
const GRACEFUL: [&str; 3] = ["forced close", "forced server close", "server shutting down"];

/// What happens in a session, after it was opened.
#[derive(Debug)]
pub enum Event {
    /// A message came.
    Message(Message),
    /// It is over, and why: `transport close`, `ping timeout`, … Nothing begins after that.
    Close(&'static str),
}

/// What is told of all that happens in one session, in order.
pub type Listener = Box<dyn Fn(Event) + Send + Sync>;

/// A session. A clone is the same one; any thread may use it.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: String,
    request: Arc<Request>,
    remote_address: Option<SocketAddr>,
    server: Arc<Shared>,
    listener: Mutex<Option<Arc<Listener>>>,
    /// What the listener is told, one thing at a time.
    telling: Serial,
    /// The listener has returned since the last ping was sent.
    returned: AtomicBool,
    /// A `POST` has come, and its packets have not all been received yet.
    receiving: AtomicBool,
    /// What else there is to say of its end.
    details: OnceLock<String>,
    state: Mutex<State>,
}

struct State {
    transport: Transport,
    /// A WebSocket has been probed, and will take over: no `GET` is held any more.
    upgrading: bool,
    /// Why it is over, if it is.
    closed: Option<&'static str>,
    /// The next ping, or the end of the time for a pong.
    alarm: Option<Timer>,
    /// What the client has provoked and not taken.
    answers: Answers,
}

enum Transport {
    Polling(Box<Polling>),
    Websocket(ws::Sender),
    /// It is over: what it was. Whoever still holds the session holds no connection.
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

    /// Lets go of the connection; dropped under no lock, as its end may take a moment.
    #[must_use]
    fn let_go(&mut self) -> Transport {
        let name = self.name();
        mem::replace(self, Transport::Closed(name))
    }
}

impl Session {
    // Not a part of its caller, whose stack the thread of a silent client keeps.
    #[inline(never)]
    pub(super) fn new(
        server: &Arc<Shared>,
        id: String,
        request: Arc<Request>,
        remote_address: Option<SocketAddr>,
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
            alarm: None,
            answers: Answers::default(),
        };
        Session(Arc::new(Inner {
            id,
            request,
            remote_address,
            server: server.clone(),
            listener: Mutex::new(None),
            telling: Serial::default(),
            returned: AtomicBool::new(false),
            receiving: AtomicBool::new(false),
            details: OnceLock::new(),
            state: Mutex::new(state),
        }))
    }

    /// What it goes by: 20 characters that cannot be guessed.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The request that opened it.
    pub fn request(&self) -> &Request {
        &self.0.request
    }

    /// The address of the client, or of a proxy before it.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.0.remote_address
    }

    /// `polling` or `websocket`.
    pub fn transport(&self) -> &'static str {
        self.lock().transport.name()
    }

    /// Sends packets, after all that were sent before. To a session that is over, nothing is sent.
    pub fn send(&self, outgoing: &Arc<Outgoing>) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        match &mut state.transport {
            Transport::Websocket(sender) => {
                let sender = sender.clone();
                drop(state);
                _ = sender.send_encoded(outgoing.frames()); // if it fails, its own thread sees it too
            }
            Transport::Polling(polling) => {
                let max_queued = max_queued_now(self.0.server.options.max_queued);
                let waiting = polling.add(outgoing.payload());
                drop(state);
                if waiting > max_queued {
                    self.drop_client(Dropped::TooSlow(max_queued));
                }
            }
            Transport::Closed(_) => {}
        }
    }

    /// Sends what the client has provoked, such as the refusal of a namespace. One that provokes more
    /// and more and takes none of it is dropped.
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
            true => self.send(outgoing),
            false => self.drop_client(Dropped::TooSlow(MAX_ANSWERS)),
        }
    }

    fn drop_client(&self, why: Dropped) {
        self.explain(&why.to_string());
        if self.end("transport error") {
            report(&format!("Client lost: {why}"));
            self.tell_elsewhere("transport error");
        }
    }

    /// What else there is to say of why it is over, such as that the client was too slow.
    pub fn details(&self) -> Option<&str> {
        self.0.details.get().map(String::as_str)
    }

    /// Says why it is about to end. The first to say it is right.
    pub(super) fn explain(&self, details: &str) {
        if self.closed().is_none() {
            _ = self.0.details.set(details.to_string());
        }
    }

    /// Why it is over, once it is.
    pub fn closed(&self) -> Option<&'static str> {
        self.lock().closed
    }

    /// Whether what is sent now would leave at once.
    pub fn is_writable(&self) -> bool {
        match &self.lock().transport {
            Transport::Polling(polling) => polling.get.is_some(),
            Transport::Websocket(sender) => sender.is_writable(),
            Transport::Closed(_) => false,
        }
    }

    /// Ends the session; the client is told. What was sent before still arrives.
    ///
    /// The listener is told on another thread, or once the call of it that asks for this has returned:
    /// whoever ends a session may hold a lock that the listener takes.
    pub fn close(&self, reason: &'static str) {
        if self.end(reason) {
            self.tell_elsewhere(reason);
        }
    }

    fn tell_elsewhere(&self, reason: &'static str) {
        let session = self.clone();
        self.defer(move || session.tell_of_the_end(reason));
    }

    /// The same on a thread that is the library's own, where nobody holds a lock.
    pub(super) fn close_here(&self, reason: &'static str) {
        if self.end(reason) {
            let session = self.clone();
            self.0.telling.submit(move || session.tell_of_the_end(reason));
        }
    }

    /// Runs `task` after all that the listener has been told, on another thread or once the call of it
    /// that asks for this has returned.
    pub(crate) fn defer(&self, task: impl FnOnce() + Send + 'static) {
        self.0.telling.defer(task);
    }

    /// Ends the session, unless it has ended before; its listener is still to be told.
    fn end(&self, reason: &'static str) -> bool {
        let mut state = self.lock();
        if state.closed.is_some() {
            drop(state);
            if reason == "transport close" {
                self.forget(); // the client waits for no last words
            }
            return false;
        }
        state.closed = Some(reason);
        state.alarm = None;
        let mut waits = false;
        match &mut state.transport {
            Transport::Websocket(sender) if reason == "ping timeout" => sender.terminate(),
            Transport::Websocket(sender) => _ = sender.close(1000, ""),
            Transport::Polling(polling) if polling.get.is_some() => match reason {
                "transport close" => polling.push(Packet::Noop),
                _ => polling.push_close(reason),
            },
            Transport::Polling(_) if GRACEFUL.contains(&reason) => waits = true,
            Transport::Polling(polling) => drop(polling.take()), // nobody will fetch it
            Transport::Closed(_) => {}
        }
        if waits {
            // The next `GET` fetches what waits, and the one after it the close, which would overtake
            // all else in a client; if none comes in time, the session is forgotten.
            let session = self.clone();
            let time = self.0.server.options.ping_timeout;
            state.alarm = Some(clock::after(time, move || session.forget()));
        }
        drop(state);
        if !waits {
            self.forget();
        }
        true
    }

    pub(super) fn listen(&self, listener: Listener) {
        *lock(&self.0.listener) = Some(Arc::new(listener));
        if let Some(reason) = self.closed() {
            let session = self.clone();
            // It has ended before anybody listened.
            self.0.telling.submit(move || session.tell_of_the_end(reason));
        }
    }

    /// What the client has sent, from whichever transport. Answers whether it made sense; if not,
    /// the session is over.
    pub(super) fn receive(&self, packet: Option<Packet>) -> bool {
        match packet {
            Some(Packet::Message(message)) => self.tell(message),
            Some(Packet::Pong(_)) => self.schedule_ping(&mut self.lock()),
            Some(Packet::Close) => self.close_here("transport close"),
            _ => {
                self.close_here("parse error");
                return false;
            }
        }
        true
    }

    fn forget(&self) {
        let forgotten = lock(&self.0.server.sessions).remove(&self.0.id);
        let transport = self.lock().transport.let_go();
        drop((forgotten, transport)); // not under the locks: it may be the last of it
    }

    /// Tells the listener of a message. If it panics, this session ends, and no other.
    fn tell(&self, message: Message) {
        self.0.telling.run(|| {
            let Some(listener) = lock(&self.0.listener).clone() else { return };
            if !survives(|| listener(Event::Message(message))) {
                self.close("forced close");
            }
        });
        self.0.returned.store(true, Relaxed);
    }

    /// The same, for the last time.
    fn tell_of_the_end(&self, reason: &'static str) {
        let Some(listener) = lock(&self.0.listener).take() else { return };
        survives(|| listener(Event::Close(reason)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}
