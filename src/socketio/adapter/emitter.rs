//! A program that only emits: it has no clients of its own.

use std::sync::{Arc, Mutex};

use super::link::{broadcast_channel, request_channel};
use super::message::{Broadcast, Request, RequestKind, Target};
use crate::json::Value;
use crate::net::lock;
use crate::redis::{Connection, Error};
use crate::socketio::args::IntoArgs;
use crate::socketio::packet::RESERVED;
use crate::socketio::rooms::IntoRooms;

/// What no server is called: each takes it for the message of another.
const UID: &str = "emitter";

/// Emits events to the clients of servers that share their rooms over Redis, from a program that is
/// no server, such as a job that runs at night (npm's `@socket.io/redis-emitter`). It waits for
/// Redis: so an error says that nothing was emitted.
///
/// ```no_run
/// use sockets_by_hand::socketio::RedisEmitter;
///
/// let emitter = RedisEmitter::connect("redis://127.0.0.1:6379")?;
/// emitter.to("tea").emit("said", "The water boils")?;
/// emitter.of("/admin").disconnect_sockets(true)?;
/// # Ok::<(), sockets_by_hand::redis::Error>(())
/// ```
#[derive(Clone)]
pub struct RedisEmitter {
    connection: Arc<Mutex<Connection>>,
    namespace: String,
    target: Target,
}

impl RedisEmitter {
    /// Connects to a Redis server.
    ///
    /// # Errors
    /// As for [`Connection::open`].
    pub fn connect(url: &str) -> Result<RedisEmitter, Error> {
        let connection = Arc::new(Mutex::new(Connection::open(url)?));
        Ok(RedisEmitter { connection, namespace: "/".to_string(), target: Target::default() })
    }

    /// To the sockets of this namespace.
    pub fn of(&self, name: &str) -> RedisEmitter {
        let namespace = format!("/{}", name.trim_start_matches('/'));
        RedisEmitter { namespace, ..self.clone() }
    }

    /// To the sockets in this room too, or in any of these rooms; see
    /// [`Broadcast::to`](crate::socketio::Broadcast::to).
    pub fn to(&self, rooms: impl IntoRooms) -> RedisEmitter {
        let mut chosen = self.clone();
        chosen.target.rooms.extend(rooms.into_rooms());
        chosen
    }

    /// Not to the sockets in this room, or in any of these rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> RedisEmitter {
        let mut chosen = self.clone();
        chosen.target.except.extend(rooms.into_rooms());
        chosen
    }

    /// Only to the sockets to which it can be written at once; see
    /// [`Broadcast::volatile`](crate::socketio::Broadcast::volatile).
    pub fn volatile(&self) -> RedisEmitter {
        let target = Target { volatile: true, ..self.target.clone() };
        RedisEmitter { target, ..self.clone() }
    }

    /// Whether what it emits may be compressed. It may, unless this says `false`.
    pub fn compress(&self, compress: bool) -> RedisEmitter {
        let target = Target { uncompressed: !compress, ..self.target.clone() };
        RedisEmitter { target, ..self.clone() }
    }

    /// Emits an event to the sockets.
    ///
    /// # Errors
    /// The connection has failed; make another emitter.
    ///
    /// # Panics
    /// The name is reserved for the library, such as `disconnect`.
    pub fn emit(&self, name: &str, values: impl IntoArgs) -> Result<(), Error> {
        assert!(!RESERVED.contains(&name), "\"{name}\" is a reserved event name");
        let (values, namespace) = (values.into_args(), &self.namespace);
        let message = Broadcast::encode(UID, namespace, name, values.as_ref(), &self.target);
        self.publish(&broadcast_channel(namespace, &self.target), &message)
    }

    /// Adds the sockets to a room, or to a list of rooms.
    ///
    /// # Errors
    /// As for [`emit`](RedisEmitter::emit).
    pub fn sockets_join(&self, rooms: impl IntoRooms) -> Result<(), Error> {
        self.request(RequestKind::Join(self.target.clone(), rooms.into_rooms().collect()))
    }

    /// Removes the sockets from a room, or from a list of rooms.
    ///
    /// # Errors
    /// As for [`emit`](RedisEmitter::emit).
    pub fn sockets_leave(&self, rooms: impl IntoRooms) -> Result<(), Error> {
        self.request(RequestKind::Leave(self.target.clone(), rooms.into_rooms().collect()))
    }

    /// Disconnects the sockets.
    ///
    /// # Errors
    /// As for [`emit`](RedisEmitter::emit).
    pub fn disconnect_sockets(&self, close: bool) -> Result<(), Error> {
        self.request(RequestKind::Disconnect(self.target.clone(), close))
    }

    /// Emits an event to the servers themselves.
    ///
    /// # Errors
    /// As for [`emit`](RedisEmitter::emit).
    pub fn server_side_emit(&self, name: &str, values: impl IntoArgs) -> Result<(), Error> {
        self.request(RequestKind::ServerSideEmit(event(name, values)))
    }

    fn request(&self, kind: RequestKind) -> Result<(), Error> {
        let request = Request { uid: Some(UID.to_string()), id: None, kind };
        self.publish(&request_channel(&self.namespace), &request.encode(&self.namespace))
    }

    fn publish(&self, channel: &str, message: &[u8]) -> Result<(), Error> {
        let command = [&b"PUBLISH"[..], channel.as_bytes(), message];
        lock(&self.connection).command(command).map(drop)
    }
}

/// The name of an event, and its values.
pub(in crate::socketio) fn event(name: &str, values: impl IntoArgs) -> Vec<Value> {
    [name.into()].into_iter().chain(values.into_args().as_ref().iter().cloned()).collect()
}
