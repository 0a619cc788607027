//! The packets of Socket.IO as text: a digit, a few words in front, and JSON behind.
//!
//! Picture the label on a letter: what it is, for which room of the house, whether an answer is
//! wanted (and under which number), and how many parcels follow. `42/admin,7["ban","Bob"]` is, from
//! the left: a message (4, which Engine.IO reads), an event (2), to `/admin`, answer under 7.
//!
//! Chapter 18 of the book.

/// What a packet is for (Socket.IO protocol, revision 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May I come into this namespace? Or: you are in.
    Connect = 0,
    /// I leave this namespace.
    Disconnect = 1,
    /// A name and values.
    Event = 2,
    /// The values that answer an event.
    Ack = 3,
    /// You may not come in.
    ConnectError = 4,
    /// An event with bytes, which follow.
    BinaryEvent = 5,
    /// An answer with bytes, which follow.
    BinaryAck = 6,
}

/// A packet, with its values still as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: Kind,
    /// How many messages with bytes follow.
    pub attachments: usize,
    /// The namespace, which begins with `/`.
    pub namespace: &'a str,
    /// The number under which an answer is wanted, or given.
    pub id: Option<u64>,
    /// JSON, or nothing.
    pub data: &'a str,
}

impl<'a> Packet<'a> {
    /// A packet without number and bytes.
    pub fn new(kind: Kind, namespace: &'a str, data: &'a str) -> Packet<'a> {
        Packet { kind, attachments: 0, namespace, id: None, data }
    }

    /// Takes `text` apart, or returns `None` if it is no packet. The JSON is not looked at.
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

    /// Writes the packet as text.
    pub fn encode(&self) -> String {
        // (Room for what stands in front, and for a few values that may be written behind.)
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

/// A number in digits alone, within what JavaScript counts exactly.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|n| plain && *n < 1 << 53)
}
