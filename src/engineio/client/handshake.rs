//! The handshake data: the first packet of a session.

use std::time::Duration;

use super::{Error, is_unreserved};
use crate::engineio::Packet;
use crate::engineio::events::{Events, describe};
use crate::json::Value;

/// The data of the handshake, the first packet of a session.
pub(super) struct Handshake {
    /// The id of the session.
    pub sid: String,
    /// Whether the server offers an upgrade to a WebSocket.
    pub upgrade: bool,
    /// How long the server may be silent: its ping interval and its ping timeout.
    pub read_timeout: Duration,
    /// How many bytes a `POST` may have.
    pub max_payload: usize,
}

impl Handshake {
    /// Parses the first packet of a session.
    ///
    /// # Errors
    /// It is not an open packet with all that is needed.
    pub fn parse(packet: Option<Packet>, events: &Events) -> Result<Handshake, Error> {
        let Some(packet @ Packet::Open(_)) = &packet else {
            return Err(Error::expected("an open packet"));
        };
        events.emit("packet", || describe(packet));
        let Packet::Open(json) = packet else { unreachable!() };
        let json = Value::parse(json).unwrap_or(Value::Null);
        let ms = |name: &str| json[name].as_f64().filter(|ms| (0.0..1e10).contains(ms));
        let (Some(sid), Some(interval), Some(timeout)) =
            (json["sid"].as_str(), ms("pingInterval"), ms("pingTimeout"))
        else {
            return Err(Error::expected("an open packet with sid, pingInterval and pingTimeout"));
        };
        if sid.is_empty() || !sid.bytes().all(is_unreserved) {
            return Err(Error::expected("a sid that may stand in a URL"));
        }
        let upgrades = json["upgrades"].as_array().unwrap_or_default();
        Ok(Handshake {
            sid: sid.to_string(),
            upgrade: upgrades.iter().any(|name| name.as_str() == Some("websocket")),
            read_timeout: Duration::from_millis((interval + timeout) as u64),
            max_payload: json["maxPayload"].as_f64().map_or(usize::MAX, |max| max as usize),
        })
    }
}
