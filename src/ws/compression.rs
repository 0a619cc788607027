//! permessage-deflate (RFC 7692): messages that are compressed, one by one.
//!
//! Chapter 16 of the book.

use std::sync::{Condvar, Mutex, PoisonError};

use super::Error;
use super::deflate::deflate::Deflater;
use super::deflate::inflate::{self, Inflater};
use super::deflate::prefix::Prefix;
use super::frame::{Header, Opcode};
use super::permessage::{self, Agreement, Direction};
use crate::http::{Request, Response};
use crate::net::lock;
use crate::net::outbox::{Queued, queue_limit};

/// What a flush ends with. It is left out of a message, and put back by who receives it (§7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How many messages are inflated at the same time (`concurrencyLimit`): a few bytes of each may
/// become `max_payload` bytes.
const CONCURRENCY_LIMIT: usize = 10;

/// What can be set, with the names of npm's `ws` where it has the same.
///
/// Context takeover makes messages that are alike smaller, and takes memory for each connection:
/// up to 64 KiB to inflate, and up to 320 KiB to deflate. (npm's `ws` takes over contexts unless it
/// is told otherwise.) A broadcast is compressed once for all clients, without a context.
///
/// What was inflated counts as queued until the next message of its client is read. While
/// [`MAX_QUEUED_TOTAL`](crate::net::outbox::MAX_QUEUED_TOTAL) bytes wait, a message may inflate to
/// 1 MiB: more gets a 1009.
#[derive(Clone, Debug)]
pub struct PerMessageDeflate {
    /// Shorter messages are sent as they are. 1,024 bytes.
    pub threshold: usize,
    /// How hard matches are searched for, from 1 (fast) to 9 (small). 6.
    pub level: u8,
    /// What the server may do, if the client agrees. No context takeover; a window of 2^15 bytes.
    pub server: Direction,
    /// What the client may do, if it agrees. The same.
    pub client: Direction,
}

impl Default for PerMessageDeflate {
    fn default() -> PerMessageDeflate {
        let direction = Direction { context_takeover: false, max_window_bits: 15 };
        PerMessageDeflate { threshold: 1024, level: 6, server: direction, client: direction }
    }
}

impl PerMessageDeflate {
    /// Accepts one of the offers of a request, and says so in the response.
    pub(crate) fn accept(&self, request: &Request, response: &mut Response) -> Option<Agreement> {
        let offers: Vec<&str> = request.headers.all("sec-websocket-extensions").collect();
        let (agreed, header) = permessage::accept(&offers.join(","), self.wanted())?;
        response.headers.push("Sec-WebSocket-Extensions", &header);
        Some(agreed)
    }

    /// What is offered, or accepted at most.
    pub(super) fn wanted(&self) -> Agreement {
        Agreement { server: self.server, client: self.client }
    }
}

/// Inflates the messages of the other end.
#[derive(Debug)]
pub(super) struct Inflate {
    inflater: Inflater,
    context_takeover: bool,
    /// The check of the text whose fragments arrive.
    check: Option<Box<TextCheck>>,
    /// How many bytes the last message has, until the next is read. They count as queued: a thousand
    /// clients could make `max_payload` bytes each out of a few, while the handlers are busy.
    held: Queued,
}

impl Inflate {
    pub fn new(theirs: Direction) -> Inflate {
        let inflater = Inflater::new(1 << theirs.max_window_bits);
        Inflate {
            inflater,
            context_takeover: theirs.context_takeover,
            check: None,
            held: Queued::default(),
        }
    }

    /// Checks that the next message, of at most `max` bytes, is UTF-8 so far: `payload` is that of
    /// all fragments that have arrived.
    pub fn check_text(&mut self, payload: &[u8], max: usize) -> Result<(), Error> {
        let new = || {
            let prefix = Prefix::new(self.inflater.clone(), max);
            Box::new(TextCheck { prefix, begun: Vec::new() })
        };
        let _permit = Permit::acquire();
        self.check.get_or_insert_with(new).add(payload, max)
    }

    /// The handler is done with the last message.
    pub fn release(&mut self) {
        self.held.set(0);
    }

    /// Inflates one message of at most `max` bytes, or fewer while much waits for all clients: see
    /// [`net::outbox`](crate::net::outbox).
    pub fn message(&mut self, mut payload: Vec<u8>, max: usize) -> Result<Vec<u8>, Error> {
        self.check = None;
        payload.extend_from_slice(&TAIL);
        let _permit = Permit::acquire();
        let max = queue_limit(max);
        let message = self.inflater.message(&payload, max).map_err(|e| error(e, max))?;
        self.held.set(message.len());
        if !self.context_takeover {
            self.inflater.reset();
        }
        Ok(message)
    }
}

fn error(error: inflate::Error, max: usize) -> Error {
    match error {
        inflate::Error::TooLarge => Error::TooBig(max),
        error => Error::Inflate(error),
    }
}

/// Checks the text of a message before its last fragment has arrived. What comes out is not kept: a
/// few bytes in could be `max` bytes out, for as long as the last fragment does not come.
#[derive(Debug)]
struct TextCheck {
    prefix: Prefix,
    /// The first bytes of a character whose last has not come out yet.
    begun: Vec<u8>,
}

impl TextCheck {
    fn add(&mut self, payload: &[u8], max: usize) -> Result<(), Error> {
        self.begun.extend(self.prefix.inflate(payload).map_err(|e| error(e, max))?);
        let valid = match std::str::from_utf8(&self.begun) {
            Ok(text) => text.len(),
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(_) => return Err(Error::NotUtf8),
        };
        self.begun = self.begun.split_off(valid);
        Ok(())
    }
}

/// The right to inflate a message, one of [`CONCURRENCY_LIMIT`].
struct Permit;

/// How many there are, and the signal that there is one less.
static PERMITS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Permit {
    fn acquire() -> Permit {
        let (permits, released) = &PERMITS;
        let free = released.wait_while(lock(permits), |permits| *permits == CONCURRENCY_LIMIT);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Permit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (permits, released) = &PERMITS;
        *lock(permits) -= 1;
        released.notify_one();
    }
}

/// Deflates our messages.
#[derive(Debug)]
pub(crate) struct Deflate {
    ours: Direction,
    threshold: usize,
    level: u8,
    /// The messages so far, if they are taken over. Locked while one is deflated *and* sent:
    /// messages must arrive in the order in which they were deflated.
    context: Mutex<Deflater>,
}

impl Deflate {
    pub fn new(ours: Direction, options: &PerMessageDeflate) -> Deflate {
        let PerMessageDeflate { threshold, level, .. } = *options;
        let context = Mutex::new(Deflater::new(ours.max_window_bits, level));
        Deflate { ours, threshold, level, context }
    }

    /// Calls `send` with a payload and whether it is deflated: a short one is not.
    pub fn deflate<T>(&self, payload: &[u8], send: impl FnOnce(bool, &[u8]) -> T) -> T {
        if payload.len() < self.threshold || !self.ours.context_takeover {
            return self.without_context(payload, send);
        }
        let mut context = lock(&self.context);
        send(true, without_tail(&context.message(payload)))
    }

    /// The same for a message that has no matches in earlier ones. If it does not get shorter, it
    /// is sent as it is.
    fn without_context<T>(&self, payload: &[u8], send: impl FnOnce(bool, &[u8]) -> T) -> T {
        if payload.len() < self.threshold {
            return send(false, payload);
        }
        let deflated = Deflater::new(self.ours.max_window_bits, self.level).message(payload);
        match without_tail(&deflated) {
            deflated if deflated.len() < payload.len() => send(true, deflated),
            _ => send(false, payload),
        }
    }

    /// Writes a message as a frame of a server at the end of `out`, for all clients that have the
    /// whole window.
    pub fn write_frame(&self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        self.without_context(payload, |rsv1, payload| {
            Header { fin: true, rsv1, opcode, mask: None, len: payload.len() as u64 }
                .encode(payload, out)
        });
    }

    /// Sends a frame that was deflated without a context. The client takes it into its own context,
    /// where ours does not have it: ours begins anew.
    pub fn shared<T>(&self, send: impl FnOnce() -> T) -> T {
        let mut context = lock(&self.context);
        context.reset();
        send()
    }

    /// Whether the client inflates whatever is deflated without a context.
    pub fn has_whole_window(&self) -> bool {
        self.ours.max_window_bits == 15
    }
}

/// A message without the end of its flush. (Behind an empty payload there is a byte of zeros, as
/// the RFC has it in §7.2.3.6.)
fn without_tail(deflated: &[u8]) -> &[u8] {
    deflated.strip_suffix(&TAIL).unwrap_or(deflated)
}
