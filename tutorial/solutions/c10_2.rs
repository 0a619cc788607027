//! Chapter 10, exercise 2: from events back to waiting.
//!
//! The listener runs on the thread that emits, and sends the value into a channel; `recv` waits for
//! it. The listener must be added before the event is emitted. So `next` adds it and returns at
//! once, and the caller waits when it likes.

use std::sync::mpsc::{self, Receiver};

use sockets_by_hand::net::Emitter;

fn next<T: Clone + Send + 'static>(events: &Emitter<T>, event: &str) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    events.once(event, move |value: &T| {
        _ = sender.send(value.clone()); // an error means that nobody waits any more
    });
    receiver
}

#[test]
fn a_thread_waits_for_the_next_event_and_for_no_later_one() {
    let events = Emitter::new();
    let name = next(&events, "name");
    std::thread::spawn(move || {
        events.emit("age", &"36".to_string());
        events.emit("name", &"Ada".to_string());
        events.emit("name", &"Alan".to_string());
    });
    assert_eq!(name.recv(), Ok("Ada".to_string()));
    assert!(name.recv().is_err(), "only one event is received");
}
