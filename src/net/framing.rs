//! Messages in a stream of bytes: where does one end, and the next begin?
//!
//! There are two ways: a delimiter after each message (here `\n`: a line), or its length before it
//! (here four bytes: a frame). In both, the reader sets the longest message that it takes, and a
//! longer one costs it no memory.
//!
//! Chapter 06 of the book.

use std::error;
use std::fmt;
use std::io::{self, BufRead, Read, Write};

/// Why there is no next message.
#[derive(Debug)]
pub enum Error {
    /// The connection failed.
    Io(io::Error),
    /// The message is longer than this many bytes, the most that the reader allows. Where the next
    /// one begins is not known.
    TooLong(usize),
    /// The stream ended in the middle of a frame: this many more bytes were expected.
    CutShort(usize),
    /// The line is not UTF-8 text.
    NotText,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Error::TooLong(max) => write!(f, "a message of more than {max} bytes arrived"),
            Error::CutShort(missing) => {
                write!(f, "the stream ended {missing} bytes before the end of a frame")
            }
            Error::NotText => write!(f, "a line arrived that is not UTF-8 text"),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}

/// So that a handler which returns `io::Result` can use `?` on both.
impl From<Error> for io::Error {
    fn from(e: Error) -> io::Error {
        match e {
            Error::Io(e) => e,
            e => io::Error::new(io::ErrorKind::InvalidData, e),
        }
    }
}

/// Reads one line of at most `max` bytes, without its `\n` or `\r\n`; `None` at the end of the
/// stream. A last line that lacks its `\n` counts too.
///
/// ```
/// use sockets_by_hand::net::framing::read_line;
///
/// let mut stream = &b"one\r\ntwo"[..]; // a slice of bytes reads like a connection
/// assert_eq!(read_line(&mut stream, 80)?, Some("one".to_string()));
/// assert_eq!(read_line(&mut stream, 80)?, Some("two".to_string()));
/// assert_eq!(read_line(&mut stream, 80)?, None);
/// # Ok::<(), sockets_by_hand::net::framing::Error>(())
/// ```
///
/// # Errors
/// The line is longer, or not UTF-8; or the connection failed.
pub fn read_line(reader: &mut impl BufRead, max: usize) -> Result<Option<String>, Error> {
    let mut line = Vec::new();
    let most = (max as u64).saturating_add(2); // and its \r\n
    if reader.take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    if line.len() > max {
        return Err(Error::TooLong(max));
    }
    String::from_utf8(line).map(Some).map_err(|_| Error::NotText)
}

/// Writes one line: `text` and `\n`, in a single `write`. A `\n` within `text` makes it two lines.
///
/// # Errors
/// The connection failed.
pub fn write_line(writer: &mut impl Write, text: &str) -> io::Result<()> {
    writer.write_all(format!("{text}\n").as_bytes())
}

/// Reads one frame, a length in four bytes (the highest first) and then that many bytes of
/// payload, at most `max`; `None` at the end of the stream.
///
/// ```
/// use sockets_by_hand::net::framing::{read_frame, write_frame};
///
/// let mut wire = Vec::new();
/// write_frame(&mut wire, b"any bytes, \n too")?;
/// assert_eq!(wire[..4], [0, 0, 0, 16]);
/// assert_eq!(read_frame(&mut &wire[..], 80)?.unwrap(), b"any bytes, \n too");
/// # Ok::<(), sockets_by_hand::net::framing::Error>(())
/// ```
///
/// # Errors
/// The frame is longer, or cut short; or the connection failed.
pub fn read_frame(reader: &mut impl Read, max: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut header = Vec::new();
    match reader.take(4).read_to_end(&mut header)? {
        0 => return Ok(None),
        4 => {}
        n => return Err(Error::CutShort(4 - n)),
    }
    let len = header.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
    if len > max {
        return Err(Error::TooLong(max));
    }
    // The length is a claim. Memory is taken for bytes that have arrived, as they arrive.
    let mut payload = Vec::new();
    match reader.take(len as u64).read_to_end(&mut payload)? {
        n if n == len => Ok(Some(payload)),
        n => Err(Error::CutShort(len - n)),
    }
}

/// Writes one frame, in a single `write`.
///
/// # Errors
/// The connection failed, or `payload` is longer than four bytes can say
/// ([`InvalidInput`](io::ErrorKind::InvalidInput)).
pub fn write_frame(writer: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let len =
        u32::try_from(payload.len()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    writer.write_all(&[&len.to_be_bytes(), payload].concat())
}
