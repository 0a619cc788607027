//! Broadcasts: an event to all sockets of a namespace, or to those in some rooms.
//!
//! Chapter 20 of the book.

use std::sync::Arc;

use super::args::IntoArgs;
use super::codec::encode_event;
use super::lock;
use super::namespace::Inner;
use super::socket::Socket;

/// A broadcast: a choice of sockets, and then what to do with them (`BroadcastOperator`).
#[derive(Clone)]
#[must_use = "a broadcast does nothing before `emit` or another call"]
pub struct Broadcast {
    pub(super) namespace: Arc<Inner>,
    rooms: Vec<String>,
    except: Vec<String>,
    volatile: bool,
}

impl Broadcast {
    /// To all sockets of a namespace.
    pub(super) fn to_all(namespace: Arc<Inner>) -> Broadcast {
        Broadcast { namespace, rooms: Vec::new(), except: Vec::new(), volatile: false }
    }

    /// To the sockets in this room too (only to those, if it is the first room).
    pub fn to(&self, room: &str) -> Broadcast {
        let mut chosen = self.clone();
        chosen.rooms.push(room.to_string());
        chosen
    }

    /// The same as [`to`](Broadcast::to).
    pub fn r#in(&self, room: &str) -> Broadcast {
        self.to(room)
    }

    /// Not to the sockets in this room.
    pub fn except(&self, room: &str) -> Broadcast {
        let mut chosen = self.clone();
        chosen.except.push(room.to_string());
        chosen
    }

    /// Only to the sockets to which it can be written at once.
    pub fn volatile(&self) -> Broadcast {
        Broadcast { volatile: true, ..self.clone() }
    }

    /// Emits an event to the sockets, once to each. It is encoded once.
    ///
    /// # Panics
    /// As for [`Socket::emit`].
    pub fn emit(&self, name: &str, values: impl IntoArgs) {
        let values = values.into_args();
        let outgoing = Arc::new(encode_event(&self.namespace.name, None, name, values.as_ref()));
        let _in_order = lock(&self.namespace.broadcast_order);
        for socket in self.fetch_sockets().iter().filter(|socket| !socket.has_ended()) {
            if !self.volatile || socket.session().is_writable() {
                socket.session().send(&outgoing);
            }
        }
    }

    /// The sockets. One that has been disconnected is not among them, even if its listeners have
    /// not been called yet.
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

    /// Adds the sockets to a room.
    pub fn sockets_join(&self, room: &str) {
        self.fetch_sockets().iter().for_each(|socket| socket.join(room));
    }

    /// Removes the sockets from a room.
    pub fn sockets_leave(&self, room: &str) {
        self.fetch_sockets().iter().for_each(|socket| socket.leave(room));
    }

    /// Disconnects the sockets; see [`Socket::disconnect`], also for the thread of their listeners.
    pub fn disconnect_sockets(&self, close: bool) {
        self.fetch_sockets().iter().for_each(|socket| socket.disconnect(close));
    }
}
