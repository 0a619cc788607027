//! Chapter 09, exercise 3: a pause that can be ended.
//!
//! A thread cannot be woken from `sleep`. `recv_timeout` returns at once when a value is sent, and
//! also when the last sender is dropped.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Waits for `pause`, and returns whether to go on.
fn wait(pause: Duration, stop: &Receiver<()>) -> bool {
    stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

#[test]
fn pause_ends_at_once_when_a_value_is_sent() {
    let (sender, stop) = mpsc::channel();
    assert!(wait(Duration::from_millis(1), &stop));

    let client = std::thread::spawn(move || wait(Duration::from_secs(3_600), &stop));
    sender.send(()).unwrap();
    assert!(!client.join().unwrap());
}

#[test]
fn pause_ends_at_once_when_the_last_sender_is_dropped() {
    let (sender, stop) = mpsc::channel();
    drop(sender);
    assert!(!wait(Duration::from_secs(3_600), &stop));
}
