//! Chapter 09, exercise 2: ten seconds in all.
//!
//! `from_fn` makes an iterator from a closure. `checked_sub` returns `None` where less time is left
//! than the pause takes, `?` returns that from the closure, and after it `fuse` returns only `None`.

use std::iter;
use std::time::Duration;

use sockets_by_hand::net::Backoff;

fn pauses(mut backoff: Backoff, mut left: Duration) -> impl Iterator<Item = Duration> {
    let next = move || {
        let pause = backoff.next_pause();
        left = left.checked_sub(pause)?;
        Some(pause)
    };
    iter::from_fn(next).fuse()
}

#[test]
fn there_are_no_more_pauses_than_the_time_allows() {
    let regular = Backoff { jitter: 0.0, ..Backoff::default() };
    let seconds = pauses(regular, Duration::from_secs(10)).map(|pause| pause.as_secs());
    assert_eq!(seconds.collect::<Vec<_>>(), [1, 2, 4]);

    let all: Duration = pauses(Backoff::default(), Duration::from_secs(60)).sum();
    assert!(all <= Duration::from_secs(60) && all > Duration::from_secs(50), "{all:?}");
}
