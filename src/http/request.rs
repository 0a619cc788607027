//! Requests: servers read them, clients write them.

use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};

use super::Error::{self, Refused};
use super::Headers;
use super::body::read_exactly;
use super::head::{encode_head, is_token, is_token_char, read_head};

/// A request without its body. The server reads the body in a second step, and decides before how
/// long it may be.
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
    /// The address of the client, or of a proxy in front of the server. It is no part of the message:
    /// a [`Connection`](super::Connection) adds it (`req.socket.remoteAddress`).
    pub remote_address: Option<SocketAddr>,
}

impl Request {
    /// A request without headers: the caller adds `Host`.
    pub fn new(method: &str, target: &str) -> Request {
        let (method, target) = (method.to_string(), target.to_string());
        Request { method, target, minor: 1, headers: Headers::default(), remote_address: None }
    }

    /// Reads one head, and not a byte more; `None` if the stream ends before the head begins.
    ///
    /// # Errors
    /// The head is refused (400, 417, 431, 501, 505), late, or cut short; or the connection failed.
    pub fn read(reader: &mut impl BufRead) -> Result<Option<Request>, Error> {
        let Some(head) = read_head(reader)? else { return Ok(None) };
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.trim_matches(['\r', '\n']).lines();
        let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, version] = first[..] else {
            return Err(Refused(400, "the first line is not a method, a target and a version"));
        };
        if !is_token(method) || target.is_empty() || !target.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Refused(400, "the method or the target has odd bytes"));
        }
        let minor = match version.as_bytes() {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => minor - b'0',
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', ..] => {
                return Err(Refused(505, "the version is not HTTP/1.1"));
            }
            _ => return Err(Refused(400, "the first line does not end with HTTP/1.1")),
        };
        let headers = Headers::parse(lines)?;
        let hosts: Vec<&str> = headers.all("host").collect();
        match hosts[..] {
            [] if minor == 0 => {}
            [host] if host.bytes().all(is_host) => {}
            _ => return Err(Refused(400, "there is not exactly one Host, the name of a machine")),
        }
        match (headers.content_length()?, headers.get("transfer-encoding")) {
            (_, None) => {}
            (None, _) => return Err(Refused(501, "a body must come with a Content-Length here")),
            _ => return Err(Refused(400, "there are both Content-Length and Transfer-Encoding")),
        }
        // The client waits for a response before it sends the body. 417 says: send it without
        // waiting.
        if minor > 0 && headers.get("expect").is_some() {
            return Err(Refused(417, "there is no answer to Expect here"));
        }
        Ok(Some(Request { minor, headers, ..Request::new(method, target) }))
    }

    /// Reads the body; it is empty if the head announces none. Call it before the next request is
    /// read: the body stands in between.
    ///
    /// # Errors
    /// The body is longer than `max`, late, or cut short; or the connection failed.
    pub fn body(&self, reader: &mut impl BufRead, max: usize) -> Result<Vec<u8>, Error> {
        read_exactly(reader, self.headers.content_length()?.unwrap_or(0), max)
    }

    /// The target up to its `?`, not decoded.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The value of the first `name=value` in the query, both decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All names of the query with their values, decoded, in the order in which they were sent.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.map(|(name, value)| (decode(name), decode(value)))
    }

    /// The address of the client, if so many proxies stand in front of the server: each of them adds
    /// the address from which it has received the request at the end of `X-Forwarded-For`.
    ///
    /// With one proxy that is the last entry. All entries before it were sent by the client, which
    /// can write there what it likes. With two proxies it is the last but one, and so on; the first,
    /// if there are fewer. The port is 0 if the entry has none, as with most proxies.
    ///
    /// It is [`remote_address`](Request::remote_address) with no proxy, without the header, and if
    /// the entry is not an IP address. (Express' `req.ip`, with a number as `trust proxy`.)
    ///
    /// ```
    /// use sockets_by_hand::http::Request;
    ///
    /// let mut request = Request::new("GET", "/");
    /// request.headers.push("X-Forwarded-For", "1.1.1.1"); // the client wrote that
    /// request.headers.push("X-Forwarded-For", "203.0.113.7"); // the proxy added that
    /// assert_eq!(request.forwarded_for(1).unwrap().ip().to_string(), "203.0.113.7");
    /// assert_eq!(request.forwarded_for(0), None); // there is no connection here
    /// ```
    pub fn forwarded_for(&self, proxies: usize) -> Option<SocketAddr> {
        if proxies == 0 {
            return self.remote_address;
        }
        let entries: Vec<&str> = self.headers.list("x-forwarded-for").collect();
        let entry = entries.get(entries.len().saturating_sub(proxies)).copied().unwrap_or_default();
        let address = entry.parse().map(|ip: IpAddr| (ip, 0).into()).or_else(|_| entry.parse());
        address.ok().or(self.remote_address)
    }

    /// Whether another request may follow on the same connection. (With HTTP/1.0 none may.)
    pub fn keep_alive(&self) -> bool {
        self.minor > 0 && !self.headers.has("connection", "close")
    }

    /// Whether the client accepts a body in this coding, such as `gzip` (RFC 9110 §12.5.3): it names
    /// it, or `*`, with a weight that is not 0.
    pub fn accepts_encoding(&self, coding: &str) -> bool {
        let accepts = |wanted: &str| {
            self.headers.list("accept-encoding").find_map(|item| {
                let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
                let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
                name.trim().eq_ignore_ascii_case(wanted).then_some(weight != Some(Ok(0.0)))
            })
        };
        accepts(coding).or_else(|| accepts("*")).unwrap_or(false)
    }

    /// The request and its `body` as bytes, for a single `write`. `Content-Length` is added where
    /// it is needed.
    pub fn encode(&self, body: &[u8]) -> Vec<u8> {
        let method = self.method.replace(|c| !is_token_char(c), "-");
        let target = escape(&self.target, |byte| byte.is_ascii_graphic());
        let first = format!("{method} {target} HTTP/1.1");
        let announced = !body.is_empty() || self.method == "POST"; // RFC 9110 §8.6
        let mut wire = encode_head(first, &self.headers, announced.then_some(body.len()));
        wire.extend_from_slice(body);
        wire
    }
}

/// Decodes a name or a value of a query: `%41` is `A`, `+` is a space.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut bytes = Vec::from(parts.next().unwrap_or_default());
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => bytes.extend([&[byte], &part.as_bytes()[2..]].concat()),
            None => bytes.extend(["%", part].concat().bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes all bytes but those that are `allowed` (RFC 3986 §2.1).
pub(crate) fn escape(text: &str, allowed: fn(u8) -> bool) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match allowed(byte) {
            true => escaped.push(byte.into()),
            false => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

/// Whether a byte may stand in a host and its port (RFC 3986 §3.2.2).
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}
