//! Long-polling on the server: a `GET` that is held, and the queue for the next one.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::packet::SEPARATOR;
use super::{Outgoing, Packet};
use crate::http::{Headers, Response};
use crate::net::Outbox;
use crate::net::outbox::{PER_MESSAGE_OVERHEAD, Queued};
use crate::ws::deflate::gzip;

/// How hard a body is compressed: zlib's default.
const LEVEL: u8 = 6;

pub(super) struct Polling {
    /// Whether a second request has come for the session.
    pub confirmed: bool,
    /// The `GET` that is held.
    pub get: Option<Get>,
    /// Since when no `GET` is held.
    pub idle_since: Instant,
    /// How many `GET`s there have been.
    pub gets: u64,
    /// The packets for the next `GET`, encoded.
    queue: Vec<Arc<str>>,
    /// Whether one of them may be compressed: then all are.
    pub compress: bool,
    queued: Queued,
}

/// A `GET` whose response is still to be written.
pub(super) struct Get {
    pub number: u64,
    pub outbox: Outbox,
    pub headers: Headers,
    /// The body is compressed if it has so many bytes or more.
    pub gzip_from: Option<usize>,
}

impl Polling {
    pub(super) fn new() -> Polling {
        Polling {
            confirmed: false,
            get: None,
            idle_since: Instant::now(),
            gets: 0,
            queue: Vec::new(),
            compress: false,
            queued: Queued::default(),
        }
    }

    pub(super) fn push(&mut self, packet: Packet) {
        self.add(&packet.into());
        self.flush();
    }

    /// Queues packets.
    pub(super) fn add(&mut self, outgoing: &Outgoing) {
        let payload = outgoing.payload();
        self.compress |= outgoing.may_be_compressed();
        self.queued.set(self.queued.0 + payload.len() + PER_MESSAGE_OVERHEAD);
        self.queue.push(payload);
    }

    /// How many bytes wait: without the first message, as in an outbox.
    pub(super) fn waiting(&self) -> usize {
        self.queue.first().map_or(0, |first| self.queued.0 - first.len() - PER_MESSAGE_OVERHEAD)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes all packets that wait.
    pub(super) fn take(&mut self) -> Vec<Arc<str>> {
        self.queued.set(0);
        mem::take(&mut self.queue)
    }

    /// Queues the last packet of the session. If the server shuts down, the connection that carries
    /// it ends too. It cannot end earlier: the client could not open another to fetch what waits.
    pub(super) fn push_close(&mut self, reason: &str) {
        if let (Some(get), "server shutting down") = (&mut self.get, reason) {
            get.headers.set("Connection", "close");
        }
        self.push(Packet::Close);
    }

    /// Answers the held `GET` with all packets that wait, if there are both, and returns these.
    pub(super) fn flush(&mut self) -> Vec<Arc<str>> {
        if self.queue.is_empty() {
            return Vec::new();
        }
        let Some(mut get) = self.get.take() else { return Vec::new() };
        let queue = self.take();
        let mut body = queue.join(SEPARATOR).into_bytes();
        if mem::take(&mut self.compress)
            && get.gzip_from.is_some_and(|threshold| body.len() >= threshold)
        {
            get.headers.push("Content-Encoding", "gzip");
            body = gzip::compress(&body, LEVEL);
        }
        self.idle_since = Instant::now();
        let last = get.headers.has("connection", "close");
        let response = Response { status: 200, headers: get.headers, body };
        _ = get.outbox.send(response.encode()); // if it fails, the connection's thread sees it too
        if last {
            get.outbox.end();
        }
        queue
    }
}
