//! The events of sessions, on the server and on the client: what npm's `engine.io` and
//! `engine.io-client` emit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::serial::Serial;
use super::{Outgoing, Packet};
use crate::json;
use crate::json::Value;
use crate::net::Emitter;
use crate::net::events::ListenerId;
use crate::ws::{self, Message};

/// The events of sessions, with npm's names. Each listener gets one value.
///
/// | event | of | when | value |
/// | --- | --- | --- | --- |
/// | `open` | the client | a session has been opened | the name of the transport |
/// | `packet` | both | a packet has been received | an object with its `type`, and `data` if it has any |
/// | `packetCreate` | both | a packet is about to be sent | the same |
/// | `ping` | the client | the server has pinged, and the pong has been sent | `null` |
/// | `heartbeat` | the server | the client has answered a ping | `null` |
/// | `flush` | the server | packets are sent over the WebSocket, or answer a `GET` | an array of such objects |
/// | `drain` | both | all that was sent is written to the WebSocket, has been posted, or has answered a `GET` | `null` |
/// | `upgrading` | both | the probe has succeeded | the name of the transport |
/// | `upgrade` | both | the session has been upgraded | the name of the transport |
/// | `upgradeError` | the client | it cannot be upgraded | the message |
/// | `error` | the client | a session has failed, or cannot be opened | the message |
/// | `close` | both | a session has ended, or cannot be opened | the reason, such as `transport close` |
///
/// The listeners are called one at a time, in the order of the events, and under no lock. For what
/// the thread that reads emits, it waits until they have returned; what a thread that sends emits
/// is for another thread. As long as there has been no listener, an event costs nothing.
#[derive(Default)]
pub struct Events {
    emitter: Arc<Emitter<Value>>,
    /// Whether there has been a listener.
    used: AtomicBool,
    /// Whether there will be no more events.
    ended: AtomicBool,
    calls: Serial,
    /// Whether a thread waits until all is written.
    draining: AtomicBool,
}

impl Events {
    /// Events whose listeners are called by `calls`.
    pub(super) fn new(calls: Serial) -> Events {
        Events { calls, ..Events::default() }
    }

    /// Calls `listener` for each event of that name.
    pub fn on(&self, name: &str, listener: impl Fn(&Value) + Send + Sync + 'static) -> ListenerId {
        self.added(self.emitter.on(name, listener))
    }

    /// Calls `listener` for the next event of that name only.
    pub fn once(
        &self,
        name: &str,
        listener: impl Fn(&Value) + Send + Sync + 'static,
    ) -> ListenerId {
        self.added(self.emitter.once(name, listener))
    }

    /// A listener has been added. A session that has ended keeps none: it may hold the session.
    fn added(&self, id: ListenerId) -> ListenerId {
        self.used.store(true, Relaxed);
        if self.ended.load(Relaxed) {
            self.remove_all();
        }
        id
    }

    fn has_listeners(&self, name: &str) -> bool {
        self.used.load(Relaxed) && self.emitter.has_listeners(name)
    }

    /// Removes a listener.
    pub fn off(&self, id: ListenerId) {
        self.emitter.off(id);
    }

    /// Removes all listeners.
    pub(crate) fn remove_all(&self) {
        self.emitter.remove_all();
    }

    /// Emits an event, and waits until its listeners have returned.
    pub(super) fn emit(&self, name: &'static str, value: impl FnOnce() -> Value) {
        if self.has_listeners(name) {
            self.calls.run(|| self.emitter.emit_to_each(name, &value()));
        }
    }

    /// Emits an event on another thread: the caller may hold a lock.
    pub(super) fn defer(&self, name: &'static str, value: impl FnOnce() -> Value) {
        if self.has_listeners(name) {
            let (emitter, value) = (self.emitter.clone(), value());
            self.calls.defer(move || emitter.emit_to_each(name, &value));
        }
    }

    /// Emits `packetCreate` for each packet.
    pub(super) fn emit_created(&self, outgoing: &Outgoing) {
        for packet in outgoing.packets() {
            self.defer("packetCreate", || describe(packet));
        }
    }

    /// Emits `close`, the last event, on a thread that `calls` has called.
    pub(super) fn end(&self, reason: &str) {
        self.ended.store(true, Relaxed);
        self.emitter.emit_last("close", &reason.into());
    }

    /// Emits `drain` as soon as a WebSocket has written all that was sent.
    pub(super) fn emit_drain(self: &Arc<Events>, websocket: &ws::Sender) {
        if !self.has_listeners("drain") || self.draining.swap(true, Relaxed) {
            return;
        }
        if websocket.is_writable() {
            self.drained();
            return;
        }
        let (events, websocket) = (self.clone(), websocket.clone());
        let wait = move || {
            websocket.wait_until_sent();
            events.drained();
        };
        if thread::Builder::new().name("drain event".into()).spawn(wait).is_err() {
            self.draining.store(false, Relaxed);
        }
    }

    fn drained(&self) {
        self.draining.store(false, Relaxed);
        self.defer("drain", || Value::Null);
    }
}

/// A packet, as npm's packages show it.
pub(super) fn describe(packet: &Packet) -> Value {
    let text = |data: &String| (!data.is_empty()).then(|| Value::from(data.as_str()));
    let (kind, data) = match packet {
        Packet::Open(data) => ("open", text(data)),
        Packet::Close => ("close", None),
        Packet::Ping(data) => ("ping", text(data)),
        Packet::Pong(data) => ("pong", text(data)),
        Packet::Message(Message::Text(data)) => ("message", Some(Value::from(data.as_str()))),
        Packet::Message(Message::Binary(data)) => ("message", Some(Value::Binary(data.clone()))),
        Packet::Upgrade => ("upgrade", None),
        Packet::Noop => ("noop", None),
    };
    match data {
        Some(data) => json!({"type": kind, "data": data}),
        None => json!({"type": kind}),
    }
}

/// The same of several packets.
pub(super) fn describe_all(packets: &[Packet]) -> Value {
    packets.iter().map(describe).collect::<Vec<_>>().into()
}

/// What npm's packages show for a malformed packet.
pub(super) fn describe_malformed() -> Value {
    json!({"type": "error", "data": "parser error"})
}
