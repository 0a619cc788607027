//! The listeners of a socket: to the events of one name, or to all events.
//!
//! Chapter 19 of the book.

use super::event::Event;
use crate::net::Emitter;
use crate::net::events::ListenerId;

/// The listeners of a socket of type `S`. The sockets of both sides dereference to it: so
/// `socket.on(…)` is one implementation with one documentation, and needs no trait that a reader
/// would have to import.
pub struct Listeners<S> {
    named: Emitter<Event<S>>,
    any: Emitter<Event<S>>,
}

impl<S> Listeners<S> {
    /// Calls `listener` for each event of that name.
    pub fn on(
        &self,
        name: &str,
        listener: impl Fn(&Event<S>) + Send + Sync + 'static,
    ) -> ListenerId {
        self.named.on(name, listener)
    }

    /// Calls `listener` for the next event of that name only.
    pub fn once(
        &self,
        name: &str,
        listener: impl Fn(&Event<S>) + Send + Sync + 'static,
    ) -> ListenerId {
        self.named.once(name, listener)
    }

    /// Calls `listener` for each event that the other end emits, before the listeners of its name.
    pub fn on_any(&self, listener: impl Fn(&Event<S>) + Send + Sync + 'static) -> ListenerId {
        self.any.on("", listener)
    }

    /// Removes a listener that `on` or `once` has added.
    pub fn off(&self, id: ListenerId) {
        self.named.off(id);
    }

    /// Removes a listener that `on_any` has added.
    pub fn off_any(&self, id: ListenerId) {
        self.any.off(id);
    }

    /// Emits an event of the other end.
    pub(super) fn emit_incoming(&self, event: &Event<S>) {
        self.any.emit("", event);
        self.named.emit(&event.name, event);
    }

    /// Emits an event of the socket itself, such as `connect`. A listener that panics does not keep
    /// the others from being called.
    pub(super) fn emit_reserved(&self, event: &Event<S>) {
        self.named.emit_to_each(&event.name, event);
    }

    /// Emits the last event, and removes all listeners: they often hold the socket that holds them,
    /// and neither would ever be freed.
    pub(super) fn emit_last(&self, event: &Event<S>) {
        self.any.remove_all();
        self.named.emit_last(&event.name, event);
    }

    /// Removes all listeners.
    pub(super) fn remove_all(&self) {
        self.any.remove_all();
        self.named.remove_all();
    }
}

impl<S> Default for Listeners<S> {
    fn default() -> Listeners<S> {
        Listeners { named: Emitter::new(), any: Emitter::new() }
    }
}
