//! What a client needs to recover its connection state: the private id and the last offset.
//!
//! The server's side, with the whole story, is [`recovery`](crate::socketio::recovery).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::json::Value;
use crate::socketio::lock;

/// The connection state of one socket. Without a private id, as from a server that does not offer
/// recovery, an event costs no lock.
#[derive(Default)]
pub(super) struct Recovery {
    has_pid: AtomicBool,
    recovered: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The private id that the server has given to this client.
    pid: Option<String>,
    /// The offset of the last event that the listeners have received.
    offset: Option<String>,
}

impl Recovery {
    /// The data of a CONNECT packet: `auth`, after the private id and the offset if there are some.
    pub fn add_to(&self, auth: Value) -> Value {
        let state = lock(&self.state);
        let (Some(pid), Value::Object(own)) = (&state.pid, &auth) else { return auth };
        let mut members = vec![("pid".to_string(), pid.into())];
        members.extend(state.offset.iter().map(|offset| ("offset".to_string(), offset.into())));
        members.retain(|(name, _)| auth.get(name).is_none()); // those of the user win, as in npm
        members.extend(own.iter().cloned());
        Value::Object(members)
    }

    /// The server has accepted the connection, with this private id if it offers recovery. The
    /// same as before means that it has recovered the connection state.
    pub fn connected(&self, pid: Option<&str>) {
        let mut state = lock(&self.state);
        self.recovered.store(pid.is_some() && state.pid.as_deref() == pid, Relaxed);
        self.has_pid.store(pid.is_some(), Relaxed);
        state.pid = pid.map(str::to_string);
    }

    /// The listeners have received an event with these arguments. The last one is the offset.
    pub fn received(&self, args: &[Value]) {
        if let (true, Some(Value::String(offset))) = (self.has_pid.load(Relaxed), args.last()) {
            lock(&self.state).offset = Some(offset.clone());
        }
    }

    /// An event has been lost: the connection state cannot be recovered any more.
    pub fn forget(&self) {
        *lock(&self.state) = State::default();
    }

    /// Whether the last connection was a recovered one.
    pub fn recovered(&self) -> bool {
        self.recovered.load(Relaxed)
    }
}
