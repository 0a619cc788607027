//! `net/clock.rs`: what is to happen later, in which order, and what does not happen.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sockets_by_hand::net::clock;

const LIMIT: Duration = Duration::from_secs(20);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn alarms_go_off_in_the_order_of_their_times_and_not_before() {
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
fn an_alarm_that_is_set_later_may_go_off_earlier() {
    let (sender, receiver) = mpsc::channel();
    let also = sender.clone();
    let _far = clock::after(Duration::from_secs(3600), move || also.send("far").unwrap());
    let _never = clock::after(Duration::MAX, || unreachable!());
    let also = sender.clone();
    let _first = clock::after(ms(1), move || also.send("first").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("first")); // now the clock sleeps until the far one
    let _near = clock::after(ms(1), move || sender.send("near").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("near"));
}

#[test]
fn an_alarm_that_is_called_off_does_not_go_off_and_lets_go_of_what_it_holds() {
    let (sender, receiver) = mpsc::channel();
    let never = clock::after(ms(20), move || sender.send("never").unwrap());
    drop(never);
    // The one sender has gone with the task: nobody can say anything any more.
    assert_eq!(receiver.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn to_call_off_what_has_happened_does_nothing() {
    let (sender, receiver) = mpsc::channel();
    let timer = clock::after(ms(0), move || sender.send("done").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("done"));
    drop(timer);
}

#[test]
fn a_task_that_panics_keeps_no_other_from_its_time() {
    let (sender, receiver) = mpsc::channel();
    let _first = clock::after(ms(1), || panic!("as the test wants it"));
    let _second = clock::after(ms(20), move || sender.send("still there").unwrap());
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("still there"));
}

#[test]
fn a_task_may_set_the_next_and_call_off_another() {
    let (sender, receiver) = mpsc::channel();
    let also = sender.clone();
    let doomed = clock::after(ms(100), move || also.send("doomed").unwrap());
    let next = Arc::new(Mutex::new(None));
    let slot = next.clone();
    let _first = clock::after(ms(1), move || {
        drop(doomed);
        let second = clock::after(ms(1), move || sender.send("second").unwrap());
        *slot.lock().unwrap() = Some(second);
    });
    assert_eq!(receiver.recv_timeout(LIMIT), Ok("second"));
    assert_eq!(receiver.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_task_that_holds_a_timer_can_be_called_off() {
    let (sender, receiver) = mpsc::channel();
    let inner = clock::after(Duration::from_secs(3600), move || sender.send(()).unwrap());
    drop(clock::after(Duration::from_secs(3600), move || drop(inner)));
    assert_eq!(receiver.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn many_alarms_at_the_same_time_all_go_off() {
    let (sender, receiver) = mpsc::channel();
    let timers: Vec<_> = (0..1000)
        .map(|i| {
            let sender = sender.clone();
            clock::after(ms(10), move || sender.send(i).unwrap())
        })
        .collect();
    let mut heard: Vec<i32> = (0..1000).map(|_| receiver.recv_timeout(LIMIT).unwrap()).collect();
    heard.sort();
    assert!(heard.into_iter().eq(0..1000));
    drop(timers);
}
