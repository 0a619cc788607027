//! The frames of a WebSocket: the header before each payload, and the mask.
//!
//! The header says whether this is the last frame of its message, what the payload is, how long it
//! is, and the key of its mask. [`Header::read`] reads it in the order in which RFC 6455 §5.2 draws
//! it.
//!
//! Chapter 13 of the book.

use std::error;
use std::fmt;
use std::io::{self, Read};

/// What a frame carries (RFC 6455 §5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0,
    /// A message of UTF-8 text, or its first fragment.
    Text = 1,
    /// A message of any bytes, or its first fragment.
    Binary = 2,
    /// The last frame of the sender.
    Close = 8,
    /// To be answered by a pong with the same bytes.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Opcode {
    /// Whether this is a control frame: it has at most 125 bytes, MUST NOT be fragmented, and may
    /// stand between the fragments of a message (RFC 6455 §5.5).
    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// Whether its message is compressed; only in the first frame of one, and only if both sides
    /// have agreed on that (RFC 7692 §6).
    pub rsv1: bool,
    /// What the payload is.
    pub opcode: Opcode,
    /// The masking key: every frame of a client has one, and none of a server.
    pub mask: Option<[u8; 4]>,
    /// How many bytes the payload has.
    pub len: u64,
}

/// Why there is no header.
#[derive(Debug)]
pub enum Error {
    /// The connection failed, or ended in the middle of a header.
    Io(io::Error),
    /// RFC 6455 does not allow such a frame; what is wrong with it.
    Illegal(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Error::Illegal(what) => write!(f, "an illegal frame arrived: {what}"),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}

impl Header {
    /// Reads a header; `None` if the stream ends before its first byte.
    ///
    /// ```
    /// use sockets_by_hand::ws::frame::{Header, Opcode};
    ///
    /// let mut stream = &[0x81, 0x05, b'H', b'e', b'l', b'l', b'o'][..];
    /// let header = Header::read(&mut stream)?.unwrap();
    /// let expected = Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: None, len: 5 };
    /// assert_eq!(header, expected);
    /// assert_eq!(stream, b"Hello"); // the payload is still to be read
    /// # Ok::<(), sockets_by_hand::ws::frame::Error>(())
    /// ```
    ///
    /// # Errors
    /// The frame is illegal for both ends, or the connection failed.
    pub fn read(reader: &mut impl Read) -> Result<Option<Header>, Error> {
        let mut first = [0; 2];
        match reader.read(&mut first)? {
            0 => return Ok(None),
            1 => reader.read_exact(&mut first[1..])?,
            _ => {}
        }
        let fin = first[0] & 0x80 != 0;
        let rsv1 = first[0] & 0x40 != 0;
        if first[0] & 0x30 != 0 {
            return Err(Error::Illegal("a reserved bit is set, and no extension was agreed on"));
        }
        let opcode = match first[0] & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Error::Illegal("its opcode is reserved")),
        };
        let masked = first[1] & 0x80 != 0;
        let (len, least) = match first[1] & 0x7f {
            126 => (u64::from(u16::from_be_bytes(take(reader)?)), 126),
            127 => (u64::from_be_bytes(take(reader)?), 0x10000),
            len => (u64::from(len), 0),
        };
        if len < least {
            return Err(Error::Illegal("its length is written longer than need be"));
        }
        if len >> 63 != 0 {
            return Err(Error::Illegal("the highest bit of its length is set"));
        }
        if rsv1 && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(Error::Illegal(
                "RSV1 is set, and this is not the first frame of a message",
            ));
        }
        if opcode.is_control() && !fin {
            return Err(Error::Illegal("a control frame is fragmented"));
        }
        if opcode.is_control() && len > 125 {
            return Err(Error::Illegal("a control frame has more than 125 bytes"));
        }
        let mask = if masked { Some(take(reader)?) } else { None };
        Ok(Some(Header { fin, rsv1, opcode, mask, len }))
    }

    /// Writes the header at the end of `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push((self.fin as u8) << 7 | (self.rsv1 as u8) << 6 | self.opcode as u8);
        let masked = (self.mask.is_some() as u8) << 7;
        match self.len {
            0..=125 => out.push(masked | self.len as u8),
            126..=0xffff => {
                out.push(masked | 126);
                out.extend((self.len as u16).to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend(self.len.to_be_bytes());
            }
        }
        out.extend(self.mask.iter().flatten());
    }

    /// Writes a whole frame at the end of `out`: the header, and the payload, which is masked if
    /// there is a key.
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.reserve(14 + payload.len());
        self.write(out);
        let start = out.len();
        out.extend_from_slice(payload);
        if let Some(key) = self.mask {
            apply_mask(&mut out[start..], key, 0);
        }
    }
}

fn take<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A whole frame: header and payload, masked if there is a key.
///
/// ```
/// use sockets_by_hand::ws::frame::{Opcode, encode};
///
/// let hello = encode(true, Opcode::Text, b"Hello", None);
/// assert_eq!(hello, [0x81, 0x05, b'H', b'e', b'l', b'l', b'o']);
/// ```
pub fn encode(fin: bool, opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let header = Header { fin, rsv1: false, opcode, mask, len: payload.len() as u64 };
    let mut frame = Vec::new();
    header.encode(payload, &mut frame);
    frame
}

/// Masks or unmasks bytes of a payload (RFC 6455 §5.3). `offset` is the position of the first of
/// them.
pub fn apply_mask(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    // Eight bytes at a time: the key twice, rotated to `offset`.
    let key: [u8; 8] = std::array::from_fn(|i| key[(offset + i) % 4]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in &mut words {
        word.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}
