//! One client in one namespace, as the server sees it: `on`, `emit`, `join`, `disconnect`.
//!
//! Picture a conversation at one table of the house. The same guest may sit at several tables (a
//! socket in each namespace, all over one session); what is said at one is not heard at another.
//!
//! Chapter 18 of the book.

use std::iter::once;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::acks::{Acks, NoAnswer};
use super::args::Args;
use super::codec::{RESERVED, encode};
use super::listeners::Listeners;
use super::lock;
use super::namespace::{Broadcast, Namespace};
use super::packet::{Kind, Packet};
use super::server::Client;
use crate::engineio::{self, Outgoing, Session};
use crate::http::Request;
use crate::json::Value;
use crate::ws::{Message, random::random_id};

/// A client in a namespace, with its [`Listeners`]. Its own events are `disconnecting` (it is still in
/// its rooms) and `disconnect`, both with the reason; where there is more to say, such as that the client
/// was too slow, details follow: an object with a `message`. A clone is the same one; any thread may use it.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: String,
    namespace: Namespace,
    /// Which keeps this socket in turn, until it ends.
    client: Arc<Client>,
    auth: Value,
    data: Mutex<Value>,
    listeners: Listeners<Event>,
    acks: Acks,
    /// Why it is over, once it is.
    ended: OnceLock<&'static str>,
    /// The thread on which the `disconnecting` listeners are being called.
    leaving: Mutex<Option<ThreadId>>,
}

/// An event that a client has emitted. A clone is the same one: it can be answered later.
#[derive(Clone)]
pub struct Event {
    /// What it is called.
    pub name: String,
    /// The values that came with it.
    pub args: Args,
    /// The socket that it came to.
    pub socket: Socket,
    ack: Option<u64>,
    answered: Arc<AtomicBool>,
}

impl Event {
    /// Answers the event, if its sender wants an answer; the first time only.
    ///
    /// # Panics
    /// There are more than ten pieces of bytes in the values.
    pub fn ack(&self, values: impl AsRef<[Value]>) {
        let Some(id) = self.ack.filter(|_| !self.answered.swap(true, Relaxed)) else { return };
        let namespace = self.socket.namespace().name();
        self.socket.send(encode(Kind::Ack, namespace, Some(id), values.as_ref()));
    }

    /// Whether its sender wants an answer.
    pub fn wants_ack(&self) -> bool {
        self.ack.is_some()
    }
}

/// What a client came with (`socket.handshake`).
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// The request that opened its session: headers, path, query.
    pub request: &'a Request,
    /// What it gave as `auth`; an empty object, if nothing.
    pub auth: &'a Value,
    /// Its address, or that of a proxy before it.
    pub address: Option<SocketAddr>,
}

impl Socket {
    pub(super) fn new(namespace: Namespace, client: Arc<Client>, auth: Value) -> Socket {
        Socket(Arc::new(Inner {
            id: random_id(),
            namespace,
            client,
            auth,
            data: Mutex::new(Value::Object(Vec::new())),
            listeners: Listeners::default(),
            acks: Acks::default(),
            ended: OnceLock::new(),
            leaving: Mutex::default(),
        }))
    }

    /// What it goes by, in this namespace: 20 characters, new with every connection.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The namespace that it is in (`socket.nsp`).
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// Whether it has come in, and not been disconnected yet.
    pub fn is_connected(&self) -> bool {
        self.0.namespace.has(self) && !self.has_ended() && self.session().closed().is_none()
    }

    /// What the client came with.
    pub fn handshake(&self) -> Handshake<'_> {
        let session = self.session();
        let address = session.remote_address();
        Handshake { request: session.request(), auth: &self.0.auth, address }
    }

    /// How it is connected now: `polling` or `websocket`.
    pub fn transport(&self) -> &'static str {
        self.session().transport()
    }

    /// What you have noted about it (`socket.data`): at first an empty object.
    pub fn data(&self) -> Value {
        lock(&self.0.data).clone()
    }

    /// Notes something about it.
    pub fn set_data(&self, data: impl Into<Value>) {
        *lock(&self.0.data) = data.into();
    }

    /// Emits an event to the client, with any number of values.
    ///
    /// # Panics
    /// The name is one that only the library itself may use, such as `disconnect` (Node throws); or
    /// there are more than ten pieces of bytes in the values, at which the client would hang up.
    pub fn emit(&self, name: &str, values: impl AsRef<[Value]>) {
        self.send(event(self.0.namespace.name(), None, name, values.as_ref()));
    }

    /// Emits an event that may be lost: if it cannot leave at once, it is (`socket.volatile.emit`).
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_volatile(&self, name: &str, values: impl AsRef<[Value]>) {
        if self.session().is_writable() {
            self.emit(name, values);
        }
    }

    /// Emits an event and awaits an answer for `timeout`; `callback` is called with it, or with why
    /// there is none: on another thread, never on this one.
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit); no answer is awaited then.
    pub fn emit_with_ack(
        &self,
        name: &str,
        values: impl AsRef<[Value]>,
        timeout: Duration,
        callback: impl FnOnce(Result<Args, NoAnswer>) + Send + 'static,
    ) {
        let id = self.0.acks.next_id();
        // First, as it panics if the event may not be sent: then no answer is awaited either.
        let outgoing = event(self.0.namespace.name(), Some(id), name, values.as_ref());
        self.0.acks.expect(id, timeout, Box::new(callback));
        self.send(outgoing);
        if self.has_ended() {
            self.0.acks.fail(id, NoAnswer::Disconnected);
        }
    }

    /// Puts it into a room. It leaves all rooms when it disconnects.
    pub fn join(&self, room: &str) {
        self.0.namespace.join(self, room);
    }

    /// Takes it out of a room.
    pub fn leave(&self, room: &str) {
        self.0.namespace.leave(self, room);
    }

    /// The rooms that it is in, among them its own, which is called like itself.
    pub fn rooms(&self) -> Vec<String> {
        self.0.namespace.rooms(self)
    }

    /// Everybody in the namespace but this one.
    pub fn broadcast(&self) -> Broadcast {
        self.0.namespace.except(&self.0.id)
    }

    /// Everybody in a room but this one.
    pub fn to(&self, room: &str) -> Broadcast {
        self.broadcast().to(room)
    }

    /// Everybody but this one and those in a room.
    pub fn except(&self, room: &str) -> Broadcast {
        self.broadcast().except(room)
    }

    /// Sends it out of the namespace; and out of all others as well, its connection closed, if
    /// `close`.
    ///
    /// Its listeners are told on another thread, or once the handler of its own that calls this has
    /// returned: so it may be called under a lock that they take. Until `disconnecting` has been told,
    /// it is still in its rooms.
    pub fn disconnect(&self, close: bool) {
        match close {
            _ if !self.is_connected() => {}
            true => self.0.client.disconnect(),
            false => self.end("server namespace disconnect"),
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.0.client.session
    }

    pub(super) fn send_packet(&self, kind: Kind, data: &str) {
        self.send(packet(kind, self.0.namespace.name(), data));
    }

    fn send(&self, outgoing: Outgoing) {
        self.session().send(&Arc::new(outgoing));
    }

    /// An event has come.
    pub(super) fn receive(&self, mut values: Vec<Value>, ack: Option<u64>) {
        let Value::String(name) = values.remove(0) else { return };
        let event = self.event(name, values, ack);
        self.0.listeners.hear(&event.name, &event);
    }

    /// An answer has come.
    pub(super) fn settle(&self, id: u64, values: Vec<Value>) {
        self.0.acks.settle(id, Ok(Args(values)));
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.get().is_some()
    }

    /// Whether it counts as one of its namespace's: until its end, and for its `disconnecting` listeners
    /// until they have returned.
    pub(super) fn is_listed(&self) -> bool {
        !self.has_ended() || *lock(&self.0.leaving) == Some(thread::current().id())
    }

    /// It is over: nothing more comes from it, and nothing of a broadcast goes to it. Its listeners are
    /// told why, after what they have been told before.
    pub(super) fn end(&self, reason: &'static str) {
        if self.0.ended.set(reason).is_err() {
            return;
        }
        self.0.client.remove(self);
        if reason == "server namespace disconnect" {
            self.send_packet(Kind::Disconnect, ""); // it may come back at once: it has been removed
        }
        let socket = self.clone();
        self.session().defer(move || socket.leave_all(reason));
    }

    /// It may not come in.
    pub(super) fn refused(&self) {
        if self.0.ended.set("refused").is_ok() {
            self.leave_all("refused");
        }
    }

    /// Out of its rooms, out of its namespace, and its listeners told of both.
    fn leave_all(&self, reason: &str) {
        let was_in = self.0.namespace.has(self);
        if was_in {
            *lock(&self.0.leaving) = Some(thread::current().id());
            self.tell("disconnecting", reason);
            *lock(&self.0.leaving) = None;
        }
        self.0.namespace.remove(self);
        self.0.acks.disconnected();
        match was_in {
            true => self.tell_last(reason),
            false => self.0.listeners.remove_all(), // it never was: nobody hears of it
        }
    }

    /// Tells the listeners of its end.
    fn tell(&self, name: &str, reason: &str) {
        let event = self.event(name.to_string(), self.reasons(reason), None);
        self.0.listeners.tell(name, &event);
    }

    /// Tells them that it has left, and lets all of them go.
    fn tell_last(&self, reason: &str) {
        let event = self.event("disconnect".to_string(), self.reasons(reason), None);
        self.0.listeners.tell_last("disconnect", &event);
    }

    /// The reason of its end, and what else there is to say of it: an object with a `message`.
    fn reasons(&self, reason: &str) -> Vec<Value> {
        let details = self.session().details().filter(|_| self.session().closed() == Some(reason));
        let details = details.map(|text| Value::Object(vec![("message".into(), text.into())]));
        once(reason.into()).chain(details).collect()
    }

    fn event(&self, name: String, args: Vec<Value>, ack: Option<u64>) -> Event {
        Event { name, args: Args(args), socket: self.clone(), ack, answered: Arc::default() }
    }
}

impl Deref for Socket {
    type Target = Listeners<Event>;

    fn deref(&self) -> &Listeners<Event> {
        &self.0.listeners
    }
}

/// Two sockets are equal if they are the same client in the same namespace.
impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

pub(super) fn event(namespace: &str, id: Option<u64>, name: &str, values: &[Value]) -> Outgoing {
    assert!(!RESERVED.contains(&name), "\"{name}\" is a reserved event name");
    let name = Value::from(name);
    encode(Kind::Event, namespace, id, once(&name).chain(values))
}

pub(super) fn packet(kind: Kind, namespace: &str, data: &str) -> Outgoing {
    let text = Packet::new(kind, namespace, data).encode();
    engineio::Packet::Message(Message::Text(text)).into()
}
