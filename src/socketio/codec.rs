//! Encodes values as packets, and decodes packets to values, with binary attachments.
//!
//! JSON has no bytes. So each binary value is replaced by a placeholder with its number, and is
//! sent as a binary message of its own after the text. The other end waits until all of these
//! attachments have arrived, and puts them back.
//!
//! Chapters 22 and 25 of the book.

use std::error;
use std::fmt::{self, Write};

use super::packet::{Kind, Packet, RESERVED};
use crate::engineio::{self, Outgoing};
use crate::json;
use crate::json::Value;
use crate::ws::Message;

/// The most attachments of one packet.
pub const MAX_ATTACHMENTS: usize = 10;

/// Encodes an event or an acknowledgement with `values`. (`kind` is the type for no attachments.)
///
/// # Errors
/// There are more than [`MAX_ATTACHMENTS`] binary values: any receiver would end the session.
pub fn encode<'a>(
    kind: Kind,
    namespace: &str,
    id: Option<u64>,
    values: impl IntoIterator<Item = &'a Value> + Clone,
) -> Result<Outgoing, TooManyAttachments> {
    let count = values.clone().into_iter().map(attachments_in).sum();
    if count > MAX_ATTACHMENTS {
        return Err(TooManyAttachments(count));
    }
    let kind = match kind {
        Kind::Event if count > 0 => Kind::BinaryEvent,
        Kind::Ack if count > 0 => Kind::BinaryAck,
        kind => kind,
    };
    let mut attachments = Vec::new();
    let mut text = Packet { kind, attachments: count, namespace, id, data: "[" }.encode();
    // A long text is then not moved when what stands behind it is appended.
    text.reserve(values.clone().into_iter().map(text_len).sum());
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        // (Writing into a `String` cannot fail.)
        _ = match attachments_in(value) {
            0 => write!(text, "{value}"),
            _ => write!(text, "{}", deconstruct(value.clone(), &mut attachments)),
        };
    }
    text.push(']');
    let mut messages = vec![engineio::Packet::Message(Message::Text(text))];
    messages.extend(attachments.into_iter().map(Message::Binary).map(engineio::Packet::Message));
    Ok(Outgoing::new(messages))
}

/// A packet would have so many attachments, and may have [`MAX_ATTACHMENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAttachments(pub usize);

impl fmt::Display for TooManyAttachments {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} attachments, and a packet may have at most {MAX_ATTACHMENTS}", self.0)
    }
}

impl error::Error for TooManyAttachments {}

/// Encodes a packet that is neither an event nor an acknowledgement.
pub fn encode_control(kind: Kind, namespace: &str, data: Option<&Value>) -> Outgoing {
    let data = data.map(Value::to_string).unwrap_or_default();
    let text = Packet::new(kind, namespace, &data).encode();
    engineio::Packet::Message(Message::Text(text)).into()
}

/// A packet that has arrived whole, with its attachments.
#[derive(Debug, PartialEq)]
pub struct Decoded {
    /// The type; [`Kind::Event`] and [`Kind::Ack`] also for those with attachments.
    pub kind: Kind,
    /// The namespace.
    pub namespace: String,
    /// The id of the acknowledgement that is wanted, or given.
    pub id: Option<u64>,
    /// The values of an event (its name first) or an acknowledgement, or the one value of another
    /// packet.
    pub values: Vec<Value>,
}

/// A message is not a packet, or not one that may come now: `parse error`.
#[derive(Debug, PartialEq, Eq)]
pub struct DecodeError;

/// An attachment, until it has replaced its placeholder.
type Attachment = Option<Vec<u8>>;

/// Decodes packets from messages.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The text of a packet that waits for attachments, how many it has, and those that have
    /// arrived. (Values may take 24 times the memory of their text: the text is parsed when all
    /// have arrived.)
    waiting: Option<Box<(String, usize, Vec<Attachment>)>>,
}

impl Decoder {
    /// Takes a message. Returns the packet, if the packet is complete now.
    ///
    /// # Errors
    /// The message is not a packet, or not one that may come now.
    pub fn add(&mut self, message: Message) -> Result<Option<Decoded>, DecodeError> {
        match (message, self.waiting.take().map(|waiting| *waiting)) {
            (Message::Text(text), None) => {
                let packet = Packet::parse(&text).ok_or(DecodeError)?;
                if !matches!(packet.kind, Kind::BinaryEvent | Kind::BinaryAck) {
                    return decode(&packet).map(Some);
                }
                let expected = packet.attachments;
                if !(1..=MAX_ATTACHMENTS).contains(&expected) {
                    return Err(DecodeError);
                }
                self.waiting = Some(Box::new((text, expected, Vec::new())));
                Ok(None)
            }
            (Message::Binary(bytes), Some((text, expected, mut attachments))) => {
                attachments.push(Some(bytes));
                if attachments.len() < expected {
                    self.waiting = Some(Box::new((text, expected, attachments)));
                    return Ok(None);
                }
                let mut decoded = decode(&Packet::parse(&text).ok_or(DecodeError)?)?;
                decoded.values.iter_mut().try_for_each(|v| reconstruct(v, &mut attachments))?;
                Ok(Some(decoded))
            }
            _ => Err(DecodeError), // an attachment of no packet, or a packet instead of an attachment
        }
    }
}

fn decode(packet: &Packet) -> Result<Decoded, DecodeError> {
    let value = match packet.data {
        "" => None,
        data => Some(Value::parse(data).map_err(|_| DecodeError)?),
    };
    validate(packet.kind, packet.namespace.to_string(), packet.id, value)
}

/// Checks that the data of a packet is what its type demands.
pub(super) fn validate(
    kind: Kind,
    namespace: String,
    id: Option<u64>,
    data: Option<Value>,
) -> Result<Decoded, DecodeError> {
    let (kind, values) = match (kind, data) {
        (Kind::Event | Kind::BinaryEvent, Some(Value::Array(mut values))) => {
            match values.first_mut().ok_or(DecodeError)? {
                Value::String(name) if !RESERVED.contains(&&**name) => {}
                // Socket.IO allows a number as the name of an event. In JavaScript, both name the
                // same property.
                name @ Value::Number(_) => *name = Value::String(name.to_string()),
                _ => return Err(DecodeError),
            }
            (Kind::Event, values)
        }
        (Kind::Ack | Kind::BinaryAck, Some(Value::Array(values))) => (Kind::Ack, values),
        (Kind::Connect, value @ (None | Some(Value::Object(_)))) => {
            (Kind::Connect, Vec::from_iter(value))
        }
        (Kind::ConnectError, Some(value @ (Value::Object(_) | Value::String(_)))) => {
            (Kind::ConnectError, vec![value])
        }
        (Kind::Disconnect, None) => (Kind::Disconnect, Vec::new()),
        _ => return Err(DecodeError),
    };
    Ok(Decoded { kind, namespace, id, values })
}

/// How many binary values are in `value`.
fn attachments_in(value: &Value) -> usize {
    match value {
        Value::Binary(_) => 1,
        Value::Array(items) => items.iter().map(attachments_in).sum(),
        Value::Object(members) => members.iter().map(|(_, value)| attachments_in(value)).sum(),
        _ => 0,
    }
}

/// How long the texts in `value` are, with some room for what stands around them.
fn text_len(value: &Value) -> usize {
    const AROUND: usize = 8;
    match value {
        Value::String(text) => AROUND + text.len(),
        Value::Array(items) => AROUND + items.iter().map(text_len).sum::<usize>(),
        Value::Object(members) => {
            let len = |(name, value): &(String, Value)| AROUND + name.len() + text_len(value);
            AROUND + members.iter().map(len).sum::<usize>()
        }
        _ => AROUND,
    }
}

/// Replaces all binary values by placeholders, and moves them to `attachments`.
fn deconstruct(value: Value, attachments: &mut Vec<Vec<u8>>) -> Value {
    match value {
        Value::Binary(bytes) => {
            attachments.push(bytes);
            json!({"_placeholder": true, "num": attachments.len() - 1})
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| deconstruct(item, attachments)).collect())
        }
        Value::Object(members) => {
            let take = |(name, value)| (name, deconstruct(value, attachments));
            Value::Object(members.into_iter().map(take).collect())
        }
        value => value,
    }
}

/// Replaces the placeholders by the attachments. Each is used once: otherwise a short text could
/// demand copies of it until no memory is left.
fn reconstruct(value: &mut Value, attachments: &mut [Attachment]) -> Result<(), DecodeError> {
    if value["_placeholder"] == Value::Bool(true) {
        let number = value["num"].as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0);
        let bytes = number.and_then(|n| attachments.get_mut(n as usize)?.take());
        *value = Value::Binary(bytes.ok_or(DecodeError)?);
        return Ok(());
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| reconstruct(item, attachments)),
        Value::Object(members) => {
            members.iter_mut().try_for_each(|(_, value)| reconstruct(value, attachments))
        }
        _ => Ok(()),
    }
}
