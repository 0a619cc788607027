//! HTTP: heads, and bodies of a known length, in chunks, or up to the end of the stream.

use std::io::{self, ErrorKind};
use std::mem::take;

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::http::{Headers, MAX_HEAD, Request, chunk_size, read_line};
use sockets_by_hand::ws::deflate::gzip;
use sockets_by_hand::ws::handshake::accept_key;

use super::bytes::{Kept, cut, preview};
use super::entry::{HTTP, Side};
use super::explain::{Conversation, Language, MAX_MESSAGE, Scribe, so_far};
use super::frames::Frames;
use super::socketio;

/// With what a request begins, and a response.
const STARTS: [&[&[u8]]; 2] =
    [&[b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH "], &[b"HTTP/1."]];

/// The headers that decide how the conversation goes on: they are marked.
const MARKED: [&str; 5] =
    ["upgrade", "connection", "content-length", "transfer-encoding", "content-encoding"];

/// How many requests may wait for their response.
const MAX_REQUESTS: usize = 100;

/// What a side speaks whose first bytes are these.
pub fn recognize(from: Side, bytes: &[u8]) -> io::Result<Language> {
    let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let begins_with = |start: &&[u8]| line.iter().zip(*start).all(|(a, b)| a == b);
    if !STARTS[from as usize].iter().any(begins_with) {
        return Ok(Language::Plain);
    }
    if !line.ends_with(b"\n") && bytes.len() < MAX_HEAD {
        return Err(ErrorKind::WouldBlock.into());
    }
    // (A line of a chat may begin with "GET " too.)
    let is_http = line.ends_with(b"\n") && line.windows(7).any(|part| part == b"HTTP/1.");
    Ok(if is_http { Language::Head } else { Language::Plain })
}

impl Conversation {
    /// Explains a head. What follows it is the next language.
    pub fn head(&mut self, from: Side, rest: &mut &[u8]) -> io::Result<()> {
        let all = *rest;
        let (first, headers) = Headers::read(&mut so_far(rest))?.ok_or(ErrorKind::WouldBlock)?;
        let head = &all[..all.len() - rest.len()];
        let words: Vec<&str> = first.split(' ').collect();
        self.directions[from as usize].language = match (from, &words[..]) {
            (Side::Client, [method, target, _]) if self.requests.len() < MAX_REQUESTS => {
                self.say_head(&first, &headers, "", head);
                let request = Request { headers, ..Request::new(method, target) };
                let body = Body::of(&request.headers, self.session(&request), 0);
                self.requests.push_back(request);
                body
            }
            (Side::Server, [_, status, ..]) => {
                let request = self.requests.pop_front().unwrap_or(Request::new("GET", "/"));
                let key = request.headers.get("sec-websocket-key").unwrap_or_default();
                self.say_head(&first, &headers, &accept_key(key), head);
                self.response(status, request, headers)
            }
            _ => return Err(io::Error::other("there are too many requests, or none")),
        };
        Ok(())
    }

    fn say_head(&self, first: &str, headers: &Headers, accept: &str, head: &[u8]) {
        let line = |(name, value): (&str, &str)| {
            let lower = name.to_ascii_lowercase();
            let is_marked = MARKED.contains(&&*lower) || lower.starts_with("sec-websocket-");
            let fits = match (&*lower, value == accept) {
                ("sec-websocket-accept", true) => " (fits the key)",
                ("sec-websocket-accept", false) => " (does not fit the key)",
                _ => "",
            };
            let mark = if is_marked { "*" } else { " " };
            format!("{mark} {}: {}{fits}", cut(name), cut(value))
        };
        let details = headers.iter().map(line).collect();
        self.scribe.say(HTTP, cut(first), details, head, head.len() as u64);
    }

    /// Returns what follows the head of a response.
    fn response(&mut self, status: &str, request: Request, headers: Headers) -> Language {
        if status == "101" {
            let name = headers.get("upgrade").unwrap_or_default();
            self.scribe.note(format!("from here on both sides speak {}", cut(name)));
            let session = self.session(&request);
            let next = || match name.eq_ignore_ascii_case("websocket") {
                true => Language::WebSocket(Frames::new(&headers, session.clone())),
                false => Language::Plain,
            };
            self.directions[0].language = next();
            return next();
        }
        if status.starts_with('1') {
            self.requests.push_front(request); // its response is still to come
        } else if request.method != "HEAD" && !["204", "304"].contains(&status) {
            return Body::of(&headers, self.session(&request), u64::MAX);
        }
        Language::Head
    }

    /// The session of Engine.IO 4 that a request is part of. Its bodies, or those of the response,
    /// may have packets.
    fn session(&self, request: &Request) -> Option<String> {
        let unknown = || format!("#{}", self.scribe.connection);
        (request.query("EIO")? == "4").then(|| request.query("sid").unwrap_or_else(unknown))
    }
}

/// A body, as far as it has arrived.
pub struct Body {
    kept: Kept,
    /// How long it is: up to the end of this chunk if it is chunked, and `u64::MAX` if it goes on up
    /// to the end of the stream.
    pub end: u64,
    is_chunked: bool,
    /// The session of Engine.IO whose packets it has.
    session: Option<String>,
}

impl Body {
    /// The body that a head announces (RFC 9112 §6.3), or else the next head. Without a length it has
    /// `default` bytes.
    fn of(headers: &Headers, session: Option<String>, default: u64) -> Language {
        let is_chunked = headers.has("transfer-encoding", "chunked");
        let length = headers.get("content-length");
        let length = length.map_or(default, |length| length.parse().unwrap_or(0));
        let end = if is_chunked { 0 } else { length };
        match is_chunked || end > 0 {
            true => Language::Body(Body { kept: Kept::default(), end, is_chunked, session }),
            false => Language::Head,
        }
    }

    /// Takes what has arrived. Returns whether that was the end of the body.
    pub fn step(&mut self, rest: &mut &[u8], scribe: &Scribe) -> io::Result<bool> {
        let is_last = match self.is_chunked && self.kept.length == self.end {
            true => self.chunk(rest, scribe)?,
            false => self.kept.fill(rest, self.end) && !self.is_chunked,
        };
        if is_last {
            self.finish(scribe);
        }
        Ok(is_last)
    }

    /// Takes the line before a chunk. Returns whether no chunk follows it.
    fn chunk(&mut self, rest: &mut &[u8], scribe: &Scribe) -> io::Result<bool> {
        let (mut reader, mut text) = (so_far(rest), Vec::new());
        let mut line = read_line(&mut reader, &mut text)?.to_vec();
        if line.is_empty() {
            line = read_line(&mut reader, &mut text)?.to_vec(); // (it was the end of a chunk)
        }
        let size = chunk_size(&line)? as u64;
        while size == 0 && !read_line(&mut reader, &mut text)?.is_empty() {} // the trailer
        self.end = self.end.saturating_add(size);
        scribe.say(HTTP, format!("chunk, {size} bytes"), vec![], &line, line.len() as u64);
        Ok(size == 0)
    }

    /// Explains the whole body.
    pub fn finish(&mut self, scribe: &Scribe) {
        let Kept { mut bytes, length } = take(&mut self.kept);
        let mut text = format!("body, {}", preview(&bytes, length));
        let inflated = gzip::decompress(&bytes, MAX_MESSAGE).ok(); // (fails at once if it is not gzip)
        if let Some(data) = &inflated {
            let data = preview(data, data.len() as u64);
            text = format!("body, {length} bytes, gzip: {data}");
        }
        scribe.say(HTTP, text, Vec::new(), &bytes, length);
        bytes = inflated.unwrap_or(bytes);
        let packets = Packet::parse_payload(&String::from_utf8_lossy(&bytes));
        if let (Some(packets), Some(session)) = (packets, &self.session) {
            packets.into_iter().for_each(|packet| socketio::explain(packet, session, scribe));
        }
    }
}
