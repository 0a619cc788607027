//! Does a thing later, unless it is called off: `setTimeout` and `clearTimeout`.
//!
//! Picture an alarm clock with many hands. One thread sleeps until the next alarm is due, does what
//! was asked, and sleeps again. If it wakes and no alarm is set any more, it ends; the next one starts
//! it anew.
//!
//! A thread that waits in `read` cannot watch the time as well. What it may not wait for longer
//! is cut off from here: [`Stream::destroy`](super::Stream::destroy) wakes it, and it cleans up.
//!
//! Chapter 13 of the book.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{lock, survives};

/// As good as no limit: where a longer time is added, an `Instant` may end.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

static CLOCK: Mutex<Clock> = Mutex::new(Clock { due: BTreeMap::new(), set: 0, ticking: false });
static CHANGED: Condvar = Condvar::new();

struct Clock {
    due: BTreeMap<Alarm, Box<dyn FnOnce() + Send>>,
    /// How many alarms have been set: it tells apart those of the same instant.
    set: u64,
    ticking: bool,
}

type Alarm = (Instant, u64);

/// An alarm that has been set. Dropped, it is called off.
#[must_use = "a timer that is dropped is called off at once"]
#[derive(Debug)]
pub struct Timer(Alarm);

/// Runs `task` once `delay` has passed, unless the [`Timer`] is dropped before.
///
/// It runs on the one thread that all alarms share, so it must be short: send, cut off, start a
/// thread. If it panics, the others still run.
///
/// ```
/// use sockets_by_hand::net::clock;
/// use std::{sync::mpsc, time::Duration};
///
/// let (sender, receiver) = mpsc::channel();
/// let also = sender.clone();
/// let _timer = clock::after(Duration::from_millis(20), move || sender.send("it is time").unwrap());
/// drop(clock::after(Duration::from_millis(10), move || also.send("never").unwrap()));
/// assert_eq!(receiver.recv(), Ok("it is time"));
/// ```
pub fn after(delay: Duration, task: impl FnOnce() + Send + 'static) -> Timer {
    let mut clock = lock(&CLOCK);
    clock.set += 1;
    let alarm = (Instant::now() + delay.min(FOREVER), clock.set);
    clock.due.insert(alarm, Box::new(task));
    if !clock.ticking {
        // Without a thread to be had, the next alarm that is set tries again.
        clock.ticking = thread::Builder::new().spawn(tick).is_ok();
    }
    CHANGED.notify_one();
    Timer(alarm)
}

impl Drop for Timer {
    fn drop(&mut self) {
        let task = lock(&CLOCK).due.remove(&self.0);
        drop(task); // only now: what it holds may hold timers too
    }
}

fn tick() {
    let mut clock = lock(&CLOCK);
    while let Some(next) = clock.due.first_entry() {
        let pause = next.key().0.saturating_duration_since(Instant::now());
        if pause > Duration::ZERO {
            let woken = CHANGED.wait_timeout(clock, pause);
            clock = woken.unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let task = next.remove();
        drop(clock); // the task may set alarms, and drop some
        survives(task); // if it panics, that has been said on stderr by now
        clock = lock(&CLOCK);
    }
    clock.ticking = false;
}
