//! A namespace: a house of its own over the same connections, with rooms, and people who hear.
//!
//! Picture a house with a doorkeeper (middleware), a hall (everybody), and rooms, which are there as
//! long as someone is in them. What is called out in a room is written down once, and the same sheet
//! handed to each who is there.
//!
//! Chapter 19 of the book.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::lock;
use super::packet::Kind;
use super::rooms::Rooms;
use super::socket::{Socket, event};
use crate::json::Value;

/// Why a client may not come into a namespace: what its `connect_error` says.
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

type Middleware = dyn Fn(&Socket) -> Result<(), ConnectError> + Send + Sync;
type OnConnection = dyn Fn(Socket) + Send + Sync;

/// A namespace; it derefs to everybody in it, as in `io.emit(…)`. A clone is the same one; any thread
/// may use it.
#[derive(Clone)]
pub struct Namespace(Arc<Broadcast>);

struct Inner {
    name: String,
    middleware: Mutex<Vec<Arc<Middleware>>>,
    on_connection: Mutex<Vec<Arc<OnConnection>>>,
    members: Mutex<Members>,
    /// One broadcast at a time, so that all who hear two hear them in the same order.
    round: Mutex<()>,
}

#[derive(Default)]
struct Members {
    sockets: HashMap<String, Socket>,
    rooms: Rooms,
}

impl Namespace {
    pub(super) fn new(name: &str) -> Namespace {
        let namespace = Arc::new(Inner {
            name: name.to_string(),
            middleware: Mutex::default(),
            on_connection: Mutex::default(),
            members: Mutex::default(),
            round: Mutex::default(),
        });
        let (rooms, except) = (Vec::new(), Vec::new());
        Namespace(Arc::new(Broadcast { namespace, rooms, except, volatile: false }))
    }

    /// Its name, such as `/admin`.
    pub fn name(&self) -> &str {
        &self.namespace.name
    }

    /// Asks `middleware` whether a client may come in, after those that were set before (`io.use`).
    /// It may wait (for a database): only that client waits with it.
    pub fn use_middleware(
        &self,
        middleware: impl Fn(&Socket) -> Result<(), ConnectError> + Send + Sync + 'static,
    ) {
        lock(&self.namespace.middleware).push(Arc::new(middleware));
    }

    /// Calls `listener` for each client that has come in (`io.on("connection", …)`).
    pub fn on_connection(&self, listener: impl Fn(Socket) + Send + Sync + 'static) {
        lock(&self.namespace.on_connection).push(Arc::new(listener));
    }

    /// Everybody in the namespace.
    pub fn everyone(&self) -> Broadcast {
        (**self).clone()
    }

    /// Asks all middleware, one after the other, until one refuses.
    pub(super) fn judge(&self, socket: &Socket) -> Result<(), ConnectError> {
        let middleware = lock(&self.namespace.middleware).clone(); // it is not called under the lock
        middleware.iter().try_for_each(|middleware| middleware(socket))
    }

    /// Lets a client in, and into the room that is its own. Once told that it is in, it hears all that
    /// is said from then on.
    pub(super) fn add(&self, socket: &Socket) {
        let mut members = lock(&self.namespace.members);
        if socket.has_ended() {
            return; // it has left meanwhile
        }
        members.rooms.join(socket.id(), socket.id());
        members.sockets.insert(socket.id().to_string(), socket.clone());
        socket.send_packet(Kind::Connect, &format!(r#"{{"sid":"{}"}}"#, socket.id()));
    }

    pub(super) fn connected(&self, socket: &Socket) {
        let listeners = lock(&self.namespace.on_connection).clone();
        listeners.iter().for_each(|listener| listener(socket.clone()));
    }

    pub(super) fn remove(&self, socket: &Socket) {
        let mut members = lock(&self.namespace.members);
        members.rooms.leave_all(socket.id());
        let removed = members.sockets.remove(socket.id());
        drop((members, removed)); // the lock first
    }

    pub(super) fn has(&self, socket: &Socket) -> bool {
        lock(&self.namespace.members).sockets.contains_key(socket.id())
    }

    pub(super) fn join(&self, socket: &Socket, room: &str) {
        let mut members = lock(&self.namespace.members);
        if members.sockets.contains_key(socket.id()) || !socket.has_ended() {
            members.rooms.join(socket.id(), room);
        }
    }

    pub(super) fn leave(&self, socket: &Socket, room: &str) {
        lock(&self.namespace.members).rooms.leave(socket.id(), room);
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

/// Some of those in a namespace, chosen step by step, and then what is to happen to them.
#[derive(Clone)]
#[must_use = "nothing happens to those who are chosen before `emit` or another call"]
pub struct Broadcast {
    namespace: Arc<Inner>,
    rooms: Vec<String>,
    except: Vec<String>,
    volatile: bool,
}

impl Broadcast {
    /// Those in this room as well (those in no other, if it is the first).
    pub fn to(&self, room: &str) -> Broadcast {
        let mut chosen = self.clone();
        chosen.rooms.push(room.to_string());
        chosen
    }

    /// The same as [`to`](Broadcast::to).
    pub fn r#in(&self, room: &str) -> Broadcast {
        self.to(room)
    }

    /// But not those in this room.
    pub fn except(&self, room: &str) -> Broadcast {
        let mut chosen = self.clone();
        chosen.except.push(room.to_string());
        chosen
    }

    /// And only those whom it would reach at once.
    pub fn volatile(&self) -> Broadcast {
        Broadcast { volatile: true, ..self.clone() }
    }

    /// Emits an event to them, each once. It is encoded once.
    ///
    /// # Panics
    /// As for [`Socket::emit`].
    pub fn emit(&self, name: &str, values: impl AsRef<[Value]>) {
        let outgoing = Arc::new(event(&self.namespace.name, None, name, values.as_ref()));
        let _round = lock(&self.namespace.round);
        for socket in self.fetch_sockets().iter().filter(|socket| !socket.has_ended()) {
            if !self.volatile || socket.session().is_writable() {
                socket.session().send(&outgoing);
            }
        }
    }

    /// Their sockets. One that has been disconnected is not among them, even if its listeners have not
    /// been told yet.
    pub fn fetch_sockets(&self) -> Vec<Socket> {
        let members = lock(&self.namespace.members);
        let everyone = self.rooms.is_empty() && self.except.is_empty();
        let mut sockets: Vec<Socket> = match everyone {
            true => members.sockets.values().cloned().collect(),
            false => {
                let ids = members.rooms.members(&self.rooms, &self.except);
                ids.iter().filter_map(|id| members.sockets.get(id)).cloned().collect()
            }
        };
        drop(members);
        sockets.retain(Socket::is_listed);
        sockets
    }

    /// Puts them into a room.
    pub fn sockets_join(&self, room: &str) {
        self.fetch_sockets().iter().for_each(|socket| socket.join(room));
    }

    /// Takes them out of a room.
    pub fn sockets_leave(&self, room: &str) {
        self.fetch_sockets().iter().for_each(|socket| socket.leave(room));
    }

    /// Disconnects them; see [`Socket::disconnect`], also for who tells their listeners.
    pub fn disconnect_sockets(&self, close: bool) {
        self.fetch_sockets().iter().for_each(|socket| socket.disconnect(close));
    }
}
