//! Answers that are awaited: a number for each, and a time after which none is awaited any more.
//!
//! Chapter 18 of the book.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{error, fmt, mem, thread};

use super::args::Args;
use super::{lock, survives};
use crate::net::clock::{self, Timer};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// None came in time.
    Timeout,
    /// The other end has gone.
    Disconnected,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            NoAnswer::Timeout => "operation has timed out",
            NoAnswer::Disconnected => "socket has been disconnected",
        })
    }
}

impl error::Error for NoAnswer {}

/// What is called with an answer, or without one; once in any case.
pub type Callback = Box<dyn FnOnce(Result<Args, NoAnswer>) + Send>;

/// The answers that one socket awaits.
#[derive(Clone, Default)]
pub struct Acks(Arc<Mutex<Awaited>>);

#[derive(Default)]
struct Awaited {
    callbacks: HashMap<u64, (Callback, Timer)>,
    numbers: u64,
}

impl Acks {
    /// A number under which nobody has been asked yet.
    pub fn next_id(&self) -> u64 {
        let mut awaited = lock(&self.0);
        awaited.numbers += 1;
        awaited.numbers - 1
    }

    /// Awaits an answer for `time` to what is asked under the number `id`.
    pub fn expect(&self, id: u64, time: Duration, callback: Callback) {
        let acks = Arc::downgrade(&self.0);
        let mut awaited = lock(&self.0);
        let timer = clock::after(time, move || {
            let Some(acks) = acks.upgrade().map(Acks) else { return };
            // A callback may take its time: not on the clock's thread, if another can be had.
            if !acks.fail(id, NoAnswer::Timeout) {
                acks.settle(id, Err(NoAnswer::Timeout));
            }
        });
        awaited.callbacks.insert(id, (callback, timer));
    }

    /// Says, on a thread of its own, why no answer will come: whoever asks may hold a lock that the
    /// callback wants. Returns `false` if no thread can be started; the time limit still holds then.
    pub fn fail(&self, id: u64, why: NoAnswer) -> bool {
        let acks = self.clone();
        thread::Builder::new().spawn(move || acks.settle(id, Err(why))).is_ok()
    }

    /// Hands over an answer. One that nobody awaits, or no longer, is ignored.
    pub fn settle(&self, id: u64, answer: Result<Args, NoAnswer>) {
        let awaited = lock(&self.0).callbacks.remove(&id);
        if let Some((callback, _)) = awaited {
            callback(answer);
        }
    }

    /// Whether an answer is still awaited under this number.
    pub fn is_awaited(&self, id: u64) -> bool {
        lock(&self.0).callbacks.contains_key(&id)
    }

    /// The other end has gone: no answer will come any more.
    pub fn disconnected(&self) {
        tell_disconnected(self.take(&[]));
    }

    /// Awaits no answer any more, but to the questions `unasked`, which have not left yet; returns
    /// who is to be told so.
    pub fn take(&self, unasked: &[u64]) -> Vec<Callback> {
        let mut awaited = lock(&self.0);
        let all = mem::take(&mut awaited.callbacks).into_iter();
        let (kept, gone): (HashMap<_, _>, _) = all.partition(|(id, _)| unasked.contains(id));
        awaited.callbacks = kept;
        gone.into_values().map(|(callback, _)| callback).collect()
    }
}

/// Tells all that no answer will come: one that panics keeps none of the others from being called.
pub fn tell_disconnected(callbacks: Vec<Callback>) {
    for callback in callbacks {
        survives(|| callback(Err(NoAnswer::Disconnected)));
    }
}
