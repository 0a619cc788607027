//! Responses: servers write them, clients read them.

use std::io::{BufRead, Read};

use super::Error::{self, Refused};
use super::body::{read_chunk, read_exactly};
use super::head::{encode_head, read_head};
use super::{Headers, TOO_LONG};

/// A response with its body.
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
    /// The status code, such as 200.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without headers and body.
    pub fn new(status: u16) -> Response {
        Response { status, headers: Headers::default(), body: Vec::new() }
    }

    /// A response with plain text.
    pub fn text(status: u16, text: &str) -> Response {
        Response::bytes(status, "text/plain; charset=utf-8", text)
    }

    /// A response with an HTML page.
    pub fn html(page: &str) -> Response {
        Response::bytes(200, "text/html; charset=utf-8", page)
    }

    /// A response with any content: a picture, a script, JSON.
    ///
    /// ```
    /// use sockets_by_hand::http::Response;
    ///
    /// let script = Response::bytes(200, "text/javascript", "alert('Hello')");
    /// assert_eq!(script.headers.get("content-type"), Some("text/javascript"));
    /// ```
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        let body = body.into();
        Response { body, ..Response::new(status) }.with("Content-Type", content_type)
    }

    /// The same response with this header, which replaces others of its name. (To have several of
    /// one name, as with `Set-Cookie`, [`push`](Headers::push) them.)
    pub fn with(mut self, name: &str, value: &str) -> Response {
        self.headers.set(name, value);
        self
    }

    /// Reads one response. Interim responses (100, 103) are skipped.
    ///
    /// # Errors
    /// The response is not HTTP, its body is longer than `max`, it is late, or cut short; or the
    /// connection failed.
    pub fn read(reader: &mut impl BufRead, max: usize) -> Result<Response, Error> {
        loop {
            let nothing = Refused(400, "the stream ended before a response came");
            let head = read_head(reader)?.ok_or(nothing)?;
            let head = String::from_utf8_lossy(&head);
            let mut lines = head.trim_matches(['\r', '\n']).lines();
            let first = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
            let status = first.and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
            let (Ok(status @ 100..=999), 3) = (status.parse(), status.len()) else {
                return Err(Refused(400, "the first line is not HTTP/1.1 and a status"));
            };
            let headers = Headers::parse(lines)?;
            let mut body = Vec::new();
            // Where the body ends: RFC 9112 §6.3.
            match (headers.content_length()?, headers.get("transfer-encoding")) {
                _ if !has_body(status) => {}
                (Some(length), None) => body = read_exactly(reader, length, max)?,
                (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => {
                    while read_chunk(reader, max, &mut body)? {}
                }
                (_, Some(_)) => return Err(Refused(400, "it cannot be known where the body ends")),
                (None, None) => {
                    let most = (max as u64).saturating_add(1);
                    if reader.take(most).read_to_end(&mut body)? > max {
                        return Err(TOO_LONG);
                    }
                }
            }
            if status >= 200 || status == 101 {
                return Ok(Response { status, headers, body });
            }
        }
    }

    /// The response as bytes, for a single `write`. `Content-Length` is added where it is needed.
    pub fn encode(&self) -> Vec<u8> {
        let mut wire = self.encode_head();
        if has_body(self.status) {
            wire.extend_from_slice(&self.body);
        }
        wire
    }

    /// The head of the response alone: the response to a `HEAD` request.
    pub fn encode_head(&self) -> Vec<u8> {
        let first = format!("HTTP/1.1 {} {}", self.status, reason(self.status));
        encode_head(first, &self.headers, has_body(self.status).then_some(self.body.len()))
    }
}

/// Whether a response with this status has a body, and so a length (RFC 9112 §6.3).
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
        _ => "", // clients ignore it (RFC 9112 §4)
    }
}
