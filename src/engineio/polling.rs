//! Long-polling, as the server has it: a request that is held, and what waits for the next one.

use std::sync::Arc;
use std::time::Instant;

use super::packet::SEPARATOR;
use super::{Outgoing, Packet};
use crate::http::{Headers, Response};
use crate::net::{Outbox, outbox::ENVELOPE};

pub(super) struct Polling {
    /// Whether a second request has come for the session.
    pub claimed: bool,
    /// The `GET` that is held.
    pub get: Option<Get>,
    /// Since when none is, while there is none.
    pub idle_since: Instant,
    /// How many there have been: their numbers tell them apart.
    pub gets: u64,
    /// What waits for the next one.
    pub queue: Vec<Arc<Outgoing>>,
    /// How many bytes that is, but for the first: as in an outbox, one message may be of any length.
    waiting: usize,
}

/// A request whose response is still to be written.
pub(super) struct Get {
    pub number: u64,
    pub outbox: Outbox,
    pub headers: Headers,
}

impl Polling {
    pub(super) fn new() -> Polling {
        Polling {
            claimed: false,
            get: None,
            idle_since: Instant::now(),
            gets: 0,
            queue: Vec::new(),
            waiting: 0,
        }
    }

    pub(super) fn push(&mut self, packet: Packet) {
        self.add(Arc::new(packet.into()));
    }

    /// Puts something behind all that waits, and returns how much waits then.
    pub(super) fn add(&mut self, outgoing: Arc<Outgoing>) -> usize {
        if !self.queue.is_empty() {
            self.waiting += outgoing.payload().len() + ENVELOPE;
        }
        self.queue.push(outgoing);
        self.flush();
        self.waiting
    }

    /// The connection of the held `GET` is to end with the answer.
    pub(super) fn last_get(&mut self) {
        if let Some(get) = &mut self.get {
            get.headers.set("Connection", "close");
        }
    }

    /// Answers the held `GET` with all that waits, if there is both.
    pub(super) fn flush(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let Some(get) = self.get.take() else { return };
        let payloads: Vec<Arc<str>> = self.queue.drain(..).map(|o| o.payload()).collect();
        let body = payloads.join(SEPARATOR).into_bytes();
        (self.waiting, self.idle_since) = (0, Instant::now());
        let last = get.headers.has("connection", "close");
        let response = Response { status: 200, headers: get.headers, body };
        _ = get.outbox.send(response.encode()); // if it fails, the connection's thread sees it too
        if last {
            get.outbox.end();
        }
    }
}
