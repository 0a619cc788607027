//! As much HTTP/1.1 as we need: a head in, a head out, on either side, and bodies of a known length.
//!
//! Picture a letter. The first line says what it is about, the lines below it are the letterhead
//! (`Name: value`), an empty line ends that, and the content follows. Where the content ends, the
//! letterhead says. Two readers must never find different ends (whoever writes the letter could
//! then slip a second one past the first reader: *request smuggling*), so that whatever could be
//! read in two ways is not read at all.

use std::error;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::string::FromUtf8Error;
use std::time::{Duration, Instant};

use crate::net::Stream;

/// The longest head that is read, from its first byte to its empty line.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most headers in one head.
pub const MAX_HEADERS: usize = 100;

/// How long a whole head may take to arrive, however it drips.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// Why there is no next request or response. After any of them the connection is of no more use:
/// where the next message would begin is not known.
#[derive(Debug)]
pub enum Error {
    /// The connection failed.
    Io(io::Error),
    /// The stream ended in the middle of a message.
    CutShort,
    /// The rest of a message did not arrive in time.
    Late,
    /// The body is longer than the reader allows.
    TooLong {
        /// The most bytes that the reader allows.
        max: usize,
    },
    /// It is not HTTP/1.1, or more of it than we read, or could be understood in two ways.
    Refused {
        /// What its sender is told.
        status: u16,
        /// What was wrong, or what was expected.
        why: &'static str,
    },
}

impl Error {
    /// The status of the answer that the offender gets, if it can still get any.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Io(_) => None,
            Error::CutShort => Some(400),
            Error::Late => Some(408),
            Error::TooLong { .. } => Some(413),
            Error::Refused { status, .. } => Some(*status),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(e) => write!(f, "the connection failed: {e}"),
            Error::CutShort => write!(f, "the stream ended in the middle of a message"),
            Error::Late => write!(f, "the rest of a message did not arrive in time"),
            Error::TooLong { max } => write!(f, "a body of more than {max} bytes was announced"),
            Error::Refused { why, .. } => write!(f, "{why}"),
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        if e.kind() == ErrorKind::TimedOut { Error::Late } else { Error::Io(e) }
    }
}

/// So that a handler which returns `io::Result` can use `?` on both.
impl From<Error> for io::Error {
    fn from(e: Error) -> io::Error {
        match e {
            Error::Io(e) => e,
            Error::Late => io::Error::new(ErrorKind::TimedOut, e),
            e => io::Error::new(ErrorKind::InvalidData, e),
        }
    }
}

fn refuse<T>(status: u16, why: &'static str) -> Result<T, Error> {
    Err(Error::Refused { status, why })
}

/// The headers of a message, in their order. Upper and lower case make no difference in a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of the first header of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The members of a header that is a list, such as `Connection: keep-alive, Upgrade`. Several
    /// headers of one name are one list (RFC 9110 §5.3).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(|value| value.split(',')).map(trim).filter(|item| !item.is_empty())
    }

    /// All headers, as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Adds a header after the others. What must not stand in one, above all a line end, becomes a
    /// space (in a name, `-`): nobody who chooses a value can add a line of their own.
    pub fn push(&mut self, name: &str, value: &str) {
        let value = value.replace(|c: char| c != '\t' && c.is_ascii_control(), " ");
        self.0.push((token(name), value));
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Headers, Error> {
        let mut headers = Headers::default();
        for line in lines {
            // A space before the colon, or at the beginning (a "folded" line), is no token either.
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.is_empty() || !name.bytes().all(is_token) {
                return refuse(400, "a header is not a name, a colon right behind it, and a value");
            }
            if headers.0.len() == MAX_HEADERS {
                return refuse(431, "there are more than 100 headers");
            }
            headers.push(name, trim(value));
        }
        Ok(headers)
    }

    /// The length of the body, if one is given. (RFC 9112 §6.3 lets two equal ones pass.)
    fn content_length(&self) -> Result<Option<usize>, Error> {
        let mut all = self.all("content-length");
        let Some(length) = all.next() else { return Ok(None) };
        if all.next().is_some() || length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit())
        {
            return refuse(400, "Content-Length is not one number");
        }
        // More digits than fit are longer than any limit.
        Ok(Some(length.parse().unwrap_or(usize::MAX)))
    }
}

/// What a client asks for. The body, if there is one, is read in a second step: between the two
/// the server decides how long it may be.
///
/// ```
/// use sockets_by_hand::http::Request;
///
/// let mut stream = &b"POST /say?to=Ada%20L HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nHi"[..];
/// let request = Request::read(&mut stream)?.unwrap();
/// assert_eq!((&*request.method, request.path()), ("POST", "/say"));
/// assert_eq!(request.query("to").unwrap(), "Ada L");
/// assert_eq!(request.body(&mut stream, 80)?, b"Hi");
/// assert!(Request::read(&mut stream)?.is_none()); // the end of the stream
/// # Ok::<(), sockets_by_hand::http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path, and behind a `?` the query, as they were sent.
    pub target: String,
    /// The second number of the version: 1 in `HTTP/1.1`.
    pub minor: u8,
    /// The headers.
    pub headers: Headers,
}

impl Request {
    /// A request to send, without headers: `Host` is yours to push.
    pub fn new(method: &str, target: &str) -> Request {
        let (method, target) = (method.to_string(), target.to_string());
        Request { method, target, minor: 1, headers: Headers::default() }
    }

    /// Reads one head, and not a byte more; `None` when the stream ends before it begins.
    ///
    /// # Errors
    /// The head is refused (400, 417, 431, 501, 505), late, or cut short; or the connection failed.
    pub fn read(reader: &mut impl BufRead) -> Result<Option<Request>, Error> {
        let Some(head) = read_head(reader)? else { return Ok(None) };
        let mut lines = lines(&head);
        let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, version] = first[..] else {
            return refuse(400, "the first line is not a method, a target and a version");
        };
        if method.is_empty() || !method.bytes().all(is_token) {
            return refuse(400, "the method is not a word");
        }
        if target.is_empty() || !target.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse(400, "the target has bytes that must be percent-encoded");
        }
        let minor = match version.as_bytes() {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => minor - b'0',
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', ..] => {
                return refuse(505, "the version is not HTTP/1.1");
            }
            _ => return refuse(400, "the first line does not end with HTTP/1.1"),
        };
        let headers = Headers::parse(lines)?;
        let hosts: Vec<&str> = headers.all("host").collect();
        match hosts[..] {
            [] if minor == 0 => {}
            [host] if host.bytes().all(is_host) => {}
            _ => return refuse(400, "there is not exactly one Host, the name of a machine"),
        }
        let length = headers.content_length()?;
        match headers.get("transfer-encoding") {
            Some(_) if length.is_some() => {
                return refuse(400, "there are both Content-Length and Transfer-Encoding");
            }
            Some(_) => return refuse(501, "a body needs a Content-Length here"),
            None => {}
        }
        // curl then sends the request once more, without asking first whether it may.
        if minor > 0 && headers.get("expect").is_some() {
            return refuse(417, "there is no answer to Expect here");
        }
        let (method, target) = (method.to_string(), target.to_string());
        Ok(Some(Request { method, target, minor, headers }))
    }

    /// Reads the body; empty where none was announced. To be called before the next request is
    /// read, for the body stands in between.
    ///
    /// # Errors
    /// The body is longer than `max`, late, or cut short; or the connection failed.
    pub fn body(&self, reader: &mut impl BufRead, max: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        read_exactly(reader, self.headers.content_length()?.unwrap_or(0), max, &mut body)?;
        Ok(body)
    }

    /// The target up to its `?`, as it was sent: not decoded.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The value of the first `name=value` in the query, both decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(key, _)| decode(key) == name).map(|(_, value)| decode(value))
    }

    /// Whether another request may follow on the same connection. (HTTP/1.0 could be asked to; who
    /// still speaks it opens a new one.)
    pub fn keep_alive(&self) -> bool {
        let close = |option: &str| option.eq_ignore_ascii_case("close");
        self.minor > 0 && !self.headers.list("connection").any(close)
    }

    /// The request with a `body` (or an empty one) as it goes over the wire, for a single `write`.
    /// `Content-Length` is seen to.
    pub fn encode(&self, body: &[u8]) -> Vec<u8> {
        let mut first = token(&self.method) + " ";
        for byte in self.target.bytes() {
            match byte {
                b'!'..=b'~' => first.push(byte.into()),
                _ => first += &format!("%{byte:02X}"),
            }
        }
        first += " HTTP/1.1";
        let announced = !body.is_empty() || self.method == "POST"; // RFC 9110 §8.6
        encode(&first, &self.headers, announced.then_some(body.len()), body)
    }
}

/// What a server answers.
///
/// ```
/// use sockets_by_hand::http::Response;
///
/// let wire = Response::text(404, "Nothing here").encode();
/// assert!(wire.starts_with(b"HTTP/1.1 404 Not Found\r\n"));
///
/// let response = Response::read(&mut &wire[..], 80)?;
/// assert_eq!((response.status, &response.body[..]), (404, &b"Nothing here"[..]));
/// # Ok::<(), sockets_by_hand::http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// What became of the request, in three digits.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The content.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without headers and body.
    pub fn new(status: u16) -> Response {
        Response { status, headers: Headers::default(), body: Vec::new() }
    }

    /// A response with plain text.
    pub fn text(status: u16, text: &str) -> Response {
        let mut response = Response::new(status);
        response.headers.push("Content-Type", "text/plain; charset=utf-8");
        response.body = text.into();
        response
    }

    /// Reads one response. Those that only promise another (100, 103) are skipped.
    ///
    /// # Errors
    /// The response is not HTTP, its body is longer than `max`, it is late, or cut short; or the
    /// connection failed.
    pub fn read(reader: &mut impl BufRead, max: usize) -> Result<Response, Error> {
        loop {
            let head = read_head(reader)?.ok_or(Error::CutShort)?;
            let mut lines = lines(&head);
            let first = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
            let status = first.and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
            let (Ok(status @ 100..=999), 3) = (status.parse(), status.len()) else {
                return refuse(400, "the first line is not HTTP/1.1 and a status");
            };
            let headers = Headers::parse(lines)?;
            let mut body = Vec::new();
            // Where the body ends: RFC 9112 §6.3.
            match (headers.content_length()?, headers.get("transfer-encoding")) {
                _ if !has_body(status) => {}
                (Some(length), None) => read_exactly(reader, length, max, &mut body)?,
                (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => {
                    while read_chunk(reader, max, &mut body)? {}
                }
                (_, Some(_)) => return refuse(400, "it cannot be known where the body ends"),
                (None, None) => {
                    let most = (max as u64).saturating_add(1);
                    if reader.take(most).read_to_end(&mut body)? > max {
                        return Err(Error::TooLong { max });
                    }
                }
            }
            if status >= 200 || status == 101 {
                return Ok(Response { status, headers, body });
            }
        }
    }

    /// The response as it goes over the wire, for a single `write`. `Content-Length` is seen to.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(if has_body(self.status) { &self.body } else { b"" })
    }

    /// The response without its body: what a `HEAD` request gets.
    pub fn encode_head(&self) -> Vec<u8> {
        self.encode_with(b"")
    }

    fn encode_with(&self, body: &[u8]) -> Vec<u8> {
        let first = format!("HTTP/1.1 {} {}", self.status, reason(self.status));
        encode(&first, &self.headers, has_body(self.status).then_some(self.body.len()), body)
    }
}

/// Reads a connection, and while a deadline is set no longer than until then. It is the stream's
/// own timeout, set anew before each `read` to what is left of the time: a client that sends a byte
/// now and then gains nothing by it. Without a deadline it costs nothing.
///
/// ```no_run
/// use sockets_by_hand::http::{HEAD_TIME, Request, Timed};
/// use std::time::Instant;
///
/// # fn serve(stream: sockets_by_hand::net::Stream) -> Result<(), sockets_by_hand::http::Error> {
/// let mut reader = Timed::buffered(stream);
/// reader.get_mut().deadline = Some(Instant::now() + HEAD_TIME);
/// let request = Request::read(&mut reader)?;
/// reader.get_mut().deadline = None;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Timed {
    /// The connection.
    pub stream: Stream,
    /// When a `read` fails with [`ErrorKind::TimedOut`]; `None` waits for ever.
    pub deadline: Option<Instant>,
    /// The stream still has a timeout.
    limited: bool,
}

impl Timed {
    /// A reader of `stream` without a deadline, with a buffer of 4 KiB: one for each client.
    pub fn buffered(stream: Stream) -> BufReader<Timed> {
        BufReader::with_capacity(4096, Timed { stream, deadline: None, limited: false })
    }
}

impl Read for Timed {
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

/// Reads up to the empty line that ends a head; `None` when the stream ends before it begins. A
/// line that is empty before anything else is skipped (RFC 9112 §2.2).
fn read_head(reader: &mut impl BufRead) -> Result<Option<String>, Error> {
    let (mut head, mut begun) = (Vec::new(), false);
    loop {
        if !begun && reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let empty = read_line(reader, &mut head)?.is_empty();
        if begun && empty {
            let lossy = |e: FromUtf8Error| String::from_utf8_lossy(e.as_bytes()).into_owned();
            return Ok(Some(String::from_utf8(head).unwrap_or_else(lossy)));
        }
        begun |= !empty;
    }
}

fn lines(head: &str) -> impl Iterator<Item = &str> {
    head.lines().filter(|line| !line.is_empty())
}

/// Reads one line to the end of `text`, which has room for [`MAX_HEAD`] bytes in all. RFC 9112 §2.2
/// allows to take a `\n` alone for the end of a line. Not every reader does, so we do not either.
fn read_line<'a>(reader: &mut impl BufRead, text: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
    let start = text.len();
    reader.take((MAX_HEAD - start) as u64).read_until(b'\n', text)?;
    match &text[start..] {
        [line @ .., b'\r', b'\n'] if !line.iter().any(|b| is_control(*b)) => Ok(line),
        [.., b'\n'] => refuse(400, "a line has a control character, or no \\r before its \\n"),
        _ if text.len() == MAX_HEAD => refuse(431, "the head is longer than 16 KiB"),
        _ => Err(Error::CutShort),
    }
}

/// Reads `len` more bytes of a body. The length is a claim: memory is taken as bytes arrive.
fn read_exactly(
    reader: &mut impl BufRead,
    len: usize,
    max: usize,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    if len > max - body.len() {
        return Err(Error::TooLong { max });
    }
    if reader.take(len as u64).read_to_end(body)? < len { Err(Error::CutShort) } else { Ok(()) }
}

/// Reads one chunk of a body (RFC 9112 §7.1): its size in hexadecimal on a line of its own, and the
/// bytes. The chunk of size 0 is the last, and returns `false`.
fn read_chunk(reader: &mut impl BufRead, max: usize, body: &mut Vec<u8>) -> Result<bool, Error> {
    let mut line = Vec::new();
    let line = read_line(reader, &mut line)?;
    let size = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end();
    if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
        return refuse(400, "the size of a chunk is not a hexadecimal number");
    }
    let size = usize::from_str_radix(&String::from_utf8_lossy(size), 16).unwrap_or(usize::MAX);
    read_exactly(reader, size, max, body)?;
    let mut after = Vec::new();
    while !read_line(reader, &mut after)?.is_empty() {
        if size > 0 {
            return refuse(400, "a chunk is longer than its size");
        } // behind the last chunk more headers may follow, which nobody needs
    }
    Ok(size > 0)
}

fn encode(first: &str, headers: &Headers, length: Option<usize>, body: &[u8]) -> Vec<u8> {
    let mut head = String::with_capacity(512 + body.len());
    head += first;
    head += "\r\n";
    let ours = ["content-length", "transfer-encoding"]; // the body's length has one source
    for (name, value) in headers.iter() {
        if !ours.iter().any(|our| name.eq_ignore_ascii_case(our)) {
            head.extend([name, ": ", value, "\r\n"]);
        }
    }
    if let Some(length) = length {
        head += &format!("Content-Length: {length}\r\n");
    }
    head += "\r\n";
    let mut wire = head.into_bytes();
    wire.extend_from_slice(body);
    wire
}

/// Decodes what a form or a query may hold: `%41` is `A`, `+` is a space.
fn decode(text: &str) -> String {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (byte, after) = match (escaped, first) {
            (Some((high, low)), _) => ((high * 16 + low) as u8, &after[2..]),
            (None, b'+') => (b' ', after),
            (None, other) => (*other, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Spaces and tabs around a value do not belong to it (RFC 9110 §5.5).
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// What names are made of (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The same name, with `-` for what must not stand in one.
fn token(name: &str) -> String {
    name.replace(|c: char| !u8::try_from(c).is_ok_and(is_token), "-")
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// What the name of a machine and its port are made of (RFC 3986 §3.2.2).
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

/// Whether a response with this status has a body (RFC 9112 §6.3), and so a length.
fn has_body(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "", // nobody reads it
    }
}
