//! One connection of a client: it carries requests of any session, and then perhaps a WebSocket.
//!
//! Chapters 20 and 21 of the book.

use std::io;
use std::sync::Arc;

use super::session::{Listener, Session};
use super::sessions::Sessions;
use super::{Outgoing, Packet, Refusal};
use crate::http::{Connection, Error, Headers, Page, Request, Response, Upgrade};
use crate::json::Value;
use crate::net::outbox::Dropped::{Stalled, TooSlow};
use crate::net::{Stream, clock};
use crate::ws::socket::{Role, Socket};
use crate::ws::{self, Close, Endpoint, handshake};

const TOO_MANY_SESSIONS: &str = "There are too many sessions";

/// The response to a request for the client's script, which npm's server has.
const NO_SCRIPT: &str = "The client's script is not served here: it is in npm's package \
                         socket.io-client, as dist/socket.io.min.js";

/// How many sessions one connection may open: then it ends. (A proxy with many clients opens
/// another.)
const MAX_HANDSHAKES: usize = 100;

/// Serves the connections of a server.
pub(super) struct Engine {
    pub sessions: Arc<Sessions>,
    /// Is called for each new session, and returns its listener.
    pub open: Box<dyn Fn(&Session) -> Listener + Send + Sync>,
    /// Answers requests for other paths.
    pub page: Page,
    /// Serve plain WebSockets on other paths.
    pub endpoints: Vec<Endpoint>,
}

/// What the requests of one connection have led to.
#[derive(Default)]
struct Requested {
    /// The `GET` that is held: its session, and its number there.
    held: Option<(Session, u64)>,
    /// How many sessions have been opened.
    handshakes: usize,
}

impl Engine {
    /// Serves one connection: one request after the other, and then perhaps a WebSocket.
    pub fn serve_client(&self, stream: Stream) -> io::Result<()> {
        let Some((connection, request)) = self.requests(stream)? else { return Ok(()) };
        match self.endpoint(&request) {
            Some(endpoint) => Ok(endpoint.serve(connection, request, &self.sessions.handle)?),
            None => Ok(self.serve_websocket(connection, request)?),
        }
    }

    /// Serves a session over a WebSocket, if it can be opened.
    //
    // `ref`: a socket that is moved here takes its place on the stack twice, for as long as the
    // client is silent.
    #[inline(never)]
    fn serve_websocket(
        &self,
        connection: Box<Connection>,
        request: Arc<Request>,
    ) -> Result<(), Error> {
        match self.websocket(connection, request) {
            Ok(Some((ref mut socket, ref session))) => receive_all(socket, session),
            Ok(None) => Ok(()),
            Err(e) => Err(e),
        }
    }

    // `inline(never)`: the thread of a silent client keeps the stack that it has used. What these
    // functions need is needed only at the beginning, and must not become a part of the caller's
    // frame.

    /// The endpoint of the plain WebSocket that a request asks for.
    fn endpoint(&self, request: &Request) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter().filter(|_| !self.sessions.is_path_of(request));
        endpoints.find(|endpoint| endpoint.matches(request))
    }

    /// Answers requests until one asks for a WebSocket.
    #[inline(never)]
    fn requests(&self, stream: Stream) -> Result<Option<Upgrade>, Error> {
        let options = &self.sessions.options;
        let mut connection = Box::new(Connection::new(stream, options.max_queued)?);
        let mut requested = Requested::default();
        loop {
            let outbox = connection.outbox.clone();
            let is_held = || match &requested.held {
                Some((session, number)) if session.is_held(*number) => true,
                // A client that reads slowly keeps the connection only as long as the session.
                Some((session, _)) => session.closed().is_none() && outbox.is_sending(),
                None => outbox.is_sending(),
            };
            let next = connection.next_after(is_held, options.handshake_timeout);
            if let Some((session, number)) = requested.held.take() {
                session.poll_aborted(number);
            }
            let Some(mut request) = next? else { return Ok(None) };
            request.remote_address = request.forwarded_for(options.trust_proxy);
            let is_ours =
                || self.sessions.is_path_of(&request) || self.endpoint(&request).is_some();
            if handshake::is_upgrade(&request) && is_ours() {
                return Ok(Some((connection, request.into())));
            }
            match self.answer(&request, &mut connection, &mut requested) {
                Ok(Some(response)) if self.sessions.handle.is_closed() => {
                    return connection.finish(response).map(|()| None);
                }
                Ok(Some(response)) => connection.respond(response)?,
                Ok(None) => {}
                Err(refusal) => return connection.finish(refusal).map(|()| None),
            }
        }
    }

    /// The response to a request; `None` if it is held. `Err` is a response too: the last one on
    /// its connection.
    #[inline(never)]
    fn answer(
        &self,
        request: &Request,
        connection: &mut Connection,
        requested: &mut Requested,
    ) -> Result<Option<Response>, Response> {
        let options = &self.sessions.options;
        let within = options.http_request_body_timeout;
        if !self.sessions.is_path_of(request) {
            let body = connection.body(request, options.max_body, within)?;
            return Ok(Some((self.page)(request, &body)));
        }
        if request.method != "POST" {
            connection.body(request, 0, within)?; // unread, it would be taken for the next request
        }
        if request.path().ends_with(".js") {
            return Err(Response::text(404, NO_SCRIPT)); // the last one: a body may follow
        }
        let mut response = Response { headers: options.cors(request), ..Response::new(200) };
        if request.method == "OPTIONS" && options.cors.is_some() {
            response.status = 204;
            return Ok(Some(response));
        }
        let refuse = |refusal| self.sessions.refuse(request, refusal);
        let session = self.sessions.find(request, false).map_err(refuse)?;
        response.headers.push("Content-Type", "text/plain; charset=UTF-8");
        response.headers.push("Cache-Control", "no-store");
        match (&*request.method, session) {
            (_, None) if !self.sessions.make_room() => Err(Response::text(503, TOO_MANY_SESSIONS)),
            (_, None) => {
                let response = self.handshake(request, response).map_err(refuse)?;
                requested.handshakes += 1;
                let last = requested.handshakes == MAX_HANDSHAKES;
                if last { Err(response) } else { Ok(Some(response)) }
            }
            ("GET", Some(session)) => {
                connection.answered_later();
                self.change_headers(&mut response.headers, request, false);
                if !request.keep_alive() {
                    response.headers.push("Connection", "close");
                }
                let gzip_from =
                    options.http_compression.filter(|_| request.accepts_encoding("gzip"));
                let held = session.poll(&connection.outbox, response.headers, gzip_from);
                let number = held.map_err(refuse)?;
                requested.held = Some((session, number));
                Ok(None)
            }
            ("POST", Some(session)) => self.post(request, connection, &session, response).map(Some),
            (_, Some(_)) => Err(refuse(Refusal::BadRequest)),
        }
    }

    /// Opens a session over polling: `response` with the open packet.
    fn handshake(&self, request: &Request, mut response: Response) -> Result<Response, Refusal> {
        let session = self.new_session(request.clone().into(), None)?;
        let open_packet = Outgoing::from(self.open_packet(&session));
        response.body = open_packet.payload().as_bytes().into();
        if let Some(cookie) = &self.sessions.options.cookie {
            response.headers.push("Set-Cookie", &cookie.serialize(session.id()));
        }
        self.change_headers(&mut response.headers, request, true);
        self.start(&session);
        Ok(response)
    }

    /// The response to a `POST`, whose packets have been received.
    fn post(
        &self,
        request: &Request,
        connection: &mut Connection,
        session: &Session,
        mut response: Response,
    ) -> Result<Response, Response> {
        let bad_request = || self.sessions.refuse(request, Refusal::BadRequest);
        if !session.begin_post() {
            return Err(bad_request());
        }
        let options = &self.sessions.options;
        let within = options.http_request_body_timeout;
        let body = match connection.body(request, options.max_payload, within) {
            Ok(body) => body,
            Err(refusal) => {
                session.on_error(match refusal.status {
                    408 => "http request timeout",
                    413 => "payload too large",
                    _ => "data request connection closed prematurely",
                });
                return Err(Response { status: refusal.status, ..response });
            }
        };
        let packets = String::from_utf8(body).ok().and_then(|text| Packet::parse_payload(&text));
        if !session.receive_all(packets) {
            return Err(bad_request());
        }
        self.change_headers(&mut response.headers, request, false);
        Ok(Response { body: b"ok".to_vec(), ..response })
    }

    /// Runs the hooks of the options for the headers of a response.
    fn change_headers(&self, headers: &mut Headers, request: &Request, initial: bool) {
        let options = &self.sessions.options;
        if initial {
            (options.initial_headers)(headers, request);
        }
        (options.headers)(headers, request);
    }

    /// Creates a session. Its response may still be changed before it starts.
    fn new_session(
        &self,
        request: Arc<Request>,
        websocket: Option<ws::Sender>,
    ) -> Result<Session, Refusal> {
        let id = (self.sessions.options.generate_id)(&request);
        let session = Session::new(&self.sessions, id, request, websocket);
        if !self.sessions.insert(&session) {
            return Err(Refusal::IdGenerationError);
        }
        session.start_heartbeat();
        Ok(session)
    }

    /// Starts a new session: calls `open` for it. Over polling, the response has the open packet.
    fn start(&self, session: &Session) {
        if session.transport() == "websocket" {
            session.send(&Arc::new(self.open_packet(session).into()));
        }
        session.listen((self.open)(session));
        if self.sessions.handle.is_closed() {
            session.on_close("server shutting down");
        }
    }

    /// The first packet of a session, with the handshake data.
    fn open_packet(&self, session: &Session) -> Packet {
        let options = &self.sessions.options;
        let polling = session.transport() == "polling";
        let upgrade =
            polling && options.allow_upgrades && options.transports.contains(&"websocket");
        Packet::Open(format!(
            r#"{{"sid":{},"upgrades":[{}],"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            Value::from(session.id()),
            if upgrade { r#""websocket""# } else { "" },
            options.ping_interval.as_millis(),
            options.ping_timeout.as_millis(),
            options.max_payload,
        ))
    }

    /// Opens a WebSocket: for a new session, or to upgrade one.
    #[inline(never)]
    fn websocket(
        &self,
        mut connection: Box<Connection>,
        request: Arc<Request>,
    ) -> Result<Option<(Socket, Session)>, Error> {
        let (mut response, session) = match self.accept_websocket(&mut connection, &request) {
            Ok(accepted) => accepted,
            Err(refusal) => return connection.finish(refusal).map(|()| None),
        };
        let compression = self.sessions.options.per_message_deflate.as_ref();
        let compression =
            compression.and_then(|it| Some((it.accept(&request, &mut response)?, it)));
        connection.respond(response)?;
        let Connection { reader, outbox, .. } = *connection;
        let max = self.sessions.options.max_payload;
        let mut socket = Socket::new(reader, outbox, Role::Server, max, request.clone(), None);
        socket.omit_reason();
        if let Some((agreed, options)) = compression {
            socket.set_compression(agreed, options);
        }
        let session = match session {
            Some(session) => self.upgrade(&mut socket, &session).then_some(session),
            None => self.open_websocket(request, socket.sender()),
        };
        let Some(session) = session else {
            _ = socket.close(Close::NO_STATUS, ""); // without a code, as npm's server does
            return Ok(None);
        };
        Ok(Some((socket, session)))
    }

    /// Opens a session over a WebSocket. The response has been sent: `None` if it is refused now.
    #[inline(never)]
    fn open_websocket(&self, request: Arc<Request>, sender: ws::Sender) -> Option<Session> {
        match self.new_session(request.clone(), Some(sender)) {
            Ok(session) => {
                self.start(&session);
                Some(session)
            }
            Err(refusal) => {
                self.sessions.refuse(&request, refusal);
                None
            }
        }
    }

    /// The response that opens a WebSocket, and the session to upgrade, if there is one; or the
    /// response that refuses.
    #[inline(never)]
    fn accept_websocket(
        &self,
        connection: &mut Connection,
        request: &Request,
    ) -> Result<(Response, Option<Session>), Response> {
        connection.body(request, 0, self.sessions.options.http_request_body_timeout)?;
        let refuse = |refusal| self.sessions.refuse(request, refusal);
        let session = self.sessions.find(request, true).map_err(refuse)?;
        let mut response = handshake::accept(request)?;
        if let Some(first) = handshake::offered(request).first() {
            response.headers.push("Sec-WebSocket-Protocol", first); // some clients require one
        }
        self.change_headers(&mut response.headers, request, session.is_none());
        Ok((response, session))
    }

    /// The upgrade: the client probes the WebSocket, and then moves its session to it.
    #[inline(never)]
    fn upgrade(&self, socket: &mut Socket, session: &Session) -> bool {
        let (sender, slow) = (socket.sender(), socket.sender());
        if session.transport() == "websocket" {
            return false; // it has been upgraded already
        }
        let timeout = self.sessions.options.upgrade_timeout;
        let _timer = clock::after(timeout, move || slow.terminate());
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

/// Receives the packets of a session until its WebSocket, or the session, ends.
fn receive_all(socket: &mut Socket, session: &Session) -> Result<(), Error> {
    loop {
        let message = match socket.read() {
            Ok(Some(message)) => message,
            Ok(None) => {
                session.on_close("transport close");
                return Ok(());
            }
            Err(e) => return transport_error(session, e),
        };
        if !session.receive(Packet::from_message(message)) {
            return Ok(()); // it was malformed, and the session has ended
        }
    }
}

/// A WebSocket has failed: its session ends. Clients leave in many ways, and that is no error. That
/// the client was dropped is one, which is written to stderr.
#[inline(never)]
fn transport_error(session: &Session, e: ws::Error) -> Result<(), Error> {
    session.on_error(&e.to_string());
    match e {
        ws::Error::Dropped(why @ (TooSlow(_) | Stalled(_))) => Err(Error::Io(why.into())),
        _ => Ok(()),
    }
}
