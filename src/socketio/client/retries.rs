//! The events of a socket that is to emit each until it is acknowledged: npm's option `retries`.
//!
//! They wait in a queue. The first is sent, and again if its acknowledgement does not arrive, until
//! it does or the last try has failed. Only then is the next one sent. So each event is sent at
//! least once, and the server receives them in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Options, Socket};
use crate::engineio::Outgoing;
use crate::socketio::acks::{AckError, Callback, resolve_disconnected};
use crate::socketio::{Args, Emitted, catch_panic, lock};

pub(super) struct Retries {
    /// How often an event is sent again; without any, there is no queue.
    limit: u32,
    /// How long a try waits for the acknowledgement of an event without a timeout of its own.
    pub ack_timeout: Option<Duration>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Queued>,
    /// Whether the first event has been sent, and its acknowledgement is awaited.
    pending: bool,
}

struct Queued {
    /// The id of the acknowledgement, the same in each try.
    ack: u64,
    outgoing: Arc<Outgoing>,
    timeout: Option<Duration>,
    callback: Option<Callback>,
    /// How often it has been sent.
    tries: u32,
}

impl Retries {
    pub fn new(options: &Options) -> Retries {
        let (limit, ack_timeout) = (options.retries, options.ack_timeout);
        Retries { limit, ack_timeout, queue: Mutex::default() }
    }

    pub fn is_enabled(&self) -> bool {
        self.limit > 0
    }

    /// The socket has been disconnected: the first event is to be sent in the next session.
    pub fn disconnected(&self) {
        lock(&self.queue).pending = false;
    }
}

impl Socket {
    /// Emits an event until it is acknowledged, after all that were emitted before.
    pub(super) fn emit_until_acknowledged(
        &self,
        ack: u64,
        outgoing: Outgoing,
        timeout: Option<Duration>,
        callback: Option<Callback>,
    ) -> Emitted {
        if self.0.manager.strong_count() == 0 {
            return Emitted::Dropped;
        }
        let outgoing = Arc::new(outgoing);
        let event = Queued { ack, outgoing, timeout, callback, tries: 0 };
        lock(&self.0.retries.queue).events.push_back(event);
        self.send_queued();
        if !self.has_client() {
            let socket = self.clone(); // its client has been dropped meanwhile
            _ = thread::Builder::new().name("retries".into()).spawn(move || socket.fail_queued());
        }
        Emitted::Queued
    }

    /// Sends the first event of the queue, unless it is pending.
    pub(super) fn send_queued(&self) {
        let in_order = lock(&self.0.buffer);
        let Some(sender) = self.sender().filter(|_| self.is_connected()) else { return };
        let mut queue = lock(&self.0.retries.queue);
        if queue.pending {
            return;
        }
        let Some(event) = queue.events.front_mut() else { return };
        event.tries += 1;
        let (socket, ack, tries) = (self.clone(), event.ack, event.tries);
        let callback = Box::new(move |result| socket.on_try(ack, tries, result));
        let timeout = event.timeout.or(self.0.retries.ack_timeout);
        self.0.acks.expect(ack, timeout, callback);
        sender.send_outgoing(&event.outgoing); // if it fails, the session has ended
        let outgoing = event.outgoing.clone();
        queue.pending = true;
        drop((queue, in_order));
        self.emit_outgoing(&outgoing);
    }

    /// A try has succeeded or failed.
    fn on_try(&self, ack: u64, tries: u32, result: Result<Args, AckError>) {
        let mut queue = lock(&self.0.retries.queue);
        let Some(event) = queue.events.front() else { return };
        if (event.ack, event.tries) != (ack, tries) {
            return; // it has been sent again since, over another session
        }
        queue.pending = false;
        let last = result.is_ok() || tries > self.0.retries.limit;
        let event = if last { queue.events.pop_front() } else { None };
        drop(queue);
        if let Some(callback) = event.and_then(|event| event.callback) {
            catch_panic(|| callback(result));
        }
        self.send_queued();
    }

    /// The client is dropped, so no event will be acknowledged any more.
    pub(super) fn fail_queued(&self) {
        let events = std::mem::take(&mut lock(&self.0.retries.queue).events);
        resolve_disconnected(events.into_iter().filter_map(|event| event.callback).collect());
    }
}
