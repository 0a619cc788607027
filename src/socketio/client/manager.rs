//! The session with a server: a thread connects, reads, waits, and connects again.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::socket::Socket;
use super::{Auth, Options};
use crate::engineio::client::{Endpoint, Error, Sender, Session};
use crate::json::Value;
use crate::net::{Backoff, Emitter};
use crate::socketio::codec::{Decoded, Decoder};
use crate::socketio::packet::Kind;
use crate::socketio::{Args, catch_panic, lock};

/// The session with a server, and the sockets that share it.
pub(super) struct Manager {
    endpoint: Endpoint,
    options: Options,
    pub events: Emitter<Value>,
    /// All sockets that there have been, one for each namespace.
    pub sockets: Mutex<Vec<Socket>>,
    pub connection: Mutex<Connection>,
    changed: Condvar,
}

pub(super) struct Connection {
    state: State,
    /// Whether a socket has been opened since the last attempt, without a session that it could
    /// use.
    open_requested: bool,
    /// The next attempt is not made before.
    not_before: Option<Instant>,
    backoff: Backoff,
    pub thread: Option<JoinHandle<()>>,
}

enum State {
    /// No thread runs.
    Idle,
    /// There is no session. The thread connects, or waits before the next attempt.
    Connecting,
    /// There is a session.
    Open(Sender),
    /// The session ends, because no socket needs it any more.
    Closing,
}

impl Connection {
    /// The sender of the session, unless it is closing.
    pub fn sender(&self) -> Option<Sender> {
        if let State::Open(sender) = &self.state { Some(sender.clone()) } else { None }
    }

    pub fn has_session(&self) -> bool {
        matches!(self.state, State::Open(_) | State::Closing)
    }

    fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }
}

impl Manager {
    pub fn new(endpoint: Endpoint, options: Options) -> Arc<Manager> {
        let connection = Connection {
            state: State::Idle,
            open_requested: false,
            not_before: None,
            backoff: options.backoff.clone(),
            thread: None,
        };
        Arc::new(Manager {
            endpoint,
            options,
            events: Emitter::new(),
            sockets: Mutex::default(),
            connection: Mutex::new(connection),
            changed: Condvar::new(),
        })
    }

    /// The socket of a namespace. With two in one namespace, the server would end the session.
    pub fn socket(self: &Arc<Manager>, namespace: &str, auth: Auth) -> Socket {
        let mut sockets = lock(&self.sockets);
        if let Some(socket) = sockets.iter().find(|socket| socket.namespace() == namespace) {
            socket.set_auth(auth);
            return socket.clone();
        }
        let socket = Socket::new(self, namespace, auth);
        sockets.push(socket.clone());
        socket
    }

    /// Connects a socket in the next session; if there is one now, in that: returns its sender,
    /// with which the caller is to send CONNECT.
    ///
    /// # Errors
    /// No thread can be started. The socket is closed again.
    pub fn open(self: &Arc<Manager>, socket: &Socket) -> io::Result<Option<Sender>> {
        let mut connection = lock(&self.connection);
        socket.request_open();
        if let Some(sender) = connection.sender() {
            return Ok(Some(sender).filter(|_| socket.begin_connect()));
        }
        connection.open_requested = true;
        if let State::Idle = connection.state {
            let manager = self.clone();
            match thread::Builder::new().spawn(move || manager.run()) {
                Ok(thread) => connection.thread = Some(thread),
                Err(e) => {
                    socket.deactivate();
                    return Err(e);
                }
            }
            connection.state = State::Connecting;
        }
        Ok(None)
    }

    /// A socket has been disconnected by the program. If no other needs the session, the next
    /// attempt to connect need not wait.
    pub fn leave(&self, was_active: bool) {
        let mut connection = lock(&self.connection);
        self.close_if_unused(&mut connection);
        if was_active && !self.is_active() {
            connection.not_before = None;
            connection.backoff.reset();
        }
    }

    /// Ends the session if no socket needs it.
    fn close_if_unused(&self, connection: &mut Connection) {
        if self.is_active() {
            return;
        }
        if let State::Open(sender) = &connection.state {
            sender.close();
            connection.state = State::Closing;
        }
        self.changed.notify_all();
    }

    /// The thread: connects, reads, waits, and connects again, as long as a socket needs a session.
    fn run(&self) {
        while self.wait_for_attempt() {
            let attempts = lock(&self.connection).backoff.attempts;
            if attempts > 0 {
                self.emit("reconnect_attempt", attempts.into());
            }
            match Session::connect(&self.endpoint) {
                Ok(mut session) => {
                    if attempts > 0 {
                        self.emit("reconnect", attempts.into());
                    }
                    lock(&self.connection).backoff.reset();
                    let Some((reason, sockets)) = self.read(&mut session) else { continue };
                    sockets.iter().for_each(|socket| socket.lost(reason));
                }
                Err(e) => {
                    lock(&self.connection).open_requested = false;
                    let message = e.to_string();
                    for socket in self.active_sockets() {
                        socket.emit_connect_error(&message);
                    }
                    if attempts > 0 {
                        self.emit("reconnect_error", message.into());
                    }
                }
            }
            if !self.schedule_attempt() {
                return;
            }
        }
    }

    /// After the end of a session or a failed attempt: sets the time of the next attempt, if there
    /// is to be one. Returns `false` after the last attempt; the thread ends then.
    fn schedule_attempt(&self) -> bool {
        let mut connection = lock(&self.connection);
        if !self.options.reconnection || !self.is_active() {
            return true; // whether to go on is decided in `wait_for_attempt`
        }
        if connection.backoff.attempts >= self.options.reconnection_attempts {
            connection.backoff.reset();
            connection.open_requested = false;
            drop(connection);
            self.emit("reconnect_failed", Value::Null);
            let mut connection = lock(&self.connection);
            if !connection.open_requested {
                connection.state = State::Idle; // not before: a listener may open a socket
            }
            return connection.open_requested;
        }
        let pause = connection.backoff.next_pause();
        connection.not_before = Some(Instant::now() + pause);
        drop(connection);
        self.emit("reconnect_pause", pause.as_secs_f64().into());
        true
    }

    /// Waits until the next attempt may be made. Returns `false` if none is needed: no socket is
    /// active, or, without reconnection, none has been opened since the last attempt. The thread
    /// ends then.
    fn wait_for_attempt(&self) -> bool {
        let mut connection = lock(&self.connection);
        loop {
            let needed = self.options.reconnection || connection.open_requested;
            if !self.is_active() || !needed {
                connection.state = State::Idle;
                return false;
            }
            let now = Instant::now();
            let at = connection.not_before.unwrap_or(now);
            let pause = at.saturating_duration_since(now);
            if pause == Duration::ZERO {
                // A listener that always opens its socket again must not do so without a pause.
                let backoff = &mut self.options.backoff.clone();
                connection.not_before = Some(now + backoff.next_pause());
                return true;
            }
            let woken = self.changed.wait_timeout(connection, pause);
            connection = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reads a session to its end. Returns the reason and the sockets that had a part in it; `None` if no
    /// socket needed it any more.
    fn read(&self, session: &mut Session) -> Option<(&'static str, Vec<Socket>)> {
        let sender = session.sender();
        let mut connection = lock(&self.connection);
        let mut connecting = self.active_sockets();
        connecting.retain(Socket::begin_connect);
        connection.open_requested = false;
        connection.state =
            if self.is_active() { State::Open(sender.clone()) } else { State::Closing };
        drop(connection);
        connecting.iter().for_each(|socket| socket.send_connect(&sender));
        let reason = self.read_packets(session);
        let mut connection = lock(&self.connection);
        let was_closing = connection.is_closing();
        connection.state = State::Connecting;
        let mut sockets = lock(&self.sockets).clone();
        sockets.retain(Socket::session_ended);
        if was_closing {
            return None;
        }
        match reason {
            "ping timeout" | "transport error" => sender.abort(), // a close packet would not arrive
            _ => sender.close(),                                  // before the listeners are called
        }
        Some((reason, sockets))
    }

    fn read_packets(&self, session: &mut Session) -> &'static str {
        let mut decoder = Decoder::default();
        loop {
            if lock(&self.connection).is_closing() {
                return "io client disconnect";
            }
            match session.read() {
                // It arrived while the session was closing: a socket that is opened now waits for
                // the next one.
                Ok(Some(_)) if lock(&self.connection).is_closing() => return "io client disconnect",
                Ok(Some(message)) => match decoder.add(message) {
                    Ok(Some(packet)) => {
                        // A listener that panics ends the session, and no more.
                        if !catch_panic(|| self.on_packet(packet)) {
                            return "transport error";
                        }
                    }
                    Ok(None) => {}
                    Err(_) => return "parse error",
                },
                Ok(None) => return "transport close",
                Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut => return "ping timeout",
                Err(_) => return "transport error",
            }
        }
    }

    fn on_packet(&self, mut packet: Decoded) {
        let matches = |socket: &&Socket| socket.namespace() == packet.namespace;
        let Some(socket) = lock(&self.sockets).iter().find(matches).cloned() else { return };
        match (packet.kind, packet.id) {
            (Kind::Connect, _) => match packet.values.pop().as_ref().map(|data| &data["sid"]) {
                Some(Value::String(id)) => socket.on_connect(id),
                _ => {
                    if socket.refused() {
                        self.close_if_unused(&mut lock(&self.connection));
                        let expected = "the server does not speak Socket.IO 5: a sid was expected";
                        socket.emit_connect_error(expected);
                    }
                }
            },
            (Kind::ConnectError, _) => {
                if socket.refused() {
                    self.close_if_unused(&mut lock(&self.connection));
                    socket.emit_reserved("connect_error", packet.values);
                }
            }
            (Kind::Disconnect, _) => {
                if let Some(unresolved) = socket.disconnected() {
                    self.close_if_unused(&mut lock(&self.connection));
                    socket.emit_disconnect("io server disconnect", unresolved);
                }
            }
            _ if !socket.is_active() => {} // it has been disconnected meanwhile
            (Kind::Ack, Some(id)) => socket.0.acks.resolve(id, Ok(Args(packet.values))),
            (Kind::Ack, None) => {} // it acknowledges nothing
            (_, id) => socket.receive(packet.values, id),
        }
    }

    /// Whether any socket needs a session.
    fn is_active(&self) -> bool {
        lock(&self.sockets).iter().any(Socket::is_active)
    }

    /// The sockets that need a session.
    fn active_sockets(&self) -> Vec<Socket> {
        let sockets = lock(&self.sockets);
        sockets.iter().filter(|socket| socket.is_active()).cloned().collect()
    }

    fn emit(&self, name: &str, value: Value) {
        self.events.emit_to_each(name, &value);
    }
}
