//! `on`, `once`, `off`, `emit`: Node's `EventEmitter`.
//!
//! Picture a notice board. Under each event's name hang the cards of those who want to know;
//! whoever emits the event walks along the cards, in the order in which they were pinned, and calls
//! each. That is all: no thread, no queue, no waiting. `emit` is a loop over functions.
//!
//! Chapter 08 of the book.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A board of listeners, which all take a `&T`. Any thread may use it.
///
/// ```
/// use sockets_by_hand::net::Emitter;
///
/// let door = Emitter::new();
/// door.on("knock", |who: &String| println!("{who} is at the door"));
/// assert!(door.emit("knock", &"Ada".to_string()));
/// assert!(!door.emit("bell", &"Ada".to_string())); // nobody listens to that
/// ```
pub struct Emitter<T> {
    cards: Mutex<Vec<Card<T>>>,
}

struct Card<T> {
    id: Listener,
    event: String,
    once: bool,
    call: Arc<dyn Fn(&T) + Send + Sync>,
}

type Call<T> = dyn Fn(&T) + Send + Sync;

/// A listener's number, for [`Emitter::off`]. (Node takes the function itself; Rust's closures
/// cannot be compared.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener(u64);

/// How many listeners there have been, on all boards.
static PINNED: AtomicU64 = AtomicU64::new(0);

impl<T> Emitter<T> {
    /// An empty board.
    pub fn new() -> Emitter<T> {
        Emitter { cards: Mutex::default() }
    }

    /// Calls `listener` whenever `event` is emitted, after those who came before.
    pub fn on(&self, event: &str, listener: impl Fn(&T) + Send + Sync + 'static) -> Listener {
        self.pin(event, false, Arc::new(listener))
    }

    /// Calls `listener` the next time that `event` is emitted, and then never again.
    pub fn once(&self, event: &str, listener: impl Fn(&T) + Send + Sync + 'static) -> Listener {
        self.pin(event, true, Arc::new(listener))
    }

    /// Takes a listener away. An `emit` that has already begun still calls it.
    pub fn off(&self, listener: Listener) {
        let mut cards = self.lock();
        let place = cards.iter().position(|card| card.id == listener);
        let card = place.map(|place| cards.remove(place));
        drop(cards);
        drop(card); // only now: what it holds may use the board as it goes
    }

    /// Takes all listeners away.
    pub fn remove_all(&self) {
        let cards = mem::take(&mut *self.lock());
        drop(cards); // not under the lock: what they hold may use this board
    }

    /// Calls every listener of `event` with `value`, one after the other, on this thread. Returns
    /// whether there was any.
    ///
    /// The board is not locked meanwhile: a listener may call `on`, `off` and `emit`. What it
    /// changes counts from the next `emit` on.
    pub fn emit(&self, event: &str, value: &T) -> bool {
        let called = self.called(event);
        called.iter().for_each(|call| call(value));
        !called.is_empty()
    }

    /// The same, where nobody is to miss it: a listener that panics keeps none of the others from being
    /// called. (Its panic has been said on stderr by then, and goes no further.)
    pub fn emit_to_each(&self, event: &str, value: &T) {
        self.called(event).iter().for_each(|call| call_caught(call, value));
    }

    /// The last [`emit_to_each`](Emitter::emit_to_each), of something that ends: takes all listeners
    /// away, and calls those of `event`.
    pub fn emit_last(&self, event: &str, value: &T) {
        let cards = mem::take(&mut *self.lock());
        let called = cards.iter().filter(|card| card.event == event);
        called.for_each(|card| call_caught(&card.call, value));
    }

    /// What is to be called for `event`, and taken away if that was for one time.
    fn called(&self, event: &str) -> Vec<Arc<Call<T>>> {
        let mut called = Vec::new();
        self.lock().retain(|card| {
            let hears = card.event == event;
            if hears {
                called.push(card.call.clone());
            }
            !(hears && card.once)
        });
        called
    }

    fn pin(&self, event: &str, once: bool, call: Arc<Call<T>>) -> Listener {
        let id = Listener(PINNED.fetch_add(1, Relaxed));
        self.lock().push(Card { id, event: event.to_string(), once, call });
        id
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Card<T>>> {
        // No listener runs under the lock, so a panic cannot leave the board half changed.
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls a listener, whose panic goes no further.
fn call_caught<T>(call: &Arc<Call<T>>, value: &T) {
    _ = catch_unwind(AssertUnwindSafe(|| call(value)));
}

impl<T> Default for Emitter<T> {
    fn default() -> Emitter<T> {
        Emitter::new()
    }
}
