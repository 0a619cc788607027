//! Chapter 07, exercise 3: a pause that can be ended.
//!
//! A thread that sleeps hears nothing. One that waits for a message, with a limit, hears it at once,
//! and also hears when whoever could have sent one has gone.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Waits for `pause`, and says whether to go on.
fn wait(pause: Duration, stop: &Receiver<()>) -> bool {
    stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

#[test]
fn a_pause_of_an_hour_ends_at_once_when_the_client_is_told_to_stop() {
    let (stopper, stop) = mpsc::channel();
    assert!(wait(Duration::from_millis(1), &stop));

    let client = std::thread::spawn(move || wait(Duration::from_secs(3_600), &stop));
    stopper.send(()).unwrap();
    assert!(!client.join().unwrap());
}

#[test]
fn and_when_nobody_is_left_who_could_tell_it() {
    let (stopper, stop) = mpsc::channel();
    drop(stopper);
    assert!(!wait(Duration::from_secs(3_600), &stop));
}
