//! What a client posts while it polls: a queue that any thread may push to, and the thread that
//! posts it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{CLOSE_TIMEOUT, Endpoint};
use crate::engineio::packet::SEPARATOR;
use crate::engineio::{Outgoing, Packet};
use crate::net::clock::{self, FOREVER, Timer};
use crate::net::{Stream, lock};

/// The packets to post, and the two connections of a client that polls.
#[derive(Default)]
pub struct PollingWriter {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: Vec<String>,
    /// Whether a `POST` is on its way.
    posting: bool,
    phase: Phase,
    /// The connection of the last `POST`.
    post_stream: Option<Stream>,
    /// The connection of the last `GET`.
    poll_stream: Option<Stream>,
}

#[derive(Default)]
enum Phase {
    #[default]
    Open,
    /// No packet is taken any more. What is queued is posted, and then a close packet. The timer
    /// aborts that if it takes too long.
    Closing { _timer: Timer },
    /// Nothing is posted any more.
    Aborted,
}

/// What the next `POST` carries.
struct Batch {
    body: String,
    timeout: Duration,
    is_close: bool,
}

impl PollingWriter {
    /// Queues packets behind all others. Returns `false` if none is taken any more.
    pub fn push(&self, payload: &str) -> bool {
        let mut state = lock(&self.state);
        let open = matches!(state.phase, Phase::Open);
        if open {
            state.queue.extend(payload.split(SEPARATOR).map(String::from));
            self.changed.notify_all();
        }
        open
    }

    /// The thread: posts what is queued, as much at a time as one request may carry; at the end a
    /// close packet in a request of its own, which overtakes no other.
    pub fn run(&self, endpoint: &Endpoint, max_payload: usize) {
        while let Some(batch) = self.next_batch(max_payload) {
            let connected = |stream: &Stream| {
                let mut state = lock(&self.state);
                state.post_stream = Some(stream.clone());
                !matches!(state.phase, Phase::Aborted)
            };
            let deadline = Instant::now() + batch.timeout;
            let posted = endpoint.request("POST", batch.body.as_bytes(), deadline, connected);
            lock(&self.state).posting = false;
            if batch.is_close || posted.is_err() {
                break;
            }
        }
        self.abort(); // which wakes the thread that polls
    }

    /// Waits for packets; `None` if nothing is to be posted any more.
    fn next_batch(&self, max_payload: usize) -> Option<Batch> {
        let idle = |s: &mut State| s.queue.is_empty() && matches!(s.phase, Phase::Open);
        let woken = self.changed.wait_while(lock(&self.state), idle);
        let mut state = woken.unwrap_or_else(PoisonError::into_inner);
        let timeout = match state.phase {
            // The server may answer only after its handlers have run. If it is gone, the `GET` finds out.
            Phase::Open => FOREVER,
            Phase::Closing { .. } => CLOSE_TIMEOUT,
            Phase::Aborted => return None,
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

    /// Whether a packet that is pushed now would be posted at once.
    pub fn is_writable(&self) -> bool {
        let state = lock(&self.state);
        !state.posting && matches!(state.phase, Phase::Open) && state.queue.is_empty()
    }

    /// Takes no more packets, and ends after what is queued, or after [`CLOSE_TIMEOUT`].
    pub fn close(self: &Arc<PollingWriter>) {
        let slow = Arc::downgrade(self);
        let abort = move || _ = slow.upgrade().map(|writer| writer.abort());
        let mut state = lock(&self.state);
        if let Phase::Open = state.phase {
            state.phase = Phase::Closing { _timer: clock::after(CLOSE_TIMEOUT, abort) };
            self.changed.notify_all();
        }
    }

    /// Ends at once, and destroys both connections.
    pub fn abort(&self) {
        let mut state = lock(&self.state);
        state.phase = Phase::Aborted;
        state.queue.clear();
        for stream in [state.post_stream.take(), state.poll_stream.take()].into_iter().flatten() {
            stream.destroy();
        }
        self.changed.notify_all();
    }

    /// Notes the connection of a `GET`. Returns `false` if no packets are wanted any more.
    pub fn set_poll_stream(&self, stream: &Stream) -> bool {
        let mut state = lock(&self.state);
        state.poll_stream = Some(stream.clone());
        matches!(state.phase, Phase::Open)
    }
}
