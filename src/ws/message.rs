//! Messages out of frames: joins the fragments, checks that text is UTF-8, and returns the control
//! frames (a ping, a pong, a close frame) that may stand between two fragments (RFC 6455 §5.4,
//! §5.5).
//!
//! Chapter 14 of the book.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Read};

use super::Error;
use super::compression::Inflate;
use super::frame::{Header, Opcode, apply_mask, encode};

/// How much memory is taken for a payload before any of it has arrived: what has been read together
/// with the header is seldom more.
const FIRST: usize = 1024;

/// How much memory is taken for what is to come, once some of the payload has arrived.
const CHUNK: usize = 64 * 1024;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, in UTF-8 on the wire.
    Text(String),
    /// Any bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// The text of a text message; `None` if the message is binary.
    ///
    /// ```
    /// use sockets_by_hand::ws::Message;
    ///
    /// assert_eq!(Message::from("Hello").as_text(), Some("Hello"));
    /// assert_eq!(Message::Binary(b"Hello".to_vec()).as_text(), None);
    /// ```
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// The whole message as one frame; masked if there is a key.
    pub fn encode(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
        let (opcode, payload) = self.payload();
        encode(true, opcode, payload, mask)
    }

    /// What its first frame carries, and all its bytes.
    pub(super) fn payload(&self) -> (Opcode, &[u8]) {
        match self {
            Message::Text(text) => (Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, bytes),
        }
    }
}

/// Writes the text; of a binary message, the bytes as UTF-8, with U+FFFD for what is not UTF-8
/// (`data.toString()`).
impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Message::Text(text) => f.pad(text),
            Message::Binary(bytes) => f.pad(&String::from_utf8_lossy(bytes)),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::Text(text.to_string())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes)
    }
}

/// How a connection ended: a code, and a reason for people (RFC 6455 §7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code, such as [`Close::NORMAL`].
    pub code: u16,
    /// At most 123 bytes of text, often empty.
    pub reason: String,
}

/// Close codes (RFC 6455 §7.4.1).
impl Close {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server shuts down, or the browser leaves the page.
    pub const GOING_AWAY: u16 = 1001;
    /// The other end violated the protocol.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// The close frame had no code. Never sent.
    pub const NO_STATUS: u16 = 1005;
    /// The connection ended without a close frame. Never sent.
    pub const ABNORMAL: u16 = 1006;
    /// Text was not UTF-8.
    pub const INVALID_PAYLOAD: u16 = 1007;
    /// A message was too big.
    pub const TOO_BIG: u16 = 1009;
    /// The server met an unexpected condition.
    pub const INTERNAL_ERROR: u16 = 1011;
}

impl Close {
    /// The payload of a close frame; it is empty for [`Close::NO_STATUS`].
    ///
    /// # Errors
    /// The code must not be sent, or the reason does not fit into a control frame
    /// ([`Error::Invalid`]).
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        if self.code == Close::NO_STATUS && self.reason.is_empty() {
            return Ok(Vec::new());
        }
        if !may_be_sent(self.code) {
            return Err(Error::Invalid("this close code is not one that may be sent"));
        }
        if self.reason.len() > 123 {
            return Err(Error::Invalid("the reason of a close has at most 123 bytes"));
        }
        Ok([&self.code.to_be_bytes(), self.reason.as_bytes()].concat())
    }

    /// Reads the payload of a close frame (RFC 6455 §5.5.1).
    ///
    /// # Errors
    /// The payload has one byte, a code that must not be sent, or a reason that is not UTF-8.
    pub fn parse(payload: &[u8]) -> Result<Close, Error> {
        let (code, reason) = match payload {
            [] => return Ok(Close { code: Close::NO_STATUS, reason: String::new() }),
            [_] => return Err(Error::Protocol("a close frame has one byte")),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !may_be_sent(code) {
            return Err(Error::Protocol("a close frame has a code that may not be sent"));
        }
        let reason = String::from_utf8(reason.to_vec()).map_err(|_| Error::NotUtf8)?;
        Ok(Close { code, reason })
    }
}

/// Whether a code may be sent: those of the RFC and its registry, and those for libraries and
/// applications (RFC 6455 §7.4.2). 1004 to 1006 and 1015 MUST NOT be sent.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What [`Reader::read`] returns.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(Message),
    /// A ping, to be answered with a pong of the same bytes.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame, the last frame.
    Close(Close),
}

/// Reads messages from a reader of bytes.
#[derive(Debug)]
pub struct Reader<R> {
    reader: R,
    /// Whether the frames are masked: those of a client MUST be, those of a server MUST NOT (§5.1).
    masked: bool,
    max_payload: usize,
    /// Inflates compressed messages, if both sides have agreed on them.
    inflate: Option<Box<Inflate>>,
    /// The message whose last frame has not arrived yet.
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    text: bool,
    compressed: bool,
    payload: Vec<u8>,
    /// How much of the payload is known to be UTF-8.
    valid_up_to: usize,
}

impl<R: Read> Reader<R> {
    /// A reader of messages of at most `max_payload` bytes, whose frames are masked or not.
    pub fn new(reader: R, masked: bool, max_payload: usize) -> Reader<R> {
        Reader { reader, masked, max_payload, inflate: None, partial: None }
    }

    /// Messages may be compressed from now on.
    pub(super) fn set_inflate(&mut self, inflate: Inflate) {
        self.inflate = Some(Box::new(inflate));
    }

    /// The reader of bytes.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Reads the next message or control frame; `None` if the stream ends.
    ///
    /// # Errors
    /// The other end is at fault (see [`Error::close_code`]), or the connection failed.
    pub fn read(&mut self) -> Result<Option<Incoming>, Error> {
        if let Some(inflate) = &mut self.inflate {
            inflate.release();
        }
        while let Some(header) = Header::read(&mut self.reader)? {
            if header.mask.is_some() != self.masked {
                // RFC 6455 §5.1
                return Err(Error::Protocol(match self.masked {
                    true => "a client sent a frame without a mask",
                    false => "a server sent a frame with a mask",
                }));
            }
            if header.rsv1 && self.inflate.is_none() {
                return Err(Error::Protocol(
                    "RSV1 is set, and permessage-deflate was not agreed on",
                ));
            }
            if header.opcode.is_control() {
                return self.control(header).map(Some);
            }
            if let Some(message) = self.data(header)? {
                return Ok(Some(Incoming::Message(message)));
            }
        }
        Ok(None)
    }

    fn control(&mut self, header: Header) -> Result<Incoming, Error> {
        let mut payload = vec![0; header.len as usize]; // at most 125: the header was legal
        self.reader.read_exact(&mut payload)?;
        apply_mask(&mut payload, header.mask.unwrap_or_default(), 0);
        Ok(match header.opcode {
            Opcode::Ping => Incoming::Ping(payload),
            Opcode::Pong => Incoming::Pong(payload),
            _ => Incoming::Close(Close::parse(&payload)?),
        })
    }

    /// Reads the payload of a data frame. Returns the message if that was its last frame.
    fn data(&mut self, header: Header) -> Result<Option<Message>, Error> {
        let mut partial = match (header.opcode, self.partial.take()) {
            (Opcode::Continuation, Some(partial)) => partial,
            (Opcode::Continuation, None) => {
                return Err(Error::Protocol("a continuation came, and nothing to continue"));
            }
            (_, Some(_)) => {
                return Err(Error::Protocol("a message began before the last one had ended"));
            }
            (opcode, None) => Partial {
                text: opcode == Opcode::Text,
                compressed: header.rsv1,
                payload: Vec::new(),
                valid_up_to: 0,
            },
        };
        let start = partial.payload.len();
        if header.len > (self.max_payload - start) as u64 {
            return Err(Error::TooBig(self.max_payload));
        }
        let end = start + header.len as usize;
        let mut filled = start;
        while filled < end {
            // The length is a claim of the sender: at most `CHUNK`, or as much memory again as has
            // been filled.
            let ahead = if filled == 0 { FIRST } else { filled.max(CHUNK) };
            let room = end.min(filled + ahead).max(partial.payload.len());
            partial.payload.resize(room, 0);
            let n = self.reader.read(&mut partial.payload[filled..])?;
            if n == 0 {
                return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
            }
            if let Some(key) = header.mask {
                apply_mask(&mut partial.payload[filled..filled + n], key, filled - start);
            }
            filled += n;
            if partial.text && !partial.compressed && !(header.fin && filled == end) {
                partial.check_utf8(filled)?;
            }
        }
        let inflate = self.inflate.as_mut().filter(|_| partial.compressed);
        if !header.fin {
            if let Some(inflate) = inflate.filter(|_| partial.text) {
                inflate.check_text(&partial.payload, self.max_payload)?;
            }
            self.partial = Some(partial);
            return Ok(None);
        }
        if let Some(inflate) = inflate {
            partial.payload = inflate.message(partial.payload, self.max_payload)?;
        }
        Ok(Some(match partial.text {
            true => Message::Text(String::from_utf8(partial.payload).map_err(|_| Error::NotUtf8)?),
            false => Message::Binary(partial.payload),
        }))
    }
}

impl Partial {
    /// Fails at the first byte that is not UTF-8. The last character may be incomplete.
    fn check_utf8(&mut self, filled: usize) -> Result<(), Error> {
        match std::str::from_utf8(&self.payload[self.valid_up_to..filled]) {
            Ok(text) => self.valid_up_to += text.len(),
            Err(e) if e.error_len().is_none() => self.valid_up_to += e.valid_up_to(),
            Err(_) => return Err(Error::NotUtf8),
        }
        Ok(())
    }
}
