//! A deadline for whoever sends: so much time in all, not for each byte.

use std::io::{self, BufReader, ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::net::Stream;

/// How long the other end may go on talking after our last word.
const LINGER: Duration = Duration::from_secs(2);

/// Reads a connection, and while a deadline is set no longer than until then. It is the stream's
/// own timeout, set anew before each `read` to what is left of the time: a client that sends a byte
/// now and then gains nothing by it. Without a deadline it costs nothing.
///
/// ```no_run
/// # use sockets_by_hand::{http::{Error, HEAD_TIME, Request, DeadlineReader}, net::Stream};
/// # fn serve(stream: Stream) -> Result<(), Error> {
/// let mut reader = DeadlineReader::buffered(stream);
/// reader.get_mut().deadline = Some(std::time::Instant::now() + HEAD_TIME);
/// let request = Request::read(&mut reader)?;
/// reader.get_mut().deadline = None;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DeadlineReader {
    /// The connection.
    pub stream: Stream,
    /// When a `read` fails with [`ErrorKind::TimedOut`]; `None` waits for ever.
    pub deadline: Option<Instant>,
    /// The stream still has a timeout.
    limited: bool,
}

impl DeadlineReader {
    /// A reader of `stream` without a deadline, with a buffer of 1 KiB: one for each client.
    pub fn buffered(stream: Stream) -> BufReader<DeadlineReader> {
        BufReader::with_capacity(1024, DeadlineReader { stream, deadline: None, limited: false })
    }

    /// Ends the connection after a last word: reads and forgets what still comes, for a moment.
    /// Closed with bytes unread, a connection is reset, and a reset may overtake the last word.
    pub fn lingering_close(&mut self) {
        self.deadline = Some(Instant::now() + LINGER);
        _ = io::copy(self, &mut io::sink());
        self.stream.destroy();
    }
}

impl Read for DeadlineReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(ErrorKind::TimedOut.into());
        }
        if left.is_some() || self.limited {
            self.stream.set_timeout(left)?;
            self.limited = left.is_some();
        }
        self.stream.read(buffer)
    }
}
