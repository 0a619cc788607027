//! HTTP: heads, and bodies of a known length, in chunks, or up to the end of the stream.

use std::mem::take;

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::http::{Headers, MAX_HEAD, Request, chunk_size, read_line};
use sockets_by_hand::ws::deflate::{gzip, inflate::inflate};
use sockets_by_hand::ws::handshake::accept_key;

use super::bytes::{Kept, cut, preview};
use super::entry::{Layer, Side};
use super::explain::{Conversation, Language, MAX_MESSAGE, Scribe, SoFar, Stop};
use super::frames::Frames;
use super::socketio;

/// With what a request begins.
const METHODS: [&[u8]; 7] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH "];

/// The headers that decide how the conversation goes on: they are marked.
const MARKED: [&str; 5] =
    ["upgrade", "connection", "content-length", "transfer-encoding", "content-encoding"];

/// How many requests may wait for their response.
const MAX_REQUESTS: usize = 100;

/// What a side speaks whose first bytes are these.
pub fn recognize(from: Side, bytes: &[u8]) -> Result<Language, Stop> {
    let is_client = from == Side::Client;
    let starts: &[&[u8]] = if is_client { &METHODS } else { &[b"HTTP/1."] };
    let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    if !starts.iter().any(|start| line.iter().zip(*start).all(|(a, b)| a == b)) {
        return Ok(Language::Plain);
    }
    match line.ends_with(b"\n") {
        false if bytes.len() < MAX_HEAD => Err(Stop::NotYet),
        false => Ok(Language::Plain),
        // (A line of a chat may begin with "GET " too.)
        true if is_client && !line.windows(8).any(|part| part == b" HTTP/1.") => {
            Ok(Language::Plain)
        }
        true => Ok(Language::Head),
    }
}

impl Conversation {
    /// Explains a head. What follows it is the next language.
    pub fn head(&mut self, from: Side, rest: &mut SoFar) -> Result<(), Stop> {
        let all = rest.0;
        let (first, headers) = Headers::read(rest)?.ok_or(Stop::NotYet)?;
        let head = &all[..all.len() - rest.0.len()];
        let words: Vec<&str> = first.split(' ').collect();
        self.directions[from as usize].language = match (from, &words[..]) {
            (Side::Client, [method, target, _]) if self.requests.len() < MAX_REQUESTS => {
                self.say_head(&first, &headers, "", head);
                let request = Request { headers, ..Request::new(method, target) };
                let body = Body::of(&request.headers, self.session(&request, "POST"));
                self.requests.push_back(request);
                body.map_or(Language::Head, Language::Body)
            }
            (Side::Server, [_, status, ..]) => {
                let request = self.requests.pop_front().unwrap_or(Request::new("GET", "/"));
                let key = request.headers.get("sec-websocket-key").unwrap_or_default();
                self.say_head(&first, &headers, &accept_key(key), head);
                self.response(status, request, headers)
            }
            _ => return Err(Stop::NotUnderstood("there are too many requests, or none".into())),
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
        self.scribe.say(Layer::Http, cut(first), details, head, head.len() as u64);
    }

    /// Returns what follows the head of a response.
    fn response(&mut self, status: &str, request: Request, headers: Headers) -> Language {
        if status == "101" {
            let name = headers.get("upgrade").unwrap_or_default();
            self.scribe.note(format!("from here on both sides speak {}", cut(name)));
            let session = self.session(&request, "GET");
            let [client, server] = match name.eq_ignore_ascii_case("websocket") {
                true => Frames::both(&headers, session).map(Language::WebSocket),
                false => [Language::Plain, Language::Plain],
            };
            self.directions[0].language = client;
            return server;
        }
        if status.starts_with('1') {
            self.requests.push_front(request); // its response is still to come
        } else if request.method != "HEAD" && !["204", "304"].contains(&status) {
            let session = self.session(&request, "GET").filter(|_| status == "200");
            if let Some(body) = Body::of(&headers, session.clone()) {
                return Language::Body(body);
            }
            if headers.get("content-length").is_none() {
                return Language::Body(Body { left: u64::MAX, session, ..Body::default() });
            }
        }
        Language::Head
    }

    /// The session of Engine.IO 4 whose packets a request with this method, or its response, carries.
    fn session(&self, request: &Request, method: &str) -> Option<String> {
        let is_one = request.method == method && request.query("EIO")? == "4";
        let unknown = || format!("#{}", self.scribe.connection);
        is_one.then(|| request.query("sid").unwrap_or_else(unknown))
    }
}

/// A body, as far as it has arrived.
#[derive(Default)]
pub struct Body {
    kept: Kept,
    /// How many bytes are still to come, of the body or of a chunk.
    left: u64,
    is_chunked: bool,
    /// The last chunk has come, and lines of the trailer may follow.
    is_trailer: bool,
    /// `Content-Encoding`.
    coding: String,
    /// The session of Engine.IO whose packets it has.
    session: Option<String>,
}

impl Body {
    /// The body that a head announces (RFC 9112 §6.3).
    fn of(headers: &Headers, session: Option<String>) -> Option<Body> {
        let is_chunked = headers.has("transfer-encoding", "chunked");
        let length = headers.get("content-length").filter(|_| !is_chunked);
        let left = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        let coding = headers.get("content-encoding").unwrap_or_default().to_string();
        let body = Body { left, is_chunked, coding, session, ..Body::default() };
        (is_chunked || left > 0).then_some(body)
    }

    /// Whether it does not go on up to the end of the stream.
    pub fn has_length(&self) -> bool {
        self.left < u64::MAX / 2
    }

    /// Takes what has arrived. Returns whether that was the end of the body.
    pub fn step(&mut self, rest: &mut SoFar, scribe: &Scribe) -> Result<bool, Stop> {
        let mut is_last = false;
        if self.left > 0 {
            let part = rest.take_up_to(self.left);
            self.kept.add(part, part.len() as u64);
            self.left -= part.len() as u64;
            is_last = self.left == 0 && !self.is_chunked;
        } else {
            let mut line = Vec::new();
            let line = read_line(rest, &mut line)?;
            if self.is_trailer {
                is_last = line.is_empty();
            } else if !line.is_empty() {
                self.left = chunk_size(line)? as u64;
                self.is_trailer = self.left == 0;
                scribe.say(Layer::Http, format!("chunk, {} bytes", self.left), vec![], line, 0);
            } // (an empty line stands behind each chunk)
        }
        if is_last {
            self.finish(scribe);
        }
        Ok(is_last)
    }

    /// Explains the whole body.
    pub fn finish(&mut self, scribe: &Scribe) {
        let Kept { bytes, length } = take(&mut self.kept);
        let decoded = match &*self.coding {
            "gzip" => gzip::decompress(&bytes, MAX_MESSAGE).ok(),
            // (zlib, which has two bytes before the data)
            "deflate" => inflate(bytes.get(2..).unwrap_or_default(), MAX_MESSAGE).ok().map(|d| d.0),
            _ => None,
        };
        let mut text = format!("body, {}", preview(&bytes, length));
        if let Some(data) = &decoded {
            let data = preview(data, data.len() as u64);
            text = format!("body, {length} bytes, {}: {data}", self.coding);
        }
        scribe.say(Layer::Http, text, Vec::new(), &bytes, length);
        let payload = decoded.unwrap_or(bytes);
        let packets = Packet::parse_payload(&String::from_utf8_lossy(&payload));
        if let (Some(packets), Some(session)) = (packets, &self.session) {
            packets.into_iter().for_each(|packet| socketio::explain(packet, session, scribe));
        }
    }
}
