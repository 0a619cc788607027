//! RESP2, the protocol of Redis: commands and replies as bytes, and bytes as replies.
//!
//! A value begins with a byte that is its type. A line follows, which ends with CR LF: the text or
//! the number itself, or a length. Bytes of any kind (*bulk strings*) follow a line with their
//! length, so that nothing in them is searched for or escaped. A command is an array of them.
//! (<https://redis.io/docs/latest/develop/reference/protocol-spec/>)
//!
//! It needs nothing but `std`.
//!
//! Chapter 27 of the book.

use std::io::{self, BufRead, ErrorKind, Read};
use std::{error, fmt, mem};

/// How many arrays may stand within each other. Redis sends four at most.
pub const MAX_DEPTH: usize = 16;

/// What a server answers, or tells a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A simple string, such as `OK`: no CR or LF is in it.
    Simple(String),
    /// The command has failed: a word such as `ERR` or `WRONGTYPE`, and a message.
    Error(String),
    /// An integer.
    Integer(i64),
    /// A bulk string: any bytes.
    Bulk(Vec<u8>),
    /// An array.
    Array(Vec<Reply>),
    /// Nothing: a key that does not exist.
    Null,
}

/// Encodes a command: its name, and its arguments.
///
/// ```
/// use sockets_by_hand::redis::resp;
///
/// let bytes = resp::encode(&[b"GET", b"user"]);
/// assert_eq!(bytes, b"*2\r\n$3\r\nGET\r\n$4\r\nuser\r\n");
/// ```
pub fn encode(command: &[&[u8]]) -> Vec<u8> {
    let mut bytes = line('*', command.len());
    for part in command {
        write_bulk(part, &mut bytes);
    }
    bytes
}

impl Reply {
    /// Reads a reply. It may take up to `max` bytes of memory, and takes none before its bytes have
    /// arrived.
    ///
    /// # Errors
    /// The reader failed or has ended; or the reply is malformed, or larger than `max`. What
    /// follows in the reader is no reply then.
    ///
    /// ```
    /// use sockets_by_hand::redis::resp::Reply;
    ///
    /// let reply = Reply::read(&mut &b"*2\r\n:1\r\n$3\r\nAnn\r\n"[..], 1000)?;
    /// assert_eq!(reply, Reply::Array(vec![Reply::Integer(1), Reply::Bulk(b"Ann".to_vec())]));
    /// # Ok::<(), sockets_by_hand::redis::resp::Error>(())
    /// ```
    pub fn read(reader: &mut impl BufRead, max: usize) -> Result<Reply, Error> {
        Decoder { reader, left: max }.reply(0)
    }

    /// Appends the reply as a server sends it. (What a simple string or an error has behind a CR or
    /// LF would be taken for the next reply: it is left out.)
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let text = |text: &'_ str| text.lines().next().unwrap_or_default().to_string();
        match self {
            Reply::Simple(message) => bytes.extend(line('+', text(message))),
            Reply::Error(message) => bytes.extend(line('-', text(message))),
            Reply::Integer(n) => bytes.extend(line(':', n)),
            Reply::Bulk(bulk) => write_bulk(bulk, bytes),
            Reply::Array(items) => {
                bytes.extend(line('*', items.len()));
                items.iter().for_each(|item| item.write(bytes));
            }
            Reply::Null => bytes.extend(line('$', -1)),
        }
    }
}

fn line(kind: char, value: impl fmt::Display) -> Vec<u8> {
    format!("{kind}{value}\r\n").into_bytes()
}

fn write_bulk(bulk: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend(line('$', bulk.len()));
    bytes.extend_from_slice(bulk);
    bytes.extend_from_slice(b"\r\n");
}

/// Reads one reply.
struct Decoder<'a, R> {
    reader: &'a mut R,
    /// How much memory the reply may still take.
    left: usize,
}

impl<R: BufRead> Decoder<'_, R> {
    fn reply(&mut self, depth: usize) -> Result<Reply, Error> {
        self.take(mem::size_of::<Reply>())?;
        let line = self.line()?;
        let Some((kind, rest)) = line.split_at_checked(1) else {
            return Err(Error::Malformed("a reply begins with its type"));
        };
        Ok(match kind {
            "+" => Reply::Simple(rest.to_string()),
            "-" => Reply::Error(rest.to_string()),
            ":" => Reply::Integer(integer(rest)?),
            "$" | "*" if rest == "-1" => Reply::Null,
            "$" => Reply::Bulk(self.bulk(length(rest)?)?),
            "*" if depth == MAX_DEPTH => return Err(Error::Malformed("it is nested too deeply")),
            "*" => {
                let items = (0..length(rest)?).map(|_| self.reply(depth + 1));
                Reply::Array(items.collect::<Result<_, _>>()?)
            }
            _ => return Err(Error::Malformed("a reply begins with one of + - : $ *")),
        })
    }

    /// Takes some of the memory that is left.
    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or(Error::TooLarge)?;
        Ok(())
    }

    /// A line without its end.
    fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        let max = self.left.saturating_add(2) as u64;
        self.reader.by_ref().take(max).read_until(b'\n', &mut line)?;
        let text = match line.strip_suffix(b"\r\n") {
            Some(text) => text,
            None if line.is_empty() => return Err(Error::Io(ErrorKind::UnexpectedEof.into())),
            None if line.ends_with(b"\n") => {
                return Err(Error::Malformed("a line ends with CR and LF"));
            }
            None if line.len() as u64 == max => return Err(Error::TooLarge),
            None => return Err(Error::Io(ErrorKind::UnexpectedEof.into())),
        };
        self.take(text.len())?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// A bulk string behind its length.
    fn bulk(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        self.take(len)?;
        let mut bulk = Vec::new();
        self.reader.by_ref().take(len as u64 + 2).read_to_end(&mut bulk)?;
        if bulk.len() < len + 2 {
            return Err(Error::Io(ErrorKind::UnexpectedEof.into()));
        }
        if !bulk.ends_with(b"\r\n") {
            return Err(Error::Malformed("a bulk string ends with CR and LF"));
        }
        bulk.truncate(len);
        Ok(bulk)
    }
}

/// A number as Redis writes it: no plus sign, no spaces.
fn integer(text: &str) -> Result<i64, Error> {
    let number = text.parse().ok().filter(|_| !text.starts_with('+'));
    number.ok_or(Error::Malformed("an integer is expected"))
}

fn length(text: &str) -> Result<usize, Error> {
    usize::try_from(integer(text)?).map_err(|_| Error::Malformed("a length is not negative"))
}

/// Why there is no reply.
#[derive(Debug)]
pub enum Error {
    /// The reader failed, or has ended ([`ErrorKind::UnexpectedEof`]).
    Io(io::Error),
    /// The reply breaks a rule of RESP2.
    Malformed(&'static str),
    /// The reply would take more memory than it may.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "no reply could be read: {e}"),
            Error::Malformed(rule) => write!(f, "the reply is not RESP2: {rule}"),
            Error::TooLarge => write!(f, "the reply is larger than it may be"),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}
