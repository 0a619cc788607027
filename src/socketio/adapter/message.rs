//! What servers tell each other over Redis: values as bytes, and bytes as values, in the form of
//! npm's `@socket.io/redis-adapter`.
//!
//! A broadcast is MessagePack. A request and what answers it are JSON, but for a broadcast whose
//! acknowledgements are wanted: events may carry bytes, for which JSON has no form.
//!
//! Chapter 28 of the book.

use std::time::Duration;

use crate::json::Value;
use crate::{json, msgpack};

/// Which sockets: those in any of the rooms (all, if there is none), but not those in the rooms
/// that are excepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    pub rooms: Vec<String>,
    pub except: Vec<String>,
    pub volatile: bool,
    /// The flag `compress` is `false`.
    pub uncompressed: bool,
    /// How long acknowledgements are waited for.
    pub timeout: Option<Duration>,
}

/// An event to the clients of other servers.
#[derive(Debug, PartialEq)]
pub struct Broadcast {
    /// Who sends it: a server that receives its own broadcast ignores it.
    pub uid: String,
    pub namespace: String,
    /// The name of the event, and its values.
    pub event: Vec<Value>,
    pub target: Target,
}

/// A request to other servers.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// Who asks; nobody, if that is a program that only emits.
    pub uid: Option<String>,
    /// What the answers refer to.
    pub id: Option<String>,
    pub kind: RequestKind,
}

/// What other servers are to do, or to tell.
#[derive(Debug, PartialEq)]
pub enum RequestKind {
    /// The ids of the sockets in any of these rooms.
    Sockets(Vec<String>),
    AllRooms,
    Join(Target, Vec<String>),
    Leave(Target, Vec<String>),
    Disconnect(Target, bool),
    Fetch(Target),
    ServerSideEmit(Vec<Value>),
    /// An event, whose acknowledgements are wanted.
    Broadcast(Target, Vec<Value>),
}

impl Target {
    fn to_value(&self) -> Value {
        let mut flags = json!({});
        if self.volatile {
            flags["volatile"] = true.into();
        }
        if self.uncompressed {
            flags["compress"] = false.into();
        }
        if let Some(timeout) = self.timeout {
            flags["timeout"] = (timeout.as_millis() as f64).into();
        }
        json!({"rooms": &self.rooms, "except": &self.except, "flags": flags})
    }

    fn from_value(value: &Value) -> Option<Target> {
        value["rooms"].as_array()?; // nothing at all does not mean everybody
        let rooms = names(&value["rooms"])?;
        let except = names(&value["except"])?;
        let flags = &value["flags"];
        let (volatile, uncompressed) = (flags["volatile"] == true, flags["compress"] == false);
        let timeout = flags["timeout"].as_u64().map(Duration::from_millis);
        Some(Target { rooms, except, volatile, uncompressed, timeout })
    }
}

impl Broadcast {
    /// Encodes an event of a server, or of a program, with this uid.
    pub fn encode(
        uid: &str,
        namespace: &str,
        name: &str,
        values: &[Value],
        target: &Target,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        msgpack::write_array(3, &mut bytes);
        msgpack::write_str(uid, &mut bytes);
        msgpack::write_map(3, &mut bytes);
        msgpack::write_str("type", &mut bytes);
        msgpack::write(&2.into(), &mut bytes);
        msgpack::write_str("data", &mut bytes);
        msgpack::write_array(1 + values.len(), &mut bytes);
        msgpack::write_str(name, &mut bytes);
        values.iter().for_each(|value| msgpack::write(value, &mut bytes));
        msgpack::write_str("nsp", &mut bytes);
        msgpack::write_str(namespace, &mut bytes);
        msgpack::write(&target.to_value(), &mut bytes);
        bytes
    }

    /// `None` if it has another form.
    pub fn decode(bytes: &[u8]) -> Option<Broadcast> {
        let value = msgpack::decode(bytes).ok()?;
        let [uid, packet, options] = value.as_array()? else { return None };
        Some(Broadcast {
            uid: uid.as_str()?.to_string(),
            namespace: packet["nsp"].as_str().unwrap_or("/").to_string(),
            event: event(packet)?,
            target: Target::from_value(options)?,
        })
    }
}

impl Request {
    pub fn encode(&self, namespace: &str) -> Vec<u8> {
        let mut fields = json!({"type": self.kind.number()});
        for (name, value) in [("uid", &self.uid), ("requestId", &self.id)] {
            if let Some(value) = value {
                fields[name] = value.into();
            }
        }
        match &self.kind {
            RequestKind::Sockets(rooms) => fields["rooms"] = rooms.into(),
            RequestKind::AllRooms => {}
            RequestKind::Join(target, rooms) | RequestKind::Leave(target, rooms) => {
                fields["opts"] = target.to_value();
                fields["rooms"] = rooms.into();
            }
            RequestKind::Disconnect(target, close) => {
                fields["opts"] = target.to_value();
                fields["close"] = (*close).into();
            }
            RequestKind::Fetch(target) => fields["opts"] = target.to_value(),
            RequestKind::ServerSideEmit(event) => fields["data"] = Value::Array(event.clone()),
            RequestKind::Broadcast(target, event) => {
                fields["packet"] = packet(event, namespace);
                fields["opts"] = target.to_value();
                return msgpack::encode(&fields);
            }
        }
        fields.to_string().into_bytes()
    }

    /// `None` if it has another form, or is a request that is not known.
    pub fn decode(bytes: &[u8]) -> Option<Request> {
        let fields = decode_fields(bytes)?;
        let text = |name: &str| fields[name].as_str().map(String::from);
        // Older servers and emitters name one socket. It is alone in the room of its id.
        let target = || match text("sid") {
            Some(sid) => Some(Target { rooms: vec![sid], ..Target::default() }),
            None => Target::from_value(&fields["opts"]),
        };
        let rooms = || text("room").map(|room| vec![room]).or_else(|| names(&fields["rooms"]));
        let kind = match fields["type"].as_u64()? {
            0 => RequestKind::Sockets(names(&fields["rooms"])?),
            1 => RequestKind::AllRooms,
            2 => RequestKind::Join(target()?, rooms()?),
            3 => RequestKind::Leave(target()?, rooms()?),
            4 => RequestKind::Disconnect(target()?, fields["close"] == true),
            5 => RequestKind::Fetch(target()?),
            6 => RequestKind::ServerSideEmit(event(&fields)?),
            7 => RequestKind::Broadcast(target()?, event(&fields["packet"])?),
            _ => return None,
        };
        Some(Request { uid: text("uid"), id: text("requestId"), kind })
    }
}

impl RequestKind {
    fn number(&self) -> u8 {
        match self {
            RequestKind::Sockets(_) => 0,
            RequestKind::AllRooms => 1,
            RequestKind::Join(..) => 2,
            RequestKind::Leave(..) => 3,
            RequestKind::Disconnect(..) => 4,
            RequestKind::Fetch(_) => 5,
            RequestKind::ServerSideEmit(_) => 6,
            RequestKind::Broadcast(..) => 7,
        }
    }
}

/// The fields of a request or a response: JSON if it begins with `{`, and MessagePack otherwise.
pub fn decode_fields(bytes: &[u8]) -> Option<Value> {
    match bytes.first()? {
        b'{' => Value::parse(std::str::from_utf8(bytes).ok()?).ok(),
        _ => msgpack::decode(bytes).ok(),
    }
}

/// An event as a packet.
fn packet(event: &[Value], namespace: &str) -> Value {
    json!({"type": 2, "data": Value::Array(event.to_vec()), "nsp": namespace})
}

/// The name of an event with its values.
fn event(fields: &Value) -> Option<Vec<Value>> {
    let event = fields["data"].as_array()?;
    event.first()?.as_str()?;
    Some(event.to_vec())
}

/// Names of rooms. In JavaScript some are numbers.
fn names(value: &Value) -> Option<Vec<String>> {
    let name = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    if value.is_null() {
        return Some(Vec::new());
    }
    value.as_array()?.iter().map(name).collect()
}
