//! The heartbeat of a session: the server pings, and the client has to answer in time.
//!
//! Chapter 21 of the book.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Session, State, Transport};
use crate::engineio::Packet;
use crate::net::clock;

impl Session {
    /// Starts the timer of a new session. Over polling, a second request has to come in time.
    #[inline(never)]
    pub(in crate::engineio) fn start_heartbeat(&self) {
        let mut state = self.lock();
        let options = &self.0.sessions.options;
        match state.transport {
            Transport::Polling(_) => {
                let silence = options.ping_interval.saturating_add(options.ping_timeout);
                self.limit_silence(&mut state, options.first_request_timeout.min(silence));
            }
            _ => self.schedule_ping(&mut state),
        }
    }

    /// A second request has come for the session: the client is there, and the pings begin.
    pub(in crate::engineio) fn confirm(&self) {
        let mut state = self.lock();
        let Transport::Polling(polling) = &mut state.transport else { return };
        if !mem::replace(&mut polling.confirmed, true) {
            self.schedule_ping(&mut state);
        }
    }

    pub(super) fn schedule_ping(&self, state: &mut State) {
        if state.closed.is_some() {
            return;
        }
        let session = self.clone();
        let interval = self.0.sessions.options.ping_interval;
        state.timer = Some(clock::after(interval, move || session.ping()));
    }

    fn ping(&self) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        self.0.returned.store(false, Relaxed);
        // Before the ping is sent: the pong cancels this timer, and may arrive at once.
        self.limit_silence(&mut state, self.0.sessions.options.ping_timeout);
        drop(state);
        self.send(&Arc::new(Packet::Ping(String::new()).into()));
    }

    /// Ends the session if its client is silent for `time`.
    pub(super) fn limit_silence(&self, state: &mut State, time: Duration) {
        let session = self.clone();
        state.timer = Some(clock::after(time, move || session.on_silence()));
    }

    /// The client was silent. While the listener runs, no thread reads: then, and if the listener
    /// has returned since the last ping, the client is pinged once more.
    fn on_silence(&self) {
        match self.0.calls.is_busy() || self.0.returned.load(Relaxed) {
            true => self.ping(),
            false => self.evict(),
        }
    }

    /// Ends the session of a silent client, and removes it.
    pub(in crate::engineio) fn evict(&self) {
        self.close("ping timeout");
        self.remove(); // a session that has ended before may wait for its last `GET`
    }
}
