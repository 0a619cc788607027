//! The packets of Engine.IO: one character that says what it is, and what it carries.
//!
//! Picture envelopes with a digit on each. Over a WebSocket every envelope is a message of its own.
//! Over long-polling all that wait go into one bag, with a mark between each two: an HTTP body is
//! only text here, so bytes travel in it as base64.
//!
//! Chapter 16 of the book.

use std::sync::{Arc, OnceLock};

use crate::ws::frame::{Header, Opcode, apply_mask};
use crate::ws::{Message, base64, random::random_bytes};

/// What stands between two packets in one HTTP body: the record separator of ASCII.
pub const SEPARATOR: &str = "\x1e";

/// What one end tells the other (Engine.IO protocol, revision 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The server's first: the session's id and its times, as JSON.
    Open(String),
    /// The session is over.
    Close,
    /// Are you there? The server asks; what it carries is to be sent back.
    Ping(String),
    /// I am here.
    Pong(String),
    /// What the session is for.
    Message(Message),
    /// From now on over this WebSocket.
    Upgrade,
    /// Nothing: it ends a request that waits.
    Noop,
}

impl Packet {
    /// The packet that `text` is, or `None` if it is none.
    ///
    /// ```
    /// use sockets_by_hand::{engineio::Packet, ws::Message};
    ///
    /// assert_eq!(Packet::parse("4hello"), Some(Packet::Message(Message::from("hello"))));
    /// assert_eq!(Packet::parse("bAQID"), Some(Packet::Message(Message::Binary(vec![1, 2, 3]))));
    /// assert_eq!(Packet::parse("hello"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Packet> {
        let mut rest = text.chars();
        let digit = rest.next()?;
        let data = rest.as_str();
        Some(match digit {
            '0' => Packet::Open(data.to_string()),
            '1' => Packet::Close,
            '2' => Packet::Ping(data.to_string()),
            '3' => Packet::Pong(data.to_string()),
            '4' => Packet::Message(Message::Text(data.to_string())),
            '5' => Packet::Upgrade,
            '6' => Packet::Noop,
            'b' => Packet::Message(Message::Binary(base64::decode(data)?)),
            _ => return None,
        })
    }

    /// The packet that came as one message of a WebSocket. Bytes are a message as they are.
    pub fn from_message(message: Message) -> Option<Packet> {
        match message {
            Message::Text(mut text) if text.starts_with('4') => {
                text.remove(0); // (not copied to another place: it may be long)
                Some(Packet::Message(Message::Text(text)))
            }
            Message::Text(text) => Packet::parse(&text),
            binary => Some(Packet::Message(binary)),
        }
    }

    /// The packets in the body of a request, or `None` if one of them is none.
    pub fn parse_payload(payload: &str) -> Option<Vec<Packet>> {
        payload.split(SEPARATOR).map(Packet::parse).collect()
    }

    /// Writes the packet at the end of `payload`, and a mark before it if it is not the first.
    pub fn write(&self, payload: &mut String) {
        if !payload.is_empty() {
            payload.push_str(SEPARATOR);
        }
        match self.parts() {
            Ok((digit, data)) => payload.extend([digit, data]),
            Err(bytes) => payload.extend(["b", &base64::encode(bytes)]),
        }
    }

    /// Writes the packet as one message of a WebSocket; masked, if there is a key.
    fn write_frame(&self, frames: &mut Vec<u8>, mask: Option<[u8; 4]>) {
        let (opcode, parts) = match self.parts() {
            Ok((digit, data)) => (Opcode::Text, [digit.as_bytes(), data.as_bytes()]),
            Err(bytes) => (Opcode::Binary, [&[][..], bytes]),
        };
        let len = parts.iter().map(|part| part.len() as u64).sum();
        frames.reserve(14 + len as usize);
        Header { fin: true, opcode, mask, len }.write(frames);
        let start = frames.len();
        parts.iter().for_each(|part| frames.extend_from_slice(part));
        if let Some(key) = mask {
            apply_mask(&mut frames[start..], key, 0);
        }
    }

    /// The digit and the text behind it; or the bytes of a binary message.
    fn parts(&self) -> Result<(&'static str, &str), &[u8]> {
        Ok(match self {
            Packet::Open(data) => ("0", data),
            Packet::Close => ("1", ""),
            Packet::Ping(data) => ("2", data),
            Packet::Pong(data) => ("3", data),
            Packet::Message(Message::Text(text)) => ("4", text),
            Packet::Message(Message::Binary(bytes)) => return Err(bytes),
            Packet::Upgrade => ("5", ""),
            Packet::Noop => ("6", ""),
        })
    }
}

/// Packets that belong together, on their way to one client or to thousands: each form that they
/// can take is made once, when the first needs it, and shared.
#[derive(Debug)]
pub struct Outgoing {
    packets: Vec<Packet>,
    frames: OnceLock<Arc<[u8]>>,
    payload: OnceLock<Arc<str>>,
}

impl Outgoing {
    /// These packets, in this order, and none of another's between them.
    pub fn new(packets: Vec<Packet>) -> Outgoing {
        Outgoing { packets, frames: OnceLock::new(), payload: OnceLock::new() }
    }

    /// As the frames of a WebSocket server.
    pub fn frames(&self) -> Arc<[u8]> {
        let frames = self.frames.get_or_init(|| {
            let mut frames = Vec::new();
            self.packets.iter().for_each(|packet| packet.write_frame(&mut frames, None));
            frames.into()
        });
        frames.clone()
    }

    /// As the frames of a WebSocket client, each with a mask of its own.
    pub fn masked_frames(&self) -> Vec<u8> {
        let mut frames = Vec::new();
        for packet in &self.packets {
            packet.write_frame(&mut frames, Some(random_bytes()));
        }
        frames
    }

    /// As the body of a request or a response, or a part of it.
    pub fn payload(&self) -> Arc<str> {
        let payload = self.payload.get_or_init(|| {
            let mut payload = String::new();
            self.packets.iter().for_each(|packet| packet.write(&mut payload));
            payload.into()
        });
        payload.clone()
    }
}

impl From<Packet> for Outgoing {
    fn from(packet: Packet) -> Outgoing {
        Outgoing::new(vec![packet])
    }
}
