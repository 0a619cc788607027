//! Engine.IO and Socket.IO: packets, their values, and the attachments put back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sockets_by_hand::engineio;
use sockets_by_hand::json::Value;
use sockets_by_hand::socketio::Parser;
use sockets_by_hand::socketio::codec::{Decoded, Decoder};
use sockets_by_hand::socketio::packet::{Kind, Packet};
use sockets_by_hand::ws::Message;

use super::bytes::{cut, preview};
use super::entry::{ENGINE_IO, SOCKET_IO};
use super::explain::Scribe;

/// The decoders that wait for attachments: those of a packet in a body may come over the WebSocket.
static WAITING: Mutex<BTreeMap<String, Decoder>> = Mutex::new(BTreeMap::new());

/// How many wait at most.
const MAX_WAITING: usize = 100;

/// Explains a packet of Engine.IO, and the one of Socket.IO that it may carry.
pub fn explain(packet: engineio::Packet, session: &str, scribe: &Scribe) {
    use engineio::Packet::*;
    let (name, data) = match &packet {
        Open(data) => ("open", data.as_bytes()),
        Close => ("close", &[][..]),
        Ping(data) => ("ping", data.as_bytes()),
        Pong(data) => ("pong", data.as_bytes()),
        Message(self::Message::Text(text)) => ("message", text.as_bytes()),
        Message(self::Message::Binary(bytes)) => ("binary message", &**bytes),
        Upgrade => ("upgrade", &[][..]),
        Noop => ("noop", &[][..]),
    };
    let length = data.len() as u64;
    let data_shown =
        if length == 0 { String::new() } else { format!(", {}", preview(data, length)) };
    scribe.say(ENGINE_IO, format!("{name}{data_shown}"), vec![], data, length);
    if let Message(message) = packet {
        explain_message(message, session, scribe);
    }
}

/// Explains a message, if it is a packet of Socket.IO or a part of one.
fn explain_message(message: Message, session: &str, scribe: &Scribe) {
    let text = match (decode(&message, session, scribe), &message) {
        (Some(Some(packet)), _) => shown(packet),
        (Some(None), Message::Binary(_)) => "attachment".to_string(),
        (Some(None), Message::Text(text)) => {
            let count = Packet::parse(text).map_or(0, |packet| packet.attachments);
            format!("packet, attachments to follow: {count}")
        }
        (None, _) => match Parser::MessagePack.decoder().add(message) {
            Ok(Some(packet)) => format!("MessagePack {}", shown(packet)),
            _ => return, // a message of another application
        },
    };
    scribe.say(SOCKET_IO, text, Vec::new(), &[], 0);
}

/// The packet that is complete with this message, if it is one or belongs to one.
fn decode(message: &Message, session: &str, scribe: &Scribe) -> Option<Option<Decoded>> {
    let key = format!("{session} {}", scribe.from.name());
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut decoder = waiting.remove(&key).unwrap_or_default();
    let decoded = decoder.add(message.clone()).ok()?;
    if decoded.is_none() {
        if waiting.len() == MAX_WAITING {
            waiting.clear(); // the sessions may have ended
        }
        waiting.insert(key, decoder);
    }
    Some(decoded)
}

/// A packet in one line.
fn shown(packet: Decoded) -> String {
    let Decoded { kind, namespace, id, values } = packet;
    let mut values: &[Value] = &values;
    let mut name = format!("{kind:?}").to_lowercase();
    if let (Kind::Event, [event, arguments @ ..]) = (kind, values) {
        name += &format!(" {event}");
        values = arguments;
    }
    let id = id.map_or(String::new(), |id| format!(", id {id}"));
    let values: Vec<String> = values.iter().map(|value| with_bytes(value).to_string()).collect();
    let colon = if values.is_empty() { "" } else { ": " };
    cut(&format!("{name}, namespace {namespace}{id}{colon}{}", values.join(", ")))
}

/// A value with its bytes as text: JSON has none.
fn with_bytes(value: &Value) -> Value {
    let member = |(name, value): &(String, Value)| (name.clone(), with_bytes(value));
    match value {
        Value::Binary(bytes) => format!("<{}>", preview(bytes, bytes.len() as u64)).into(),
        Value::Array(items) => items.iter().map(with_bytes).collect::<Vec<_>>().into(),
        Value::Object(members) => members.iter().map(member).collect(),
        value => value.clone(),
    }
}
