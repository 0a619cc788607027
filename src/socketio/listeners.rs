//! Who listens to a socket: to the events of one name, or to all of them.
//!
//! Chapter 18 of the book.

use crate::net::Emitter;
use crate::net::events::Listener;

/// The listeners of a socket. Both sides' sockets deref to theirs, as in `socket.on(…)`; `E` is what
/// an event is there.
pub struct Listeners<E> {
    named: Emitter<E>,
    any: Emitter<E>,
}

impl<E> Listeners<E> {
    /// Calls `listener` for each event of that name.
    pub fn on(&self, name: &str, listener: impl Fn(&E) + Send + Sync + 'static) -> Listener {
        self.named.on(name, listener)
    }

    /// Calls `listener` for the next event of that name alone.
    pub fn once(&self, name: &str, listener: impl Fn(&E) + Send + Sync + 'static) -> Listener {
        self.named.once(name, listener)
    }

    /// Calls `listener` for each event that the other end emits, before those for its name.
    pub fn on_any(&self, listener: impl Fn(&E) + Send + Sync + 'static) -> Listener {
        self.any.on("", listener)
    }

    /// Takes away what `on` or `once` has set.
    pub fn off(&self, listener: Listener) {
        self.named.off(listener);
    }

    /// Takes away what `on_any` has set.
    pub fn off_any(&self, listener: Listener) {
        self.any.off(listener);
    }

    /// The other end has emitted an event.
    pub(super) fn hear(&self, name: &str, event: &E) {
        self.any.emit("", event);
        self.named.emit(name, event);
    }

    /// Something has happened to the socket itself, and nobody is to miss it: a listener that panics
    /// keeps none of the others from being told.
    pub(super) fn tell(&self, name: &str, event: &E) {
        self.named.emit_to_each(name, event);
    }

    /// The same, for the last time: all listeners are let go. They often hold the socket that holds
    /// them, and neither would ever go by itself.
    pub(super) fn tell_last(&self, name: &str, event: &E) {
        self.any.remove_all();
        self.named.emit_last(name, event);
    }

    /// Lets all listeners go, and tells them nothing.
    pub(super) fn remove_all(&self) {
        self.any.remove_all();
        self.named.remove_all();
    }
}

impl<E> Default for Listeners<E> {
    fn default() -> Listeners<E> {
        Listeners { named: Emitter::new(), any: Emitter::new() }
    }
}
