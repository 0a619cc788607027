//! Chapter 08, exercise 2: back from events to waiting.
//!
//! The listener, which is called on some other thread, puts the value into a channel; `recv` waits
//! for it. The listener must be there before the event is, so the channel is made first, and the
//! waiting is left to the caller.

use std::sync::mpsc::{self, Receiver};

use sockets_by_hand::net::Emitter;

fn next<T: Clone + Send + 'static>(events: &Emitter<T>, event: &str) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    events.once(event, move |value: &T| {
        _ = sender.send(value.clone()); // if nobody waits any more, nothing is lost
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
    assert!(name.recv().is_err(), "once is once");
}
