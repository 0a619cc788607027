//! Acknowledgements: an id for each that is awaited, and a timeout.
//!
//! Chapter 19 of the book.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{error, fmt, mem, thread};

use super::args::Args;
use super::{catch_panic, lock};
use crate::net::clock::{self, Timer};

/// Why there is no acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckError {
    /// It did not arrive in time.
    Timeout,
    /// The socket has been disconnected.
    Disconnected,
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            AckError::Timeout => "operation has timed out",
            AckError::Disconnected => "socket has been disconnected",
        })
    }
}

impl error::Error for AckError {}

/// Is called once: with the arguments of the acknowledgement, or with the reason why there is none.
pub type Callback = Box<dyn FnOnce(Result<Args, AckError>) + Send>;

/// The acknowledgements that one socket awaits. A clone is the same list.
#[derive(Clone, Default)]
pub struct Acks(Arc<Mutex<Awaited>>);

#[derive(Default)]
struct Awaited {
    callbacks: HashMap<u64, (Callback, Timer)>,
    next_id: u64,
}

impl Acks {
    /// The id of the next event that wants an acknowledgement.
    pub fn next_id(&self) -> u64 {
        let mut awaited = lock(&self.0);
        awaited.next_id += 1;
        awaited.next_id - 1
    }

    /// Awaits the acknowledgement `id` for the time `timeout`.
    pub fn expect(&self, id: u64, timeout: Duration, callback: Callback) {
        let acks = Arc::downgrade(&self.0);
        let mut awaited = lock(&self.0);
        let timer = clock::after(timeout, move || {
            let Some(acks) = acks.upgrade().map(Acks) else { return };
            // A callback may take long: it runs on the thread of the timers only if no other can be
            // started.
            if !acks.fail(id, AckError::Timeout) {
                acks.resolve(id, Err(AckError::Timeout));
            }
        });
        awaited.callbacks.insert(id, (callback, timer));
    }

    /// Resolves an acknowledgement with an error, on a thread of its own: the caller may hold a
    /// lock that the callback takes. Returns `false` if no thread can be started; then the timeout
    /// will resolve it.
    pub fn fail(&self, id: u64, why: AckError) -> bool {
        let acks = self.clone();
        thread::Builder::new().spawn(move || acks.resolve(id, Err(why))).is_ok()
    }

    /// Calls the callback of an acknowledgement. One that is not awaited, or no longer, is ignored.
    pub fn resolve(&self, id: u64, result: Result<Args, AckError>) {
        let awaited = lock(&self.0).callbacks.remove(&id);
        if let Some((callback, _)) = awaited {
            callback(result);
        }
    }

    /// Whether this acknowledgement is still awaited.
    pub fn is_awaited(&self, id: u64) -> bool {
        lock(&self.0).callbacks.contains_key(&id)
    }

    /// Resolves all with [`AckError::Disconnected`].
    pub fn disconnected(&self) {
        resolve_disconnected(self.take(&[]));
    }

    /// Removes all but those whose event has not been sent yet (`unsent`), and returns their
    /// callbacks.
    pub fn take(&self, unsent: &[u64]) -> Vec<Callback> {
        let mut awaited = lock(&self.0);
        let all = mem::take(&mut awaited.callbacks).into_iter();
        let (kept, removed): (HashMap<_, _>, _) = all.partition(|(id, _)| unsent.contains(id));
        awaited.callbacks = kept;
        removed.into_values().map(|(callback, _)| callback).collect()
    }
}

/// Calls all callbacks with [`AckError::Disconnected`]. One that panics does not keep the others
/// from being called.
pub fn resolve_disconnected(callbacks: Vec<Callback>) {
    for callback in callbacks {
        catch_panic(|| callback(Err(AckError::Disconnected)));
    }
}
