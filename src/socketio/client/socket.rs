//! A client's socket: a namespace of a server, connected again with each session.

use std::collections::VecDeque;
use std::mem;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, Weak};

use super::auth::Auth;
use super::manager::Manager;
use super::recovery::Recovery;
use super::retries::Retries;
use crate::engineio::{Outgoing, client::Sender};
use crate::json;
use crate::json::Value;
use crate::socketio::acks::{Acks, Callback, resolve_disconnected};
use crate::socketio::args::size_in_memory;
use crate::socketio::packet::Kind;
use crate::socketio::{Emitted, Event, IntoArgs, Listeners, Parser, catch_panic, lock};

/// How much memory the events may take that arrive before the server has accepted the connection to
/// the namespace. 16 MiB; more are ignored.
const MAX_EARLY: usize = 16 << 20;

/// A namespace of a server; it dereferences to its [`Listeners`]. Its own events are `connect`,
/// `connect_error` (with an object that has a `message`, and perhaps `data`) and `disconnect` (with
/// the reason). A clone is the same socket; any thread may use it. It works as long as its
/// [`Client`](super::Client) exists: later it does not connect any more, and what it emits is lost.
#[derive(Clone)]
pub struct Socket(pub(super) Arc<Inner>);

pub struct Inner {
    pub(super) namespace: String,
    pub(super) parser: Parser,
    pub(super) manager: Weak<Manager>,
    listeners: Listeners<Socket>,
    pub(super) acks: Acks,
    pub(super) retries: Retries,
    /// The id of the next event that wants an acknowledgement.
    pub(super) next_ack: AtomicU64,
    auth: Mutex<Auth>,
    recovery: Recovery,
    /// The events that were emitted while it was not connected, with the ids of their
    /// acknowledgements. The lock is held whenever the socket becomes connected or disconnected, so
    /// that events stay in order.
    pub(super) buffer: Mutex<VecDeque<(Option<u64>, Outgoing)>>,
    /// (No other lock is taken under this one, but that of `recovery`.)
    phase: Mutex<Phase>,
}

enum Phase {
    /// It is not to be connected.
    Closed,
    /// It is to be connected in the next session.
    Waiting,
    /// CONNECT has been sent, or is about to be, and the server has not answered.
    Connecting(Early),
    /// The same, but it has been disconnected meanwhile.
    Abandoned,
    /// The same, but it has been disconnected and opened again meanwhile: CONNECT is to be sent again
    /// once the server has answered the first.
    Reopened,
    /// The server has accepted it, under this id.
    Connected(String),
}

/// The events that arrive before the answer to CONNECT.
#[derive(Default)]
struct Early {
    /// The name and the arguments of each event, and the id of its acknowledgement.
    events: Vec<(Vec<Value>, Option<u64>)>,
    /// How much memory they take.
    size: usize,
}

impl Socket {
    pub(super) fn new(
        manager: &Arc<Manager>,
        namespace: &str,
        auth: Auth,
        retries: Retries,
    ) -> Socket {
        Socket(Arc::new(Inner {
            namespace: namespace.to_string(),
            parser: manager.parser,
            manager: Arc::downgrade(manager),
            listeners: Listeners::default(),
            acks: Acks::default(),
            retries,
            next_ack: AtomicU64::new(0),
            auth: Mutex::new(auth),
            recovery: Recovery::default(),
            buffer: Mutex::default(),
            phase: Mutex::new(Phase::Closed),
        }))
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The id that the server has given it; `None` while it is not connected.
    pub fn id(&self) -> Option<String> {
        if let Phase::Connected(id) = &*lock(&self.0.phase) { Some(id.clone()) } else { None }
    }

    /// Whether it is connected now.
    pub fn is_connected(&self) -> bool {
        matches!(*lock(&self.0.phase), Phase::Connected(_))
    }

    /// Whether it has recovered its connection state when it connected: it has its old id and
    /// rooms, and before `connect` it receives all events that it has missed. The server must offer
    /// that, and then its events have one more argument; see
    /// [`recovery`](crate::socketio::recovery).
    pub fn recovered(&self) -> bool {
        self.0.recovery.recovered()
    }

    /// Whether it connects by itself: it is connected, or will be in the next session (npm's
    /// `active`).
    pub fn is_active(&self) -> bool {
        !matches!(*lock(&self.0.phase), Phase::Closed | Phase::Abandoned)
    }

    /// Connects, and connects again when a session has ended, until
    /// [`disconnect`](Socket::disconnect). Call it again after a `connect_error` from the server's
    /// middleware, and after the server has disconnected it; if the session was shorter than the
    /// first pause, the rest of that passes first. After a `connect_error` because no thread can be
    /// started (which is emitted on this thread), call it again too.
    pub fn open(&self) {
        let buffer = lock(&self.0.buffer);
        let Some(manager) = self.0.manager.upgrade() else { return };
        let opened = manager.open(self);
        drop(buffer);
        match opened {
            Ok(Some(sender)) => self.send_connect(&sender),
            Ok(None) => {}
            Err(e) => self.emit_connect_error(&format!("no thread can be started: {e}")),
        }
    }

    /// Another name of [`open`](Socket::open).
    pub fn connect(&self) {
        self.open();
    }

    /// Leaves the namespace. It does not connect again by itself.
    pub fn disconnect(&self) {
        let buffer = lock(&self.0.buffer);
        if let Some(sender) = self.sender().filter(|_| self.is_connected()) {
            sender.send_outgoing(&self.encode_control(Kind::Disconnect, None));
        }
        let was_connected = self.is_connected();
        let was_active = self.deactivate();
        if let Some(manager) = self.0.manager.upgrade() {
            manager.leave(was_active);
        }
        let unresolved = was_connected.then(|| self.take_unresolved(&buffer));
        drop(buffer);
        if let Some(unresolved) = unresolved {
            self.emit_disconnect("io client disconnect", unresolved);
        }
    }

    /// Another name of [`disconnect`](Socket::disconnect).
    pub fn close(&self) {
        self.disconnect();
    }

    /// Sets the `auth` for the next time that it connects: a value, or a closure that is called
    /// then.
    pub fn set_auth(&self, auth: impl Into<Auth>) {
        *lock(&self.0.auth) = auth.into();
    }

    /// Emits an event to the server: now, or as soon as it is connected. With
    /// [`Options::retries`](super::Options::retries), until it is acknowledged. Returns whether it
    /// was sent or is queued; npm's always returns the socket.
    ///
    /// # Panics
    /// The name is reserved for the library, such as `disconnect` (Node throws).
    pub fn emit(&self, name: &str, values: impl IntoArgs) -> Emitted {
        let ack = self.0.retries.is_enabled().then(|| self.next_ack());
        let outgoing = self.encode_event(ack, name, values);
        let Ok(outgoing) = outgoing else { return Emitted::TooManyAttachments };
        match ack {
            Some(ack) => self.emit_until_acknowledged(ack, outgoing, None, None),
            None => self.send(None, outgoing, false),
        }
    }

    /// Waits until all that was emitted is written, or the session has ended; what is queued for the
    /// next session is not waited for. See [`Sender::wait_until_sent`].
    pub fn wait_until_sent(&self) {
        if let Some(sender) = self.sender() {
            sender.wait_until_sent();
        }
    }

    /// Emits an event only if it can be written at once (`socket.volatile.emit`).
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_volatile(&self, name: &str, values: impl IntoArgs) -> Emitted {
        match self.encode_event(None, name, values) {
            Ok(outgoing) => self.send(None, outgoing, true),
            Err(_) => Emitted::TooManyAttachments,
        }
    }

    pub(super) fn send(&self, ack: Option<u64>, outgoing: Outgoing, volatile: bool) -> Emitted {
        let writable = |sender: Sender| !volatile || sender.is_writable();
        if self.watches_outgoing() && self.is_connected() && self.sender().is_some_and(writable) {
            self.emit_outgoing(&outgoing); // first, because the answer to it may come at once
        }
        let mut buffer = lock(&self.0.buffer);
        let sender = self.sender().filter(|_| self.is_connected() && buffer.is_empty());
        let sent = match sender {
            Some(sender) if volatile => sender.is_writable() && sender.send_outgoing(&outgoing),
            Some(sender) => sender.send_outgoing(&outgoing),
            None => false,
        };
        if sent {
            return Emitted::Sent;
        }
        if volatile || self.0.manager.strong_count() == 0 {
            return Emitted::Dropped;
        }
        buffer.push_back((ack, outgoing));
        Emitted::Queued
    }

    /// Calls the listeners to outgoing events. (Hold no lock.)
    pub(super) fn emit_outgoing(&self, outgoing: &Outgoing) {
        self.0.listeners.emit_outgoing(self.0.parser, outgoing, self);
    }

    pub(super) fn sender(&self) -> Option<Sender> {
        lock(&self.0.manager.upgrade()?.connection).sender()
    }

    /// It is to be connected.
    pub(super) fn request_open(&self) {
        let mut phase = lock(&self.0.phase);
        match *phase {
            Phase::Closed => *phase = Phase::Waiting,
            Phase::Abandoned => *phase = Phase::Reopened,
            _ => {}
        }
    }

    /// It is not to be connected any more. Returns `false` if it was not to be.
    pub(super) fn deactivate(&self) -> bool {
        let mut phase = lock(&self.0.phase);
        let next = match *phase {
            Phase::Connecting(_) | Phase::Abandoned | Phase::Reopened => Phase::Abandoned,
            Phase::Closed | Phase::Waiting | Phase::Connected(_) => Phase::Closed,
        };
        let last = mem::replace(&mut *phase, next);
        !matches!(last, Phase::Closed | Phase::Abandoned)
    }

    fn encode_control(&self, kind: Kind, data: Option<&Value>) -> Outgoing {
        self.0.parser.encode_control(kind, &self.0.namespace, data)
    }

    /// There is a session now: returns whether it waits for one. Then the caller is to send
    /// CONNECT, once it holds no lock.
    pub(super) fn begin_connect(&self) -> bool {
        let mut phase = lock(&self.0.phase);
        let waiting = matches!(*phase, Phase::Waiting);
        if waiting {
            *phase = Phase::Connecting(Early::default());
        }
        waiting
    }

    /// Sends CONNECT. (If the session has ended meanwhile, nothing is sent.)
    pub(super) fn send_connect(&self, sender: &Sender) {
        let auth = lock(&self.0.auth).clone();
        let mut value = Value::Null;
        if !catch_panic(|| value = auth.value()) {
            return sender.abort();
        }
        let value = match value {
            Value::Object(_) => value,
            _ => Value::Object(Vec::new()), // the protocol allows nothing but objects
        };
        let auth = self.0.recovery.add_to(value);
        let auth = Some(&auth).filter(|auth| auth.as_object() != Some(&[]));
        sender.send_outgoing(&self.encode_control(Kind::Connect, auth));
    }

    /// Sends CONNECT again after the server has answered the last one, if it has been opened again
    /// meanwhile.
    fn connect_again(&self) {
        if let Some(sender) = self.sender().filter(|_| self.begin_connect()) {
            self.send_connect(&sender);
        }
    }

    /// The session has ended, so a CONNECT will not be answered any more. Returns `false` if it had no part
    /// in that session.
    pub(super) fn session_ended(&self) -> bool {
        let mut phase = lock(&self.0.phase);
        match *phase {
            Phase::Connecting(_) | Phase::Reopened => *phase = Phase::Waiting,
            Phase::Abandoned => *phase = Phase::Closed,
            Phase::Connected(_) => {}
            Phase::Closed | Phase::Waiting => return false,
        }
        true
    }

    /// The server has refused its CONNECT. Returns `false` if that is none of the socket's business any
    /// more.
    pub(super) fn refused(&self) -> bool {
        let mut phase = lock(&self.0.phase);
        let (next, concerned) = match *phase {
            Phase::Connecting(_) => (Phase::Closed, true),
            Phase::Abandoned => (Phase::Closed, false),
            Phase::Reopened => (Phase::Waiting, false),
            Phase::Closed | Phase::Waiting | Phase::Connected(_) => return false,
        };
        *phase = next;
        drop(phase);
        self.connect_again();
        concerned
    }

    /// The server has accepted it: receives the events that have arrived before, sends those that
    /// were buffered, in order, before any new one, and emits `connect`.
    pub(super) fn on_connect(&self, id: &str, pid: Option<&str>) {
        let buffer = lock(&self.0.buffer);
        let Some(sender) = self.sender() else { return };
        let mut phase = lock(&self.0.phase);
        let Phase::Connecting(early) = &mut *phase else {
            let reopened = matches!(*phase, Phase::Reopened);
            *phase = if reopened { Phase::Waiting } else { Phase::Closed };
            drop(phase);
            sender.send_outgoing(&self.encode_control(Kind::Disconnect, None));
            drop(buffer);
            return self.connect_again();
        };
        let early = mem::take(&mut early.events);
        *phase = Phase::Connected(id.to_string());
        self.0.recovery.connected(pid);
        drop((phase, buffer));
        for (values, ack) in early.into_iter().take_while(|_| self.is_connected()) {
            self.receive(values, ack);
        }
        let mut buffer = lock(&self.0.buffer);
        if !self.is_connected() {
            return; // a listener has disconnected it
        }
        let mut sent = Vec::new();
        while let Some((ack, outgoing)) = buffer.pop_front() {
            let wanted = ack.is_none_or(|id| self.0.acks.is_awaited(id));
            if wanted && !sender.send_outgoing(&outgoing) {
                buffer.push_front((ack, outgoing));
                break;
            }
            if wanted && self.0.listeners.watches_outgoing() {
                sent.push(outgoing);
            }
        }
        drop(buffer);
        sent.iter().for_each(|outgoing| self.emit_outgoing(outgoing));
        self.send_queued();
        self.emit_reserved("connect", Vec::new());
    }

    /// The session has ended, for this reason. It will be connected again in the next one.
    pub(super) fn lost(&self, reason: &str) {
        match self.leave(Phase::Waiting) {
            Some(unresolved) => self.emit_disconnect(reason, unresolved),
            None if self.is_active() => {
                self.emit_connect_error(&format!("the session ended too soon: {reason}"));
            }
            None => {}
        }
    }

    /// The server has disconnected it. Returns the callbacks to call; `None` if it was not
    /// connected.
    pub(super) fn disconnected(&self) -> Option<Vec<Callback>> {
        self.leave(Phase::Closed)
    }

    fn leave(&self, next: Phase) -> Option<Vec<Callback>> {
        let buffer = lock(&self.0.buffer);
        let mut phase = lock(&self.0.phase);
        let Phase::Connected(_) = *phase else { return None };
        *phase = next;
        drop(phase);
        Some(self.take_unresolved(&buffer))
    }

    /// The acknowledgements that will not arrive any more: not those of events that are still
    /// buffered.
    fn take_unresolved(&self, buffer: &VecDeque<(Option<u64>, Outgoing)>) -> Vec<Callback> {
        self.0.retries.disconnected();
        let unsent: Vec<u64> = buffer.iter().filter_map(|(ack, _)| *ack).collect();
        self.0.acks.take(&unsent)
    }

    /// Emits `disconnect`, and then resolves the acknowledgements that will not arrive.
    pub(super) fn emit_disconnect(&self, reason: &str, unresolved: Vec<Callback>) {
        self.emit_reserved("disconnect", vec![reason.into()]);
        resolve_disconnected(unresolved);
    }

    pub(super) fn emit_connect_error(&self, message: &str) {
        self.emit_reserved("connect_error", vec![json!({"message": message})]);
    }

    pub(super) fn emit_reserved(&self, name: &str, args: Vec<Value>) {
        self.0.listeners.emit_reserved(&Event::new(name.to_string(), args, self.clone()));
    }

    /// Receives an event. One that arrives before the answer to CONNECT is kept until then.
    pub(super) fn receive(&self, mut values: Vec<Value>, ack: Option<u64>) {
        let ack = match &mut *lock(&self.0.phase) {
            Phase::Connected(id) => ack.map(|ack| (ack, id.clone())),
            Phase::Connecting(early) => {
                let size = values.iter().map(size_in_memory).sum::<usize>();
                if early.size + size <= MAX_EARLY {
                    early.size += size;
                    early.events.push((values, ack));
                } else {
                    self.0.recovery.forget();
                }
                return;
            }
            _ => return,
        };
        let Value::String(name) = values.remove(0) else { return };
        let mut event = Event::new(name, values, self.clone());
        if let Some((ack, id)) = ack {
            let socket = self.clone();
            event = event.with_ack(move |values| socket.acknowledge(ack, &id, values));
        }
        self.0.listeners.emit_incoming(&event);
        if !event.wants_ack() {
            self.0.recovery.received(&event.args);
        }
    }
}

impl Deref for Socket {
    type Target = Listeners<Socket>;

    fn deref(&self) -> &Listeners<Socket> {
        &self.0.listeners
    }
}

/// Two sockets are equal if they are the same.
impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
