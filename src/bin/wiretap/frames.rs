//! WebSocket: frames, and the messages that they make.

use std::io::{self, ErrorKind};
use std::mem::take;

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::http::Headers;
use sockets_by_hand::ws::deflate::inflate::{Inflater, MAX_WINDOW};
use sockets_by_hand::ws::frame::{self, Header, Opcode, apply_mask};
use sockets_by_hand::ws::{Close, Message};

use super::bytes::{Kept, cut, hex, preview};
use super::entry::{MAX_BYTES, WEBSOCKET};
use super::explain::{MAX_MESSAGE, Scribe, so_far};
use super::socketio;

/// The names of the close codes from 1000 on (RFC 6455 §7.4.1, and its registry).
const CLOSE_CODES: &str = "normal closure, going away, protocol error, unsupported data, reserved, \
    no code, no close frame, invalid payload data, policy violation, message too big, \
    mandatory extension, internal error, service restart, try again later, bad gateway";

/// The frames of one side.
#[derive(Default)]
pub struct Frames {
    /// The frame that is arriving, and what has arrived of its payload.
    header: Option<Header>,
    payload: Kept,
    /// The first frame of the message that is arriving, how many there were, and their payloads.
    first: Option<Header>,
    count: usize,
    message: Kept,
    /// Inflates messages, if that was agreed on.
    inflater: Option<Inflater>,
    /// The session of Engine.IO whose packets the messages are.
    session: Option<String>,
}

impl Frames {
    /// The frames of one side, behind this response.
    pub fn new(response: &Headers, session: Option<String>) -> Frames {
        let mut extensions = response.list("sec-websocket-extensions");
        let is_agreed = extensions.any(|extension| extension.starts_with("permessage-deflate"));
        // The largest window, and always the context: that some senders use less does no harm.
        let inflater = is_agreed.then(|| Inflater::new(MAX_WINDOW));
        Frames { inflater, session, ..Frames::default() }
    }

    /// Whether more frames, or more of a frame, must follow.
    pub fn is_in_message(&self) -> bool {
        self.header.is_some() || self.first.is_some()
    }

    /// Takes a header, or what has arrived of a payload.
    pub fn step(&mut self, rest: &mut &[u8], scribe: &Scribe) -> io::Result<()> {
        let header = match self.header {
            Some(header) => header,
            None => match Header::read(&mut so_far(rest)) {
                Ok(Some(header)) => *self.header.insert(header),
                Ok(None) | Err(frame::Error::Io(_)) => return Err(ErrorKind::WouldBlock.into()),
                Err(e) => return Err(io::Error::other(e)),
            },
        };
        if self.payload.fill(rest, header.len) {
            self.header = None;
            self.frame(header, scribe);
        }
        Ok(())
    }

    /// Explains a frame, and the message that it completes.
    fn frame(&mut self, header: Header, scribe: &Scribe) {
        let Kept { mut bytes, length } = take(&mut self.payload);
        let Header { fin, rsv1, opcode, mask, len } = header;
        apply_mask(&mut bytes, mask.unwrap_or_default(), 0);
        let name = format!("{opcode:?}").to_lowercase();
        let shown = match opcode {
            Opcode::Close => close(&bytes),
            _ => preview(&bytes, length),
        };
        let key = mask.map_or(String::new(), |key| format!(", key {}", hex(&key, 4)));
        let [fin_bit, rsv1_bit, mask_bit] = [fin, rsv1, mask.is_some()].map(u8::from);
        let opcode_bits = opcode as u8;
        let bits = format!(
            "FIN {fin_bit}, RSV {rsv1_bit}00, opcode {opcode_bits}, MASK {mask_bit}{key}, length {len}"
        );
        let mut wire = Vec::new();
        let start = &bytes[..bytes.len().min(MAX_BYTES)];
        header.encode(start, &mut wire);
        let total = (wire.len() - start.len()) as u64 + len;
        scribe.say(WEBSOCKET, format!("{name}, {shown}"), vec![bits], &wire, total);
        if !opcode.is_control() {
            self.message.add(&bytes, length);
            self.count += 1;
            let first = *self.first.get_or_insert(header);
            if fin {
                self.first = None;
                self.message(first, scribe);
            }
        }
    }

    /// Explains a message.
    fn message(&mut self, first: Header, scribe: &Scribe) {
        let (mut message, count) = (take(&mut self.message), take(&mut self.count));
        let mut name = format!("message of {count} frames");
        if first.rsv1 {
            let Some(bytes) = self.inflate(message) else {
                return scribe.note("a message cannot be inflated".to_string());
            };
            message = Kept { length: bytes.len() as u64, bytes };
            name = "message, inflated".to_string();
        }
        if first.rsv1 || count > 1 {
            let text = format!("{name}, {}", preview(&message.bytes, message.length));
            scribe.say(WEBSOCKET, text, vec![], &message.bytes, message.length);
        }
        let Some(session) = self.session.as_ref().filter(|_| message.is_whole()) else { return };
        let message = match first.opcode {
            Opcode::Text => Message::Text(String::from_utf8_lossy(&message.bytes).into_owned()),
            _ => Message::Binary(message.bytes),
        };
        if let Some(packet) = Packet::from_message(message) {
            socketio::explain(packet, session, scribe);
        }
    }

    /// `None` for ever once one was too long: later ones may copy from what is not known.
    fn inflate(&mut self, mut message: Kept) -> Option<Vec<u8>> {
        let mut inflater = self.inflater.take().filter(|_| message.is_whole())?;
        message.bytes.extend([0, 0, 0xff, 0xff]); // the sender has left it out (RFC 7692 §7.2.1)
        let inflated = inflater.message(&message.bytes, MAX_MESSAGE).ok()?;
        self.inflater = Some(inflater);
        Some(inflated)
    }
}

/// The payload of a close frame, with the name of its code.
fn close(payload: &[u8]) -> String {
    match Close::parse(payload) {
        Ok(Close { code: Close::NO_STATUS, .. }) => "without a code".to_string(),
        Ok(Close { code, reason }) => {
            let name = CLOSE_CODES.split(", ").nth(usize::from(code - 1000));
            let name = name.unwrap_or("of the application");
            format!("{code} ({name}), reason \"{}\"", cut(&reason))
        }
        Err(e) => format!("{}: {e}", preview(payload, payload.len() as u64)),
    }
}
