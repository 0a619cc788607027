//! Connection state recovery: a client whose connection is lost for a while misses nothing.
//!
//! A namespace keeps the last events, each with an *offset*, which the clients receive as its last
//! argument. And it keeps the session of a client whose connection was lost: its id, rooms and
//! data, under a private id (`pid`). A client that connects again in time, with that private id and
//! the last offset that it received, gets all this back, and the events after that offset.
//!
//! What is too old is removed whenever something is added or asked for: no thread is needed.
//!
//! Chapter 26 of the book.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::args::size_in_memory;
use super::event::Emitted;
use super::lock;
use super::socket::Socket;
use crate::engineio::Outgoing;
use crate::json::Value;
use crate::ws::random::random_id;

/// Connection state recovery, as a server offers it (`connectionStateRecovery`). The limits hold
/// for each namespace; Socket.IO has none. Over a limit the oldest is forgotten: a client that
/// needs it is a new one when it connects again.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// How long events are kept, and sessions after the end of their connection. 2 minutes.
    pub max_disconnection_duration: Duration,
    /// Whether the middleware is not run for a client that recovers. Yes.
    pub skip_middlewares: bool,
    /// How many events are kept. 10,000.
    pub max_packets: usize,
    /// How many sessions are kept. 10,000.
    pub max_sessions: usize,
    /// How many bytes the events may have (as text and attachments; in memory, up to three times
    /// as many), and as many again the rooms and the data of the sessions. 4 MiB.
    pub max_bytes: usize,
}

impl Default for Recovery {
    fn default() -> Recovery {
        Recovery {
            max_disconnection_duration: Duration::from_secs(120),
            skip_middlewares: true,
            max_packets: 10_000,
            max_sessions: 10_000,
            max_bytes: 4 << 20,
        }
    }
}

/// The reasons of a `disconnect` after which a session is kept: neither side has left on purpose.
const RECOVERABLE: [&str; 6] = [
    "transport error",
    "transport close",
    "forced close",
    "ping timeout",
    "server shutting down",
    "forced server close",
];

/// What a client gets back.
pub(super) struct Session {
    pub id: String,
    pub pid: String,
    pub rooms: Vec<String>,
    pub data: Value,
    /// When its connection was lost.
    ended: Instant,
    /// The position of the first event that the client may have missed.
    position: u64,
}

impl Session {
    fn size(&self) -> usize {
        let rooms = self.rooms.iter().map(|room| size_of::<String>() + room.len()).sum::<usize>();
        size_of::<Session>() + rooms + size_in_memory(&self.data)
    }
}

/// For whom an event is.
pub(super) enum Target {
    Socket(String),
    Rooms { to: Vec<String>, except: Vec<String> },
}

impl Target {
    /// Whether an event is for the socket of this id, which is in these rooms.
    fn includes(&self, socket: &str, rooms: &HashSet<&str>) -> bool {
        let in_any = |these: &[String]| these.iter().any(|room| rooms.contains(&**room));
        match self {
            Target::Socket(id) => id == socket,
            Target::Rooms { to, except } => (to.is_empty() || in_any(to)) && !in_any(except),
        }
    }

    fn size(&self) -> usize {
        match self {
            Target::Socket(id) => id.len(),
            Target::Rooms { to, except } => to.iter().chain(except).map(String::len).sum(),
        }
    }
}

struct Packet {
    offset: Value,
    target: Target,
    outgoing: Arc<Outgoing>,
    size: usize,
    emitted: Instant,
}

/// The sessions and the events that a namespace keeps.
pub(super) struct Store {
    options: Recovery,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    packets: VecDeque<Packet>,
    packet_bytes: usize,
    /// The position of the first packet: how many have been removed.
    first: u64,
    /// By private id.
    sessions: HashMap<String, Session>,
    session_bytes: usize,
    /// When each session was kept, the oldest first. (It may have been recovered since.)
    ended: VecDeque<(Instant, String)>,
}

impl Store {
    pub fn new(options: Recovery) -> Store {
        Store { options, kept: Mutex::default() }
    }

    /// Whether the middleware is not run for a client that recovers.
    pub fn skips_middleware(&self) -> bool {
        self.options.skip_middlewares
    }

    /// An offset. It cannot be guessed: a client recovers only from an event that it received.
    pub fn offset() -> Value {
        random_id().into()
    }

    /// Keeps an event that is being sent. The caller holds the lock of the namespace's order.
    pub fn keep(&self, offset: Value, target: Target, outgoing: &Arc<Outgoing>) {
        let size = size_of::<Packet>() + size_in_memory(&offset) + target.size() + outgoing.size();
        let (outgoing, emitted) = (outgoing.clone(), Instant::now());
        let mut kept = lock(&self.kept);
        kept.packet_bytes += size;
        kept.packets.push_back(Packet { offset, target, outgoing, size, emitted });
        kept.remove_old(&self.options);
    }

    /// Emits an event to one socket, and keeps it. If the client has recovered meanwhile, that is
    /// its new socket.
    pub fn emit(&self, socket: &Socket, name: &str, values: &[Value], compress: bool) -> Emitted {
        let (namespace, id) = (socket.namespace(), socket.id());
        let offset = Store::offset();
        let parser = namespace.parser();
        let values = values.iter().chain([&offset]);
        let outgoing = parser.encode_event(namespace.name(), None, name, values);
        let Ok(outgoing) = outgoing else { return Emitted::TooManyAttachments };
        let outgoing = Arc::new(outgoing.compress(compress));
        let in_order = lock(&namespace.namespace.broadcast_order);
        self.keep(offset, Target::Socket(id.to_string()), &outgoing);
        let socket = lock(&namespace.namespace.members).get(id);
        let socket = socket.filter(|socket| !socket.has_ended());
        let Some(socket) = socket else { return Emitted::Queued };
        let sent = socket.session().send(&outgoing);
        drop(in_order);
        socket.emit_outgoing(&outgoing);
        if sent { Emitted::Sent } else { Emitted::Queued }
    }

    /// Keeps the session of a socket that was in these rooms and has left its namespace: from now
    /// on, another socket may have its id.
    fn keep_session(&self, socket: &Socket, rooms: Vec<String>) {
        let (id, pid) = (socket.id().to_string(), socket.pid().to_string());
        let (data, ended) = (socket.data(), Instant::now());
        let session = Session { id, pid: pid.clone(), rooms, data, ended, position: 0 };
        let mut kept = lock(&self.kept);
        kept.session_bytes += session.size();
        kept.sessions.insert(pid.clone(), session);
        kept.ended.push_back((ended, pid));
        kept.remove_old(&self.options);
    }

    /// Takes the session out that a client asks for in its `auth`. If the offset is unknown, the
    /// session is of no use any more.
    // Not inlined: the thread of a silent client keeps the stack of the caller.
    #[inline(never)]
    pub fn restore(&self, auth: &Value) -> Option<Session> {
        let pid = auth["pid"].as_str()?;
        let mut kept = lock(&self.kept);
        kept.remove_old(&self.options);
        let mut session = kept.take_session(pid)?;
        let last = kept.packets.iter().rposition(|packet| packet.offset == auth["offset"])?;
        session.position = kept.first + last as u64 + 1;
        Some(session)
    }

    /// The events that the client of a session has missed; `None` if some have been removed since
    /// it was taken out.
    pub fn missed(&self, session: &Session) -> Option<Vec<Arc<Outgoing>>> {
        let kept = lock(&self.kept);
        let received = session.position.checked_sub(kept.first)?;
        let missed = kept.packets.iter().skip(received as usize);
        let rooms = session.rooms.iter().map(|room| &**room).collect();
        let missed = missed.filter(|packet| packet.target.includes(&session.id, &rooms));
        Some(missed.map(|packet| packet.outgoing.clone()).collect())
    }
}

/// Removes a socket from its rooms and its namespace, and keeps its session if it can be recovered:
/// if the connection of its client was lost, or a recovered client has not connected after all.
pub(super) fn leave(socket: &Socket, reason: &str, connected: bool) {
    let recoverable = if connected { RECOVERABLE.contains(&reason) } else { socket.recovered() };
    let store = socket.namespace().store().filter(|_| recoverable);
    let rooms = store.map(|_| socket.rooms());
    socket.namespace().remove(socket);
    if let Some((store, rooms)) = store.zip(rooms) {
        store.keep_session(socket, rooms);
    }
}

impl Kept {
    fn take_session(&mut self, pid: &str) -> Option<Session> {
        let session = self.sessions.remove(pid)?;
        self.session_bytes -= session.size();
        Some(session)
    }

    /// Removes what is too old, and the oldest of what is too much.
    fn remove_old(&mut self, options: &Recovery) {
        let now = Instant::now();
        let expired = |then: Instant| now.duration_since(then) > options.max_disconnection_duration;
        while let Some(packet) = self.packets.front() {
            let too_many = self.packets.len() > options.max_packets;
            if !too_many && self.packet_bytes <= options.max_bytes && !expired(packet.emitted) {
                break;
            }
            self.packet_bytes -= packet.size;
            self.packets.pop_front();
            self.first += 1;
        }
        while let Some((ended, _)) = self.ended.front() {
            let too_many = self.ended.len() > options.max_sessions;
            if !too_many && self.session_bytes <= options.max_bytes && !expired(*ended) {
                break;
            }
            let Some((ended, pid)) = self.ended.pop_front() else { break };
            if self.sessions.get(&pid).is_some_and(|session| session.ended == ended) {
                self.take_session(&pid);
            }
        }
    }
}
