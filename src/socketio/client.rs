//! A Socket.IO client that comes back by itself.
//!
//! Picture a friend on the telephone who calls again whenever the line breaks: after a second, after
//! two, after four, never at quite the same moment as all the others whose line broke too. What you
//! say meanwhile is written down and read out when the line is back. Several conversations (a
//! [`Socket`] for each namespace) share the line.
//!
//! One thread does all of that: it connects, reads, runs the listeners in order, and waits before it
//! tries again. While it polls, a second one posts. Any thread may emit.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::acks::{Acks, NoAnswer};
use super::codec::{Decoded, Decoder, encode};
use super::json::Value;
use super::packet::Kind;
use super::socket::{event, packet};
use super::transport::{Address, Sender, Transport};
use crate::engineio::Outgoing;
use crate::http::Headers;
use crate::net::events::Listener;
use crate::net::{Backoff, Emitter};
use crate::ws;

/// What can be set, with the defaults of Socket.IO's client (its names in snake_case).
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the sessions are. `/socket.io/`.
    pub path: String,
    /// `polling`, `websocket`, or both: then it begins with polling, and moves over. Both.
    pub transports: Vec<&'static str>,
    /// What is shown to the namespace's middleware. Nothing.
    pub auth: Value,
    /// More names and values for the query of each request. None.
    pub query: Vec<(String, String)>,
    /// More headers for each request. None.
    pub extra_headers: Headers,
    /// How long it may take to open a session. 20 s.
    pub timeout: Duration,
    /// Whether to come back after the line broke. Yes.
    pub reconnection: bool,
    /// How often to try before giving up. For ever.
    pub reconnection_attempts: u32,
    /// The pauses between. 1 s, doubled up to 5 s, ±50 %.
    pub backoff: Backoff,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/socket.io/".to_string(),
            transports: vec!["polling", "websocket"],
            auth: Value::Object(Vec::new()),
            query: Vec::new(),
            extra_headers: Headers::default(),
            timeout: Duration::from_secs(20),
            reconnection: true,
            reconnection_attempts: u32::MAX,
            backoff: Backoff::default(),
        }
    }
}

/// A client of a Socket.IO server; it derefs to its [`Socket`] in the namespace of its URL. Dropped,
/// it disconnects, and its threads end.
///
/// ```no_run
/// use sockets_by_hand::{json, socketio::{Client, Value}};
///
/// let client = Client::new("http://127.0.0.1:3000", Default::default())?;
/// client.on("said", |event| println!("{}", event.args[0]));
/// client.on("disconnect", |event| println!("lost: {}", event.args[0]));
/// client.open();
/// client.emit("say", [json!("hello")]); // now, or as soon as the line is there
/// # Ok::<(), sockets_by_hand::ws::Error>(())
/// ```
pub struct Client {
    manager: Arc<Manager>,
    socket: Socket,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:3000/admin`, whose path is the
    /// namespace. Nothing happens before [`Socket::open`].
    ///
    /// # Errors
    /// The URL is not one of a server, or asks for TLS ([`ws::Error::Invalid`]).
    pub fn new(url: &str, options: Options) -> Result<Client, ws::Error> {
        let (address, namespace) = split_url(url, &options)?;
        let auth = options.auth.clone();
        let manager = Arc::new(Manager {
            address,
            options,
            events: Emitter::new(),
            sockets: Mutex::default(),
            line: Mutex::default(),
            changed: Condvar::new(),
        });
        let socket = Socket::new(&manager, &namespace, auth);
        Ok(Client { manager, socket })
    }

    /// A client with the default options, which is opened at once. What happens before you have
    /// called [`Socket::on`] you do not hear.
    ///
    /// # Errors
    /// As for [`new`](Client::new).
    pub fn connect(url: &str) -> Result<Client, ws::Error> {
        let client = Client::new(url, Options::default())?;
        client.open();
        Ok(client)
    }

    /// A conversation in another namespace, over the same line; it is to be opened too.
    pub fn of(&self, namespace: &str, auth: Value) -> Socket {
        Socket::new(&self.manager, &format!("/{}", namespace.trim_start_matches('/')), auth)
    }

    /// What happens to the line: `reconnect_attempt` and `reconnect` (with the number of attempts),
    /// `reconnect_error` (with the message), `reconnect_failed`; and, which Socket.IO does not tell,
    /// `reconnect_pause` with the seconds before the next attempt.
    pub fn io(&self) -> &Emitter<Value> {
        &self.manager.events
    }
}

impl Deref for Client {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        for socket in self.manager.sockets() {
            socket.disconnect();
            // Listeners often hold the socket that holds them: without this, neither would ever go.
            socket.0.events.remove_all();
            socket.0.any.remove_all();
        }
        self.manager.events.remove_all();
        let thread = self.manager.line().thread.take();
        if let Some(thread) = thread.filter(|own| own.thread().id() != thread::current().id()) {
            _ = thread.join(); // a listener that panicked has been heard of
        }
    }
}

/// The line to a server, and those who talk over it.
struct Manager {
    address: Address,
    options: Options,
    events: Emitter<Value>,
    /// The sockets that are open, or want to be.
    sockets: Mutex<Vec<Socket>>,
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    /// There while there is a session.
    sender: Option<Sender>,
    /// The thread runs, or is about to.
    running: bool,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    /// A socket wants to talk.
    fn open(self: &Arc<Manager>, socket: &Socket) {
        let mut line = self.line();
        let mut sockets = lock(&self.sockets);
        if sockets.contains(socket) && line.running {
            return; // it has asked, or is about to
        }
        sockets.retain(|other| other != socket);
        sockets.push(socket.clone());
        drop(sockets);
        if let Some(sender) = &line.sender {
            return socket.ask(sender);
        }
        if !line.running {
            let manager = self.clone();
            let thread = thread::Builder::new().spawn(move || manager.run());
            line.running = thread.is_ok();
            line.thread = thread.ok();
        }
    }

    /// A socket has nothing to say any more. If it was the last, the line is given up.
    fn remove(&self, socket: &Socket) {
        let mut sockets = lock(&self.sockets);
        sockets.retain(|other| other != socket);
        let last = sockets.is_empty();
        drop(sockets);
        if last {
            let line = self.line();
            if let Some(sender) = &line.sender {
                sender.close();
            }
            self.changed.notify_all();
        }
    }

    /// The thread: connects, talks, waits, and begins again, as long as anyone wants to talk.
    fn run(&self) {
        let mut backoff = self.options.backoff.clone();
        while self.goes_on() {
            match Transport::open(&self.address) {
                Ok(transport) => {
                    if backoff.attempts > 0 {
                        self.events.emit("reconnect", &backoff.attempts.into());
                    }
                    backoff.reset();
                    let reason = self.talk(transport);
                    self.sockets().iter().for_each(|socket| socket.lost(reason));
                }
                Err(e) => {
                    let message = e.to_string();
                    if backoff.attempts > 0 {
                        self.events.emit("reconnect_error", &(&message).into());
                    }
                    let error = Value::Object(vec![("message".to_string(), message.into())]);
                    for socket in self.sockets() {
                        socket.tell("connect_error", vec![error.clone()]);
                    }
                }
            }
            if !self.options.reconnection {
                self.line().running = false;
                return;
            }
            if !self.is_wanted() {
                continue;
            }
            if backoff.attempts >= self.options.reconnection_attempts {
                self.line().running = false;
                self.events.emit("reconnect_failed", &Value::Null);
                return;
            }
            let pause = backoff.next_pause();
            self.events.emit("reconnect_pause", &pause.as_secs_f64().into());
            self.wait(pause);
            if self.is_wanted() {
                self.events.emit("reconnect_attempt", &backoff.attempts.into());
            }
        }
    }

    /// Whether anyone wants to talk. If not, the thread ends.
    fn goes_on(&self) -> bool {
        let mut line = self.line();
        line.running = self.is_wanted();
        line.running
    }

    /// A session, from its first packet to its last; returns how it ended.
    fn talk(&self, mut transport: Transport) -> &'static str {
        let sender = transport.sender();
        let mut line = self.line();
        self.sockets().iter().for_each(|socket| socket.ask(&sender));
        line.sender = Some(sender);
        drop(line);
        let mut decoder = Decoder::default();
        let reason = loop {
            if !self.is_wanted() {
                break "io client disconnect";
            }
            match transport.read() {
                Ok(Some(message)) => match decoder.add(message) {
                    Ok(Some(packet)) => self.act_on(packet),
                    Ok(None) => {}
                    Err(_) => break "parse error",
                },
                Ok(None) => break "transport close",
                Err(e) if e.is_timeout() => break "ping timeout",
                Err(_) => break "transport error",
            }
        };
        self.line().sender = None;
        reason
    }

    fn act_on(&self, mut packet: Decoded) {
        let sockets = self.sockets();
        let Some(socket) = sockets.iter().find(|s| s.namespace() == packet.namespace) else {
            return; // it has left meanwhile
        };
        match (packet.kind, packet.id) {
            (Kind::Connect, _) => socket.connected(packet.values.pop()),
            (Kind::ConnectError, _) => {
                self.remove(socket);
                socket.tell("connect_error", packet.values);
            }
            (Kind::Disconnect, _) => {
                self.remove(socket);
                socket.lost("io server disconnect");
            }
            (Kind::Ack, Some(id)) => socket.0.acks.settle(id, Ok(packet.values)),
            (_, id) => socket.receive(packet.values, id),
        }
    }

    fn is_wanted(&self) -> bool {
        !lock(&self.sockets).is_empty()
    }

    /// Waits for a while, or until nobody wants to talk any more.
    fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut line = self.line();
        while self.is_wanted() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let woken = self.changed.wait_timeout(line, left);
            line = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn sockets(&self) -> Vec<Socket> {
        lock(&self.sockets).clone()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }
}

/// A conversation in a namespace. A clone is the same one; any thread may use it.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    namespace: String,
    manager: Weak<Manager>,
    events: Emitter<Event>,
    any: Emitter<Event>,
    acks: Acks,
    auth: Mutex<Value>,
    state: Mutex<State>,
}

struct State {
    /// What the server calls it; there while it is connected.
    id: Option<String>,
    /// What was emitted while it was not, in order, with the numbers of the answers awaited.
    buffer: VecDeque<(Option<u64>, Outgoing)>,
}

/// An event that the server has emitted.
pub struct Event {
    /// What it is called.
    pub name: String,
    /// The values that came with it.
    pub args: Vec<Value>,
    /// The socket that it came to.
    pub socket: Socket,
    ack: Option<u64>,
    answered: AtomicBool,
}

impl Event {
    /// Answers the event, if the server wants an answer; the first time only.
    pub fn ack(&self, values: impl AsRef<[Value]>) {
        let Some(id) = self.ack.filter(|_| !self.answered.swap(true, Relaxed)) else { return };
        let values: Vec<&Value> = values.as_ref().iter().collect();
        let answer = encode(Kind::Ack, &self.socket.0.namespace, Some(id), &values);
        self.socket.send(None, answer, false);
    }

    /// Whether the server wants an answer.
    pub fn wants_ack(&self) -> bool {
        self.ack.is_some()
    }
}

impl Socket {
    fn new(manager: &Arc<Manager>, namespace: &str, auth: Value) -> Socket {
        Socket(Arc::new(Inner {
            namespace: namespace.to_string(),
            manager: Arc::downgrade(manager),
            events: Emitter::new(),
            any: Emitter::new(),
            acks: Acks::default(),
            auth: Mutex::new(auth),
            state: Mutex::new(State { id: None, buffer: VecDeque::new() }),
        }))
    }

    /// The namespace that it is in.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// What the server calls it; `None` while it is not connected.
    pub fn id(&self) -> Option<String> {
        lock(&self.0.state).id.clone()
    }

    /// Whether it is connected now.
    pub fn is_connected(&self) -> bool {
        lock(&self.0.state).id.is_some()
    }

    /// Connects, and comes back when the line breaks, until [`disconnect`](Socket::disconnect). After
    /// a `connect_error` from the server's middleware, and after the server has disconnected it, it is
    /// to be called again.
    pub fn open(&self) {
        if let Some(manager) = self.0.manager.upgrade() {
            manager.open(self);
        }
    }

    /// Leaves the namespace; it does not come back by itself.
    pub fn disconnect(&self) {
        if let Some(sender) = self.sender().filter(|_| self.is_connected()) {
            sender.send(&packet(Kind::Disconnect, &self.0.namespace, ""));
        }
        if let Some(manager) = self.0.manager.upgrade() {
            manager.remove(self);
        }
        self.lost("io client disconnect");
    }

    /// Sets what is shown to the namespace's middleware the next time that it connects.
    pub fn set_auth(&self, auth: Value) {
        *lock(&self.0.auth) = auth;
    }

    /// Calls `listener` for each event of that name. Its own are `connect`, `connect_error` (with an
    /// object that has a `message`, and perhaps `data`) and `disconnect` (with the reason).
    pub fn on(&self, name: &str, listener: impl Fn(&Event) + Send + Sync + 'static) -> Listener {
        self.0.events.on(name, listener)
    }

    /// Calls `listener` for the next event of that name alone.
    pub fn once(&self, name: &str, listener: impl Fn(&Event) + Send + Sync + 'static) -> Listener {
        self.0.events.once(name, listener)
    }

    /// Calls `listener` for each event that the server emits, before those for its name.
    pub fn on_any(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Listener {
        self.0.any.on("", listener)
    }

    /// Takes away what `on` or `once` has set.
    pub fn off(&self, listener: Listener) {
        self.0.events.off(listener);
    }

    /// Takes away what `on_any` has set.
    pub fn off_any(&self, listener: Listener) {
        self.0.any.off(listener);
    }

    /// Emits an event to the server: now, or as soon as it is connected.
    pub fn emit(&self, name: &str, values: impl AsRef<[Value]>) {
        self.send(None, event(&self.0.namespace, None, name, values.as_ref()), false);
    }

    /// Emits an event that may be lost: if it cannot leave at once, it is (`socket.volatile.emit`).
    pub fn emit_volatile(&self, name: &str, values: impl AsRef<[Value]>) {
        self.send(None, event(&self.0.namespace, None, name, values.as_ref()), true);
    }

    /// Emits an event and awaits an answer for `timeout`; `callback` is called with it, or with why
    /// there is none, on another thread.
    pub fn emit_with_ack(
        &self,
        name: &str,
        values: impl AsRef<[Value]>,
        timeout: Duration,
        callback: impl FnOnce(Result<Vec<Value>, NoAnswer>) + Send + 'static,
    ) {
        let id = self.0.acks.expect(timeout, Box::new(callback));
        self.send(Some(id), event(&self.0.namespace, Some(id), name, values.as_ref()), false);
    }

    fn send(&self, ack: Option<u64>, outgoing: Outgoing, volatile: bool) {
        let mut state = lock(&self.0.state);
        let sender = self.sender().filter(|_| state.id.is_some());
        match sender {
            Some(sender) if !volatile || sender.is_writable() => sender.send(&outgoing),
            None if !volatile => state.buffer.push_back((ack, outgoing)),
            _ => {}
        }
    }

    fn sender(&self) -> Option<Sender> {
        self.0.manager.upgrade()?.line().sender.clone()
    }

    /// Asks for the namespace, in a session that has begun.
    fn ask(&self, sender: &Sender) {
        let auth = match &*lock(&self.0.auth) {
            Value::Object(members) if members.is_empty() => String::new(),
            auth => auth.to_string(),
        };
        sender.send(&packet(Kind::Connect, &self.0.namespace, &auth));
    }

    /// The server has let it in: what was emitted meanwhile goes out, in order, before anything new.
    fn connected(&self, hello: Option<Value>) {
        let mut state = lock(&self.0.state);
        let id = hello.as_ref().and_then(|hello| hello["sid"].as_str());
        state.id = Some(id.unwrap_or_default().to_string());
        if let Some(sender) = self.sender() {
            for (ack, outgoing) in state.buffer.drain(..) {
                if ack.is_none_or(|id| self.0.acks.is_awaited(id)) {
                    sender.send(&outgoing);
                }
            }
        }
        drop(state);
        self.tell("connect", Vec::new());
    }

    /// It is not connected any more, and why. Answers to what has left will not come.
    fn lost(&self, reason: &str) {
        let mut state = lock(&self.0.state);
        if state.id.take().is_none() {
            return;
        }
        let buffered: Vec<u64> = state.buffer.iter().filter_map(|(ack, _)| *ack).collect();
        drop(state);
        self.0.acks.disconnected(&buffered);
        self.tell("disconnect", vec![reason.into()]);
    }

    fn receive(&self, mut values: Vec<Value>, ack: Option<u64>) {
        if values.is_empty() {
            return;
        }
        let Value::String(name) = values.remove(0) else { return };
        let event = self.event(name, values, ack);
        self.0.any.emit("", &event);
        self.0.events.emit(&event.name, &event);
    }

    fn tell(&self, name: &str, args: Vec<Value>) {
        self.0.events.emit(name, &self.event(name.to_string(), args, None));
    }

    fn event(&self, name: String, args: Vec<Value>, ack: Option<u64>) -> Event {
        Event { name, args, socket: self.clone(), ack, answered: AtomicBool::new(false) }
    }
}

/// Two sockets are equal if they are the same conversation.
impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Where a URL leads, and the namespace that it names.
fn split_url(url: &str, options: &Options) -> Result<(Address, String), ws::Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    match &*scheme.to_ascii_lowercase() {
        "http" | "ws" => {}
        "https" | "wss" => {
            return Err(ws::Error::Invalid(
                "there is no TLS here: https:// needs a proxy in front",
            ));
        }
        _ => return Err(ws::Error::Invalid("the URL of a server begins with http://")),
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || authority.contains('@') {
        return Err(ws::Error::Invalid("the URL of a server names a host, and no user"));
    }
    let authority = match authority.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            authority.to_string()
        }
        _ => format!("{}:80", authority.trim_end_matches(':')),
    };
    let namespace =
        format!("/{}", path.split(['?', '#']).next().unwrap_or_default().trim_matches('/'));
    let mut target = format!("{}?EIO=4", options.path);
    for (name, value) in &options.query {
        target += &format!("&{}={}", escape(name), escape(value));
    }
    let address = Address {
        authority,
        target,
        headers: options.extra_headers.clone(),
        polling: options.transports.contains(&"polling"),
        websocket: options.transports.contains(&"websocket"),
        timeout: options.timeout,
    };
    Ok((address, namespace))
}

/// Percent-encodes what may not stand in a query (RFC 3986 §2.3).
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(byte.into());
            }
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No listener runs under any of these locks: what they guard is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
