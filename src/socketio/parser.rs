//! How packets become messages: as text, or as MessagePack. Server and client must agree on it.
//!
//! The text is Socket.IO's own, with binary attachments: [`codec`]. npm's
//! `socket.io-msgpack-parser` sends each packet as one binary message instead, the map
//! `{type, nsp, id, data}`. Bytes are values like any other there: no attachments, no waiting.
//!
//! Chapter 25 of the book.

use std::iter::once;

use super::codec::{self, DecodeError, Decoded, TooManyAttachments, validate};
use super::packet::{Kind, RESERVED};
use crate::engineio::{self, Outgoing};
use crate::json::Value;
use crate::msgpack;
use crate::net::report::report;
use crate::ws::Message;

/// The `parser` of a server or a client. It is not negotiated: the other side must have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parser {
    /// `socket.io-parser`: text and binary attachments.
    #[default]
    Json,
    /// `socket.io-msgpack-parser`: one binary message for each packet.
    MessagePack,
}

impl Parser {
    /// Encodes an event or an acknowledgement with `values`.
    ///
    /// # Errors
    /// The parser is [`Parser::Json`], and there are more than [`codec::MAX_ATTACHMENTS`] binary
    /// values.
    pub fn encode<'a>(
        self,
        kind: Kind,
        namespace: &str,
        id: Option<u64>,
        values: impl IntoIterator<Item = &'a Value> + Clone,
    ) -> Result<Outgoing, TooManyAttachments> {
        if self == Parser::Json {
            return codec::encode(kind, namespace, id, values);
        }
        let mut bytes = encode_members(kind, namespace, id, true);
        msgpack::write_array(values.clone().into_iter().count(), &mut bytes);
        values.into_iter().for_each(|value| msgpack::write(value, &mut bytes));
        Ok(engineio::Packet::Message(Message::Binary(bytes)).into())
    }

    /// Encodes an event, with the id of its acknowledgement if it wants one.
    ///
    /// # Errors
    /// As for [`encode`](Parser::encode); it is written to stderr too.
    ///
    /// # Panics
    /// The name is [`RESERVED`].
    pub fn encode_event<'a>(
        self,
        namespace: &str,
        id: Option<u64>,
        name: &str,
        values: impl IntoIterator<Item = &'a Value, IntoIter: Clone>,
    ) -> Result<Outgoing, TooManyAttachments> {
        assert!(!RESERVED.contains(&name), "\"{name}\" is a reserved event name");
        let name = Value::from(name);
        let values = values.into_iter().map(|value| value as &Value);
        self.encode(Kind::Event, namespace, id, once(&name).chain(values))
            .inspect_err(|e| report(&format!("Not sent: the event {name} has {e}")))
    }

    /// Encodes a packet that is neither an event nor an acknowledgement.
    pub fn encode_control(self, kind: Kind, namespace: &str, data: Option<&Value>) -> Outgoing {
        if self == Parser::Json {
            return codec::encode_control(kind, namespace, data);
        }
        let mut bytes = encode_members(kind, namespace, None, data.is_some());
        if let Some(data) = data {
            msgpack::write(data, &mut bytes);
        }
        engineio::Packet::Message(Message::Binary(bytes)).into()
    }

    /// A decoder for one session.
    pub fn decoder(self) -> Decoder {
        match self {
            Parser::Json => Decoder::Json(codec::Decoder::default()),
            Parser::MessagePack => Decoder::MessagePack,
        }
    }
}

/// The types of packets, by number. (There are no attachments, so no `BinaryEvent` and `BinaryAck`.)
const KINDS: [Kind; 5] =
    [Kind::Connect, Kind::Disconnect, Kind::Event, Kind::Ack, Kind::ConnectError];

/// The map of a packet, up to the name of its data, which the caller is to append.
fn encode_members(kind: Kind, namespace: &str, id: Option<u64>, has_data: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    msgpack::write_map(2 + usize::from(id.is_some()) + usize::from(has_data), &mut bytes);
    msgpack::write_str("type", &mut bytes);
    msgpack::write(&Value::from(kind as u8), &mut bytes);
    msgpack::write_str("nsp", &mut bytes);
    msgpack::write_str(namespace, &mut bytes);
    if let Some(id) = id {
        msgpack::write_str("id", &mut bytes);
        msgpack::write(&Value::from(id), &mut bytes);
    }
    if has_data {
        msgpack::write_str("data", &mut bytes);
    }
    bytes
}

/// Decodes packets from the messages of one session.
#[derive(Debug)]
pub enum Decoder {
    /// Text, and the attachments that belong to it.
    Json(codec::Decoder),
    /// Each message is a packet.
    MessagePack,
}

impl Decoder {
    /// Takes a message. Returns the packet, if the packet is complete now.
    ///
    /// # Errors
    /// The message is not a packet, or not one that may come now.
    pub fn add(&mut self, message: Message) -> Result<Option<Decoded>, DecodeError> {
        match (self, message) {
            (Decoder::Json(decoder), message) => decoder.add(message),
            (Decoder::MessagePack, Message::Binary(bytes)) => decode(&bytes).map(Some),
            (Decoder::MessagePack, Message::Text(_)) => Err(DecodeError),
        }
    }
}

/// Decodes a packet. Other members, such as the `options` of npm's client, are ignored.
fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let Ok(Value::Object(members)) = msgpack::decode(bytes) else { return Err(DecodeError) };
    let (mut kind, mut namespace, mut id, mut data) = (None, None, None, None);
    for (name, value) in members {
        match (&*name, value) {
            (_, Value::Null) => {} // `undefined` in JavaScript: as if it were missing
            ("type", value) => kind = value.as_u64().and_then(|n| KINDS.get(n as usize)),
            ("nsp", Value::String(name)) => namespace = Some(name),
            ("id", value) => id = Some(value.as_u64().ok_or(DecodeError)?),
            ("data", value) => data = Some(value),
            _ => {}
        }
    }
    let (Some(kind), Some(namespace)) = (kind, namespace) else { return Err(DecodeError) };
    validate(*kind, namespace, id, data)
}
