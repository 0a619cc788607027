//! As much HTTP/1.1 as we need: a head in, a head out, on either side, and bodies of a known length.
//!
//! Picture a letter. The first line says what it is about, the lines below it are the letterhead
//! (`Name: value`), an empty line ends that, and the content follows. Where the content ends, the
//! letterhead says. Two readers must never find different ends (whoever writes the letter could
//! then slip a second one past the first reader: *request smuggling*), so whatever could be
//! read in two ways is not read at all.
//!
//! | file | idea |
//! | --- | --- |
//! | `head` | lines up to an empty line, and [`Headers`] |
//! | `body` | so many bytes, or chunks |
//! | `request` | [`Request`]: what a client asks for |
//! | `response` | [`Response`]: what a server answers |
//! | `connection` | [`Connection`]: one request after the other |
//! | `deadline_reader` | [`DeadlineReader`]: a deadline, however slowly bytes drip |
//!
//! Chapter 09 of the book.

mod body;
mod connection;
mod deadline_reader;
mod head;
mod request;
mod response;

use std::{error, fmt, io, io::ErrorKind, time::Duration};

pub use connection::{Connection, KEEP_ALIVE};
pub use deadline_reader::DeadlineReader;
pub use head::Headers;
pub(crate) use head::is_token;
pub use request::Request;
pub(crate) use request::escape;
pub use response::Response;

/// The longest head that is read, from its first byte to its empty line.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most headers in one head.
pub const MAX_HEADERS: usize = 100;

/// How long a whole head may take to arrive, however it drips.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long the whole body behind a head may take to arrive, however it drips.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// Why there is no next request or response. After that the connection is of no more use: where
/// the next one would begin is not known.
#[derive(Debug)]
pub enum Error {
    /// The connection failed.
    Io(io::Error),
    /// What came is not HTTP/1.1, or more than we read, or can be understood in two ways, or ended
    /// early, or came late: with which status its sender is told so, and what was wrong.
    Refused(u16, &'static str),
}

use Error::Refused;

impl Error {
    /// The status of the answer that the offender gets; `None` where none can arrive.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Io(_) => None,
            Refused(status, _) => Some(*status),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Refused(_, why) => f.write_str(why),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        match e.kind() {
            ErrorKind::TimedOut => Refused(408, "a message did not arrive whole in time"),
            _ => Error::Io(e),
        }
    }
}

/// So that a handler which returns `io::Result` can use `?` on both.
impl From<Error> for io::Error {
    fn from(e: Error) -> io::Error {
        match e {
            Error::Io(e) => e,
            e => io::Error::new(ErrorKind::InvalidData, e),
        }
    }
}

const CUT_SHORT: Error = Refused(400, "the stream ended in the middle of a message");
const TOO_LONG: Error = Refused(413, "the body is longer than is allowed here");
