//! The packets of Socket.IO as text: a type, what the type needs, and JSON.
//!
//! `42/admin,7["ban","Bob"]` is, from the left: a message (4, of Engine.IO), an event (2), to the
//! namespace `/admin`, with the id 7 for its acknowledgement, and the JSON of its name and
//! arguments.
//!
//! Chapter 22 of the book.

/// The type of a packet (Socket.IO protocol, revision 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client asks to connect to a namespace, or the server accepts that.
    Connect = 0,
    /// The sender leaves the namespace.
    Disconnect = 1,
    /// An event: a name and arguments.
    Event = 2,
    /// An acknowledgement: arguments.
    Ack = 3,
    /// The server refuses a connection to a namespace.
    ConnectError = 4,
    /// An event with binary attachments.
    BinaryEvent = 5,
    /// An acknowledgement with binary attachments.
    BinaryAck = 6,
}

/// Names of events that only the library itself may emit.
pub const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// A packet, with its data as JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The type.
    pub kind: Kind,
    /// How many attachments follow.
    pub attachments: usize,
    /// The namespace, which begins with `/`.
    pub namespace: &'a str,
    /// The id of the acknowledgement that is wanted, or given.
    pub id: Option<u64>,
    /// JSON, or nothing.
    pub data: &'a str,
}

impl<'a> Packet<'a> {
    /// A packet without an id and attachments.
    pub fn new(kind: Kind, namespace: &'a str, data: &'a str) -> Packet<'a> {
        Packet { kind, attachments: 0, namespace, id: None, data }
    }

    /// Parses a packet; `None` if `text` is not one. The JSON is not parsed.
    ///
    /// ```
    /// use sockets_by_hand::socketio::packet::{Kind, Packet};
    ///
    /// let packet = Packet::parse(r#"51-/admin,7["file",{"_placeholder":true,"num":0}]"#).unwrap();
    /// assert_eq!(packet.kind, Kind::BinaryEvent);
    /// assert_eq!((packet.attachments, packet.namespace, packet.id), (1, "/admin", Some(7)));
    /// assert_eq!(Packet::parse("7"), None);
    /// ```
    pub fn parse(text: &'a str) -> Option<Packet<'a>> {
        let kind = match text.bytes().next()? {
            b'0' => Kind::Connect,
            b'1' => Kind::Disconnect,
            b'2' => Kind::Event,
            b'3' => Kind::Ack,
            b'4' => Kind::ConnectError,
            b'5' => Kind::BinaryEvent,
            b'6' => Kind::BinaryAck,
            _ => return None,
        };
        let mut rest = &text[1..];
        let mut attachments = 0;
        if matches!(kind, Kind::BinaryEvent | Kind::BinaryAck) {
            let (count, after) = rest.split_once('-')?;
            attachments = number(count)? as usize;
            rest = after;
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, data) = rest.split_at(digits);
        let id = if id.is_empty() { None } else { Some(number(id)?) };
        Some(Packet { kind, attachments, namespace, id, data })
    }

    /// The packet as text.
    pub fn encode(&self) -> String {
        // (With room for the prefix, and for a few values that the caller may append.)
        let mut text = String::with_capacity(self.namespace.len() + self.data.len() + 64);
        text.push(char::from(b'0' + self.kind as u8));
        if matches!(self.kind, Kind::BinaryEvent | Kind::BinaryAck) {
            text += &format!("{}-", self.attachments);
        }
        if self.namespace != "/" {
            text += self.namespace;
            text.push(',');
        }
        if let Some(id) = self.id {
            text += &id.to_string();
        }
        text + self.data
    }
}

/// Parses a number of digits only, below 2⁵³: JavaScript has no larger exact integers.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|n| plain && *n < 1 << 53)
}
