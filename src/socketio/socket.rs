//! A client in one namespace, as the server sees it: `on`, `emit`, `join`, `disconnect`.
//!
//! A client has a socket in each namespace that it has connected to, all over one session.
//!
//! Chapter 22 of the book.

use std::iter::once;
use std::mem;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, SystemTime};

use super::acks::{AckError, AckSocket, Acks, Callback, Timeout};
use super::args::{Args, IntoArgs};
use super::broadcast::Broadcast;
use super::codec::TooManyAttachments;
use super::connection::Connection;
use super::event::{Emitted, Event};
use super::handshake::Handshake;
use super::listeners::Listeners;
use super::lock;
use super::namespace::{ConnectError, Namespace};
use super::packet::Kind;
use super::recovery::{self, Session};
use super::rooms::IntoRooms;
use crate::engineio::{self, Outgoing};
use crate::json;
use crate::json::Value;
use crate::ws::random::random_id;

/// A client in a namespace; it dereferences to its [`Listeners`]. Its own events are
/// `disconnecting` (it is still in its rooms) and `disconnect`. Both have the reason, and perhaps
/// details: an object with a `message`, such as that the client was too slow. A clone is the same
/// socket; any thread may use it.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: String,
    /// The private id, known to its client alone; empty without connection state recovery.
    pid: String,
    recovered: bool,
    namespace: Namespace,
    /// It keeps this socket in turn, until the socket is disconnected.
    connection: Arc<Connection>,
    auth: Value,
    issued: SystemTime,
    data: Mutex<Value>,
    listeners: Listeners<Socket>,
    /// The middleware for events, once there is any.
    middleware: OnceLock<Box<Mutex<Vec<Arc<Middleware>>>>>,
    acks: Acks,
    /// The reason of its end, once it has been disconnected or refused.
    ended: OnceLock<&'static str>,
    /// The thread on which the `disconnecting` listeners are being called.
    leaving: Mutex<Option<ThreadId>>,
}

type Middleware = dyn Fn(&Event<Socket>) -> Result<(), ConnectError> + Send + Sync;

impl Socket {
    // Not inlined: the thread of a silent client keeps the stack of the caller.
    #[inline(never)]
    pub(super) fn new(
        namespace: Namespace,
        connection: Arc<Connection>,
        auth: Value,
        restored: Option<&Session>,
    ) -> Socket {
        let (id, pid, data) = match restored {
            Some(session) => (session.id.clone(), session.pid.clone(), session.data.clone()),
            None => {
                let pid = namespace.store().map(|_| random_id());
                (random_id(), pid.unwrap_or_default(), Value::Object(Vec::new()))
            }
        };
        let socket = Socket(Arc::new(Inner {
            id,
            pid,
            recovered: restored.is_some(),
            namespace,
            connection,
            auth,
            issued: SystemTime::now(),
            data: Mutex::new(data),
            listeners: Listeners::default(),
            middleware: OnceLock::new(),
            acks: Acks::default(),
            ended: OnceLock::new(),
            leaving: Mutex::default(),
        }));
        if let Some(session) = restored {
            socket.join(&session.rooms);
        }
        socket
    }

    /// The id: 20 characters, another for each namespace and each connection (but the same as
    /// before if it is [`recovered`](Socket::recovered)).
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub(super) fn pid(&self) -> &str {
        &self.0.pid
    }

    /// Whether its client was away for a while and has got its id, rooms and data back, and all
    /// events that it has missed: see [`Recovery`](super::Recovery).
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    /// The namespace (`socket.nsp`).
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// Whether it has connected, and has not been disconnected.
    pub fn is_connected(&self) -> bool {
        self.0.namespace.has(self) && !self.has_ended() && self.session().closed().is_none()
    }

    /// The data of the client's handshake.
    pub fn handshake(&self) -> Handshake<'_> {
        let session = self.session();
        let address = session.remote_address();
        let (auth, issued) = (&self.0.auth, self.0.issued);
        Handshake { request: session.request(), auth, address, issued, secure: false }
    }

    /// The session (`socket.conn`), with its transport and its events, such as `upgrade`, `packet`,
    /// `packetCreate`, `drain` and `close`. All sockets of a client share it.
    ///
    /// ```
    /// # let server = sockets_by_hand::socketio::Server::bind("127.0.0.1:0", Default::default())?;
    /// server.io().on_connection(|socket| {
    ///     socket.conn().events().on("upgrade", |transport| println!("upgraded to {transport}"));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn conn(&self) -> &engineio::Session {
        self.session()
    }

    /// The transport of the session now: `polling` or `websocket`.
    pub fn transport(&self) -> &'static str {
        self.session().transport()
    }

    /// Any data of yours (`socket.data`): at first an empty object.
    pub fn data(&self) -> Value {
        lock(&self.0.data).clone()
    }

    /// Sets the data of yours.
    pub fn set_data(&self, data: impl Into<Value>) {
        *lock(&self.0.data) = data.into();
    }

    /// Changes the data of yours, and returns what `update` returns. No other thread changes it in
    /// between, as one could between [`data`](Socket::data) and [`set_data`](Socket::set_data). In
    /// `update`, do not use the data of this socket in another way: it is locked.
    ///
    /// ```
    /// # use sockets_by_hand::socketio::Socket;
    /// fn count(socket: &Socket) -> f64 {
    ///     socket.update_data(|data| {
    ///         let count = data["count"].as_f64().unwrap_or(0.0) + 1.0;
    ///         data["count"] = count.into();
    ///         count
    ///     })
    /// }
    /// ```
    pub fn update_data<R>(&self, update: impl FnOnce(&mut Value) -> R) -> R {
        update(&mut lock(&self.0.data))
    }

    /// Emits an event to the client, with any number of arguments. Returns whether it was sent;
    /// npm's always returns `true`.
    ///
    /// # Panics
    /// The name is reserved for the library, such as `disconnect` (Node throws).
    pub fn emit(&self, name: &str, values: impl IntoArgs) -> Emitted {
        self.emit_compressed(true, name, values)
    }

    /// Emits an event that is not compressed, even if the client has agreed on compression
    /// (`socket.compress(false).emit`). For other events: [`Broadcast::compress`].
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_uncompressed(&self, name: &str, values: impl IntoArgs) -> Emitted {
        self.emit_compressed(false, name, values)
    }

    fn emit_compressed(&self, compress: bool, name: &str, values: impl IntoArgs) -> Emitted {
        // (While the middleware runs, it has not connected: its client knows no offset yet.)
        match self.0.namespace.store().filter(|_| self.0.namespace.has(self) || self.has_ended()) {
            Some(store) => store.emit(self, name, values.into_args().as_ref(), compress),
            None => {
                let outgoing = self.encode_event(None, name, values);
                self.send_event(outgoing.map(|it| it.compress(compress)))
            }
        }
    }

    /// Waits until all that was emitted is written, or the client has gone: a thread that emits much
    /// does not emit faster than the client reads. See
    /// [`Session::wait_until_sent`](engineio::Session::wait_until_sent).
    pub fn wait_until_sent(&self) {
        self.session().wait_until_sent();
    }

    /// Emits an event only if it can be written at once (`socket.volatile.emit`).
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_volatile(&self, name: &str, values: impl IntoArgs) -> Emitted {
        match self.session().is_writable() {
            true => self.send_event(self.encode_event(None, name, values)),
            false => Emitted::Dropped,
        }
    }

    /// Sets how long to wait for the acknowledgement of the event that is emitted next:
    /// `socket.timeout(time).emit_with_ack(name, values)`.
    pub fn timeout(&self, time: Duration) -> Timeout<'_> {
        Timeout::new(self, Some(time))
    }

    /// Emits an event, and waits for its acknowledgement as long as the client is connected; see
    /// [`Timeout::emit_with_ack`].
    ///
    /// # Errors
    /// [`AckError::Disconnected`], [`AckError::Deadlock`] or [`AckError::TooManyAttachments`].
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_with_ack(&self, name: &str, values: impl IntoArgs) -> Result<Args, AckError> {
        Timeout::new(self, None).emit_with_ack(name, values)
    }

    /// Emits an event, and awaits its acknowledgement as long as the client is connected; see
    /// [`Timeout::emit_with_callback`].
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_with_callback(
        &self,
        name: &str,
        values: impl IntoArgs,
        callback: impl FnOnce(Result<Args, AckError>) + Send + 'static,
    ) {
        Timeout::new(self, None).emit_with_callback(name, values, callback);
    }

    /// Adds a middleware, which accepts or refuses each event of the client (`socket.use`). They run
    /// in the order in which they were added, after the listeners to all events and before those to
    /// the name. If one refuses, the event goes no further: the listeners to `error` on this socket
    /// get the message of the error, and its data if it has any. The client is not told.
    ///
    /// ```
    /// # let server = sockets_by_hand::socketio::Server::bind("127.0.0.1:0", Default::default())?;
    /// server.io().on_connection(|socket| {
    ///     socket.use_middleware(|event| match &*event.name {
    ///         "delete" if event.socket.data()["admin"] != true => Err("not allowed".into()),
    ///         _ => Ok(()),
    ///     });
    ///     socket.on("error", |event| println!("refused: {}", event.args[0]));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn use_middleware(
        &self,
        middleware: impl Fn(&Event<Socket>) -> Result<(), ConnectError> + Send + Sync + 'static,
    ) {
        lock(self.0.middleware.get_or_init(Box::default)).push(Arc::new(middleware));
    }

    /// Adds it to a room, or to a list of rooms. It leaves all rooms when it is disconnected.
    pub fn join(&self, rooms: impl IntoRooms) {
        self.0.namespace.join(self, rooms);
    }

    /// Removes it from a room, or from a list of rooms.
    pub fn leave(&self, rooms: impl IntoRooms) {
        self.0.namespace.leave(self, rooms);
    }

    /// The rooms that it is in, in the order of joining, among them the room of its id.
    pub fn rooms(&self) -> Vec<String> {
        self.0.namespace.rooms(self)
    }

    /// A broadcast to all sockets of the namespace but this one.
    pub fn broadcast(&self) -> Broadcast {
        self.0.namespace.except(&self.0.id)
    }

    /// A broadcast to the sockets in a room, or in any of a list of rooms, but this one.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// A broadcast to all sockets but this one and those in a room, or in any of a list of rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Disconnects it from the namespace. If `close`, disconnects the client from all namespaces,
    /// and ends the session.
    ///
    /// Its listeners are called on another thread, or after the handler of its own that calls this:
    /// the caller may hold a lock that they take. It is in its rooms until the `disconnecting`
    /// listeners have returned.
    pub fn disconnect(&self, close: bool) {
        match close {
            _ if !self.is_connected() => {}
            true => self.0.connection.disconnect(),
            false => self.end("server namespace disconnect"),
        }
    }

    pub(super) fn acks(&self) -> &Acks {
        &self.0.acks
    }

    pub(super) fn session(&self) -> &engineio::Session {
        &self.0.connection.session
    }

    /// The packet that accepts it: tells the client its id, and its private id if it has one.
    pub(super) fn encode_connect(&self) -> Arc<Outgoing> {
        let mut data = json!({sid: self.id()});
        if !self.0.pid.is_empty() {
            data["pid"] = (&*self.0.pid).into();
        }
        self.encode_control(Kind::Connect, Some(&data))
    }

    pub(super) fn send_packet(&self, kind: Kind, data: Option<&Value>) {
        self.session().send(&self.encode_control(kind, data));
    }

    fn encode_control(&self, kind: Kind, data: Option<&Value>) -> Arc<Outgoing> {
        let namespace = &self.0.namespace;
        namespace.parser().encode_control(kind, namespace.name(), data).into()
    }

    fn encode_event(
        &self,
        id: Option<u64>,
        name: &str,
        values: impl IntoArgs,
    ) -> Result<Outgoing, TooManyAttachments> {
        let (namespace, values) = (&self.0.namespace, values.into_args());
        namespace.parser().encode_event(namespace.name(), id, name, values.as_ref())
    }

    fn send_event(&self, outgoing: Result<Outgoing, TooManyAttachments>) -> Emitted {
        let Ok(outgoing) = outgoing else { return Emitted::TooManyAttachments };
        if self.has_ended() {
            return Emitted::Dropped;
        }
        self.emit_outgoing(&outgoing);
        if self.send(outgoing) { Emitted::Sent } else { Emitted::Dropped }
    }

    /// Calls the listeners to outgoing events. (Hold no lock.)
    pub(super) fn emit_outgoing(&self, outgoing: &Outgoing) {
        self.0.listeners.emit_outgoing(self.0.namespace.parser(), outgoing, self);
    }

    fn send(&self, outgoing: Outgoing) -> bool {
        self.session().send(&Arc::new(outgoing))
    }

    /// Receives an event. `ack` is the id of the acknowledgement that it wants.
    //
    // Not inlined: a client that has only connected does not need this on its stack.
    #[inline(never)]
    pub(super) fn receive(&self, mut values: Vec<Value>, ack: Option<u64>) {
        let Value::String(name) = values.remove(0) else { return };
        let mut event = Event::new(name, values, self.clone());
        if let Some(id) = ack {
            let socket = self.clone();
            event = event.with_ack(move |values| socket.acknowledge(id, values));
        }
        match self.0.middleware.get() {
            None => self.0.listeners.emit_incoming(&event),
            Some(middleware) => self.run_middleware(middleware, &event),
        }
    }

    /// Calls the listeners of an event, unless a middleware refuses it or disconnects the socket.
    fn run_middleware(&self, middleware: &Mutex<Vec<Arc<Middleware>>>, event: &Event<Socket>) {
        self.0.listeners.emit_to_any(event);
        let middleware = lock(middleware).clone(); // to call it without the lock
        match middleware.iter().try_for_each(|middleware| middleware(event)) {
            Ok(()) if self.has_ended() => {}
            Ok(()) => self.0.listeners.emit_to_named(event),
            Err(error) => {
                let reasons = once(error.message.into()).chain(error.data).collect();
                let error = Event::new("error".to_string(), reasons, self.clone());
                self.0.listeners.emit_to_named(&error);
            }
        }
    }

    fn acknowledge(&self, id: u64, values: &[Value]) -> Result<(), TooManyAttachments> {
        let namespace = &self.0.namespace;
        self.send(namespace.parser().encode(Kind::Ack, namespace.name(), Some(id), values)?);
        Ok(())
    }

    /// Receives an acknowledgement.
    pub(super) fn resolve(&self, id: u64, values: Vec<Value>) {
        self.0.acks.resolve(id, Ok(Args(values)));
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.get().is_some()
    }

    /// Whether [`Broadcast::fetch_sockets`] lists it: until its end, and on the thread of its
    /// `disconnecting` listeners until they have returned.
    pub(super) fn is_listed(&self) -> bool {
        !self.has_ended() || *lock(&self.0.leaving) == Some(thread::current().id())
    }

    /// Disconnects it: it receives no event and no broadcast any more. Its listeners are called
    /// with the reason, after all events before.
    pub(super) fn end(&self, reason: &'static str) {
        if self.0.ended.set(reason).is_err() {
            return;
        }
        self.0.connection.remove(self);
        if reason == "server namespace disconnect" {
            self.send_packet(Kind::Disconnect, None); // after it has been removed: the client may connect again at once
        }
        let socket = self.clone();
        self.session().defer(move || socket.leave_all(reason));
    }

    /// It is not connected, and never will be.
    // Not inlined: the thread of a silent client keeps the stack of the caller.
    #[inline(never)]
    pub(super) fn refused(&self) {
        if self.0.ended.set("refused").is_ok() {
            self.leave_all("refused");
        }
    }

    /// Leaves its rooms and its namespace, and emits `disconnecting` and `disconnect`.
    fn leave_all(&self, reason: &str) {
        let connected = self.0.namespace.has(self);
        if connected {
            *lock(&self.0.leaving) = Some(thread::current().id());
            self.0.listeners.emit_reserved(&self.end_event("disconnecting", reason));
            *lock(&self.0.leaving) = None;
        }
        recovery::leave(self, reason, connected);
        self.0.connection.left(&self.0.namespace);
        self.0.acks.disconnected();
        if let Some(middleware) = self.0.middleware.get() {
            let removed = mem::take(&mut *lock(middleware));
            drop(removed); // not under the lock; it may hold this socket, as the listeners may
        }
        match connected {
            true => self.0.listeners.emit_last(&self.end_event("disconnect", reason)),
            false => self.0.listeners.remove_all(), // never connected, so no event
        }
    }

    fn end_event(&self, name: &str, reason: &str) -> Event<Socket> {
        Event::new(name.to_string(), self.reasons(reason), self.clone())
    }

    /// The reason of its end, and perhaps details: an object with a `message`.
    fn reasons(&self, reason: &str) -> Vec<Value> {
        let details = self.session().details().filter(|_| self.session().closed() == Some(reason));
        let details = details.map(|text| Value::Object(vec![("message".into(), text.into())]));
        once(reason.into()).chain(details).collect()
    }
}

impl AckSocket for Socket {
    fn emit_expecting(
        &self,
        name: &str,
        values: &[Value],
        timeout: Option<Duration>,
        callback: Callback,
    ) {
        let id = self.0.namespace.namespace.next_ack();
        // First, because it may panic: then no acknowledgement is awaited.
        let outgoing = self.encode_event(Some(id), name, values);
        self.0.acks.expect(id, timeout, callback);
        if self.send_event(outgoing) == Emitted::TooManyAttachments {
            self.0.acks.fail(id, AckError::TooManyAttachments);
        } else if self.has_ended() {
            self.0.acks.fail(id, AckError::Disconnected);
        }
    }

    fn receives_here(&self) -> bool {
        self.session().receives_here()
    }
}

impl Deref for Socket {
    type Target = Listeners<Socket>;

    fn deref(&self) -> &Listeners<Socket> {
        &self.0.listeners
    }
}

/// Two sockets are equal if they are the same client in the same namespace.
impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
