//! `on`, `once`, `off`, `emit`: Node's `EventEmitter`.
//!
//! An emitter is a list of listeners, each with the name of its event. `emit` is a loop that calls
//! the listeners of one event, in the order in which they were added: no thread, no queue, no
//! waiting.
//!
//! Chapter 10 of the book.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A list of listeners, which all take a `&T`. Any thread may use it.
///
/// ```
/// use sockets_by_hand::net::Emitter;
///
/// let emitter = Emitter::new();
/// emitter.on("message", |text: &String| println!("received: {text}"));
/// assert!(emitter.emit("message", &"Hello".to_string()));
/// assert!(!emitter.emit("close", &"Bye".to_string())); // no listener
/// ```
pub struct Emitter<T> {
    entries: Mutex<Vec<Entry<T>>>,
}

struct Entry<T> {
    id: ListenerId,
    event: String,
    once: bool,
    listener: Arc<Listener<T>>,
}

type Listener<T> = dyn Fn(&T) + Send + Sync;

/// The id of a listener, for [`Emitter::off`]. (Node takes the function itself; Rust's closures
/// cannot be compared.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(u64);

/// The next id, in all emitters.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl<T> Emitter<T> {
    /// An emitter without listeners.
    pub fn new() -> Emitter<T> {
        Emitter { entries: Mutex::default() }
    }

    /// Calls `listener` whenever `event` is emitted, after the listeners that were added before.
    pub fn on(&self, event: &str, listener: impl Fn(&T) + Send + Sync + 'static) -> ListenerId {
        self.add(event, false, Arc::new(listener))
    }

    /// Calls `listener` the next time that `event` is emitted, and then never again.
    pub fn once(&self, event: &str, listener: impl Fn(&T) + Send + Sync + 'static) -> ListenerId {
        self.add(event, true, Arc::new(listener))
    }

    /// Calls `listener` whenever `event` is emitted, before all others (`prependListener`).
    ///
    /// ```
    /// use sockets_by_hand::net::Emitter;
    ///
    /// let emitter: Emitter<()> = Emitter::new();
    /// let second = emitter.on("close", |_| {});
    /// let first = emitter.prepend("close", |_| {});
    /// let other = emitter.on("open", |_| {});
    /// assert_eq!(emitter.ids("close"), [first, second]);
    /// emitter.remove_all_of("close");
    /// assert!(emitter.ids("close").is_empty());
    /// assert_eq!(emitter.ids("open"), [other]);
    /// ```
    pub fn prepend(
        &self,
        event: &str,
        listener: impl Fn(&T) + Send + Sync + 'static,
    ) -> ListenerId {
        let entry = Entry::new(event, false, Arc::new(listener));
        let id = entry.id;
        self.lock().insert(0, entry);
        id
    }

    /// Removes a listener. An `emit` that has already begun still calls it.
    pub fn off(&self, id: ListenerId) {
        let mut entries = self.lock();
        let index = entries.iter().position(|entry| entry.id == id);
        let entry = index.map(|index| entries.remove(index));
        drop(entries);
        drop(entry); // not under the lock: what it holds may use this emitter
    }

    /// Removes all listeners.
    pub fn remove_all(&self) {
        let entries = mem::take(&mut *self.lock());
        drop(entries); // not under the lock: what they hold may use this emitter
    }

    /// Removes all listeners of `event`.
    pub fn remove_all_of(&self, event: &str) {
        let mut entries = self.lock();
        let all = mem::take(&mut *entries).into_iter();
        let (removed, kept): (Vec<_>, Vec<_>) = all.partition(|entry| entry.event == event);
        *entries = kept;
        drop(entries);
        drop(removed); // not under the lock, as above
    }

    /// The ids of the listeners of `event`, in the order in which they are called.
    pub fn ids(&self, event: &str) -> Vec<ListenerId> {
        let entries = self.lock();
        entries.iter().filter(|entry| entry.event == event).map(|entry| entry.id).collect()
    }

    /// Whether `event` has a listener: only then is it worth making its value.
    ///
    /// ```
    /// use sockets_by_hand::net::Emitter;
    ///
    /// let emitter: Emitter<String> = Emitter::new();
    /// emitter.once("message", |text| println!("received: {text}"));
    /// assert!(emitter.has_listeners("message") && !emitter.has_listeners("close"));
    /// ```
    pub fn has_listeners(&self, event: &str) -> bool {
        self.lock().iter().any(|entry| entry.event == event)
    }

    /// Calls every listener of `event` with `value`, one after the other, on this thread. Returns
    /// whether there was any.
    ///
    /// The emitter is not locked meanwhile: a listener may call `on`, `off` and `emit`. What it
    /// changes takes effect at the next `emit`.
    pub fn emit(&self, event: &str, value: &T) -> bool {
        let listeners = self.listeners(event);
        listeners.iter().for_each(|listener| listener(value));
        !listeners.is_empty()
    }

    /// Emits an event of which no listener may be skipped: one that panics does not keep the others
    /// from being called. (The panic hook writes the panic to stderr; it goes no further.)
    pub fn emit_to_each(&self, event: &str, value: &T) {
        self.listeners(event).iter().for_each(|listener| call_caught(listener, value));
    }

    /// Emits the last event of something that ends: removes all listeners, and calls those of
    /// `event` as [`emit_to_each`](Emitter::emit_to_each) does.
    pub fn emit_last(&self, event: &str, value: &T) {
        let entries = mem::take(&mut *self.lock());
        let called = entries.iter().filter(|entry| entry.event == event);
        called.for_each(|entry| call_caught(&entry.listener, value));
    }

    /// The listeners of `event`. Those that were added by `once` are removed.
    fn listeners(&self, event: &str) -> Vec<Arc<Listener<T>>> {
        let mut listeners = Vec::new();
        self.lock().retain(|entry| {
            let matches = entry.event == event;
            if matches {
                listeners.push(entry.listener.clone());
            }
            !(matches && entry.once)
        });
        listeners
    }

    fn add(&self, event: &str, once: bool, listener: Arc<Listener<T>>) -> ListenerId {
        let entry = Entry::new(event, once, listener);
        let id = entry.id;
        self.lock().push(entry);
        id
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry<T>>> {
        // No listener runs under the lock, so a panic cannot leave the list half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Entry<T> {
    fn new(event: &str, once: bool, listener: Arc<Listener<T>>) -> Entry<T> {
        let id = ListenerId(NEXT_ID.fetch_add(1, Relaxed));
        Entry { id, event: event.to_string(), once, listener }
    }
}

/// Calls a listener, and catches its panic.
fn call_caught<T>(listener: &Arc<Listener<T>>, value: &T) {
    _ = catch_unwind(AssertUnwindSafe(|| listener(value)));
}

impl<T> Default for Emitter<T> {
    fn default() -> Emitter<T> {
        Emitter::new()
    }
}
