//! Long-polling, as the server has it: a request that is held, and what waits for the next one.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::packet::SEPARATOR;
use super::{Outgoing, Packet};
use crate::http::{Headers, Response};
use crate::net::Outbox;
use crate::net::outbox::{ENVELOPE, Queued};

pub(super) struct Polling {
    /// Whether a second request has come for the session.
    pub claimed: bool,
    /// The `GET` that is held.
    pub get: Option<Get>,
    /// Since when none is, while there is none.
    pub idle_since: Instant,
    /// How many there have been: their numbers tell them apart.
    pub gets: u64,
    /// What waits for the next one, as it will go into its body: one string each, so that what is
    /// counted is what memory it takes.
    queue: Vec<Arc<str>>,
    queued: Queued,
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
            queued: Queued::default(),
        }
    }

    pub(super) fn push(&mut self, packet: Packet) {
        self.add(Outgoing::from(packet).payload());
    }

    /// Puts packets behind all that wait, and returns how many bytes wait then: as in an outbox, not
    /// counting the first, which may be of any length.
    pub(super) fn add(&mut self, payload: Arc<str>) -> usize {
        self.queued.set(self.queued.0 + payload.len() + ENVELOPE);
        self.queue.push(payload);
        self.flush();
        self.queue.first().map_or(0, |first| self.queued.0 - first.len() - ENVELOPE)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes all that waits.
    pub(super) fn take(&mut self) -> Vec<Arc<str>> {
        self.queued.set(0);
        mem::take(&mut self.queue)
    }

    /// The last packet of the session. If the server ends, so does the connection that carries it; not
    /// earlier, since no other can be opened to fetch what waits.
    pub(super) fn push_close(&mut self, reason: &str) {
        if let (Some(get), "server shutting down") = (&mut self.get, reason) {
            get.headers.set("Connection", "close");
        }
        self.push(Packet::Close);
    }

    /// Answers the held `GET` with all that waits, if there is both.
    pub(super) fn flush(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let Some(get) = self.get.take() else { return };
        let body = self.take().join(SEPARATOR).into_bytes();
        self.idle_since = Instant::now();
        let last = get.headers.has("connection", "close");
        let response = Response { status: 200, headers: get.headers, body };
        _ = get.outbox.send(response.encode()); // if it fails, the connection's thread sees it too
        if last {
            get.outbox.end();
        }
    }
}
