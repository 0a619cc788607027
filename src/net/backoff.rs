//! How long to wait before trying again: longer each time, and never all at the same time.
//!
//! Picture a shop that has closed for a moment, and everyone who was inside at its door. If each
//! comes back every second, the shop opens to a crowd. So each waits twice as long as before, up to
//! a limit, and nobody waits exactly as long as they meant to (*jitter*): the crowd is spread out.
//!
//! Chapter 07 of the book.

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
/// backoff.reset(); // it worked: the next trouble begins at the beginning
/// assert_eq!(backoff.next_pause(), Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    /// The first pause. 1 s (`reconnectionDelay`).
    pub min: Duration,
    /// The longest pause. 5 s (`reconnectionDelayMax`).
    pub max: Duration,
    /// How far a pause may stray, as a part of itself: with 0.5, 2 s become something between
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

    /// Begins again at the first pause: call it when an attempt has worked.
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

/// A number from 0 up to 1. `std` has one source of chance: the keys that it makes up for each
/// `HashMap`, so that nobody can guess what collides.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
