//! Chapter 20, exercise 1: a line for each packet of a payload.
//!
//! `Packet` is an enum, so a `match` names every type, and the compiler sees that none is missing.
//! A payload with one malformed packet is malformed as a whole: the result is `None`.

use sockets_by_hand::engineio::Packet;
use sockets_by_hand::ws::Message;

fn describe(payload: &str) -> Option<Vec<String>> {
    let line = |packet| match packet {
        Packet::Open(data) => format!("open {data}"),
        Packet::Close => "close".to_string(),
        Packet::Ping(data) => format!("ping {data:?}"),
        Packet::Pong(data) => format!("pong {data:?}"),
        Packet::Message(Message::Text(text)) => format!("message {text:?}"),
        Packet::Message(Message::Binary(bytes)) => format!("{} bytes", bytes.len()),
        Packet::Upgrade => "upgrade".to_string(),
        Packet::Noop => "noop".to_string(),
    };
    Some(Packet::parse_payload(payload)?.into_iter().map(line).collect())
}

#[test]
fn each_packet_has_a_line() {
    let lines = describe("4one\x1ebAQID\x1e2probe\x1e1").unwrap();
    assert_eq!(lines, ["message \"one\"", "3 bytes", "ping \"probe\"", "close"]);
    assert_eq!(describe("4").unwrap(), ["message \"\""]);
}

#[test]
fn a_payload_with_one_malformed_packet_is_refused() {
    assert_eq!(describe("4one\x1e"), None); // an empty packet has no type
    assert_eq!(describe("4one\x1eb!!!!"), None);
    assert_eq!(describe(""), None);
}
