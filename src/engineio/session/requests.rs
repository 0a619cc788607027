//! The requests of a session: its `POST`s, its `GET`s, and the upgrade to a WebSocket.
//!
//! Chapters 20 and 21 of the book.

use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::{Session, State, Transport};
use crate::engineio::polling::Get;
use crate::engineio::{Outgoing, Packet, Refusal};
use crate::http::Headers;
use crate::net::Outbox;
use crate::ws;

impl Session {
    /// A `POST` has come, and its body is still to be read. Two at a time would have no order: the
    /// second ends the session and returns `false`.
    pub(in crate::engineio) fn begin_post(&self) -> bool {
        let overlaps = self.0.receiving.swap(true, Relaxed);
        if overlaps {
            self.on_error("data request overlap from client");
        }
        !overlaps
    }

    /// Receives the packets of a `POST`; `None` stands for a malformed body. Returns `false` if
    /// they have ended the session.
    pub(in crate::engineio) fn receive_all(&self, packets: Option<Vec<Packet>>) -> bool {
        let received = match packets {
            Some(packets) => packets.into_iter().all(|packet| self.receive(Some(packet))),
            None => self.receive(None),
        };
        self.0.receiving.store(false, Relaxed);
        received
    }

    /// Since when no `GET` is held, if none is: a client that is still there would have sent one.
    pub(in crate::engineio) fn idle_since(&self) -> Option<Instant> {
        match &self.lock().transport {
            Transport::Polling(polling) if polling.get.is_none() => Some(polling.idle_since),
            _ => None,
        }
    }

    /// Holds a `GET` until there is something to send, and returns its number. A second `GET` at
    /// the same time ends the session. A body of `gzip_from` bytes or more is compressed.
    pub(in crate::engineio) fn poll(
        &self,
        outbox: &Outbox,
        headers: Headers,
        gzip_from: Option<usize>,
    ) -> Result<u64, Refusal> {
        let mut state = self.lock();
        let (upgrading, closed) = (state.upgrading, state.closed);
        let Transport::Polling(polling) = &mut state.transport else {
            return Err(Refusal::BadRequest);
        };
        if polling.get.is_some() {
            drop(state);
            self.on_error("overlap from client");
            return Err(Refusal::BadRequest);
        }
        polling.gets += 1;
        let number = polling.gets;
        polling.get = Some(Get { number, outbox: outbox.clone(), headers, gzip_from });
        let nothing_waits = polling.is_empty();
        match closed {
            Some(reason) if nothing_waits => polling.push_close(reason),
            None if nothing_waits && upgrading => polling.push(Packet::Noop),
            _ => self.emit_flushed(&polling.flush()),
        }
        drop(state);
        self.0.fetched.notify_all();
        if closed.is_some() && nothing_waits {
            self.remove();
        }
        Ok(number)
    }

    /// Whether this `GET` is still held.
    pub(in crate::engineio) fn is_held(&self, number: u64) -> bool {
        match &self.lock().transport {
            Transport::Polling(polling) => {
                polling.get.as_ref().is_some_and(|get| get.number == number)
            }
            Transport::Websocket(_) | Transport::Closed(_) => false,
        }
    }

    /// The connection of this `GET` has ended or has brought another request. If the `GET` is still
    /// held, the client has left, or violated the protocol: the session ends.
    pub(in crate::engineio) fn poll_aborted(&self, number: u64) {
        let mut state = self.lock();
        let Transport::Polling(polling) = &mut state.transport else { return };
        if polling.get.take_if(|get| get.number == number).is_some() {
            drop(state);
            self.on_error("poll connection closed prematurely");
        }
    }

    /// A WebSocket sends a probe: from now on, no `GET` is held. Returns `false` if there is
    /// another probe, or nothing to upgrade.
    pub(in crate::engineio) fn probe(&self) -> bool {
        let mut state = self.lock();
        let State { transport: Transport::Polling(polling), closed: None, .. } = &mut *state else {
            return false;
        };
        if polling.get.is_some() {
            polling.push(Packet::Noop);
        }
        let first = !mem::replace(&mut state.upgrading, true);
        drop(state);
        if first {
            self.emit("upgrading", || "websocket".into());
        }
        first
    }

    /// The upgrade has failed: the session stays with polling.
    pub(in crate::engineio) fn end_probe(&self) {
        self.lock().upgrading = false;
    }

    /// Completes the upgrade: the packets that wait are sent over the WebSocket, in order. Returns
    /// `false` if the session has ended.
    pub(in crate::engineio) fn upgrade(&self, sender: ws::Sender) -> bool {
        let mut state = self.lock();
        let closed = state.closed.is_some();
        let Transport::Polling(polling) = &mut state.transport else { return false };
        let queue = polling.take();
        if polling.get.is_some() {
            polling.push(Packet::Noop);
        }
        for payload in &queue {
            let packets = Packet::parse_payload(payload).unwrap_or_default();
            let outgoing = Outgoing::new(packets).compress(polling.compress);
            _ = sender.send_encoded(outgoing.frames_for(&sender)); // if it fails, its own thread ends the session
        }
        if closed {
            drop(state);
            self.remove(); // those were its last packets
            return false;
        }
        state.transport = Transport::Websocket(sender);
        self.0.fetched.notify_all();
        if let Some(events) = self.0.events.get() {
            // Under the lock: before the events of what is sent over the WebSocket.
            events.defer("upgrade", || "websocket".into());
            self.emit_flushed(&queue);
        }
        true
    }
}
