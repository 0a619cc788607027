//! Chapter 09, exercise 3: silence between two requests is no offence.
//!
//! There are two waits. Before the first byte of a request nobody has promised anything: whoever
//! stays silent is left without a word. From the first byte on, the head must come in time.
//! `fill_buf` waits for that first byte, and leaves it where it is.

use std::io::{BufRead, BufReader, ErrorKind};
use std::time::{Duration, Instant};

use sockets_by_hand::http::{DeadlineReader, Error, Request};

fn next(
    reader: &mut BufReader<DeadlineReader>,
    silence: Duration,
    head_time: Duration,
) -> Result<Option<Request>, Error> {
    reader.get_mut().deadline = Some(Instant::now() + silence);
    if reader.fill_buf().is_err_and(|e| e.kind() == ErrorKind::TimedOut) {
        return Ok(None);
    }
    reader.get_mut().deadline = Some(Instant::now() + head_time);
    Request::read(reader)
}

#[test]
fn who_falls_silent_goes_without_a_word_and_who_dawdles_with_408() {
    use std::io::Write;
    let (mut client, socket) = super::connection();
    let mut reader = DeadlineReader::buffered(socket.into());
    let short = Duration::from_millis(50);
    let long = Duration::from_secs(20);

    client.write_all(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2)).unwrap();
    assert!(next(&mut reader, long, long).unwrap().is_some());
    assert!(next(&mut reader, long, long).unwrap().is_some());
    assert!(next(&mut reader, short, long).unwrap().is_none());

    client.write_all(b"GET / HT").unwrap();
    let error = next(&mut reader, long, short).unwrap_err();
    assert_eq!(error.status(), Some(408));
}
