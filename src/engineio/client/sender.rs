//! What a client sends: over its WebSocket, if it has one. While it polls, packets wait in a queue
//! that any thread may push to, and one thread posts them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use super::{CLOSE_TIMEOUT, Endpoint, Error};
use crate::engineio::events::Events;
use crate::engineio::packet::SEPARATOR;
use crate::engineio::{Outgoing, Packet};
use crate::json::Value;
use crate::net::clock::{self, FOREVER, Timer};
use crate::net::outbox::DEADLINE;
use crate::net::{Stream, lock};
use crate::ws::{self, Message};

/// How long after its probe a WebSocket may still be upgraded to. (The server waits 10 s for the
/// whole upgrade, and then closes it.)
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends in a session, from any thread. A clone is the same sender.
#[derive(Clone)]
pub struct Sender(Arc<Shared>);

struct Shared {
    /// The WebSocket, from the beginning of the session or since its upgrade.
    websocket: OnceLock<ws::Sender>,
    state: Mutex<State>,
    changed: Condvar,
    events: Arc<Events>,
}

/// The state of a session that polls.
#[derive(Default)]
struct State {
    queue: Vec<String>,
    /// Whether a `POST` is on its way.
    posting: bool,
    /// Whether no further `POST` may be sent: the upgrade waits for the last one.
    paused: bool,
    /// The WebSocket that the probe has opened, and until when the session may be upgraded to it.
    probed: Option<(ws::Socket, Instant)>,
    phase: Phase,
    /// Whether [`Sender::close`] has been called.
    closed: bool,
    /// The last connection for each purpose.
    streams: [Option<Stream>; 3],
}

#[derive(Default)]
enum Phase {
    #[default]
    Open,
    /// No packet is taken any more. What is queued is posted, and then a close packet. The timer
    /// aborts that if it takes too long.
    Closing { _timer: Timer },
    /// Nothing is posted any more, and the thread that posts ends: the session has ended, or has
    /// been upgraded.
    Ended,
}

/// What a connection is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Get,
    Post,
    Probe,
}

/// What the next `POST` carries.
struct Batch {
    body: String,
    timeout: Duration,
    is_close: bool,
}

impl Sender {
    /// Sends a message after all that were sent before. Returns `false` if the session has ended;
    /// the thread that reads finds that out too.
    pub fn send(&self, message: impl Into<Message>) -> bool {
        self.send_outgoing(&Packet::Message(message.into()).into())
    }

    /// The same for packets, without others between them.
    pub(crate) fn send_outgoing(&self, outgoing: &Outgoing) -> bool {
        self.0.events.emit_created(outgoing);
        self.queue(outgoing).unwrap_or_else(|websocket| {
            let sent = websocket.send_encoded(outgoing.masked_frames()).is_ok();
            self.0.events.emit_drain(websocket);
            sent
        })
    }

    /// Queues packets if the session polls, and returns whether it still takes any; or returns the
    /// WebSocket to send them over.
    fn queue(&self, outgoing: &Outgoing) -> Result<bool, &ws::Sender> {
        if let Some(websocket) = self.0.websocket.get() {
            return Err(websocket);
        }
        let mut state = self.lock();
        if let Some(websocket) = self.0.websocket.get() {
            return Err(websocket); // it has been upgraded at this moment
        }
        let open = matches!(state.phase, Phase::Open);
        if open {
            state.queue.extend(outgoing.payload().split(SEPARATOR).map(String::from));
            self.0.changed.notify_all();
        }
        Ok(open)
    }

    /// Whether a packet that is sent now would be written at once.
    pub fn is_writable(&self) -> bool {
        if let Some(websocket) = self.0.websocket.get() {
            return websocket.is_writable();
        }
        let state = self.lock();
        let busy = state.posting || state.paused || !state.queue.is_empty();
        !busy && matches!(state.phase, Phase::Open)
    }

    /// Waits until all that was sent is written to the WebSocket, or has been posted, or the session
    /// has ended: a thread that sends much does not send faster than the server reads. Over polling,
    /// the wait is not longer than [`DEADLINE`]. (In Node: the `drain` event.)
    pub fn wait_until_sent(&self) {
        let busy =
            |s: &mut State| (s.posting || !s.queue.is_empty()) && !matches!(s.phase, Phase::Ended);
        drop(self.0.changed.wait_timeout_while(self.lock(), DEADLINE, busy));
        if let Some(websocket) = self.0.websocket.get() {
            websocket.wait_until_sent();
        }
    }

    /// The name of the transport: `polling` or `websocket`.
    pub fn transport(&self) -> &'static str {
        if self.0.websocket.get().is_some() { "websocket" } else { "polling" }
    }

    /// Ends the session after the packets that were sent before, within 2 s. The thread that reads
    /// wakes up soon.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if let Some(websocket) = self.0.websocket.get() {
            _ = websocket.close_within(ws::Close::NORMAL, "", CLOSE_TIMEOUT);
        } else if let Phase::Open = state.phase {
            let slow = Arc::downgrade(&self.0);
            let abort = move || _ = slow.upgrade().map(|shared| Sender(shared).abort());
            state.phase = Phase::Closing { _timer: clock::after(CLOSE_TIMEOUT, abort) };
            state.destroy(Purpose::Probe);
            self.0.changed.notify_all();
        }
    }

    /// Ends the session at once. The thread that reads wakes up.
    pub fn abort(&self) {
        let mut state = self.lock();
        if let Some(websocket) = self.0.websocket.get() {
            return websocket.terminate();
        }
        state.phase = Phase::Ended;
        state.queue.clear();
        for purpose in [Purpose::Get, Purpose::Post, Purpose::Probe] {
            state.destroy(purpose);
        }
        self.0.changed.notify_all();
    }

    // ---- for the other threads of the session ----

    /// The sender of a session over a WebSocket.
    pub(super) fn websocket(sender: ws::Sender, events: &Arc<Events>) -> Sender {
        Sender::new(sender.into(), events)
    }

    /// The sender of a session that polls, and its thread, which posts.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn polling(
        endpoint: Endpoint,
        max_payload: usize,
        events: &Arc<Events>,
    ) -> io::Result<Sender> {
        let sender = Sender::new(OnceLock::new(), events);
        let posting = sender.clone();
        thread::Builder::new()
            .name("polling sender".into())
            .spawn(move || posting.run(&endpoint, max_payload))?;
        Ok(sender)
    }

    fn new(websocket: OnceLock<ws::Sender>, events: &Arc<Events>) -> Sender {
        let (state, changed, events) = (Mutex::default(), Condvar::new(), events.clone());
        Sender(Arc::new(Shared { websocket, state, changed, events }))
    }

    /// The thread: posts what is queued, as much at a time as one request may carry; at the end a
    /// close packet in a request of its own, which overtakes no other.
    fn run(&self, endpoint: &Endpoint, max_payload: usize) {
        while let Some(batch) = self.next_batch(max_payload) {
            let deadline = Instant::now() + batch.timeout;
            let connected = |stream: &Stream| self.connected(Purpose::Post, stream);
            let posted = endpoint.request("POST", batch.body.as_bytes(), deadline, connected);
            let mut state = self.lock();
            state.posting = false;
            let drained = state.queue.is_empty();
            self.0.changed.notify_all(); // the upgrade may wait for that
            drop(state);
            if batch.is_close || posted.is_err() {
                return self.abort(); // which wakes the thread that polls
            }
            if drained {
                self.0.events.defer("drain", || Value::Null);
            }
        }
    }

    /// Waits for packets; `None` if nothing is to be posted any more.
    fn next_batch(&self, max_payload: usize) -> Option<Batch> {
        let idle = |s: &mut State| match s.phase {
            Phase::Open => s.queue.is_empty() || s.paused,
            Phase::Closing { .. } | Phase::Ended => false,
        };
        let woken = self.0.changed.wait_while(self.lock(), idle);
        let mut state = woken.unwrap_or_else(PoisonError::into_inner);
        let timeout = match state.phase {
            // The server may answer only after its handlers have run. If it is gone, the `GET` finds out.
            Phase::Open => FOREVER,
            Phase::Closing { .. } => CLOSE_TIMEOUT,
            Phase::Ended => return None,
        };
        state.posting = true;
        if state.queue.is_empty() {
            let body = Outgoing::from(Packet::Close).payload().to_string();
            return Some(Batch { body, timeout, is_close: true });
        }
        let mut size = 0;
        let fits = |packet: &&String| {
            size += packet.len() + 1;
            size <= max_payload
        };
        let n = state.queue.iter().take_while(fits).count().max(1);
        let body = state.queue.drain(..n).collect::<Vec<_>>().join(SEPARATOR);
        Some(Batch { body, timeout, is_close: false })
    }

    /// Keeps a connection, to destroy it with the session. Returns `false` if it is of no use any
    /// more.
    pub(super) fn connected(&self, purpose: Purpose, stream: &Stream) -> bool {
        let mut state = self.lock();
        let used = match state.phase {
            Phase::Open => true,
            Phase::Closing { .. } => matches!(purpose, Purpose::Post),
            Phase::Ended => false,
        };
        state.streams[purpose as usize] = used.then(|| stream.clone());
        used
    }

    /// The probe of a WebSocket has succeeded. The thread that reads will upgrade the session to
    /// it, unless that has ended.
    pub(super) fn probed(&self, socket: ws::Socket) {
        let mut state = self.lock();
        if let Phase::Open = state.phase {
            state.probed = Some((socket, Instant::now() + UPGRADE_TIMEOUT));
        }
    }

    /// Upgrades the session, if the probe has succeeded: waits for the response to the last `POST`,
    /// sends an upgrade packet and what is queued, and returns the WebSocket. To be called by the
    /// thread that polls, when it has received the response to its last `GET`.
    ///
    /// # Errors
    /// It takes too long. The session stays with polling.
    pub(super) fn upgrade(&self) -> Result<Option<ws::Socket>, Error> {
        let mut state = self.lock();
        let Some(&(_, until)) = state.probed.as_ref() else { return Ok(None) };
        state.paused = true;
        let left = until.saturating_duration_since(Instant::now());
        let posting = |s: &mut State| s.posting && s.probed.is_some();
        let woken = self.0.changed.wait_timeout_while(state, left, posting);
        state = woken.unwrap_or_else(PoisonError::into_inner).0;
        state.paused = false;
        self.0.changed.notify_all();
        let Some((socket, _)) = state.probed.take() else { return Ok(None) }; // it has been closed
        if state.posting || Instant::now() >= until {
            socket.terminate();
            return Err(Error::Io(io::ErrorKind::TimedOut.into()));
        }
        // Under the lock: a packet that another thread sends now comes after these.
        let mut packets = vec![Packet::Upgrade];
        packets.extend(mem::take(&mut state.queue).iter().filter_map(|text| Packet::parse(text)));
        let queued = packets.len() > 1;
        _ = socket.send_encoded(Outgoing::new(packets).masked_frames()); // `read` finds out
        _ = self.0.websocket.set(socket.sender());
        if queued {
            self.0.events.emit_drain(&socket.sender());
        }
        state.phase = Phase::Ended;
        Ok(Some(socket))
    }

    /// Whether the program has ended the session.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until what was sent has been posted, but not longer than [`CLOSE_TIMEOUT`].
    pub(super) fn wait_until_posted(&self) {
        let busy = |s: &mut State| !matches!(s.phase, Phase::Ended);
        drop(self.0.changed.wait_timeout_while(self.lock(), CLOSE_TIMEOUT, busy));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl State {
    /// Destroys the connection for this purpose.
    fn destroy(&mut self, purpose: Purpose) {
        if let Purpose::Probe = purpose {
            self.probed = None; // after
        }
        if let Some(stream) = self.streams[purpose as usize].take() {
            stream.destroy();
        }
    }
}
