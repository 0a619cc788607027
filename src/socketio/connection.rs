//! A connection of a client: a session, with a socket for each namespace that the client is in.
//! (`Client` in npm's server.)
//!
//! Chapter 23 of the book.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::codec::Decoded;
use super::io::Io;
use super::lock;
use super::namespace::{ConnectError, Namespace};
use super::packet::Kind;
use super::parser::Decoder;
use super::socket::Socket;
use crate::engineio::{Session, session};
use crate::json::Value;
use crate::net::clock::{self, Timer};
use crate::ws::Message;

/// What a client may do; see [`Options`](super::Options).
pub(super) struct Limits {
    pub connect_timeout: Duration,
    pub attachment_timeout: Duration,
    pub max_namespaces: usize,
}

/// A session with its sockets.
pub(super) struct Connection {
    pub(super) session: Session,
    io: Io,
    limits: Arc<Limits>,
    /// One for each namespace. They are few.
    sockets: Mutex<Vec<Socket>>,
    decoder: Mutex<Decoder>,
    first_connect: Mutex<FirstConnect>,
    /// Ends the session if the next attachment does not arrive.
    attachment_timer: Mutex<Option<Timer>>,
}

/// Whether the client has connected to a namespace in time.
enum FirstConnect {
    /// It has not yet. The timer ends its session.
    Awaited {
        _timer: Timer,
    },
    Done,
    TooLate,
}

impl Connection {
    pub fn new(session: Session, io: Io, limits: Arc<Limits>) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            session,
            limits: limits.clone(),
            sockets: Mutex::default(),
            decoder: Mutex::new(io.parser().decoder()),
            io,
            first_connect: Mutex::new(FirstConnect::Done),
            attachment_timer: Mutex::default(),
        });
        let late = Arc::downgrade(&connection);
        let mut first_connect = lock(&connection.first_connect); // the timer waits until it is set
        let _timer = clock::after(limits.connect_timeout, move || {
            let Some(connection) = late.upgrade() else { return };
            if connection.connects_too_late() {
                connection.session.close("forced server close");
            }
        });
        *first_connect = FirstConnect::Awaited { _timer };
        drop(first_connect);
        connection
    }

    /// The time to connect has passed. Returns `false` if the client has begun to connect before.
    fn connects_too_late(&self) -> bool {
        let mut first_connect = lock(&self.first_connect);
        let too_late = matches!(*first_connect, FirstConnect::Awaited { .. });
        if too_late {
            *first_connect = FirstConnect::TooLate;
        }
        too_late
    }

    /// The client connects to a namespace. Returns `false` if the time for that has passed.
    fn connects_in_time(&self) -> bool {
        let mut first_connect = lock(&self.first_connect);
        if matches!(*first_connect, FirstConnect::TooLate) {
            return false;
        }
        *first_connect = FirstConnect::Done;
        true
    }

    /// An attachment is to arrive. If it does not arrive in time, the session ends.
    fn expect_attachment(self: &Arc<Connection>) {
        let late = Arc::downgrade(self);
        let timer = clock::after(self.limits.attachment_timeout, move || {
            _ = late.upgrade().map(|connection| connection.session.close("parse error"));
        });
        *lock(&self.attachment_timer) = Some(timer);
    }

    /// Receives an event of the session.
    pub fn receive(self: &Arc<Connection>, event: session::Event) {
        match event {
            session::Event::Message(message) => {
                let is_attachment = matches!(message, Message::Binary(_));
                // (The lock is released before the packet is handled: no lock is held while
                // handlers run.)
                let decoded = lock(&self.decoder).add(message);
                match decoded {
                    Ok(Some(packet)) => {
                        if is_attachment {
                            *lock(&self.attachment_timer) = None; // it was the last
                        }
                        self.on_packet(packet);
                    }
                    Ok(None) => self.expect_attachment(),
                    Err(_) => self.session.close("parse error"),
                }
            }
            session::Event::Close(reason) => {
                self.connects_in_time(); // which cancels the timer
                self.sockets().iter().for_each(|socket| socket.end(reason));
            }
        }
    }

    fn on_packet(self: &Arc<Connection>, mut packet: Decoded) {
        let socket = self.find(&packet.namespace);
        match (packet.kind, socket, packet.id) {
            (Kind::Connect, None, _) => self.connect(&packet.namespace, packet.values.pop()),
            (Kind::Event, Some(socket), id) => socket.receive(packet.values, id),
            (Kind::Ack, Some(socket), Some(id)) => socket.resolve(id, packet.values),
            (Kind::Ack, Some(_), None) => {} // it acknowledges nothing
            (Kind::Disconnect, Some(socket), _) => socket.end("client namespace disconnect"),
            // A namespace that it is not connected to, or a packet that only a server may send.
            _ => self.session.close("forced server close"),
        }
    }

    // Not inlined: the thread of a silent client keeps the stack that it has used, and its next
    // packets do not need this frame.
    #[inline(never)]
    fn connect(self: &Arc<Connection>, name: &str, auth: Option<Value>) {
        if lock(&self.sockets).len() >= self.limits.max_namespaces {
            return self.refuse(name, "Too many namespaces".into());
        }
        let auth = auth.unwrap_or(Value::Object(Vec::new()));
        let Some(namespace) = self.io.enter(name, &auth) else {
            return self.refuse(name, "Invalid namespace".into());
        };
        let restored = namespace.store().and_then(|store| store.restore(&auth));
        let socket = Socket::new(namespace.clone(), self.clone(), auth, restored.as_ref());
        let _removed_unless_connected = PendingSocket(&socket);
        if let Err(error) = namespace.run_middleware(&socket) {
            return self.refuse(name, error);
        }
        if !self.connects_in_time() {
            return;
        }
        lock(&self.sockets).push(socket.clone());
        namespace.add(&socket, &socket.encode_connect(), restored.as_ref());
        if let Some(reason) = self.session.closed() {
            return socket.end(reason); // the session has ended while the middleware ran
        }
        namespace.emit_connection(&socket);
    }

    #[cold]
    fn refuse(&self, namespace: &str, error: ConnectError) {
        let mut reason = vec![("message".to_string(), Value::from(error.message))];
        reason.extend(error.data.map(|data| ("data".to_string(), data)));
        let (reason, parser) = (Value::Object(reason), self.io.parser());
        let refusal = parser.encode_control(Kind::ConnectError, namespace, Some(&reason));
        self.session.answer(&Arc::new(refusal));
    }

    /// Disconnects all sockets, and ends the session.
    pub(super) fn disconnect(&self) {
        self.sockets().iter().for_each(|socket| socket.disconnect(false));
        self.session.close("forced close");
    }

    /// The socket has left its namespace.
    pub(super) fn left(&self, namespace: &Namespace) {
        self.io.leave(namespace);
    }

    pub(super) fn remove(&self, socket: &Socket) {
        lock(&self.sockets).retain(|other| other != socket); // `socket` keeps it alive
    }

    fn sockets(&self) -> Vec<Socket> {
        lock(&self.sockets).clone()
    }

    fn find(&self, namespace: &str) -> Option<Socket> {
        lock(&self.sockets).iter().find(|socket| socket.namespace().name() == namespace).cloned()
    }
}

/// A socket that is not connected yet. If it never is, because the middleware refuses it or panics,
/// it leaves the rooms that the middleware has put it into. It emits no event.
struct PendingSocket<'a>(&'a Socket);

impl Drop for PendingSocket<'_> {
    fn drop(&mut self) {
        if !self.0.namespace().has(self.0) {
            self.0.refused();
        }
    }
}
