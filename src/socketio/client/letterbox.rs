//! What a client posts while it polls: a box that any thread may drop a letter into, and the thread
//! that empties it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::transport::{Address, CLOSE_TIME, exchange};
use crate::engineio::packet::SEPARATOR;
use crate::engineio::{Outgoing, Packet};
use crate::net::clock::{self, Timer};
use crate::net::{Stream, lock};

/// What is to be posted, and the two connections that the client has while it polls.
#[derive(Default)]
pub struct Letterbox {
    letters: Mutex<Letters>,
    changed: Condvar,
}

#[derive(Default)]
struct Letters {
    queue: Vec<String>,
    /// A request is on its way.
    posting: bool,
    /// No more letters are taken.
    closed: bool,
    /// None is posted any more, not even those that were taken.
    cut: bool,
    /// The connection on which was posted last.
    post: Option<Stream>,
    /// The connection on which news are awaited.
    get: Option<Stream>,
    /// Cuts off a goodbye that takes too long.
    deadline: Option<Timer>,
}

impl Letterbox {
    /// Takes packets, each as a letter, to be posted after all others; answers `false` if it is closed.
    pub fn drop_in(&self, payload: &str) -> bool {
        let mut letters = lock(&self.letters);
        if !letters.closed {
            letters.queue.extend(payload.split(SEPARATOR).map(String::from));
            self.changed.notify_all();
        }
        !letters.closed
    }

    /// The thread that posts: takes what there is, as much as one request may carry, again and again;
    /// and at the end a goodbye, on its own, so that nothing is overtaken by it.
    pub fn post(&self, address: &Address, max_payload: usize) {
        loop {
            let empty = |letters: &mut Letters| letters.queue.is_empty() && !letters.closed;
            let mut letters = self
                .changed
                .wait_while(lock(&self.letters), empty)
                .unwrap_or_else(PoisonError::into_inner);
            let last = letters.queue.is_empty();
            if letters.cut {
                break;
            }
            let mut size = 0;
            let fits = |letter: &&String| {
                size += letter.len() + 1;
                size <= max_payload
            };
            let n = letters.queue.iter().take_while(fits).count().max(1);
            let body = match last {
                true => Outgoing::from(Packet::Close).payload().to_string(),
                false => letters.queue.drain(..n).collect::<Vec<_>>().join(SEPARATOR),
            };
            letters.posting = true;
            let time = if letters.closed { CLOSE_TIME } else { address.options.timeout };
            drop(letters);
            let ready = |stream: &Stream| {
                let mut letters = lock(&self.letters);
                letters.post = Some(stream.clone());
                !letters.cut
            };
            let deadline = Instant::now() + time;
            let posted = exchange(address, "POST", body.as_bytes(), deadline, ready);
            lock(&self.letters).posting = false;
            if last || posted.is_err() {
                break;
            }
        }
        self.cut(); // all is said, or nothing can be: who waits for news need wait no longer
    }

    /// Whether what is dropped in now would leave at once.
    pub fn is_empty(&self) -> bool {
        let letters = lock(&self.letters);
        !letters.posting && !letters.closed && letters.queue.is_empty()
    }

    /// Takes no more: what is in it is posted, and a goodbye, if that does not take too long.
    pub fn close(self: &Arc<Letterbox>) {
        let slow = Arc::downgrade(self);
        let cut = move || _ = slow.upgrade().map(|letterbox| letterbox.cut());
        let mut letters = lock(&self.letters);
        if !letters.closed {
            letters.closed = true;
            letters.deadline = Some(clock::after(CLOSE_TIME, cut));
            self.changed.notify_all();
        }
    }

    /// Ends it at once, and both connections with it.
    pub fn cut(&self) {
        let mut letters = lock(&self.letters);
        (letters.closed, letters.cut) = (true, true);
        letters.queue.clear();
        for stream in [letters.post.take(), letters.get.take()].into_iter().flatten() {
            stream.destroy();
        }
        self.changed.notify_all();
    }

    /// Notes the connection on which news are awaited; none are, once the box is closed.
    pub fn gets_on(&self, stream: &Stream) -> bool {
        let mut letters = lock(&self.letters);
        letters.get = Some(stream.clone());
        !letters.closed
    }
}
