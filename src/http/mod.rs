//! HTTP/1.1, as far as this crate needs it: heads and bodies of a known length, on both sides.
//!
//! A message has a first line, headers (`Name: value`, one a line), an empty line, and a body. The
//! headers say where the body ends. Two readers must never find different ends, or an attacker
//! could hide a second request from the first of them (*request smuggling*). So a message that can
//! be read in two ways is refused.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `head` | the lines up to the empty line, and [`Headers`] |
//! | `body` | a body of a known length, or in chunks |
//! | `request` | [`Request`], which a client sends |
//! | `response` | [`Response`], which a server sends |
//! | `connection` | [`Connection`]: a server's end, one request after the other |
//! | `client` | [`ClientConnection`]: a client's end, one request |
//! | `url` | [`Url`]: where a server is |
//! | `deadline_reader` | [`DeadlineReader`]: a deadline for a whole message |
//!
//! Chapter 11 of the book.

mod body;
mod client;
mod connection;
mod deadline_reader;
mod head;
mod request;
mod response;
mod url;

use std::{error, fmt, io, io::ErrorKind, time::Duration};

pub use body::chunk_size;
pub use client::ClientConnection;
pub(crate) use connection::Upgrade;
pub use connection::{Connection, KEEP_ALIVE};
pub use deadline_reader::DeadlineReader;
pub(crate) use head::is_token;
pub use head::{Headers, read_line};
pub use request::Request;
pub(crate) use request::escape;
pub use response::Response;
pub use url::Url;

/// The longest head that is read, from its first byte to its empty line.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most headers in one head.
pub const MAX_HEADERS: usize = 100;

/// How long a whole head may take to arrive.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// The longest body that a request for a page may have, unless the options set another limit.
pub const MAX_BODY: usize = 64 * 1024;

/// How long a whole body may take to arrive.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// Answers a request for a page: its head and its body.
pub(crate) type Page = Box<dyn Fn(&Request, &[u8]) -> Response + Send + Sync>;

/// Why there is no next request or response. Afterwards the connection is of no use: where the next
/// message would begin is not known.
#[derive(Debug)]
pub enum Error {
    /// The connection failed.
    Io(io::Error),
    /// The message is not HTTP/1.1, is too long, can be read in two ways, ended early, or came
    /// late. The status of the response that its sender gets, and what is wrong.
    Refused(u16, &'static str),
    /// The text is not a URL that we can use; what is wrong with it.
    InvalidUrl(&'static str),
}

use Error::Refused;

impl Error {
    /// The status of the response that the sender gets; `None` if no response can arrive.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Io(_) | Error::InvalidUrl(_) => None,
            Refused(status, _) => Some(*status),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Refused(_, why) | Error::InvalidUrl(why) => f.write_str(why),
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
