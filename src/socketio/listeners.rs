//! The listeners of a socket: to the events of one name, or to all events.
//!
//! Chapter 22 of the book.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::event::Event;
use super::parser::Parser;
use crate::engineio::{Outgoing, Packet};
use crate::net::Emitter;
use crate::net::events::ListenerId;

/// The listeners of a socket of type `S`. The sockets of both sides dereference to it: so
/// `socket.on(…)` is one implementation with one documentation, and needs no trait that a reader
/// would have to import.
pub struct Listeners<S> {
    named: Emitter<Event<S>>,
    /// The listeners to all events of the other end (`incoming`) or of this one (`outgoing`).
    any: Emitter<Event<S>>,
    /// Whether there has been a listener to outgoing events.
    watches_outgoing: AtomicBool,
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
        self.any.on("incoming", listener)
    }

    /// The same, before the listeners that [`on_any`](Listeners::on_any) has added.
    pub fn prepend_any(&self, listener: impl Fn(&Event<S>) + Send + Sync + 'static) -> ListenerId {
        self.any.prepend("incoming", listener)
    }

    /// Calls `listener` for each event that this end emits to the other, also by a broadcast. An
    /// event that waits until the socket is connected, or that is sent again, is one then. (An
    /// acknowledgement is no event.)
    ///
    /// It gets the event as the other end does: each event is decoded again for that. So this is for
    /// a log or a test, not for every socket of a busy server.
    pub fn on_any_outgoing(
        &self,
        listener: impl Fn(&Event<S>) + Send + Sync + 'static,
    ) -> ListenerId {
        self.watches_outgoing.store(true, Relaxed);
        self.any.on("outgoing", listener)
    }

    /// The same, before the listeners that [`on_any_outgoing`](Listeners::on_any_outgoing) has
    /// added.
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&Event<S>) + Send + Sync + 'static,
    ) -> ListenerId {
        self.watches_outgoing.store(true, Relaxed);
        self.any.prepend("outgoing", listener)
    }

    /// Removes a listener that `on` or `once` has added.
    pub fn off(&self, id: ListenerId) {
        self.named.off(id);
    }

    /// Removes a listener that `on_any` or `prepend_any` has added; with `None`, all of them.
    pub fn off_any(&self, id: impl Into<Option<ListenerId>>) {
        match id.into() {
            Some(id) => self.any.off(id),
            None => self.any.remove_all_of("incoming"),
        }
    }

    /// Removes a listener that `on_any_outgoing` or `prepend_any_outgoing` has added; with `None`,
    /// all of them.
    pub fn off_any_outgoing(&self, id: impl Into<Option<ListenerId>>) {
        match id.into() {
            Some(id) => self.any.off(id),
            None => self.any.remove_all_of("outgoing"),
        }
    }

    /// Removes the listeners to the events of that name; with `None`, of all names. (As in Node,
    /// those to all events stay: see [`off_any`](Listeners::off_any).)
    pub fn remove_all_listeners<'a>(&self, name: impl Into<Option<&'a str>>) {
        match name.into() {
            Some(name) => self.named.remove_all_of(name),
            None => self.named.remove_all(),
        }
    }

    /// The listeners to the events of that name, in the order in which they are called.
    pub fn listeners(&self, name: &str) -> Vec<ListenerId> {
        self.named.ids(name)
    }

    /// The listeners to all events of the other end, in the order in which they are called.
    pub fn listeners_any(&self) -> Vec<ListenerId> {
        self.any.ids("incoming")
    }

    /// The listeners to all events of this end, in the order in which they are called.
    pub fn listeners_any_outgoing(&self) -> Vec<ListenerId> {
        self.any.ids("outgoing")
    }

    /// Emits an event of the other end.
    pub(super) fn emit_incoming(&self, event: &Event<S>) {
        self.any.emit("incoming", event);
        self.named.emit(&event.name, event);
    }

    /// Emits an event of the other end to the listeners to all events only.
    pub(super) fn emit_to_any(&self, event: &Event<S>) {
        self.any.emit("incoming", event);
    }

    /// Emits an event to the listeners to its name only.
    pub(super) fn emit_to_named(&self, event: &Event<S>) {
        self.named.emit(&event.name, event);
    }

    /// Whether there may be a listener to outgoing events.
    pub(super) fn watches_outgoing(&self) -> bool {
        self.watches_outgoing.load(Relaxed)
    }

    /// Emits an event of this end to the listeners to outgoing events.
    pub(super) fn emit_outgoing(&self, parser: Parser, outgoing: &Outgoing, socket: &S)
    where
        S: Clone,
    {
        if !self.watches_outgoing() || !self.any.has_listeners("outgoing") {
            return;
        }
        let mut decoder = parser.decoder();
        for packet in outgoing.packets() {
            let Packet::Message(message) = packet else { continue };
            let Ok(Some(mut decoded)) = decoder.add(message.clone()) else { continue };
            let name = decoded.values.remove(0);
            let name = name.as_str().unwrap_or_default().to_string();
            self.any.emit("outgoing", &Event::new(name, decoded.values, socket.clone()));
        }
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
        let (named, any) = (Emitter::new(), Emitter::new());
        Listeners { named, any, watches_outgoing: AtomicBool::new(false) }
    }
}
