//! Values to packets, and packets to values: bytes leave the JSON here, and come back into it.
//!
//! Picture a form with "see enclosure 1" where a picture should be. JSON has no bytes, so each piece
//! of bytes is taken out of the values, a placeholder with its number left behind, and sent as a
//! message of its own right after. The other end waits until all of them have come, and puts them in.
//!
//! Chapters 18 and 21 of the book.

use std::fmt::Write;

use super::packet::{Kind, Packet};
use crate::engineio::{self, Outgoing};
use crate::json;
use crate::json::Value;
use crate::ws::Message;

/// The most pieces of bytes in one packet.
pub const MAX_ATTACHMENTS: usize = 10;

/// The packets of Engine.IO that carry an event or an answer (`kind` without bytes), with `values`.
///
/// # Panics
/// There are more than [`MAX_ATTACHMENTS`] pieces of bytes in the values: any receiver would hang up.
pub fn encode<'a>(
    kind: Kind,
    namespace: &str,
    id: Option<u64>,
    values: impl IntoIterator<Item = &'a Value> + Clone,
) -> Outgoing {
    let count = values.clone().into_iter().map(attachments_in).sum();
    assert!(count <= MAX_ATTACHMENTS, "{count} attachments in one packet: at most 10 are taken");
    let kind = match kind {
        Kind::Event if count > 0 => Kind::BinaryEvent,
        Kind::Ack if count > 0 => Kind::BinaryAck,
        kind => kind,
    };
    let mut attachments = Vec::new();
    let mut text = Packet { kind, attachments: count, namespace, id, data: "[" }.encode();
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        // (Writing into a `String` cannot fail.)
        _ = match attachments_in(value) {
            0 => write!(text, "{value}"),
            _ => write!(text, "{}", take_out(value.clone(), &mut attachments)),
        };
    }
    text.push(']');
    let mut messages = vec![engineio::Packet::Message(Message::Text(text))];
    messages.extend(attachments.into_iter().map(Message::Binary).map(engineio::Packet::Message));
    Outgoing::new(messages)
}

/// A packet that has come, whole.
#[derive(Debug, PartialEq)]
pub struct Decoded {
    /// What it is for, [`Kind::BinaryEvent`] and [`Kind::BinaryAck`] being like those without bytes.
    pub kind: Kind,
    /// The namespace.
    pub namespace: String,
    /// The number under which an answer is wanted, or given.
    pub id: Option<u64>,
    /// The values of an event or an answer, or the one value of another packet, if any.
    pub values: Vec<Value>,
}

/// A message came that cannot be one of Socket.IO: `parse error`.
#[derive(Debug, PartialEq, Eq)]
pub struct Nonsense;

/// A piece of bytes, until it has been put where it belongs.
type Attachment = Option<Vec<u8>>;

/// Puts packets together out of messages.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The text of a packet whose bytes have not all come yet, how many will, and those that have.
    /// (Values may take 24 times the memory of their text: they are read once all bytes are there.)
    waiting: Option<(String, usize, Vec<Attachment>)>,
}

impl Decoder {
    /// Takes a message, and returns the packet that is whole with it, if one is.
    ///
    /// # Errors
    /// The message is not a packet, or not one that may come now.
    pub fn add(&mut self, message: Message) -> Result<Option<Decoded>, Nonsense> {
        match (message, self.waiting.take()) {
            (Message::Text(text), None) => {
                let packet = Packet::parse(&text).ok_or(Nonsense)?;
                if !matches!(packet.kind, Kind::BinaryEvent | Kind::BinaryAck) {
                    return decode(&packet).map(Some);
                }
                let expected = packet.attachments;
                if !(1..=MAX_ATTACHMENTS).contains(&expected) {
                    return Err(Nonsense);
                }
                self.waiting = Some((text, expected, Vec::new()));
                Ok(None)
            }
            (Message::Binary(bytes), Some((text, expected, mut attachments))) => {
                attachments.push(Some(bytes));
                if attachments.len() < expected {
                    self.waiting = Some((text, expected, attachments));
                    return Ok(None);
                }
                let mut decoded = decode(&Packet::parse(&text).ok_or(Nonsense)?)?;
                decoded.values.iter_mut().try_for_each(|v| put_back(v, &mut attachments))?;
                Ok(Some(decoded))
            }
            _ => Err(Nonsense), // bytes that nobody announced, or text where bytes were
        }
    }
}

/// Names that the library itself emits: a client that could send them could pretend things.
pub(super) const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

fn decode(packet: &Packet) -> Result<Decoded, Nonsense> {
    let value = match packet.data {
        "" => None,
        data => Some(Value::parse(data).map_err(|_| Nonsense)?),
    };
    let (kind, values) = match (packet.kind, value) {
        (Kind::Event | Kind::BinaryEvent, Some(Value::Array(mut values))) => {
            match values.first_mut().ok_or(Nonsense)? {
                Value::String(name) if !RESERVED.contains(&&**name) => {}
                // JavaScript calls the property 1 of an object "1", and Socket.IO an event.
                name @ Value::Number(_) => *name = Value::String(name.to_string()),
                _ => return Err(Nonsense),
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
        _ => return Err(Nonsense),
    };
    Ok(Decoded { kind, namespace: packet.namespace.to_string(), id: packet.id, values })
}

/// How many pieces of bytes are in `value`.
fn attachments_in(value: &Value) -> usize {
    match value {
        Value::Binary(_) => 1,
        Value::Array(items) => items.iter().map(attachments_in).sum(),
        Value::Object(members) => members.iter().map(|(_, value)| attachments_in(value)).sum(),
        _ => 0,
    }
}

/// Moves all bytes out of `value`, in the order of its text.
fn take_out(value: Value, attachments: &mut Vec<Vec<u8>>) -> Value {
    match value {
        Value::Binary(bytes) => {
            attachments.push(bytes);
            json!({"_placeholder": true, "num": attachments.len() - 1})
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| take_out(item, attachments)).collect())
        }
        Value::Object(members) => {
            let take = |(name, value)| (name, take_out(value, attachments));
            Value::Object(members.into_iter().map(take).collect())
        }
        value => value,
    }
}

/// Puts bytes in where the placeholders are: each piece once, or a short text could have copies made
/// of it until no memory is left.
fn put_back(value: &mut Value, attachments: &mut [Attachment]) -> Result<(), Nonsense> {
    if value["_placeholder"] == Value::Bool(true) {
        let number = value["num"].as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0);
        let bytes = number.and_then(|n| attachments.get_mut(n as usize)?.take());
        *value = Value::Binary(bytes.ok_or(Nonsense)?);
        return Ok(());
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| put_back(item, attachments)),
        Value::Object(members) => {
            members.iter_mut().try_for_each(|(_, value)| put_back(value, attachments))
        }
        _ => Ok(()),
    }
}
