//! Chapter 07, exercise 2: a limit for the whole conversation.
//!
//! A clone of the stream goes to a second thread, which waits for one of two things: a signal that the
//! conversation is over, or the timeout. To drop the `Sender` is the signal, so that a conversation
//! that fails or panics gives it too.

use sockets_by_hand::net::Stream;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

fn within(
    limit: Duration,
    stream: Stream,
    talk: impl FnOnce(Stream) -> io::Result<()>,
) -> io::Result<()> {
    let (over, waiting) = mpsc::channel::<()>();
    let watched = stream.clone();
    let watchdog = thread::spawn(move || {
        let late = waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if late {
            watched.destroy();
        }
        late
    });
    let result = talk(stream);
    drop(over);
    match watchdog.join() {
        Ok(true) => Err(io::ErrorKind::TimedOut.into()),
        _ => result,
    }
}

/// Reads to the end, as a handler would.
#[cfg(test)]
fn read_all(mut stream: Stream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

#[test]
fn a_client_that_never_stops_sending_is_cut_off() {
    use std::io::Write;

    let (mut client, socket) = super::connection();
    // Never silent for long: a timeout on each read would never end this.
    let sending = thread::spawn(move || while client.write_all(b".").is_ok() {});
    let result = within(Duration::from_millis(50), socket.into(), read_all);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    sending.join().unwrap();
}

#[test]
fn a_conversation_that_ends_in_time_succeeds_without_a_wait() {
    let (client, socket) = super::connection();
    drop(client);
    within(Duration::from_secs(600), socket.into(), read_all).unwrap();
}
