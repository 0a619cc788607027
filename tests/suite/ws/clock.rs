//! `net/clock.rs`: timers run in the order of their deadlines, and a timer that is dropped does not run.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sockets_by_hand::net::clock;

use crate::common::{LIMIT, next};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn timers_run_in_the_order_of_their_deadlines_and_not_before() {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    let _timers = [90, 30, 60, 0].map(|delay| {
        let sender = sender.clone();
        clock::after(ms(delay), move || sender.send(delay).unwrap())
    });
    for delay in [0, 30, 60, 90] {
        assert_eq!(receiver.recv_timeout(LIMIT), Ok(delay));
        assert!(start.elapsed() >= ms(delay), "{delay}");
    }
}

#[test]
fn a_timer_that_is_set_later_may_run_earlier() {
    let (sender, receiver) = mpsc::channel();
    let also = sender.clone();
    let _far = clock::after(Duration::from_secs(3600), move || also.send("far").unwrap());
    let _never = clock::after(Duration::MAX, || unreachable!());
    let also = sender.clone();
    let _first = clock::after(ms(1), move || also.send("first").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("first")); // the clock now sleeps until `far`
    let _near = clock::after(ms(1), move || sender.send("near").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("near"));
}

#[test]
fn a_dropped_timer_does_not_run_and_drops_its_callback() {
    let (sender, receiver) = mpsc::channel();
    let never = clock::after(ms(20), move || sender.send("never").unwrap());
    drop(never);
    // The callback owned the only sender, and has been dropped.
    assert_eq!(receiver.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn dropping_a_timer_that_has_run_does_nothing() {
    let (sender, receiver) = mpsc::channel();
    let timer = clock::after(ms(0), move || sender.send("done").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("done"));
    drop(timer);
}

#[test]
fn a_callback_that_panics_delays_no_other_timer() {
    let (sender, receiver) = mpsc::channel();
    let _first = clock::after(ms(1), || panic!("the callback panics"));
    let _second = clock::after(ms(20), move || sender.send("still there").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("still there"));
}

#[test]
fn a_callback_may_set_a_timer_and_drop_another() {
    let (sender, receiver) = mpsc::channel();
    let also = sender.clone();
    let cancelled = clock::after(ms(100), move || also.send("cancelled").unwrap());
    let kept = Arc::new(Mutex::new(None));
    let slot = kept.clone();
    let _first = clock::after(ms(1), move || {
        drop(cancelled);
        let second = clock::after(ms(1), move || sender.send("second").unwrap());
        *slot.lock().unwrap() = Some(second);
    });
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("second"));
    assert_eq!(receiver.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_timer_whose_callback_holds_a_timer_can_be_dropped() {
    let (sender, receiver) = mpsc::channel();
    let inner = clock::after(Duration::from_secs(3600), move || sender.send(()).unwrap());
    drop(clock::after(Duration::from_secs(3600), move || drop(inner)));
    assert_eq!(receiver.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn many_timers_with_the_same_deadline_all_run() {
    let (sender, receiver) = mpsc::channel();
    let timers: Vec<_> = (0..1000)
        .map(|i| {
            let sender = sender.clone();
            clock::after(ms(10), move || sender.send(i).unwrap())
        })
        .collect();
    let mut received: Vec<i32> = (0..1000).map(|_| next(&receiver)).collect();
    received.sort();
    assert!(received.into_iter().eq(0..1000));
    drop(timers);
}
