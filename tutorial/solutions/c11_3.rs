//! Chapter 11, exercise 3: an idle connection.
//!
//! There are two timeouts. The first one ends before the first byte of a request: there is no
//! request, so there is no response. From the first byte on, the whole head must arrive in time.
//! `fill_buf` waits for that first byte, and leaves it in the buffer.

use std::io::{BufRead, BufReader, ErrorKind};
use std::time::{Duration, Instant};

use sockets_by_hand::http::{DeadlineReader, Error, Request};

fn next(
    reader: &mut BufReader<DeadlineReader>,
    keep_alive: Duration,
    head_time: Duration,
) -> Result<Option<Request>, Error> {
    reader.get_mut().deadline = Some(Instant::now() + keep_alive);
    if reader.fill_buf().is_err_and(|e| e.kind() == ErrorKind::TimedOut) {
        return Ok(None);
    }
    reader.get_mut().deadline = Some(Instant::now() + head_time);
    Request::read(reader)
}

#[test]
fn idle_connection_ends_without_response_and_slow_head_gets_408() {
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
