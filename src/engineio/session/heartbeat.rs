//! The heartbeat of a session: the server pings, and the client has a time to answer.
//!
//! Chapter 17 of the book.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Session, State, Transport};
use crate::engineio::Packet;
use crate::net::clock;

impl Session {
    /// Begins to watch over a new session: one over requests has to come again in time, or is forgotten.
    #[inline(never)]
    pub(in crate::engineio) fn start_heartbeat(&self) {
        let mut state = self.lock();
        let options = &self.0.server.options;
        match state.transport {
            Transport::Polling(_) => {
                let silence = options.ping_interval.saturating_add(options.ping_timeout);
                self.limit_silence(&mut state, options.first_request_timeout.min(silence));
            }
            _ => self.schedule_ping(&mut state),
        }
    }

    /// A request has come for the session: the client has not left at once, and the pings begin.
    pub(in crate::engineio) fn claim(&self) {
        let mut state = self.lock();
        let Transport::Polling(polling) = &mut state.transport else { return };
        if !mem::replace(&mut polling.claimed, true) {
            self.schedule_ping(&mut state);
        }
    }

    pub(super) fn schedule_ping(&self, state: &mut State) {
        if state.closed.is_some() {
            return;
        }
        let session = self.clone();
        let interval = self.0.server.options.ping_interval;
        state.alarm = Some(clock::after(interval, move || session.ping()));
    }

    fn ping(&self) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        self.0.returned.store(false, Relaxed);
        // Set before the ping is sent: the pong takes it away, and may be here at once.
        self.limit_silence(&mut state, self.0.server.options.ping_timeout);
        drop(state);
        self.send(&Arc::new(Packet::Ping(String::new()).into()));
    }

    /// Ends the session if nothing is heard of its client for `time`.
    pub(super) fn limit_silence(&self, state: &mut State, time: Duration) {
        let session = self.clone();
        state.alarm = Some(clock::after(time, move || session.end_silence()));
    }

    /// Nothing has been heard of the client in time. While the listener runs, nobody reads: then, and if
    /// it has returned since, the client is asked once more.
    fn end_silence(&self) {
        match self.0.telling.is_busy() || self.0.returned.load(Relaxed) {
            true => self.ping(),
            false => self.abandon(),
        }
    }

    /// Ends the session of a client of which nothing is heard.
    pub(in crate::engineio) fn abandon(&self) {
        self.close("ping timeout");
        self.forget(); // if it has ended before, it waits for a last `GET`
    }
}
