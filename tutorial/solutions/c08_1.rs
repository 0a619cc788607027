//! Chapter 08, exercise 1: an error that nobody hears.
//!
//! `emit` says whether anyone listened. If not, the error goes back to whoever raised it, and the
//! compiler sees to it that they do something with it.

use std::io;

use sockets_by_hand::net::Emitter;

fn raise(events: &Emitter<io::Error>, e: io::Error) -> io::Result<()> {
    if events.emit("error", &e) { Ok(()) } else { Err(e) }
}

#[test]
fn an_error_is_heard_by_a_listener_or_else_by_the_caller() {
    let events = Emitter::new();
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    assert_eq!(raise(&events, refused()).unwrap_err().kind(), refused().kind());

    let (sender, heard) = std::sync::mpsc::channel();
    events.on("error", move |e: &io::Error| sender.send(e.kind()).unwrap());
    raise(&events, refused()).unwrap();
    assert_eq!(heard.recv(), Ok(refused().kind()));
}
