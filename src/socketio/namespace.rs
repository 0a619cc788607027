//! A namespace: its sockets, its middleware and its rooms.
//!
//! Chapter 23 of the book.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::adapter::Redis;
use super::broadcast::Broadcast;
use super::event::Event;
use super::lock;
use super::parser::Parser;
use super::recovery::{Recovery, Session, Store};
use super::rooms::{IntoRooms, RoomEvent, Rooms};
use super::socket::Socket;
use crate::engineio::Outgoing;
use crate::json::Value;
use crate::net::Emitter;

/// Why a client may not connect to a namespace: the data of its `connect_error`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectError {
    /// For people.
    pub message: String,
    /// For programs.
    pub data: Option<Value>,
}

impl<T: Into<String>> From<T> for ConnectError {
    fn from(message: T) -> ConnectError {
        ConnectError { message: message.into(), data: None }
    }
}

type Middleware = dyn Fn(Socket) -> Result<(), ConnectError> + Send + Sync;
type OnConnection = dyn Fn(Socket) + Send + Sync;

/// A namespace. It dereferences to a [`Broadcast`] to all its sockets, because in Socket.IO every
/// method of that is one of the namespace too: `io.to(…)`. A clone is the same namespace; any
/// thread may use it.
#[derive(Clone)]
pub struct Namespace(Arc<Broadcast>);

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) parser: Parser,
    middleware: Mutex<Vec<Arc<Middleware>>>,
    on_connection: Mutex<Vec<Arc<OnConnection>>>,
    pub(super) members: Mutex<Members>,
    room_events: Emitter<RoomEvent>,
    /// Is locked during a broadcast: all sockets receive two broadcasts in the same order.
    pub(super) broadcast_order: Mutex<()>,
    /// What is kept for clients that were away for a while, if anything is.
    pub(super) store: Option<Store>,
    /// The id of the next event that wants an acknowledgement, the same to all its receivers.
    next_ack: AtomicU64,
    /// Tells other servers, if there are others.
    pub(super) adapter: OnceLock<Arc<Redis>>,
    /// The events that other servers emit to this one.
    pub(super) server_events: Emitter<Event<Namespace>>,
}

impl Inner {
    pub(super) fn next_ack(&self) -> u64 {
        self.next_ack.fetch_add(1, Relaxed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(adapter) = self.adapter.get() {
            adapter.remove(&self.name);
        }
    }
}

/// A namespace, which this does not keep.
pub(super) struct WeakNamespace(Weak<Broadcast>);

impl WeakNamespace {
    pub(super) fn upgrade(&self) -> Option<Namespace> {
        self.0.upgrade().map(Namespace)
    }
}

#[derive(Default)]
pub(super) struct Members {
    /// By the number of their first join: in the order in which they have connected.
    sockets: BTreeMap<u64, Socket>,
    /// The number of each id.
    numbers: HashMap<Arc<str>, u64>,
    pub(super) rooms: Rooms,
}

impl Members {
    /// All sockets, in the order in which they have connected.
    pub(super) fn all(&self) -> Vec<Socket> {
        self.sockets.values().cloned().collect()
    }

    pub(super) fn get(&self, id: &str) -> Option<Socket> {
        self.sockets.get(self.numbers.get(id)?).cloned()
    }

    fn insert(&mut self, socket: &Socket) {
        if let Some((id, number)) = self.rooms.number(socket.id()) {
            self.numbers.insert(id, number);
            self.sockets.insert(number, socket.clone());
        }
    }

    fn remove(&mut self, id: &str) -> Option<Socket> {
        self.rooms.leave_all(id);
        self.sockets.remove(&self.numbers.remove(id)?)
    }
}

impl Namespace {
    pub(super) fn new(name: &str, parser: Parser, recovery: Option<Recovery>) -> Namespace {
        let namespace = Arc::new(Inner {
            name: name.to_string(),
            parser,
            middleware: Mutex::default(),
            on_connection: Mutex::default(),
            members: Mutex::default(),
            room_events: Emitter::new(),
            broadcast_order: Mutex::default(),
            store: recovery.map(Store::new),
            next_ack: AtomicU64::new(0),
            adapter: OnceLock::new(),
            server_events: Emitter::new(),
        });
        Namespace(Arc::new(Broadcast::to_all(namespace)))
    }

    /// Takes over the middleware and the listeners that its parent has now.
    pub(super) fn inherit(&self, parent: &Namespace) {
        lock(&self.namespace.middleware).clone_from(&lock(&parent.namespace.middleware));
        lock(&self.namespace.on_connection).clone_from(&lock(&parent.namespace.on_connection));
    }

    /// The name, such as `/admin`.
    pub fn name(&self) -> &str {
        &self.namespace.name
    }

    pub(super) fn parser(&self) -> Parser {
        self.namespace.parser
    }

    /// Adds a middleware, which accepts or refuses each client that connects (`io.use`). They run
    /// in the order in which they were added. A middleware may block: only that client waits.
    pub fn use_middleware(
        &self,
        middleware: impl Fn(Socket) -> Result<(), ConnectError> + Send + Sync + 'static,
    ) {
        lock(&self.namespace.middleware).push(Arc::new(middleware));
    }

    /// Calls `listener` for each client that has connected (`io.on("connection", …)`).
    pub fn on_connection(&self, listener: impl Fn(Socket) + Send + Sync + 'static) {
        lock(&self.namespace.on_connection).push(Arc::new(listener));
    }

    /// A broadcast to all sockets of the namespace.
    pub fn everyone(&self) -> Broadcast {
        (**self).clone()
    }

    /// All sockets, in the order in which they have connected (`namespace.sockets`).
    pub fn sockets(&self) -> Vec<Socket> {
        self.fetch_sockets()
    }

    /// The socket of that id (`namespace.sockets.get(id)`), unless it has been disconnected.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let socket = lock(&self.namespace.members).get(id);
        socket.filter(Socket::is_listed)
    }

    /// All rooms, each with the ids of its sockets in the order of joining
    /// (`namespace.adapter.rooms`). Each socket is in the room of its id too.
    pub fn all_rooms(&self) -> BTreeMap<String, Vec<String>> {
        lock(&self.namespace.members).rooms.all()
    }

    /// Emits `create-room`, `join-room`, `leave-room` and `delete-room` (`namespace.adapter.on(…)`)
    /// for what happens after this is called: on the thread that joins or leaves, before `join` or
    /// `leave` returns. (So the events of two threads may overlap.)
    ///
    /// ```
    /// # let server = sockets_by_hand::socketio::Server::bind("127.0.0.1:0", Default::default())?;
    /// server.io().room_events().on("join-room", |event| {
    ///     println!("{:?} has joined {}", event.id, event.room);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn room_events(&self) -> &Emitter<RoomEvent> {
        lock(&self.namespace.members).rooms.record_events();
        &self.namespace.room_events
    }

    /// Shares its rooms with other servers from now on.
    pub(super) fn set_adapter(&self, adapter: &Arc<Redis>) {
        if self.namespace.adapter.set(adapter.clone()).is_ok() {
            adapter.add(self);
        }
    }

    pub(super) fn downgrade(&self) -> WeakNamespace {
        WeakNamespace(Arc::downgrade(&self.0))
    }

    /// Whether anybody is in a room on this server.
    pub(super) fn has_room(&self, room: &str) -> bool {
        lock(&self.namespace.members).rooms.has(room)
    }

    /// Runs all middleware, one after the other, until one refuses.
    pub(super) fn run_middleware(&self, socket: &Socket) -> Result<(), ConnectError> {
        if socket.recovered() && self.store().is_some_and(Store::skips_middleware) {
            return Ok(());
        }
        let middleware = lock(&self.namespace.middleware).clone(); // to call it without the lock
        middleware.iter().try_for_each(|middleware| middleware(socket.clone()))
    }

    /// Connects a socket, and adds it to the room of its id. From its CONNECT packet on, it
    /// receives every broadcast. Before that packet it gets what it has missed, if it is recovered.
    pub(super) fn add(&self, socket: &Socket, connect: &Arc<Outgoing>, restored: Option<&Session>) {
        // No event may come between those that it has missed and its CONNECT packet.
        let in_order = restored.map(|_| lock(&self.namespace.broadcast_order));
        self.change(|members| {
            let _in_order = in_order; // for this closure only
            if socket.has_ended() {
                return; // it has been disconnected meanwhile
            }
            if restored.is_some_and(|session| !self.send_missed(socket, session)) {
                return socket.session().close("transport error"); // too late now
            }
            members.rooms.join(socket.id(), socket.id());
            members.insert(socket);
            socket.session().send(connect);
        });
    }

    /// Sends what a recovered socket has missed. Returns `false` if that is no longer kept.
    fn send_missed(&self, socket: &Socket, session: &Session) -> bool {
        let missed = self.store().and_then(|store| store.missed(session));
        missed.iter().flatten().for_each(|event| _ = socket.session().send(event));
        missed.is_some()
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.namespace.store.as_ref()
    }

    // Not inlined: the thread of a silent client keeps the stack of the caller.
    #[inline(never)]
    pub(super) fn emit_connection(&self, socket: &Socket) {
        let listeners = lock(&self.namespace.on_connection).clone();
        listeners.iter().for_each(|listener| listener(socket.clone()));
    }

    pub(super) fn remove(&self, socket: &Socket) {
        let removed = self.change(|members| members.remove(socket.id()));
        drop(removed); // not under the lock
    }

    /// Changes the members, and then emits the events of the rooms: not under the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Members) -> T) -> T {
        let mut members = lock(&self.namespace.members);
        let result = change(&mut members);
        let events = members.rooms.take_events();
        drop(members);
        events.iter().for_each(|event| self.namespace.room_events.emit_to_each(event.name, event));
        result
    }

    pub(super) fn has(&self, socket: &Socket) -> bool {
        lock(&self.namespace.members).get(socket.id()).as_ref() == Some(socket)
    }

    pub(super) fn join(&self, socket: &Socket, rooms: impl IntoRooms) {
        self.change(|members| {
            if members.get(socket.id()).as_ref() == Some(socket) || !socket.has_ended() {
                rooms.into_rooms().for_each(|room| members.rooms.join(socket.id(), &room));
            }
        });
    }

    pub(super) fn leave(&self, socket: &Socket, rooms: impl IntoRooms) {
        self.change(|members| {
            rooms.into_rooms().for_each(|room| members.rooms.leave(socket.id(), &room));
        });
    }

    pub(super) fn rooms(&self, socket: &Socket) -> Vec<String> {
        lock(&self.namespace.members).rooms.rooms(socket.id())
    }
}

impl Deref for Namespace {
    type Target = Broadcast;

    fn deref(&self) -> &Broadcast {
        &self.0
    }
}
