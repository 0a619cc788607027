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
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    /// What is shown to the namespace's middleware: an object. Nothing.
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
/// it disconnects, and its threads end (one that is connecting just then, after
/// [`Options::timeout`] at the latest).
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
        let socket = manager.socket(&namespace, auth);
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

    /// The conversation in another namespace, over the same line; it is to be opened too. There is
    /// one for each: asked for again, it is the same, with another `auth`.
    pub fn of(&self, namespace: &str, auth: Value) -> Socket {
        self.manager.socket(&format!("/{}", namespace.trim_start_matches('/')), auth)
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
        let talks = self.manager.line().sender.is_some();
        let sockets = lock(&self.manager.sockets).clone();
        for socket in sockets {
            socket.disconnect();
            socket.0.acks.disconnected(&[]);
            // Listeners often hold the socket that holds them: without this, neither would ever go.
            socket.0.events.remove_all();
            socket.0.any.remove_all();
        }
        self.manager.events.remove_all();
        let thread = self.manager.line().thread.take();
        let other = thread.filter(|own| own.thread().id() != thread::current().id());
        // Only a goodbye is waited for.
        if let Some(thread) = other.filter(|_| talks) {
            _ = thread.join();
        }
    }
}

/// The line to a server, and those who talk over it.
struct Manager {
    address: Address,
    options: Options,
    events: Emitter<Value>,
    /// All sockets that there have been, one for each namespace.
    sockets: Mutex<Vec<Socket>>,
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    /// There while there is a session.
    sender: Option<Sender>,
    /// The session is to end: nobody wanted to talk any more.
    given_up: bool,
    /// A listener that was told how it ended has called `open`.
    again: bool,
    /// The thread runs, or is about to.
    running: bool,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    /// The socket in a namespace: two in one, and the server would end the session.
    fn socket(self: &Arc<Manager>, namespace: &str, auth: Value) -> Socket {
        let mut sockets = lock(&self.sockets);
        if let Some(socket) = sockets.iter().find(|socket| socket.namespace() == namespace) {
            socket.set_auth(auth);
            return socket.clone();
        }
        let socket = Socket::new(self, namespace, auth);
        sockets.push(socket.clone());
        socket
    }

    /// A socket wants to talk.
    fn open(self: &Arc<Manager>, socket: &Socket) {
        let mut line = self.line();
        let was_open = socket.0.open.swap(true, Relaxed);
        line.again = true;
        if !line.running {
            let manager = self.clone();
            let thread = thread::Builder::new().spawn(move || manager.run());
            line.running = thread.is_ok();
            line.thread = thread.ok();
        } else if let Some(sender) = line.sender.as_ref().filter(|_| !line.given_up && !was_open) {
            socket.ask(sender);
        }
    }

    /// A socket has nothing to say any more. If it was the last, the line is given up.
    fn remove(&self, socket: &Socket) {
        let mut line = self.line();
        socket.0.open.store(false, Relaxed);
        if self.is_wanted() {
            return;
        }
        if let Some(sender) = &line.sender {
            sender.close();
            line.given_up = true;
        }
        self.changed.notify_all();
    }

    /// The thread: connects, talks, waits, and begins again, as long as anyone wants to talk.
    fn run(&self) {
        let mut backoff = self.options.backoff.clone();
        while self.goes_on() {
            match Transport::open(&self.address) {
                Ok(mut transport) => {
                    if backoff.attempts > 0 {
                        self.tell("reconnect", backoff.attempts.into());
                    }
                    backoff.reset();
                    let Some(reason) = self.talk(&mut transport) else { continue };
                    for socket in self.sockets() {
                        survives(|| socket.lost(reason));
                    }
                }
                Err(e) => {
                    self.line().again = false;
                    let message = e.to_string();
                    for socket in self.sockets() {
                        survives(|| socket.refused(&message));
                    }
                    if backoff.attempts > 0 {
                        self.tell("reconnect_error", message.into());
                    }
                }
            }
            if !self.options.reconnection {
                let mut line = self.line();
                if line.again {
                    continue;
                }
                line.running = false;
                return;
            }
            if !self.is_wanted() {
                continue;
            }
            if backoff.attempts >= self.options.reconnection_attempts {
                self.line().running = false;
                return self.tell("reconnect_failed", Value::Null);
            }
            let pause = backoff.next_pause();
            self.tell("reconnect_pause", pause.as_secs_f64().into());
            self.wait(pause);
            if self.is_wanted() {
                self.tell("reconnect_attempt", backoff.attempts.into());
            }
        }
    }

    /// Whether anyone wants to talk. If not, the thread ends.
    fn goes_on(&self) -> bool {
        let mut line = self.line();
        line.running = self.is_wanted();
        line.running
    }

    /// A session, from its first packet to its last; returns how it ended, unless it was given up.
    fn talk(&self, transport: &mut Transport) -> Option<&'static str> {
        let sender = transport.sender();
        let mut line = self.line();
        self.sockets().iter().for_each(|socket| socket.ask(&sender));
        line.sender = Some(sender.clone());
        line.given_up = !self.is_wanted();
        drop(line);
        let mut decoder = Decoder::default();
        let reason = loop {
            if self.line().given_up {
                break "io client disconnect";
            }
            match transport.read() {
                Ok(Some(message)) => match decoder.add(message) {
                    Ok(Some(packet)) => {
                        // A listener that panics ends its session, and no more.
                        if !survives(|| self.act_on(packet)) {
                            break "transport error";
                        }
                    }
                    Ok(None) => {}
                    Err(_) => break "parse error",
                },
                Ok(None) => break "transport close",
                Err(e) if e.is_timeout() => break "ping timeout",
                Err(_) => break "transport error",
            }
        };
        let mut line = self.line();
        (line.sender, line.again) = (None, false);
        lock(&self.sockets).iter().for_each(|socket| socket.0.asked.store(false, Relaxed));
        if line.given_up {
            return None;
        }
        if matches!(reason, "ping timeout" | "transport error") {
            sender.cut(); // a goodbye would not arrive
        }
        Some(reason)
    }

    fn act_on(&self, mut packet: Decoded) {
        let named = |socket: &&Socket| socket.namespace() == packet.namespace;
        let Some(socket) = lock(&self.sockets).iter().find(named).cloned() else { return };
        if packet.kind == Kind::Connect {
            return match packet.values.pop().as_ref().and_then(|hello| hello["sid"].as_str()) {
                Some(id) => socket.connected(id),
                None => {
                    self.remove(&socket);
                    socket.refused("the server does not speak Socket.IO 5: a sid was expected");
                }
            };
        }
        if !socket.0.open.load(Relaxed) {
            return; // it has left meanwhile
        }
        match (packet.kind, packet.id) {
            (Kind::ConnectError, _) => {
                socket.0.asked.store(false, Relaxed);
                self.remove(&socket);
                socket.tell("connect_error", packet.values);
            }
            (Kind::Disconnect, _) => {
                self.remove(&socket);
                socket.lost("io server disconnect");
            }
            (Kind::Ack, Some(id)) => socket.0.acks.settle(id, Ok(packet.values)),
            (_, id) => socket.receive(packet.values, id),
        }
    }

    fn is_wanted(&self) -> bool {
        lock(&self.sockets).iter().any(|socket| socket.0.open.load(Relaxed))
    }

    /// Tells what happened to the line.
    fn tell(&self, name: &str, value: Value) {
        survives(|| _ = self.events.emit(name, &value));
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

    /// The sockets that talk, or want to.
    fn sockets(&self) -> Vec<Socket> {
        let sockets = lock(&self.sockets);
        sockets.iter().filter(|socket| socket.0.open.load(Relaxed)).cloned().collect()
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
    /// It talks, or wants to: changed under the line's lock.
    open: AtomicBool,
    /// The server has been asked for the namespace, and has not answered.
    asked: AtomicBool,
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
    /// What the server called the socket then.
    id: Option<String>,
}

impl Event {
    /// Answers the event, if the server wants an answer and is still there; the first time only.
    pub fn ack(&self, values: impl AsRef<[Value]>) {
        let Some(id) = self.ack.filter(|_| !self.answered.swap(true, Relaxed)) else { return };
        let values: Vec<&Value> = values.as_ref().iter().collect();
        let answer = encode(Kind::Ack, &self.socket.0.namespace, Some(id), &values);
        // The numbers of another session are those of other questions.
        let state = lock(&self.socket.0.state);
        if let Some(sender) =
            self.socket.sender().filter(|_| state.id.is_some() && state.id == self.id)
        {
            sender.send(&answer); // if it fails, nobody waits for it
        }
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
            open: AtomicBool::new(false),
            asked: AtomicBool::new(false),
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
        let _state = lock(&self.0.state);
        if let Some(manager) = self.0.manager.upgrade() {
            manager.open(self);
        }
    }

    /// Leaves the namespace; it does not come back by itself.
    pub fn disconnect(&self) {
        let state = lock(&self.0.state);
        if let Some(sender) = self.sender().filter(|_| state.id.is_some()) {
            sender.send(&packet(Kind::Disconnect, &self.0.namespace, ""));
        }
        if let Some(manager) = self.0.manager.upgrade() {
            manager.remove(self);
        }
        drop(state);
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
        let sent = match sender {
            Some(sender) if volatile => sender.is_writable() && sender.send(&outgoing),
            Some(sender) => sender.send(&outgoing),
            None => false,
        };
        if !sent && !volatile {
            state.buffer.push_back((ack, outgoing));
        }
    }

    fn sender(&self) -> Option<Sender> {
        self.0.manager.upgrade()?.line().sender.clone()
    }

    /// Asks for the namespace, in a session that has begun; unless it has, for one who left since.
    fn ask(&self, sender: &Sender) {
        if self.0.asked.swap(true, Relaxed) {
            return;
        }
        let auth = match &*lock(&self.0.auth) {
            auth @ Value::Object(members) if !members.is_empty() => auth.to_string(),
            _ => String::new(), // the protocol has nothing but objects there
        };
        sender.send(&packet(Kind::Connect, &self.0.namespace, &auth));
    }

    /// The server has let it in: what was emitted meanwhile goes out, in order, before anything new.
    fn connected(&self, id: &str) {
        let mut state = lock(&self.0.state);
        self.0.asked.store(false, Relaxed);
        let Some(sender) = self.sender() else { return };
        if !self.0.open.load(Relaxed) {
            // It has left meanwhile, and could not say so before.
            sender.send(&packet(Kind::Disconnect, &self.0.namespace, ""));
            return;
        }
        state.id = Some(id.to_string());
        while let Some((ack, outgoing)) = state.buffer.pop_front() {
            let wanted = ack.is_none_or(|id| self.0.acks.is_awaited(id));
            if wanted && !sender.send(&outgoing) {
                state.buffer.push_front((ack, outgoing));
                break;
            }
        }
        drop(state);
        self.tell("connect", Vec::new());
    }

    /// There is no connection, and why.
    fn refused(&self, message: &str) {
        let error = Value::Object(vec![("message".to_string(), message.into())]);
        self.tell("connect_error", vec![error]);
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
        let (socket, id) = (self.clone(), self.id());
        Event { name, args, socket, ack, answered: AtomicBool::new(false), id }
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
    if authority.is_empty() || authority.starts_with(':') || authority.contains('@') {
        return Err(ws::Error::Invalid("the URL of a server names a host, and no user"));
    }
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, "")) => (host, "80"),
        Some(both) => both,
        None => (authority, "80"),
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Err(ws::Error::Invalid("the port of a URL is a number up to 65535"));
    }
    let authority = format!("{host}:{port}");
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

/// Whether listeners return rather than panic. (A panic has been said on stderr by then.)
fn survives(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No listener runs under any of these locks: what they guard is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
