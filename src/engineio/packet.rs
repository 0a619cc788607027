//! The packets of Engine.IO: a character for the type, and data.
//!
//! Over a WebSocket each packet is one message. Over long-polling, several packets stand in one
//! HTTP body, with a separator between them; the body is text, so binary data is sent as base64.
//!
//! Chapter 20 of the book.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::ws::frame::{Header, Opcode, apply_mask};
use crate::ws::{self, Message, base64, random::random_bytes};

/// The separator of packets in one HTTP body: the record separator of ASCII.
pub const SEPARATOR: &str = "\x1e";

/// A packet (Engine.IO protocol, revision 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The first packet of a server: the handshake data (id and timeouts of the session) as JSON.
    Open(String),
    /// The session ends.
    Close,
    /// To be answered by a pong with the same data. (The server pings.)
    Ping(String),
    /// The answer to a ping.
    Pong(String),
    /// A message of the application.
    Message(Message),
    /// From now on, the session uses this WebSocket.
    Upgrade,
    /// No data: it answers a `GET` that is held.
    Noop,
}

impl Packet {
    /// Parses a packet; `None` if `text` is not one.
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

    /// Parses a packet that came as one message of a WebSocket; `None` if it is not one. A binary
    /// message is a packet as it is.
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

    /// Parses the packets of one HTTP body; `None` if one of them is not a packet.
    pub fn parse_payload(payload: &str) -> Option<Vec<Packet>> {
        payload.split(SEPARATOR).map(Packet::parse).collect()
    }

    /// Appends the packet to `payload`, behind a separator if it is not the first.
    pub fn write(&self, payload: &mut String) {
        if !payload.is_empty() {
            payload.push_str(SEPARATOR);
        }
        match self.encoded() {
            Encoded::Text(packet_type, data) => payload.extend([packet_type, data]),
            Encoded::Binary(bytes) => payload.extend(["b", &base64::encode(bytes)]),
        }
    }

    /// Appends the packet to `frames` as one message of a WebSocket; masked if there is a key.
    fn write_frame(&self, frames: &mut Vec<u8>, mask: Option<[u8; 4]>) {
        let (opcode, parts) = self.opcode_and_parts();
        let len = parts.iter().map(|part| part.len() as u64).sum();
        frames.reserve(14 + len as usize);
        Header { fin: true, rsv1: false, opcode, mask, len }.write(frames);
        let start = frames.len();
        parts.iter().for_each(|part| frames.extend_from_slice(part));
        if let Some(key) = mask {
            apply_mask(&mut frames[start..], key, 0);
        }
    }

    /// What its frame carries, in two parts: the type, and the data behind it.
    fn opcode_and_parts(&self) -> (Opcode, [&[u8]; 2]) {
        match self.encoded() {
            Encoded::Text(packet_type, data) => {
                (Opcode::Text, [packet_type.as_bytes(), data.as_bytes()])
            }
            Encoded::Binary(bytes) => (Opcode::Binary, [&[][..], bytes]),
        }
    }

    fn encoded(&self) -> Encoded<'_> {
        match self {
            Packet::Open(data) => Encoded::Text("0", data),
            Packet::Close => Encoded::Text("1", ""),
            Packet::Ping(data) => Encoded::Text("2", data),
            Packet::Pong(data) => Encoded::Text("3", data),
            Packet::Message(Message::Text(text)) => Encoded::Text("4", text),
            Packet::Message(Message::Binary(bytes)) => Encoded::Binary(bytes),
            Packet::Upgrade => Encoded::Text("5", ""),
            Packet::Noop => Encoded::Text("6", ""),
        }
    }
}

/// A packet as it is encoded.
enum Encoded<'a> {
    /// The type and the data behind it.
    Text(&'static str, &'a str),
    /// A binary message, which has no type.
    Binary(&'a [u8]),
}

/// Packets that are sent together, to one client or to thousands. Each encoding is made once, when
/// it is needed first, and shared.
#[derive(Debug)]
pub struct Outgoing {
    packets: Vec<Packet>,
    compress: bool,
    frames: OnceLock<Frames>,
    deflated: OnceLock<Frames>,
    payload: OnceLock<Arc<str>>,
}

impl Outgoing {
    /// These packets, in this order, without others between them.
    pub fn new(packets: Vec<Packet>) -> Outgoing {
        Outgoing {
            packets,
            compress: true,
            frames: OnceLock::new(),
            deflated: OnceLock::new(),
            payload: OnceLock::new(),
        }
    }

    /// Whether they may be compressed, by either transport: they may, unless this says `false`
    /// (`options.compress` of a packet).
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Outgoing {
        self.compress = compress;
        self
    }

    pub(super) fn may_be_compressed(&self) -> bool {
        self.compress
    }

    /// The packets.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// How many bytes the messages among the packets have, before they are encoded.
    pub(crate) fn size(&self) -> usize {
        let size = |packet: &Packet| match packet {
            Packet::Message(Message::Text(text)) => text.len(),
            Packet::Message(Message::Binary(bytes)) => bytes.len(),
            _ => 0,
        };
        self.packets.iter().map(size).sum()
    }

    /// The packets as frames of a WebSocket server.
    pub fn frames(&self) -> &Frames {
        // Encoded outside of `get_or_init`, which needs 300 bytes of the stack: the thread of a
        // silent client keeps the stack that it has used.
        self.frames.get().unwrap_or_else(|| {
            let mut frames = Vec::new();
            self.packets.iter().for_each(|packet| packet.write_frame(&mut frames, None));
            self.frames.get_or_init(|| Frames { frames, shared: OnceLock::new() })
        })
    }

    /// The packets as frames for a client of a server: deflated, if it has agreed on that. (All
    /// clients of a server have the same options, and no context: what one inflates, all do.)
    pub(crate) fn frames_for(&self, client: &ws::Sender) -> &Frames {
        let deflate = client.shared_deflate().filter(|_| self.compress);
        let Some(deflate) = deflate else { return self.frames() };
        self.deflated.get_or_init(|| {
            let mut frames = Vec::new();
            for packet in &self.packets {
                let (opcode, parts) = packet.opcode_and_parts();
                deflate.write_frame(opcode, &parts.concat(), &mut frames);
            }
            Frames { frames, shared: OnceLock::new() }
        })
    }

    /// The packets as frames of a WebSocket client, each with a mask of its own.
    pub fn masked_frames(&self) -> Vec<u8> {
        let mut frames = Vec::new();
        for packet in &self.packets {
            packet.write_frame(&mut frames, Some(random_bytes()));
        }
        frames
    }

    /// The packets as an HTTP body, or as a part of one.
    pub fn payload(&self) -> Arc<str> {
        let payload = self.payload.get_or_init(|| {
            let mut payload = String::new();
            self.packets.iter().for_each(|packet| packet.write(&mut payload));
            payload.into()
        });
        payload.clone()
    }
}

/// Encoded frames. An outbox writes them from here; only for a client that does not read are they
/// copied, once for all such clients, because they must then outlive the [`Outgoing`].
#[derive(Debug)]
pub struct Frames {
    frames: Vec<u8>,
    shared: OnceLock<Arc<[u8]>>,
}

impl AsRef<[u8]> for Frames {
    fn as_ref(&self) -> &[u8] {
        &self.frames
    }
}

impl Deref for Frames {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.frames
    }
}

impl From<&Frames> for Arc<[u8]> {
    fn from(frames: &Frames) -> Arc<[u8]> {
        frames.shared.get_or_init(|| frames.frames.as_slice().into()).clone()
    }
}

impl From<Packet> for Outgoing {
    fn from(packet: Packet) -> Outgoing {
        Outgoing::new(vec![packet])
    }
}
