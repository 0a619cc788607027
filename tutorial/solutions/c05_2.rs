//! Chapter 05, exercise 2: a limit for the whole conversation.
//!
//! A clone of the stream goes to a second thread, which waits for one of two things: a sign that the
//! conversation is over, or the end of its patience. A dropped `Sender` is the sign, so that a
//! conversation that fails or panics gives it too.

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
fn listen(mut stream: Stream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

#[test]
fn who_drips_for_ever_is_cut_off() {
    use std::io::Write;

    let (mut client, socket) = super::connection();
    // Never silent for long: a timeout on each read would never end this.
    let dripping = thread::spawn(move || while client.write_all(b".").is_ok() {});
    let result = within(Duration::from_millis(50), socket.into(), listen);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    dripping.join().unwrap();
}

#[test]
fn who_is_done_in_time_notices_nothing() {
    let (client, socket) = super::connection();
    drop(client);
    within(Duration::from_secs(600), socket.into(), listen).unwrap();
}
