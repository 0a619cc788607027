//! Chapter 10, exercise 1: an error without a listener.
//!
//! `emit` returns whether there was a listener. If there was none, the error goes back to the
//! caller, and the compiler warns a caller who ignores the `Result`.

use std::io;

use sockets_by_hand::net::Emitter;

fn raise(events: &Emitter<io::Error>, e: io::Error) -> io::Result<()> {
    if events.emit("error", &e) { Ok(()) } else { Err(e) }
}

#[test]
fn error_goes_to_its_listener_or_back_to_the_caller() {
    let events = Emitter::new();
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    assert_eq!(raise(&events, refused()).unwrap_err().kind(), refused().kind());

    let (sender, received) = std::sync::mpsc::channel();
    events.on("error", move |e: &io::Error| sender.send(e.kind()).unwrap());
    raise(&events, refused()).unwrap();
    assert_eq!(received.recv(), Ok(refused().kind()));
}
