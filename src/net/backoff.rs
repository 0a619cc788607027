//! Exponential backoff with jitter: how long to wait before the next attempt.
//!
//! A server that restarts loses all its clients at the same moment. If each of them tried again
//! every second, all would arrive together, again and again. So each pause is twice as long as the
//! one before, up to a limit, and a random part of it (*jitter*) spreads the clients out.
//!
//! Chapter 09 of the book.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pauses between one attempt and the next, with Socket.IO's defaults.
///
/// ```
/// use sockets_by_hand::net::Backoff;
/// use std::time::Duration;
///
/// let mut backoff = Backoff { jitter: 0.0, ..Backoff::default() };
/// let pauses = [(); 5].map(|()| backoff.next_pause().as_secs());
/// assert_eq!(pauses, [1, 2, 4, 5, 5]);
///
/// backoff.reset(); // an attempt has succeeded: the next failure begins with the first pause
/// assert_eq!(backoff.next_pause(), Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    /// The first pause. 1 s (`reconnectionDelay`).
    pub min: Duration,
    /// The longest pause. 5 s (`reconnectionDelayMax`).
    pub max: Duration,
    /// How much a pause may differ, as a part of itself: with 0.5, 2 s become something between
    /// 1 s and 3 s (`randomizationFactor`).
    pub jitter: f64,
    /// How many pauses there have been.
    pub attempts: u32,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            min: Duration::from_secs(1),
            max: Duration::from_secs(5),
            jitter: 0.5,
            attempts: 0,
        }
    }
}

impl Backoff {
    /// The pause before the next attempt.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.pause(self.attempts, random());
        self.attempts = self.attempts.saturating_add(1);
        pause
    }

    /// Begins again with the first pause: call it when an attempt has succeeded.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The pause after `attempts` failures: doubled for each, moved by `random` (0 moves it down
    /// by all of the jitter, 1 up by all of it), and at most `max`.
    pub fn pause(&self, attempts: u32, random: f64) -> Duration {
        let jitter = self.jitter.clamp(0.0, 1.0);
        let doubled = self.min.as_secs_f64() * 2f64.powf(attempts.into());
        let moved = doubled * (1.0 + jitter * (2.0 * random - 1.0));
        let pause = Duration::try_from_secs_f64(moved.clamp(0.0, self.max.as_secs_f64()));
        pause.unwrap_or(self.max) // options that are not numbers give none
    }
}

/// A random number from 0 up to 1. The only source of randomness in `std` is the keys that it makes
/// for each `HashMap`, so that nobody can guess which keys collide.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
