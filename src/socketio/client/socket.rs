//! A conversation with a server in one namespace, which outlives the line that it uses.

use std::collections::VecDeque;
use std::mem;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use super::manager::Manager;
use super::transport::Sender;
use crate::engineio::Outgoing;
use crate::json::Value;
use crate::socketio::acks::{Acks, NoAnswer, tell_disconnected};
use crate::socketio::args::Args;
use crate::socketio::codec::encode;
use crate::socketio::listeners::Listeners;
use crate::socketio::lock;
use crate::socketio::packet::Kind;
use crate::socketio::socket::{event, packet};

/// How many bytes the events may take in memory that a server emits before it has let us in. 16 MiB;
/// what comes beyond is lost.
const MAX_EARLY: usize = 16 << 20;

/// A conversation in a namespace, with its [`Listeners`]. Its own events are `connect`,
/// `connect_error` (with an object that has a `message`, and perhaps `data`) and `disconnect` (with the
/// reason). A clone is the same one; any thread may use it. It lives as long as its
/// [`Client`](super::Client): after that it connects no more, and what it emits is lost.
#[derive(Clone)]
pub struct Socket(pub(super) Arc<Inner>);

pub struct Inner {
    namespace: String,
    manager: Weak<Manager>,
    listeners: Listeners<Event>,
    pub(super) acks: Acks,
    auth: Mutex<Value>,
    /// It talks, or wants to: changed under the line's lock.
    pub(super) open: AtomicBool,
    /// The server has been asked for the namespace, and has not answered.
    pub(super) asked: AtomicBool,
    early: Mutex<Early>,
    state: Mutex<State>,
}

struct State {
    /// What the server calls it; there while it is connected.
    id: Option<String>,
    /// What was emitted while it was not, in order, with the numbers of the answers awaited.
    buffer: VecDeque<(Option<u64>, Outgoing)>,
}

/// What the server has emitted since it was asked, before it has answered.
#[derive(Default)]
struct Early {
    /// The values of each event, and the number of its answer.
    events: Vec<(Vec<Value>, Option<u64>)>,
    /// How many bytes they take in memory.
    size: usize,
}

/// An event that the server has emitted. A clone is the same one: it can be answered later.
#[derive(Clone)]
pub struct Event {
    /// What it is called.
    pub name: String,
    /// The values that came with it.
    pub args: Args,
    /// The socket that it came to.
    pub socket: Socket,
    ack: Option<u64>,
    answered: Arc<AtomicBool>,
    /// What the server called the socket when it asked.
    id: Option<String>,
}

impl Event {
    /// Answers the event, if the server wants an answer and is still there; the first time only.
    ///
    /// # Panics
    /// There are more than ten pieces of bytes in the values.
    pub fn ack(&self, values: impl AsRef<[Value]>) {
        let Some(id) = self.ack.filter(|_| !self.answered.swap(true, Relaxed)) else { return };
        let answer = encode(Kind::Ack, &self.socket.0.namespace, Some(id), values.as_ref());
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
    pub(super) fn new(manager: &Arc<Manager>, namespace: &str, auth: Value) -> Socket {
        Socket(Arc::new(Inner {
            namespace: namespace.to_string(),
            manager: Arc::downgrade(manager),
            listeners: Listeners::default(),
            acks: Acks::default(),
            auth: Mutex::new(auth),
            open: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            early: Mutex::default(),
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
    /// to be called again; if the session was shorter than the first pause, the rest is waited out. So
    /// it is after a `connect_error` that no thread could be started, which is told on this thread.
    pub fn open(&self) {
        let state = lock(&self.0.state);
        let Some(manager) = self.0.manager.upgrade() else { return };
        let opened = manager.open(self);
        drop(state);
        if let Err(e) = opened {
            self.refused(&format!("no thread can be started: {e}"));
        }
    }

    /// Leaves the namespace; it does not come back by itself.
    pub fn disconnect(&self) {
        let state = lock(&self.0.state);
        if let Some(sender) = self.sender().filter(|_| state.id.is_some()) {
            sender.send(&packet(Kind::Disconnect, &self.0.namespace, ""));
        }
        if let Some(manager) = self.0.manager.upgrade() {
            manager.leave(self);
        }
        self.lost_in(state, "io client disconnect");
    }

    /// Sets what is shown to the namespace's middleware the next time that it connects.
    pub fn set_auth(&self, auth: Value) {
        *lock(&self.0.auth) = auth;
    }

    /// Emits an event to the server: now, or as soon as it is connected.
    ///
    /// # Panics
    /// The name is one that only the library itself may use, such as `disconnect` (Node throws); or
    /// there are more than ten pieces of bytes in the values, at which the server would hang up.
    pub fn emit(&self, name: &str, values: impl AsRef<[Value]>) {
        self.send(None, event(&self.0.namespace, None, name, values.as_ref()), false);
    }

    /// Emits an event that may be lost: if it cannot leave at once, it is (`socket.volatile.emit`).
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit).
    pub fn emit_volatile(&self, name: &str, values: impl AsRef<[Value]>) {
        self.send(None, event(&self.0.namespace, None, name, values.as_ref()), true);
    }

    /// Emits an event and awaits an answer for `timeout`; `callback` is called with it, or with why
    /// there is none: on another thread, which may be the one that calls
    /// [`disconnect`](Socket::disconnect), and never within this call.
    ///
    /// # Panics
    /// As for [`emit`](Socket::emit); no answer is awaited then.
    pub fn emit_with_ack(
        &self,
        name: &str,
        values: impl AsRef<[Value]>,
        timeout: Duration,
        callback: impl FnOnce(Result<Args, NoAnswer>) + Send + 'static,
    ) {
        let id = self.0.acks.next_id();
        // First, as it panics if the event may not be sent: then no answer is awaited either.
        let outgoing = event(&self.0.namespace, Some(id), name, values.as_ref());
        self.0.acks.expect(id, timeout, Box::new(callback));
        if self.0.manager.strong_count() == 0 {
            self.0.acks.fail(id, NoAnswer::Disconnected);
        } else {
            self.send(Some(id), outgoing, false);
        }
    }

    fn send(&self, ack: Option<u64>, outgoing: Outgoing, volatile: bool) {
        let mut state = lock(&self.0.state);
        let sender = self.sender().filter(|_| state.id.is_some() && state.buffer.is_empty());
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
        lock(&self.0.manager.upgrade()?.line).sender()
    }

    /// Asks for the namespace, in a session that has begun; unless it has, for one who left since.
    pub(super) fn ask(&self, sender: &Sender) {
        if self.0.asked.swap(true, Relaxed) {
            return;
        }
        *lock(&self.0.early) = Early::default();
        let auth = match &*lock(&self.0.auth) {
            auth @ Value::Object(members) if !members.is_empty() => auth.to_string(),
            _ => String::new(), // the protocol has nothing but objects there
        };
        sender.send(&packet(Kind::Connect, &self.0.namespace, &auth));
    }

    /// The server has let it in: what it has emitted meanwhile is heard, and what was emitted here goes
    /// out, in order, before anything new.
    pub(super) fn connected(&self, id: &str) {
        let mut state = lock(&self.0.state);
        self.0.asked.store(false, Relaxed);
        let Some(sender) = self.sender() else { return };
        if !self.0.open.load(Relaxed) {
            // It has left meanwhile, and could not say so before.
            sender.send(&packet(Kind::Disconnect, &self.0.namespace, ""));
            return;
        }
        state.id = Some(id.to_string());
        drop(state);
        let early = mem::take(&mut *lock(&self.0.early));
        for (values, ack) in early.events.into_iter().take_while(|_| self.is_connected()) {
            self.receive(values, ack);
        }
        let mut state = lock(&self.0.state);
        if state.id.is_none() {
            return; // a listener has left
        }
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
    pub(super) fn refused(&self, message: &str) {
        self.tell("connect_error", vec![crate::json!({"message": message})]);
    }

    /// It is not connected any more, and why. Answers to what has left will not come: who awaits them
    /// is told last. (What is asked from now on, by a listener too, can still be answered.)
    pub(super) fn lost(&self, reason: &str) {
        let state = lock(&self.0.state);
        if state.id.is_some() || !self.0.open.load(Relaxed) {
            return self.lost_in(state, reason);
        }
        drop(state);
        self.refused(&format!("the session ended too soon: {reason}")); // it was not in yet
    }

    fn lost_in(&self, mut state: MutexGuard<State>, reason: &str) {
        if state.id.take().is_none() {
            return;
        }
        let buffered: Vec<u64> = state.buffer.iter().filter_map(|(ack, _)| *ack).collect();
        let gone = self.0.acks.take(&buffered);
        drop(state);
        self.tell("disconnect", vec![reason.into()]);
        tell_disconnected(gone);
    }

    /// An event has come; kept, if the server has not let it in yet. After one has left and come back
    /// over the same line, what the server still said to the old one looks the same, and is kept too.
    pub(super) fn receive(&self, mut values: Vec<Value>, ack: Option<u64>) {
        if !self.is_connected() {
            let mut early = lock(&self.0.early);
            let size = values.iter().map(size_in_memory).sum::<usize>();
            if early.size + size <= MAX_EARLY {
                early.size += size;
                early.events.push((values, ack));
            }
            return;
        }
        let Value::String(name) = values.remove(0) else { return };
        let event = self.event(name, values, ack);
        self.0.listeners.hear(&event.name, &event);
    }

    pub(super) fn tell(&self, name: &str, args: Vec<Value>) {
        self.0.listeners.tell(name, &self.event(name.to_string(), args, None));
    }

    fn event(&self, name: String, args: Vec<Value>, ack: Option<u64>) -> Event {
        let id = ack.and_then(|_| self.id());
        Event { name, args: Args(args), socket: self.clone(), ack, answered: Arc::default(), id }
    }
}

impl Deref for Socket {
    type Target = Listeners<Event>;

    fn deref(&self) -> &Listeners<Event> {
        &self.0.listeners
    }
}

/// How many bytes a value takes in memory: many more than its text, if it is made of small parts.
fn size_in_memory(value: &Value) -> usize {
    let held = match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(size_in_memory).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| size_of::<String>() + name.len() + size_in_memory(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + held
}

/// Two sockets are equal if they are the same conversation.
impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
