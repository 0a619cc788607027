//! Broadcasts: an event to all sockets of a namespace, or to those in some rooms.
//!
//! Chapter 20 of the book.

use std::sync::Arc;

use super::args::IntoArgs;
use super::lock;
use super::namespace::Inner;
use super::recovery::{Store, Target};
use super::rooms::IntoRooms;
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

    /// To the sockets in this room too, or in any of these rooms (only to those, if they are the
    /// first). An empty list changes nothing.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        let mut chosen = self.clone();
        chosen.rooms.extend(rooms.into_rooms());
        chosen
    }

    /// The same as [`to`](Broadcast::to).
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Not to the sockets in this room, or in any of these rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        let mut chosen = self.clone();
        chosen.except.extend(rooms.into_rooms());
        chosen
    }

    /// Only to the sockets of this server. Without an adapter there is no other.
    pub fn local(&self) -> Broadcast {
        self.clone()
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
        let store = self.namespace.store.as_ref().filter(|_| !self.volatile);
        let offset = store.map(|_| Store::offset());
        let Inner { name: namespace, parser, .. } = &*self.namespace;
        let values = values.as_ref().iter().chain(&offset);
        let outgoing = Arc::new(parser.encode_event(namespace, None, name, values));
        let _in_order = lock(&self.namespace.broadcast_order);
        if let Some((store, offset)) = store.zip(offset) {
            let (to, except) = (self.rooms.clone(), self.except.clone());
            store.keep(offset, Target::Rooms { to, except }, &outgoing);
        }
        for socket in self.fetch_sockets().iter().filter(|socket| !socket.has_ended()) {
            if !self.volatile || socket.session().is_writable() {
                socket.session().send(&outgoing);
            }
        }
    }

    /// The sockets, in the order in which they have connected (with rooms: room after room, and in
    /// each in the order of joining). One that has been disconnected is not among them, even if its
    /// listeners have not been called yet.
    pub fn fetch_sockets(&self) -> Vec<Socket> {
        let members = lock(&self.namespace.members);
        let everyone = self.rooms.is_empty() && self.except.is_empty();
        let mut sockets: Vec<Socket> = match everyone {
            true => members.all(),
            false => {
                let ids = members.rooms.members(&self.rooms, &self.except);
                ids.iter().filter_map(|id| members.get(id)).collect()
            }
        };
        drop(members);
        sockets.retain(Socket::is_listed);
        sockets
    }

    /// Adds the sockets to a room, or to a list of rooms.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        let rooms: Vec<String> = rooms.into_rooms().collect();
        self.fetch_sockets().iter().for_each(|socket| socket.join(&rooms));
    }

    /// Removes the sockets from a room, or from a list of rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        let rooms: Vec<String> = rooms.into_rooms().collect();
        self.fetch_sockets().iter().for_each(|socket| socket.leave(&rooms));
    }

    /// Disconnects the sockets; see [`Socket::disconnect`], also for the thread of their listeners.
    pub fn disconnect_sockets(&self, close: bool) {
        self.fetch_sockets().iter().for_each(|socket| socket.disconnect(close));
    }
}
