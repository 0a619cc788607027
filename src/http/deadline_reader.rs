//! A reader with a deadline for a whole message, not for each byte of it.

use std::io::{self, BufReader, ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::net::Stream;

/// How long the other end may go on sending after our last message.
const LINGER: Duration = Duration::from_secs(2);

/// Reads a connection until a deadline, if one is set. Before each `read`, it sets the timeout of
/// the stream to the time that is left: a client that sends one byte now and then gains no time.
/// Without a deadline it costs nothing.
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
    /// Whether the stream has a timeout now.
    has_timeout: bool,
}

impl DeadlineReader {
    /// A reader of `stream` without a deadline, with a buffer of 1 KiB (each client has one).
    pub fn buffered(stream: Stream) -> BufReader<DeadlineReader> {
        BufReader::with_capacity(
            1024,
            DeadlineReader { stream, deadline: None, has_timeout: false },
        )
    }

    /// Ends the connection after our last message: reads and ignores what still comes, for a
    /// moment. A connection that is closed with bytes unread is reset, and the reset may overtake
    /// the last message.
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
        if left.is_some() || self.has_timeout {
            self.stream.set_timeout(left)?;
            self.has_timeout = left.is_some();
        }
        self.stream.read(buffer)
    }
}
