//! A Socket.IO server: leads each client of a session into the namespaces that it asks for.
//!
//! Picture a street with houses. A session is a guest who has arrived in the street; for each house
//! that it wants to visit it knocks at the door, and has a seat there, or is told why not.
//!
//! Chapter 19 of the book.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, net::SocketAddr, net::ToSocketAddrs};

use super::codec::{Decoded, Decoder};
use super::lock;
use super::namespace::{ConnectError, Namespace};
use super::packet::Kind;
use super::socket::{Socket, packet};
use crate::engineio::{self, Event, Handle, Session};
use crate::json::Value;
use crate::net::clock::{self, Timer};
use crate::ws::Message;

/// What can be set, with the defaults of Socket.IO's server.
pub struct Options {
    /// Of the sessions: path, transports, times, limits, CORS.
    pub engine: engineio::Options,
    /// How long a client may take to join its first namespace. 45 s.
    pub connect_timeout: Duration,
    /// How long each attachment that a client has announced may take to come. 45 s.
    pub attachment_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        let [connect_timeout, attachment_timeout] = [Duration::from_secs(45); 2];
        Options { engine: engineio::Options::default(), connect_timeout, attachment_timeout }
    }
}

/// A server that listens, and accepts nobody before [`serve`](Server::serve).
///
/// ```
/// use sockets_by_hand::socketio::{Options, Server};
///
/// let server = Server::bind("127.0.0.1:0", Options::default())?;
/// server.io().on_connection(|socket| {
///     socket.on("say", |event| event.socket.namespace().emit("said", &event.args));
/// });
/// let handle = server.handle();
/// let street = std::thread::spawn(|| server.serve());
/// handle.close();
/// street.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    engine: engineio::Server,
    io: Io,
    connect_timeout: Duration,
    attachment_timeout: Duration,
}

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// As for [`net::Server::bind`](crate::net::Server::bind).
    pub fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Server> {
        let engine = engineio::Server::bind(address, options.engine)?;
        let Options { connect_timeout, attachment_timeout, .. } = options;
        Ok(Server { engine, io: Io::new(), connect_timeout, attachment_timeout })
    }

    /// Where the server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.engine.address()
    }

    /// What stops the server, and counts its clients, from any thread.
    pub fn handle(&self) -> Handle {
        self.engine.handle()
    }

    /// The namespaces, and so all that the server does with its clients.
    pub fn io(&self) -> Io {
        self.io.clone()
    }

    /// Accepts clients until [`Handle::close`], and returns when the last has gone.
    pub fn serve(self) {
        let Server { engine, io, connect_timeout, attachment_timeout } = self;
        engine.serve(move |session| {
            let timeouts = [connect_timeout, attachment_timeout];
            let client = Client::new(session.clone(), io.clone(), timeouts);
            Box::new(move |event| client.receive(event))
        });
    }
}

/// All namespaces of a server; it derefs to the one that is called `/`, as in `io.emit(…)`. A clone
/// is the same one; any thread may use it.
#[derive(Clone)]
pub struct Io {
    main: Namespace,
    all: Arc<Mutex<HashMap<String, Namespace>>>,
}

impl Io {
    fn new() -> Io {
        let main = Namespace::new("/");
        let all = HashMap::from([("/".to_string(), main.clone())]);
        Io { main, all: Arc::new(Mutex::new(all)) }
    }

    /// The namespace of that name (with or without its `/`), which is there from now on.
    pub fn of(&self, name: &str) -> Namespace {
        let name = format!("/{}", name.trim_start_matches('/'));
        lock(&self.all).entry(name.clone()).or_insert_with(|| Namespace::new(&name)).clone()
    }

    fn find(&self, name: &str) -> Option<Namespace> {
        lock(&self.all).get(name).cloned()
    }
}

impl Deref for Io {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.main
    }
}

/// A socket at the door. If it does not come in, even because the middleware panics, it leaves the rooms
/// that the middleware has put it into. Nobody hears of it: it never was connected.
struct Knocking<'a>(&'a Socket);

impl Drop for Knocking<'_> {
    fn drop(&mut self) {
        if !self.0.namespace().has(self.0) {
            self.0.refused();
        }
    }
}

/// A session, with the sockets that it has in namespaces.
pub(super) struct Client {
    pub(super) session: Session,
    io: Io,
    /// One for each namespace that it is in. They are few.
    sockets: Mutex<Vec<Socket>>,
    decoder: Mutex<Decoder>,
    first_join: Mutex<FirstJoin>,
    attachment_timeout: Duration,
    /// Ends the session if the next attachment does not come.
    attachment_deadline: Mutex<Option<Timer>>,
}

/// Whether a client has joined a namespace in time.
enum FirstJoin {
    /// It has not yet; the timer ends its session.
    Awaited {
        _deadline: Timer,
    },
    Done,
    TooLate,
}

impl Client {
    fn new(session: Session, io: Io, timeouts: [Duration; 2]) -> Arc<Client> {
        let [connect_timeout, attachment_timeout] = timeouts;
        let client = Arc::new(Client {
            session,
            io,
            sockets: Mutex::default(),
            decoder: Mutex::default(),
            first_join: Mutex::new(FirstJoin::Done),
            attachment_timeout,
            attachment_deadline: Mutex::default(),
        });
        let late = Arc::downgrade(&client);
        let mut first_join = lock(&client.first_join); // until it is set, the timer waits
        let _deadline = clock::after(connect_timeout, move || {
            let Some(client) = late.upgrade() else { return };
            if client.joins_too_late() {
                client.session.close("forced server close");
            }
        });
        *first_join = FirstJoin::Awaited { _deadline };
        drop(first_join);
        client
    }

    /// The time to join is up. A join that has begun meanwhile was in time.
    fn joins_too_late(&self) -> bool {
        let mut first_join = lock(&self.first_join);
        let too_late = matches!(*first_join, FirstJoin::Awaited { .. });
        if too_late {
            *first_join = FirstJoin::TooLate;
        }
        too_late
    }

    /// A client joins a namespace: whether it may, or its session ends because it has taken too long.
    fn joins_in_time(&self) -> bool {
        let mut first_join = lock(&self.first_join);
        if matches!(*first_join, FirstJoin::TooLate) {
            return false;
        }
        *first_join = FirstJoin::Done;
        true
    }

    /// An attachment is to come: half an event is not kept for ever.
    fn awaits_attachment(self: &Arc<Client>) {
        let late = Arc::downgrade(self);
        let deadline = clock::after(self.attachment_timeout, move || {
            _ = late.upgrade().map(|client| client.session.close("parse error"));
        });
        *lock(&self.attachment_deadline) = Some(deadline);
    }

    fn receive(self: &Arc<Client>, event: Event) {
        match event {
            Event::Message(message) => {
                let is_attachment = matches!(message, Message::Binary(_));
                // (Let go before the packet is acted on: no lock is held while handlers run.)
                let decoded = lock(&self.decoder).add(message);
                match decoded {
                    Ok(Some(packet)) => {
                        if is_attachment {
                            *lock(&self.attachment_deadline) = None; // it was the last
                        }
                        self.act_on(packet);
                    }
                    Ok(None) => self.awaits_attachment(),
                    Err(_) => self.session.close("parse error"),
                }
            }
            Event::Close(reason) => {
                self.joins_in_time(); // or not at all: the timer is done with
                self.all().iter().for_each(|socket| socket.end(reason));
            }
        }
    }

    fn act_on(self: &Arc<Client>, mut packet: Decoded) {
        let socket = self.find(&packet.namespace);
        match (packet.kind, socket, packet.id) {
            (Kind::Connect, None, _) => self.connect(&packet.namespace, packet.values.pop()),
            (Kind::Event, Some(socket), id) => socket.receive(packet.values, id),
            (Kind::Ack, Some(socket), Some(id)) => socket.settle(id, packet.values),
            (Kind::Ack, Some(_), None) => {} // an answer to nothing
            (Kind::Disconnect, Some(socket), _) => socket.end("client namespace disconnect"),
            // It speaks where it never came in, or says what only a server may say.
            _ => self.session.close("forced server close"),
        }
    }

    fn connect(self: &Arc<Client>, name: &str, auth: Option<Value>) {
        let refuse = |error: ConnectError| {
            let mut reason = vec![("message".to_string(), Value::from(error.message))];
            reason.extend(error.data.map(|data| ("data".to_string(), data)));
            let reason = Value::Object(reason).to_string();
            self.session.answer(&Arc::new(packet(Kind::ConnectError, name, &reason)));
        };
        let Some(namespace) = self.io.find(name) else { return refuse("Invalid namespace".into()) };
        let auth = auth.unwrap_or(Value::Object(Vec::new()));
        let socket = Socket::new(namespace.clone(), self.clone(), auth);
        let _gone_unless_let_in = Knocking(&socket);
        if let Err(error) = namespace.judge(&socket) {
            return refuse(error);
        }
        if !self.joins_in_time() {
            return;
        }
        lock(&self.sockets).push(socket.clone());
        namespace.add(&socket);
        if let Some(reason) = self.session.closed() {
            return socket.end(reason); // it left while the middleware thought
        }
        namespace.connected(&socket);
    }

    /// Out of all namespaces, and out of the street.
    pub(super) fn disconnect(&self) {
        self.all().iter().for_each(|socket| socket.disconnect(false));
        self.session.close("forced close");
    }

    pub(super) fn remove(&self, socket: &Socket) {
        lock(&self.sockets).retain(|other| other != socket); // which `socket` keeps alive
    }

    fn all(&self) -> Vec<Socket> {
        lock(&self.sockets).clone()
    }

    fn find(&self, namespace: &str) -> Option<Socket> {
        lock(&self.sockets).iter().find(|socket| socket.namespace().name() == namespace).cloned()
    }
}
