//! What a conversation means: each direction has a language, and each language a file.
//!
//! The library's decoders wait for what they read. Here nothing may wait: a decoder reads what has
//! arrived [so far](so_far), and begins again once there is more.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use sockets_by_hand::http::Request;

use super::bytes::{dump, preview, text};
use super::entry::{Entry, Layer, MAX_BYTES, Side, TCP};
use super::frames::Frames;
use super::http::{Body, recognize};
use super::tap::{Event, What};

/// The most bytes of a message that are kept, to be understood as a whole.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// Receives each entry.
pub type Show = dyn Fn(&Entry) + Send + Sync;

/// Where entries go, and what they have in common.
pub struct Scribe {
    pub connection: u32,
    at: Duration,
    pub from: Side,
    show: Arc<Show>,
}

impl Scribe {
    /// Shows an entry about `bytes`, the first of `length`.
    pub fn say(&self, layer: Layer, text: String, details: Vec<String>, bytes: &[u8], length: u64) {
        let bytes = bytes[..bytes.len().min(MAX_BYTES)].to_vec();
        let Scribe { connection, at, from, .. } = *self;
        let length = length as usize;
        (self.show)(&Entry { connection, at, from, layer, text, details, bytes, length });
    }

    /// Shows an entry about the connection itself.
    pub fn note(&self, text: String) {
        self.say(TCP, text, Vec::new(), &[], 0);
    }
}

/// A reader of the bytes that have arrived. Behind them the stream does not end: more may come, and
/// until then to read fails with `WouldBlock`.
pub fn so_far(rest: &mut &[u8]) -> impl BufRead {
    rest.chain(BufReader::with_capacity(0, NotYet))
}

struct NotYet;

impl Read for NotYet {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

/// What one side speaks.
#[derive(Default)]
pub enum Language {
    #[default]
    Unknown,
    /// Any bytes.
    Plain,
    /// HTTP: a head comes next.
    Head,
    /// HTTP: the body.
    Body(Body),
    WebSocket(Frames),
}

/// One direction.
#[derive(Default)]
pub struct Direction {
    pub language: Language,
    /// What has arrived, and is not explained yet.
    waiting: Vec<u8>,
    /// How many bytes have arrived.
    length: u64,
}

/// A connection, and what is known about it.
pub struct Conversation {
    pub scribe: Scribe,
    /// The client's, and the server's.
    pub directions: [Direction; 2],
    /// The requests that have no response yet.
    pub requests: VecDeque<Request>,
}

/// Explains one connection, from its first byte to its last.
pub fn explain(connection: u32, events: impl Iterator<Item = Event>, show: Arc<Show>) {
    let scribe = Scribe { connection, at: Duration::ZERO, from: Side::Client, show };
    let (directions, requests) = Default::default();
    let mut conversation = Conversation { scribe, directions, requests };
    for Event { at, from, what } in events {
        let scribe = &mut conversation.scribe;
        (scribe.at, scribe.from) = (at, from);
        match what {
            What::Connected => scribe.note("connects".to_string()),
            What::Sent(bytes) => conversation.sent(from, &bytes),
            What::Ended => conversation.ended(from),
            What::Lost(e) => return scribe.note(format!("is lost: {e}")),
            What::TooMuch => {
                return scribe.note("too much to explain: from here on only passed on".to_string());
            }
        }
    }
}

impl Conversation {
    fn sent(&mut self, from: Side, bytes: &[u8]) {
        self.scribe.from = from;
        let direction = &mut self.directions[from as usize];
        direction.length += bytes.len() as u64;
        let arrived = [&take(&mut direction.waiting), bytes].concat();
        let mut rest = &*arrived;
        while !rest.is_empty() {
            let before = rest;
            let Err(e) = self.step(from, &mut rest) else { continue };
            let direction = &mut self.directions[from as usize];
            if e.kind() == ErrorKind::WouldBlock {
                direction.waiting = before.to_vec();
                break;
            }
            self.scribe.note(format!("from here on only bytes: {e}"));
            direction.language = Language::Plain;
            rest = before;
        }
        // A response may explain what the client has sent behind its request.
        if from == Side::Server && !self.directions[0].waiting.is_empty() {
            self.sent(Side::Client, &[]);
        }
    }

    /// Explains the next part of what has arrived, and takes it off `rest`.
    ///
    /// # Errors
    /// More must arrive before (`WouldBlock`), or the bytes are not of this language.
    fn step(&mut self, from: Side, rest: &mut &[u8]) -> io::Result<()> {
        let Direction { language, length, .. } = &mut self.directions[from as usize];
        match language {
            Language::Unknown => *language = recognize(from, rest)?,
            Language::Plain => plain(*length, take(rest), &self.scribe),
            Language::Head => self.head(from, rest)?,
            Language::Body(body) => {
                if body.step(rest, &self.scribe)? {
                    *language = Language::Head;
                }
            }
            Language::WebSocket(frames) => frames.step(rest, &self.scribe)?,
        }
        Ok(())
    }

    fn ended(&mut self, from: Side) {
        let Direction { language, waiting, length } = &mut self.directions[from as usize];
        let is_incomplete = match language {
            Language::Body(body) => {
                body.finish(&self.scribe);
                body.end < u64::MAX
            }
            Language::WebSocket(frames) => frames.is_in_message(),
            _ => !waiting.is_empty(),
        };
        if is_incomplete {
            self.scribe.note("ends in the middle of a message".to_string());
        }
        plain(*length, waiting, &self.scribe);
        self.scribe.note(format!("ends its direction (FIN) after {length} bytes"));
    }
}

/// Bytes of no known language, the last of `length`.
fn plain(length: u64, bytes: &[u8], scribe: &Scribe) {
    let len = bytes.len() as u64;
    let details = match text(bytes) {
        Some(_) => Vec::new(),
        None => dump(bytes, length - len, 160),
    };
    if len > 0 {
        scribe.say(TCP, preview(bytes, len), details, bytes, len);
    }
}
