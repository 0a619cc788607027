//! Chapter 09, exercise 1: spread out to the end.
//!
//! The limit comes first, and the jitter after it, downwards only. So no pause is over the limit,
//! and two clients hardly ever wait for the same time, however many pauses there have been.

use std::time::Duration;

use sockets_by_hand::net::Backoff;

fn pause(backoff: &Backoff, attempts: u32, random: f64) -> Duration {
    let doubled = backoff.min.saturating_mul(2u32.saturating_pow(attempts));
    doubled.min(backoff.max).mul_f64(1.0 - backoff.jitter * random)
}

#[test]
fn even_the_hundredth_pause_is_spread_out_and_none_is_over_the_limit() {
    let backoff = Backoff::default();
    assert_eq!(pause(&backoff, 0, 0.0), Duration::from_secs(1));
    for attempts in [3, 4, 99] {
        assert_eq!(pause(&backoff, attempts, 0.0), Duration::from_secs(5));
        assert_eq!(pause(&backoff, attempts, 1.0), Duration::from_millis(2_500));
    }
    assert_eq!(backoff.pause(99, 0.0), backoff.pause(99, 1.0), "the library's is not spread out");
}
