//! Broadcasts: an event to all sockets of a namespace, or to those in some rooms.
//!
//! Chapter 23 of the book.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::acks::{AckError, AckSocket};
use super::adapter::{self, Cluster, Redis, RequestKind, event};
use super::answers::{self, Answers, BroadcastAckError, Done};
use super::args::{Args, IntoArgs};
use super::lock;
use super::namespace::Inner;
use super::packet::RESERVED;
use super::recovery::{Store, Target};
use super::rooms::IntoRooms;
use super::socket::Socket;
use crate::json::Value;
use crate::net::clock;

/// A broadcast: a choice of sockets, and then what to do with them (`BroadcastOperator`).
#[derive(Clone)]
#[must_use = "a broadcast does nothing before `emit` or another call"]
pub struct Broadcast {
    pub(super) namespace: Arc<Inner>,
    rooms: Vec<String>,
    except: Vec<String>,
    volatile: bool,
    compress: bool,
    /// How long to wait for acknowledgements.
    timeout: Option<Duration>,
    /// Only to the sockets of this server.
    local: bool,
}

impl Broadcast {
    /// To all sockets of a namespace.
    pub(super) fn to_all(namespace: Arc<Inner>) -> Broadcast {
        Broadcast {
            namespace,
            rooms: Vec::new(),
            except: Vec::new(),
            volatile: false,
            compress: true,
            timeout: None,
            local: false,
        }
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
        Broadcast { local: true, ..self.clone() }
    }

    /// Only to the sockets to which it can be written at once.
    pub fn volatile(&self) -> Broadcast {
        Broadcast { volatile: true, ..self.clone() }
    }

    /// Whether what it emits may be compressed. It may, unless this says `false`.
    pub fn compress(&self, compress: bool) -> Broadcast {
        Broadcast { compress, ..self.clone() }
    }

    /// Sets how long to wait for the acknowledgements: `io.timeout(time).emit_with_ack(…)`.
    pub fn timeout(&self, time: Duration) -> Broadcast {
        Broadcast { timeout: Some(time), ..self.clone() }
    }

    /// Emits an event to the sockets, once to each. It is encoded once. With more than ten binary
    /// values, nothing is sent but a line to stderr.
    ///
    /// # Panics
    /// As for [`Socket::emit`].
    pub fn emit(&self, name: &str, values: impl IntoArgs) {
        let values = values.into_args();
        let store = self.namespace.store.as_ref().filter(|_| !self.volatile);
        let offset = store.map(|_| Store::offset());
        let Inner { name: namespace, parser, .. } = &*self.namespace;
        let values = values.as_ref();
        let adapter = self.adapter();
        let published = adapter.map(|it| it.encode(namespace, &self.target(), name, values));
        let with_offset = values.iter().chain(&offset);
        let outgoing = parser.encode_event(namespace, None, name, with_offset);
        let Ok(outgoing) = outgoing.map(|it| Arc::new(it.compress(self.compress))) else { return };
        let in_order = lock(&self.namespace.broadcast_order);
        if let Some((adapter, message)) = adapter.zip(published) {
            adapter.publish(message);
        }
        if let Some((store, offset)) = store.zip(offset) {
            let (to, except) = (self.rooms.clone(), self.except.clone());
            store.keep(offset, Target::Rooms { to, except }, &outgoing);
        }
        let mut sockets = self.fetch_sockets();
        let writable = |socket: &Socket| !self.volatile || socket.session().is_writable();
        sockets.retain(|socket| !socket.has_ended() && writable(socket));
        sockets.iter().for_each(|socket| _ = socket.session().send(&outgoing));
        drop(in_order);
        sockets.iter().for_each(|socket| socket.emit_outgoing(&outgoing));
    }

    /// Emits an event to the sockets, waits until all have acknowledged it, and returns the
    /// acknowledgements in the order of arrival (`io.timeout(ms).emitWithAck`). Without a
    /// [`timeout`](Broadcast::timeout) it waits for each as long as that is connected. (In npm,
    /// without a timeout, it fails at once; with one, it waits for those that have gone too.)
    ///
    /// ```
    /// # use sockets_by_hand::socketio::{BroadcastAckError, Io};
    /// # use std::time::Duration;
    /// # fn ask(io: &Io) -> Result<(), BroadcastAckError> {
    /// let answers = io.to("tea").timeout(Duration::from_secs(5)).emit_with_ack("sugar?", ())?;
    /// println!("{} answers", answers.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Not all have acknowledged it: [`AckError::Timeout`] or [`AckError::Disconnected`], with the
    /// acknowledgements of the others. A listener of one of the sockets calls this
    /// ([`AckError::Deadlock`]), or there are more than ten binary values
    /// ([`AckError::TooManyAttachments`]): then nothing is emitted.
    ///
    /// # Panics
    /// As for [`Socket::emit`].
    pub fn emit_with_ack(
        &self,
        name: &str,
        values: impl IntoArgs,
    ) -> Result<Vec<Args>, BroadcastAckError> {
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |result| _ = sender.send(result));
        let answers = self.emit_expecting(name, values.into_args().as_ref(), true, done);
        let answers = answers.map_err(|(error, _)| error)?;
        receiver.recv_timeout(answers.time(self.timeout)).unwrap_or_else(|_| {
            answers.finish(AckError::Timeout);
            receiver.recv().expect("it has been sent, by this thread or another")
        })
    }

    /// Emits an event to the sockets. `callback` is called when all have acknowledged it, or as soon
    /// as no other will (`io.timeout(ms).emit(name, …, callback)`): later, and never within this
    /// call. No thread waits meanwhile.
    ///
    /// # Panics
    /// As for [`Socket::emit`]; then no acknowledgement is awaited.
    pub fn emit_with_callback(
        &self,
        name: &str,
        values: impl IntoArgs,
        callback: impl FnOnce(Result<Vec<Args>, BroadcastAckError>) + Send + 'static,
    ) {
        let done = Box::new(callback);
        match self.emit_expecting(name, values.into_args().as_ref(), false, done) {
            Ok(answers) => answers.finish_after(answers.time(self.timeout)),
            Err((error, done)) => answers::fail(error, done),
        }
    }

    /// Emits an event that wants acknowledgements. If this thread `waits` for them, it must not be
    /// the one that would have to receive one. With an error, returns `done`, which was not called.
    fn emit_expecting(
        &self,
        name: &str,
        values: &[Value],
        waits: bool,
        done: Done,
    ) -> Result<Answers, (BroadcastAckError, Done)> {
        let Inner { name: namespace, parser, .. } = &*self.namespace;
        let id = self.namespace.next_ack();
        let outgoing = parser.encode_event(namespace, Some(id), name, values);
        let outgoing = outgoing.map(|it| Arc::new(it.compress(self.compress)));
        let adapter = self.adapter();
        let servers = adapter.map_or(0, |adapter| adapter.others(namespace));
        let in_order = lock(&self.namespace.broadcast_order);
        let mut sockets = self.fetch_sockets();
        sockets.retain(|socket| !socket.has_ended());
        let error = |reason, missing| {
            let (answers, missing_elsewhere) = (Vec::new(), 0);
            BroadcastAckError { reason, answers, missing, missing_elsewhere }
        };
        if waits && sockets.iter().any(Socket::receives_here) {
            return Err((error(AckError::Deadlock, sockets), done));
        }
        let Ok(outgoing) = outgoing else {
            return Err((error(AckError::TooManyAttachments, sockets), done));
        };
        let answers = Answers::new(id, &sockets, servers, done);
        for (number, socket) in sockets.iter().enumerate() {
            socket.acks().expect(id, None, answers.callback(number));
            if !self.volatile || socket.session().is_writable() {
                socket.session().send(&outgoing);
            }
        }
        drop(in_order);
        if let Some(adapter) = adapter.filter(|_| servers > 0) {
            adapter.broadcast_with_ack(namespace, self.target(), event(name, values), &answers);
        }
        // One that has been disconnected meanwhile may have resolved its acknowledgements before.
        let ended = sockets.iter().filter(|socket| socket.has_ended());
        ended.for_each(|socket| _ = socket.acks().fail(id, AckError::Disconnected));
        Ok(answers)
    }

    /// The chosen sockets of all servers, and what the servers know of them.
    pub fn cluster(&self) -> Cluster<'_> {
        Cluster(self)
    }

    /// Emits an event of another server. `None` if its name is reserved.
    pub(super) fn emit_remote(&self, event: &[Value]) -> Option<()> {
        let (name, values) = allowed(event)?;
        self.emit(name, values);
        Some(())
    }

    /// The same, for a server that wants acknowledgements: calls `counted` with the number of
    /// receivers, and, unless that returns `false`, emits the event, and calls `answered` with the
    /// values of each acknowledgement within that time.
    pub(super) fn emit_remote_with_ack(
        &self,
        event: &[Value],
        time: Duration,
        counted: impl FnOnce(usize) -> bool,
        answered: impl Fn(&[Value]) + Send + Sync + 'static,
    ) -> Option<()> {
        let (name, values) = allowed(event)?;
        let Inner { name: namespace, parser, .. } = &*self.namespace;
        let id = self.namespace.next_ack();
        let Ok(outgoing) = parser.encode_event(namespace, Some(id), name, values) else {
            counted(0);
            return Some(());
        };
        let outgoing = Arc::new(outgoing.compress(self.compress));
        let everyone = Broadcast::to_all(self.namespace.clone());
        let forget = move || everyone.fetch_sockets().iter().for_each(|s| s.acks().forget(id));
        // The timer is cancelled when all have answered, which drops all callbacks.
        let answered = Arc::new((answered, clock::after(time, forget)));
        let _in_order = lock(&self.namespace.broadcast_order);
        let sockets = self.fetch_sockets();
        if !counted(sockets.len()) {
            return Some(());
        }
        for socket in &sockets {
            let answered = answered.clone();
            let callback = move |answer: Result<Args, AckError>| {
                _ = answer.map(|values| answered.0(values.as_ref()));
            };
            socket.acks().expect(id, None, Box::new(callback));
            socket.session().send(&outgoing);
        }
        // One that has been disconnected meanwhile may have resolved its acknowledgements before.
        sockets.iter().filter(|s| s.has_ended()).for_each(|s| s.acks().forget(id));
        Some(())
    }

    /// What tells the other servers, unless they are to hear nothing.
    pub(super) fn adapter(&self) -> Option<&Redis> {
        self.namespace.adapter.get().filter(|_| !self.local).map(|adapter| &**adapter)
    }

    /// The choice of sockets, for other servers.
    pub(super) fn target(&self) -> adapter::Target {
        let Broadcast { rooms, except, volatile, compress, timeout, .. } = self.clone();
        adapter::Target { rooms, except, volatile, uncompressed: !compress, timeout }
    }

    /// The sockets of this server that another has chosen.
    pub(super) fn chosen(&self, target: &adapter::Target) -> Broadcast {
        let adapter::Target { rooms, except, volatile, uncompressed, .. } = target.clone();
        let (namespace, compress) = (self.namespace.clone(), !uncompressed);
        Broadcast { namespace, rooms, except, volatile, compress, timeout: None, local: true }
    }

    /// The sockets of this server, in the order in which they have connected (with rooms: room after
    /// room, and in each in the order of joining). One that has been disconnected is not among them,
    /// even if its listeners have not been called yet.
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
        self.request(|target| RequestKind::Join(target, rooms));
    }

    /// Removes the sockets from a room, or from a list of rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        let rooms: Vec<String> = rooms.into_rooms().collect();
        self.fetch_sockets().iter().for_each(|socket| socket.leave(&rooms));
        self.request(|target| RequestKind::Leave(target, rooms));
    }

    /// Disconnects the sockets; see [`Socket::disconnect`], also for the thread of their listeners.
    pub fn disconnect_sockets(&self, close: bool) {
        self.fetch_sockets().iter().for_each(|socket| socket.disconnect(close));
        self.request(|target| RequestKind::Disconnect(target, close));
    }

    /// Asks the other servers to do the same with their sockets.
    fn request(&self, kind: impl FnOnce(adapter::Target) -> RequestKind) {
        if let Some(adapter) = self.adapter() {
            adapter.request(&self.namespace.name, kind(self.target()));
        }
    }
}

/// The name and the values of an event of another server; `None` if its name is reserved.
fn allowed(event: &[Value]) -> Option<(&str, &[Value])> {
    let [Value::String(name), values @ ..] = event else { return None };
    (!RESERVED.contains(&&**name)).then_some((name, values))
}
