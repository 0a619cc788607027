//! What can go wrong with a WebSocket, by who was at fault.
//!
//! Chapter 17 of the book.

use std::io::{self, ErrorKind};
use std::{error, fmt};

use super::deflate::inflate;
use super::{Close, frame};
use crate::{http, net::outbox::Dropped};

/// Why there is no WebSocket, or none any more.
#[derive(Debug)]
pub enum Error {
    /// The connection failed.
    Io(io::Error),
    /// The other end sent a head that is not HTTP.
    Http(http::Error),
    /// The server refused the handshake, with this status and this text.
    Refused {
        /// The status of its response, such as 404.
        status: u16,
        /// The beginning of the body of its response.
        text: String,
    },
    /// The server's response to the handshake is not that of a WebSocket server; what is wrong with
    /// it.
    Handshake(&'static str),
    /// The other end violated RFC 6455; how.
    Protocol(&'static str),
    /// The other end sent text that is not UTF-8.
    NotUtf8,
    /// The other end sent a message of more bytes than this, the limit (`maxPayload`).
    TooBig(usize),
    /// The other end sent a compressed message that cannot be inflated; why.
    Inflate(inflate::Error),
    /// The other end gets no more messages; why.
    Dropped(Dropped),
    /// An argument is invalid: a URL, a subprotocol, a close code or a reason; what is wrong with
    /// it.
    Invalid(&'static str),
}

impl Error {
    /// The close code that the other end gets, if it is at fault (RFC 6455 §7.4.1).
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Error::Protocol(_) => Some(Close::PROTOCOL_ERROR),
            Error::NotUtf8 | Error::Inflate(_) => Some(Close::INVALID_PAYLOAD),
            Error::TooBig(_) => Some(Close::TOO_BIG),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Error::Http(e) => e.fmt(f),
            Error::Refused { status, text } => {
                write!(f, "the server refused the handshake with status {status}: {text}")
            }
            Error::Handshake(what) => write!(f, "the server does not speak WebSocket: {what}"),
            Error::Protocol(what) => write!(f, "protocol error: {what}"),
            Error::NotUtf8 => write!(f, "text that is not UTF-8 arrived"),
            Error::TooBig(max) => write!(f, "a message of more than {max} bytes arrived"),
            Error::Inflate(e) => e.fmt(f),
            Error::Dropped(why) => why.fmt(f),
            Error::Invalid(what) => f.write_str(what),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(match e.kind() {
            ErrorKind::UnexpectedEof => {
                io::Error::new(e.kind(), "the stream ended in the middle of a frame")
            }
            _ => e,
        })
    }
}

impl From<http::Error> for Error {
    fn from(e: http::Error) -> Error {
        match e {
            http::Error::Io(e) => Error::Io(e),
            http::Error::InvalidUrl(what) => Error::Invalid(what),
            e => Error::Http(e),
        }
    }
}

impl From<frame::Error> for Error {
    fn from(e: frame::Error) -> Error {
        match e {
            frame::Error::Io(e) => e.into(),
            frame::Error::Illegal(what) => Error::Protocol(what),
        }
    }
}

impl From<Dropped> for Error {
    fn from(why: Dropped) -> Error {
        Error::Dropped(why)
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
