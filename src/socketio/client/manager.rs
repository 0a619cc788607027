//! The session with a server: a thread connects, reads, waits, and connects again.

use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::retries::Retries;
use super::socket::Socket;
use super::{Auth, Options};
use crate::engineio::client::{self as engine, Endpoint, Error, Sender};
use crate::json::Value;
use crate::net::{Backoff, Emitter};
use crate::socketio::codec::Decoded;
use crate::socketio::packet::Kind;
use crate::socketio::{Args, Parser, catch_panic, lock};

/// How long the end of a session may take: its last packets, and then the end of its connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// The session with a server, and the sockets that share it: npm's `Manager`, which is
/// [`client.io()`](super::Client::io). It dereferences to its events:
///
/// | event | when | value |
/// | --- | --- | --- |
/// | `open`, `close` | a session has been opened, or has ended | `null`, the reason |
/// | `error` | there is no session after an attempt | the message |
/// | `reconnect_attempt`, `reconnect` | before, and after it has succeeded | the number of attempts |
/// | `reconnect_error` | an attempt to reconnect has failed | the message |
/// | `reconnect_failed` | that was the last attempt | `null` |
/// | `reconnect_pause` (only here) | before the pause that precedes an attempt | its seconds |
///
/// What is changed while it runs counts from the next attempt on.
pub struct Manager {
    endpoint: Endpoint,
    pub(super) parser: Parser,
    pub(super) events: Emitter<Value>,
    engine: Arc<engine::Events>,
    /// All sockets that there have been, one for each namespace.
    pub(super) sockets: Mutex<Vec<Socket>>,
    pub(super) connection: Mutex<Connection>,
    changed: Condvar,
}

pub(super) struct Connection {
    state: State,
    options: Options,
    /// Whether a socket has been opened since the last attempt, without a session that it could
    /// use.
    open_requested: bool,
    /// The next attempt is not made before.
    not_before: Option<Instant>,
    backoff: Backoff,
    thread: Option<(ThreadId, Receiver<()>)>,
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

    /// The next attempt need not wait, and is the first again.
    fn end_pause(&mut self) {
        self.not_before = None;
        self.backoff.reset();
    }

    fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }
}

impl Manager {
    pub(super) fn new(endpoint: Endpoint, options: Options) -> Arc<Manager> {
        let parser = options.parser;
        let connection = Connection {
            state: State::Idle,
            open_requested: false,
            not_before: None,
            backoff: options.backoff.clone(),
            options,
            thread: None,
        };
        Arc::new(Manager {
            endpoint,
            parser,
            events: Emitter::new(),
            engine: Arc::default(),
            sockets: Mutex::default(),
            connection: Mutex::new(connection),
            changed: Condvar::new(),
        })
    }

    /// The events of the Engine.IO sessions: npm's `io.engine`.
    pub fn engine(&self) -> &engine::Events {
        &self.engine
    }

    /// Whether it reconnects when a session has ended.
    pub fn reconnection(&self) -> bool {
        lock(&self.connection).options.reconnection
    }

    /// Sets whether it reconnects. With `false`, a pause before an attempt ends, and the attempt is
    /// not made.
    pub fn set_reconnection(&self, reconnection: bool) {
        let mut connection = lock(&self.connection);
        connection.options.reconnection = reconnection;
        if !reconnection {
            connection.end_pause();
            self.changed.notify_all();
        }
    }

    /// How many attempts it makes before it gives up.
    pub fn reconnection_attempts(&self) -> u32 {
        lock(&self.connection).options.reconnection_attempts
    }

    /// Sets how many attempts it makes before it gives up.
    pub fn set_reconnection_attempts(&self, attempts: u32) {
        lock(&self.connection).options.reconnection_attempts = attempts;
    }

    /// The pauses between two attempts (npm's `reconnectionDelay`, `reconnectionDelayMax` and
    /// `randomizationFactor`), and how many there have been since the last session.
    pub fn backoff(&self) -> Backoff {
        lock(&self.connection).backoff.clone()
    }

    /// Sets the pauses between two attempts. Its `attempts` are not taken over.
    pub fn set_backoff(&self, backoff: Backoff) {
        let mut connection = lock(&self.connection);
        let attempts = connection.backoff.attempts;
        connection.backoff = Backoff { attempts, ..backoff };
    }

    /// How long an attempt to open a session may take.
    pub fn timeout(&self) -> Duration {
        lock(&self.connection).options.engine.timeout
    }

    /// Sets how long an attempt to open a session may take.
    pub fn set_timeout(&self, timeout: Duration) {
        lock(&self.connection).options.engine.timeout = timeout;
    }

    /// The socket of a namespace. With two in one namespace, the server would end the session.
    pub(super) fn socket(self: &Arc<Manager>, namespace: &str, auth: Auth) -> Socket {
        let retries = Retries::new(&lock(&self.connection).options);
        let mut sockets = lock(&self.sockets);
        if let Some(socket) = sockets.iter().find(|socket| socket.namespace() == namespace) {
            socket.set_auth(auth);
            return socket.clone();
        }
        let socket = Socket::new(self, namespace, auth, retries);
        sockets.push(socket.clone());
        socket
    }

    /// Connects a socket in the next session; if there is one now, in that: returns its sender,
    /// with which the caller is to send CONNECT.
    ///
    /// # Errors
    /// No thread can be started. The socket is closed again.
    pub(super) fn open(self: &Arc<Manager>, socket: &Socket) -> io::Result<Option<Sender>> {
        let mut connection = lock(&self.connection);
        socket.request_open();
        if let Some(sender) = connection.sender() {
            return Ok(Some(sender).filter(|_| socket.begin_connect()));
        }
        connection.open_requested = true;
        if let State::Idle = connection.state {
            let (manager, (ended, end)) = (self.clone(), mpsc::channel());
            let thread = move || {
                manager.run();
                drop(manager);
                drop(ended); // `wait_until_ended`
            };
            match thread::Builder::new().name("manager".into()).spawn(thread) {
                Ok(thread) => connection.thread = Some((thread.thread().id(), end)),
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
    pub(super) fn leave(&self, was_active: bool) {
        let mut connection = lock(&self.connection);
        self.close_if_unused(&mut connection);
        if was_active && !self.is_active() {
            connection.end_pause();
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
            let endpoint = self.endpoint.with_timeout(self.timeout());
            match engine::Client::open(&endpoint, &self.engine) {
                Ok(mut session) => {
                    if attempts > 0 {
                        self.emit("reconnect", attempts.into());
                    }
                    lock(&self.connection).backoff.reset();
                    let Some((reason, sockets)) = self.read(&mut session) else {
                        self.emit("close", "forced close".into());
                        continue;
                    };
                    sockets.iter().for_each(|socket| socket.lost(reason));
                    self.emit("close", reason.into());
                }
                Err(e) => {
                    lock(&self.connection).open_requested = false;
                    let message = e.to_string();
                    for socket in self.active_sockets() {
                        socket.emit_connect_error(&message);
                    }
                    self.emit("error", message.as_str().into());
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
        if !connection.options.reconnection || !self.is_active() {
            return true; // whether to go on is decided in `wait_for_attempt`
        }
        if connection.backoff.attempts >= connection.options.reconnection_attempts {
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
            let needed = connection.options.reconnection || connection.open_requested;
            if !self.is_active() || !needed {
                connection.state = State::Idle;
                return false;
            }
            let now = Instant::now();
            let at = connection.not_before.unwrap_or(now);
            let pause = at.saturating_duration_since(now);
            if pause == Duration::ZERO {
                // A listener that always opens its socket again must not do so without a pause.
                let first = Backoff { attempts: 0, ..connection.backoff.clone() }.next_pause();
                connection.not_before = Some(now + first);
                return true;
            }
            let woken = self.changed.wait_timeout(connection, pause);
            connection = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the thread has ended, unless that is this one, but not longer than
    /// [`CLOSE_TIMEOUT`].
    pub(super) fn wait_until_ended(&self) {
        let thread = lock(&self.connection).thread.take();
        if let Some((_, end)) = thread.filter(|(id, _)| *id != thread::current().id()) {
            _ = end.recv_timeout(CLOSE_TIMEOUT);
        }
    }

    /// Reads a session to its end. Returns the reason and the sockets that had a part in it; `None` if no
    /// socket needed it any more.
    fn read(&self, session: &mut engine::Client) -> Option<(&'static str, Vec<Socket>)> {
        let sender = session.sender();
        let mut connection = lock(&self.connection);
        let mut connecting = self.active_sockets();
        connecting.retain(Socket::begin_connect);
        connection.open_requested = false;
        connection.state =
            if self.is_active() { State::Open(sender.clone()) } else { State::Closing };
        drop(connection);
        connecting.iter().for_each(|socket| socket.send_connect(&sender));
        self.emit("open", Value::Null);
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

    fn read_packets(&self, session: &mut engine::Client) -> &'static str {
        let mut decoder = self.parser.decoder();
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
            (Kind::Connect, _) => {
                let data = packet.values.pop().unwrap_or(Value::Null);
                if let Some(id) = data["sid"].as_str() {
                    socket.on_connect(id, data["pid"].as_str());
                } else if socket.refused() {
                    self.close_if_unused(&mut lock(&self.connection));
                    let expected = "the server does not speak Socket.IO 5: a sid was expected";
                    socket.emit_connect_error(expected);
                }
            }
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

    /// Whether this is the thread that reads the session, and so calls the listeners.
    pub fn runs_here(&self) -> bool {
        let connection = lock(&self.connection);
        connection.thread.as_ref().is_some_and(|(own, _)| *own == thread::current().id())
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

impl Deref for Manager {
    type Target = Emitter<Value>;

    fn deref(&self) -> &Emitter<Value> {
        &self.events
    }
}
