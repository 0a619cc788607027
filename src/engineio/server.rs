//! An Engine.IO server: finds the session that a request belongs to, or opens one.
//!
//! Picture the desk of floor 2, where people now come again and again. Each shows a ticket (`sid`),
//! or gets one; each says through which door they come (`transport`). Whoever has a ticket that
//! does not fit is told so in the words that the protocol has for it.
//!
//! Chapters 16 and 17 of the book.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::{io, net::SocketAddr, net::ToSocketAddrs};

use super::session::{Listener, Session};
use super::{Options, Outgoing, Packet, Refusal};
use crate::http::{Connection, Error, Request, Response};
use crate::net::outbox::Dropped::{Stalled, TooSlow};
use crate::net::{self, Stream, clock, lock};
use crate::ws::random::random_id;
use crate::ws::socket::{Role, Socket};
use crate::ws::{self, handshake};

const TOO_MANY_SESSIONS: &str = "There are too many sessions";

/// What a request for the client's script gets, which npm's server has at hand.
const NO_SCRIPT: &str = "The client's script is not served here: it is in npm's package \
                         socket.io-client, as dist/socket.io.min.js";

/// A server that listens, and accepts nobody before [`serve`](Server::serve).
pub struct Server {
    net: net::Server,
    shared: Arc<Shared>,
}

/// What all connections and sessions of a server share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) sessions: Mutex<HashMap<String, Session>>,
    /// Once it has been closed, whoever still opens a session is sent away.
    door: net::server::Handle,
}

type Open = dyn Fn(&Session) -> Listener + Send + Sync;

impl Server {
    /// Listens on a TCP address; port 0 takes any free one, which [`Server::address`] tells.
    ///
    /// # Errors
    /// As for [`net::Server::bind`].
    pub fn bind(address: impl ToSocketAddrs, mut options: Options) -> io::Result<Server> {
        options.path = options.path.trim_end_matches('/').to_string() + "/";
        let mut net = net::Server::bind(address)?;
        (net.max_connections, net.farewell) = (options.max_connections, ws::server::FULL);
        net.close_timeout = options.close_timeout;
        let (sessions, door) = (Mutex::default(), net.handle());
        Ok(Server { net, shared: Arc::new(Shared { options, sessions, door }) })
    }

    /// Where the server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.net.address()
    }

    /// What stops the server, and counts its clients, from any thread.
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Accepts clients until [`Handle::close`], calls `open` for each new session, and the listener
    /// that it returns for what happens there. Returns when the last connection has ended.
    pub fn serve(self, open: impl Fn(&Session) -> Listener + Send + Sync + 'static) {
        let Server { net, shared } = self;
        net.serve(move |stream| Ok(shared.receive(stream, &open)?));
    }
}

/// Stops a [`Server`] from any thread, and counts its clients. A clone is the same handle.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// Closes the door, and ends all sessions: they are told, with `server shutting down`. What
    /// connections are left after [`Options::close_timeout`] are destroyed, so that
    /// [`serve`](Server::serve) returns.
    ///
    /// The listeners are told on this thread: call it under no lock that they take.
    pub fn close(&self) {
        self.0.door.close();
        let sessions: Vec<Session> = lock(&self.0.sessions).values().cloned().collect();
        sessions.iter().for_each(|session| session.close_here("server shutting down"));
    }

    /// Waits until the server has been closed and its last connection has ended.
    pub fn wait(&self) {
        self.0.door.wait();
    }

    /// How many connections there are now.
    pub fn connections(&self) -> usize {
        self.0.door.connections()
    }

    /// How many sessions there are now (`engine.clientsCount`).
    pub fn sessions(&self) -> usize {
        lock(&self.0.sessions).len()
    }
}

/// How many sessions one connection may open: after the last it ends. (A proxy, which has many clients,
/// opens another.)
const MAX_HANDSHAKES: usize = 100;

/// What the requests of one connection have led to.
#[derive(Default)]
struct Requested {
    /// A `GET` that is held: its session, and its number there.
    held: Option<(Session, u64)>,
    /// How many sessions have been opened.
    handshakes: usize,
}

impl Shared {
    /// One connection: one request after the other, and then perhaps a WebSocket.
    fn receive(self: &Arc<Shared>, stream: Stream, open: &Open) -> Result<(), Error> {
        let Some((mut socket, session)) = self.handshake(stream, open)? else { return Ok(()) };
        loop {
            let message = match socket.read() {
                Ok(Some(message)) => message,
                Ok(None) => {
                    session.close_here("transport close");
                    return Ok(());
                }
                Err(e) => return lose(&session, e),
            };
            if !session.receive(Packet::from_message(message)) {
                return Ok(()); // it was no packet, and the session is over
            }
        }
    }

    // What is marked `inline(never)` is not to be part of its caller: the stack of a thread is memory
    // that it keeps, and what they need there is needed only at the beginning.

    /// Answers requests until one asks for a WebSocket, and opens that.
    #[inline(never)]
    fn handshake(
        self: &Arc<Shared>,
        stream: Stream,
        open: &Open,
    ) -> Result<Option<(Socket, Session)>, Error> {
        match self.requests(stream, open)? {
            Some((connection, request)) => self.websocket(connection, request, open),
            None => Ok(None),
        }
    }

    /// Answers requests, until one asks for a WebSocket.
    #[inline(never)]
    fn requests(
        self: &Arc<Shared>,
        stream: Stream,
        open: &Open,
    ) -> Result<Option<(Connection, Arc<Request>)>, Error> {
        let mut connection = Connection::new(stream, self.options.max_queued)?;
        let mut requested = Requested::default();
        loop {
            let outbox = connection.outbox.clone();
            let is_held = || match &requested.held {
                Some((session, number)) if session.holds(*number) => true,
                // Who reads slowly keeps the connection only as long as the session.
                Some((session, _)) => session.closed().is_none() && outbox.is_sending(),
                None => outbox.is_sending(),
            };
            let next = connection.next_after(is_held, self.options.handshake_timeout);
            if let Some((session, number)) = requested.held.take() {
                session.left(number);
            }
            let Some(request) = next? else { return Ok(None) };
            if self.is_ours(&request) && handshake::is_upgrade(&request) {
                return Ok(Some((connection, request.into())));
            }
            match self.answer(&request, &mut connection, &mut requested, open) {
                Ok(Some(response)) if self.door.is_closed() => {
                    return connection.finish(response).map(|()| None);
                }
                Ok(Some(response)) => connection.respond(response)?,
                Ok(None) => {}
                Err(refusal) => return connection.finish(refusal).map(|()| None),
            }
        }
    }

    fn is_ours(&self, request: &Request) -> bool {
        request.path().starts_with(&self.options.path)
    }

    /// The response to a request, or none if it is held. `Err` is a response too: the last one on its
    /// connection.
    #[inline(never)]
    fn answer(
        self: &Arc<Shared>,
        request: &Request,
        connection: &mut Connection,
        requested: &mut Requested,
        open: &Open,
    ) -> Result<Option<Response>, Response> {
        let (max, within) = (self.options.max_payload, self.options.http_request_body_timeout);
        if !self.is_ours(request) {
            connection.body(request, max, within)?;
            return Ok(Some((self.options.page)(request)));
        }
        if request.method != "POST" {
            connection.body(request, 0, within)?; // what is left unread would be the next request
        }
        if request.path().ends_with(".js") {
            return Err(Response::text(404, NO_SCRIPT)); // the last one: a body may follow
        }
        let mut response = Response { headers: self.options.cors(request), ..Response::new(200) };
        if request.method == "OPTIONS" && self.options.cors.is_some() {
            response.status = 204;
            return Ok(Some(response));
        }
        let refuse = |refusal: Refusal| refusal.response(self.options.cors(request));
        let session = self.find(request, false).map_err(refuse)?;
        response.headers.push("Content-Type", "text/plain; charset=UTF-8");
        response.headers.push("Cache-Control", "no-store");
        match (&*request.method, session) {
            (_, None) if !self.has_room() => Err(Response::text(503, TOO_MANY_SESSIONS)),
            (_, None) => {
                let address = connection.reader.get_ref().stream.remote_address();
                let session = self.open(request.clone().into(), address, None, open);
                response.body = Outgoing::from(self.hello(&session)).payload().as_bytes().into();
                requested.handshakes += 1;
                let last = requested.handshakes == MAX_HANDSHAKES;
                if last { Err(response) } else { Ok(Some(response)) }
            }
            ("GET", Some(session)) => {
                connection.answered_later();
                if !request.keep_alive() {
                    response.headers.push("Connection", "close");
                }
                let number = session.poll(&connection.outbox, response.headers).map_err(refuse)?;
                requested.held = Some((session, number));
                Ok(None)
            }
            ("POST", Some(session)) => self.post(request, connection, &session, response).map(Some),
            (_, Some(_)) => Err(refuse(Refusal::BAD_REQUEST)),
        }
    }

    /// The response to a `POST`, whose packets have been received.
    fn post(
        &self,
        request: &Request,
        connection: &mut Connection,
        session: &Session,
        response: Response,
    ) -> Result<Response, Response> {
        let bad = || Refusal::BAD_REQUEST.response(self.options.cors(request));
        if !session.begin_post() {
            return Err(bad());
        }
        let (max, within) = (self.options.max_payload, self.options.http_request_body_timeout);
        let body = match connection.body(request, max, within) {
            Ok(body) => body,
            Err(refusal) => {
                session.close_here("transport error");
                return Err(Response { status: refusal.status, ..response });
            }
        };
        let packets = String::from_utf8(body).ok().and_then(|text| Packet::parse_payload(&text));
        match session.receive_all(packets) {
            true => Ok(Response { body: b"ok".to_vec(), ..response }),
            false => Err(bad()),
        }
    }

    /// The session that a request is for; none if it asks for a new one.
    fn find(&self, request: &Request, upgrade: bool) -> Result<Option<Session>, Refusal> {
        let transport = request.query("transport").unwrap_or_default();
        if !self.options.transports.contains(&&*transport) {
            return Err(Refusal::UNKNOWN_TRANSPORT);
        }
        if let Some(sid) = request.query("sid") {
            let session = lock(&self.sessions).get(&sid).cloned().ok_or(Refusal::UNKNOWN_SID)?;
            session.claim();
            let fits = upgrade || transport == "polling" && session.transport() == "polling";
            return if fits { Ok(Some(session)) } else { Err(Refusal::BAD_REQUEST) };
        }
        if request.method != "GET" {
            return Err(Refusal::BAD_HANDSHAKE_METHOD);
        }
        if upgrade != (transport == "websocket") {
            return Err(Refusal::BAD_REQUEST);
        }
        if self.door.is_closed() || !(self.options.allow_request)(request) {
            return Err(Refusal::FORBIDDEN);
        }
        if request.query("EIO").as_deref() != Some("4") {
            return Err(Refusal::UNSUPPORTED_PROTOCOL_VERSION);
        }
        Ok(None)
    }

    /// Whether there is room for one session more. If there is none, whoever has had no `GET` waiting for
    /// longest goes: a client that only opens sessions keeps nobody out. (It is looked for among all, but
    /// only at the limit.)
    fn has_room(&self) -> bool {
        let sessions = lock(&self.sessions);
        if sessions.len() < self.options.max_connections {
            return true;
        }
        let idle = sessions.values().filter_map(|s| Some((s.idle_since()?, s)));
        let oldest = idle.min_by_key(|(since, _)| *since).map(|(_, session)| session.clone());
        drop(sessions);
        oldest.inspect(Session::abandon).is_some()
    }

    fn open(
        self: &Arc<Shared>,
        request: Arc<Request>,
        remote_address: Option<SocketAddr>,
        websocket: Option<ws::Sender>,
        open: &Open,
    ) -> Session {
        let session = Session::new(self, random_id(), request, remote_address, websocket);
        session.start_heartbeat();
        lock(&self.sessions).insert(session.id().to_string(), session.clone());
        if session.transport() == "websocket" {
            session.send(&Arc::new(self.hello(&session).into()));
        }
        session.listen(open(&session));
        if self.door.is_closed() {
            session.close_here("server shutting down");
        }
        session
    }

    /// The first packet of a session: its ticket, and what was agreed on.
    fn hello(&self, session: &Session) -> Packet {
        let polling = session.transport() == "polling";
        let upgrade = polling && self.options.transports.contains(&"websocket");
        Packet::Open(format!(
            r#"{{"sid":"{}","upgrades":[{}],"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            session.id(),
            if upgrade { r#""websocket""# } else { "" },
            self.options.ping_interval.as_millis(),
            self.options.ping_timeout.as_millis(),
            self.options.max_payload,
        ))
    }

    /// A connection that becomes a WebSocket: a session of its own, or another door to one.
    #[inline(never)]
    fn websocket(
        self: &Arc<Shared>,
        mut connection: Connection,
        request: Arc<Request>,
        open: &Open,
    ) -> Result<Option<(Socket, Session)>, Error> {
        let (response, session) = match self.shake_hands(&mut connection, &request) {
            Ok(accepted) => accepted,
            Err(refusal) => return connection.finish(refusal).map(|()| None),
        };
        connection.respond(response)?;
        let Connection { reader, outbox, .. } = connection;
        let max = self.options.max_payload;
        let mut socket = Socket::new(reader, outbox, Role::Server, max, request.clone(), None);
        let session = match session {
            Some(session) if self.take_over(&mut socket, &session) => session,
            Some(_) => return Ok(None),
            None => self.open(request, socket.remote_address(), Some(socket.sender()), open),
        };
        Ok(Some((socket, session)))
    }

    /// The response that opens a WebSocket, and the session that its client has, if it has one; or the
    /// response that refuses it.
    #[inline(never)]
    fn shake_hands(
        &self,
        connection: &mut Connection,
        request: &Request,
    ) -> Result<(Response, Option<Session>), Response> {
        connection.body(request, 0, self.options.http_request_body_timeout)?;
        let refuse = |refusal: Refusal| refusal.response(self.options.cors(request));
        let session = self.find(request, true).map_err(refuse)?;
        let mut response = handshake::accept(request)?;
        if let Some(first) = handshake::offered(request).first() {
            response.headers.push("Sec-WebSocket-Protocol", first); // some clients insist on one
        }
        Ok((response, session))
    }

    /// The upgrade: the WebSocket is tried out, then the client changes over to it.
    #[inline(never)]
    fn take_over(&self, socket: &mut Socket, session: &Session) -> bool {
        let (sender, slow) = (socket.sender(), socket.sender());
        if session.transport() == "websocket" {
            return false; // it has one, and waits for no other to speak
        }
        let _limit = clock::after(self.options.upgrade_timeout, move || slow.terminate());
        let mut next = || socket.read().ok().flatten().and_then(Packet::from_message);
        if next() != Some(Packet::Ping("probe".to_string())) || !session.probe() {
            return false;
        }
        _ = sender.send("3probe"); // if it fails, there is no next packet
        if next() == Some(Packet::Upgrade) && session.upgrade(sender) {
            return true;
        }
        session.end_probe();
        false
    }
}

/// A WebSocket has failed, and its session ends. Clients leave in many ways; that it was we who dropped one
/// is an error, and is said on stderr.
#[inline(never)]
fn lose(session: &Session, e: ws::Error) -> Result<(), Error> {
    session.explain(&e.to_string());
    session.close_here("transport error");
    match e {
        ws::Error::Dropped(why @ (TooSlow(_) | Stalled(_))) => Err(Error::Io(why.into())),
        _ => Ok(()),
    }
}
