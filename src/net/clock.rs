//! Timers: run a task later, unless it is cancelled. Node's `setTimeout` and `clearTimeout`.
//!
//! One thread serves all timers of the process. It sleeps until the next deadline, runs that task,
//! and sleeps again. Without a timer left it ends; the next timer starts it anew.
//!
//! A thread that waits in `read` cannot watch the time as well. A timer ends its connection with
//! [`Stream::destroy`](super::Stream::destroy), which wakes that thread, and the thread cleans up.
//!
//! Chapter 17 of the book.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::sync::{catch_panic, lock};

/// The longest delay, 100 years: an `Instant` may overflow if a longer one is added.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

static CLOCK: Mutex<Clock> = Mutex::new(Clock { due: BTreeMap::new(), count: 0, running: false });
static CHANGED: Condvar = Condvar::new();

struct Clock {
    due: BTreeMap<Key, Box<dyn FnOnce() + Send>>,
    /// How many timers have been started.
    count: u64,
    /// Whether the thread of the timers runs.
    running: bool,
}

/// The deadline of a timer, and its number, which tells apart two with the same deadline.
type Key = (Instant, u64);

/// A timer that has been started. Dropping it cancels it.
#[must_use = "a timer that is dropped is cancelled at once"]
#[derive(Debug)]
pub struct Timer(Key);

/// Runs `task` after `delay`, unless the [`Timer`] is dropped before.
///
/// All timers share one thread, so the task must be short: send a message, destroy a connection,
/// start a thread. If it panics, the others still run.
///
/// ```
/// use sockets_by_hand::net::clock;
/// use std::{sync::mpsc, time::Duration};
///
/// let (sender, receiver) = mpsc::channel();
/// let also = sender.clone();
/// let _timer = clock::after(Duration::from_millis(20), move || sender.send("timeout").unwrap());
/// drop(clock::after(Duration::from_millis(10), move || also.send("cancelled").unwrap()));
/// assert_eq!(receiver.recv(), Ok("timeout"));
/// ```
pub fn after(delay: Duration, task: impl FnOnce() + Send + 'static) -> Timer {
    let mut clock = lock(&CLOCK);
    clock.count += 1;
    let key = (Instant::now() + delay.min(FOREVER), clock.count);
    clock.due.insert(key, Box::new(task));
    if !clock.running {
        // If no thread can be started, the next timer tries again.
        clock.running = thread::Builder::new().name("clock".into()).spawn(run).is_ok();
    }
    CHANGED.notify_one();
    Timer(key)
}

impl Drop for Timer {
    fn drop(&mut self) {
        let task = lock(&CLOCK).due.remove(&self.0);
        drop(task); // not under the lock: what it holds may hold timers too
    }
}

/// The thread of the timers.
fn run() {
    let mut clock = lock(&CLOCK);
    while let Some(next) = clock.due.first_entry() {
        let pause = next.key().0.saturating_duration_since(Instant::now());
        if pause > Duration::ZERO {
            let woken = CHANGED.wait_timeout(clock, pause);
            clock = woken.unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let task = next.remove();
        drop(clock); // the task may start timers, and drop some
        catch_panic(task); // the panic hook has written it to stderr
        clock = lock(&CLOCK);
    }
    clock.running = false;
}
