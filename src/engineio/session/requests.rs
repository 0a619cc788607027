//! The requests of a session: its `POST`s, its `GET`s, and the WebSocket that takes over from them.
//!
//! Chapters 16 and 17 of the book.

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
    /// A `POST` has come, whose body is still to be read. Two at a time would have no order: the second
    /// ends the session, and `false` is returned.
    pub(in crate::engineio) fn begin_post(&self) -> bool {
        let overlaps = self.0.receiving.swap(true, Relaxed);
        if overlaps {
            self.close_here("transport error");
        }
        !overlaps
    }

    /// What a client has posted: several packets, or none that make sense.
    pub(in crate::engineio) fn receive_all(&self, packets: Option<Vec<Packet>>) -> bool {
        let good = match packets {
            Some(packets) => packets.into_iter().all(|packet| self.receive(Some(packet))),
            None => self.receive(None),
        };
        self.0.receiving.store(false, Relaxed);
        good
    }

    /// Since when no `GET` waits, if that is so: a client that is there would have sent one.
    pub(in crate::engineio) fn idle_since(&self) -> Option<Instant> {
        match &self.lock().transport {
            Transport::Polling(polling) if polling.get.is_none() => Some(polling.idle_since),
            _ => None,
        }
    }

    /// Holds a `GET` until there is something to say, and returns its number. Two of them at a time
    /// end the session.
    pub(in crate::engineio) fn poll(
        &self,
        outbox: &Outbox,
        headers: Headers,
    ) -> Result<u64, Refusal> {
        let mut state = self.lock();
        let (upgrading, closed) = (state.upgrading, state.closed);
        let Transport::Polling(polling) = &mut state.transport else {
            return Err(Refusal::BAD_REQUEST);
        };
        if polling.get.is_some() {
            drop(state);
            self.close_here("transport error");
            return Err(Refusal::BAD_REQUEST);
        }
        polling.gets += 1;
        let number = polling.gets;
        polling.get = Some(Get { number, outbox: outbox.clone(), headers });
        let nothing_waits = polling.is_empty();
        match closed {
            Some(reason) if nothing_waits => polling.push_close(reason),
            None if nothing_waits && upgrading => polling.push(Packet::Noop),
            _ => polling.flush(),
        }
        drop(state);
        if closed.is_some() && nothing_waits {
            self.forget();
        }
        Ok(number)
    }

    /// Whether this `GET` has not been answered yet.
    pub(in crate::engineio) fn holds(&self, number: u64) -> bool {
        match &self.lock().transport {
            Transport::Polling(polling) => {
                polling.get.as_ref().is_some_and(|get| get.number == number)
            }
            Transport::Websocket(_) | Transport::Closed(_) => false,
        }
    }

    /// The connection of this `GET` has ended, or brought another request: if it is still held, the
    /// client has broken the rules, or left.
    pub(in crate::engineio) fn left(&self, number: u64) {
        let mut state = self.lock();
        let Transport::Polling(polling) = &mut state.transport else { return };
        if polling.get.take_if(|get| get.number == number).is_some() {
            drop(state);
            self.close_here("transport error");
        }
    }

    /// A WebSocket asks whether it could take over: until it does, no `GET` is held.
    pub(in crate::engineio) fn probe(&self) -> bool {
        let mut state = self.lock();
        let State { transport: Transport::Polling(polling), closed: None, .. } = &mut *state else {
            return false;
        };
        if polling.get.is_some() {
            polling.push(Packet::Noop);
        }
        !mem::replace(&mut state.upgrading, true)
    }

    /// The WebSocket did not take over after all.
    pub(in crate::engineio) fn end_probe(&self) {
        self.lock().upgrading = false;
    }

    /// The WebSocket takes over: all that still waits goes out through it, in order.
    pub(in crate::engineio) fn upgrade(&self, sender: ws::Sender) -> bool {
        let mut state = self.lock();
        let closed = state.closed.is_some();
        let Transport::Polling(polling) = &mut state.transport else { return false };
        let queue = polling.take();
        if polling.get.is_some() {
            polling.push(Packet::Noop);
        }
        for payload in queue {
            let outgoing = Outgoing::new(Packet::parse_payload(&payload).unwrap_or_default());
            _ = sender.send_encoded(outgoing.frames()); // if it fails, its own thread sees it too
        }
        if closed {
            drop(state);
            self.forget(); // those were its last words
            return false;
        }
        state.transport = Transport::Websocket(sender);
        true
    }
}
