//! Chapter 13, exercise 3: cache poisoning, and how masking prevents it.
//!
//! Masking twice with the same key changes nothing. So an attacker who knows the key sends the
//! masked form of a request, and the mask turns it back into the request. The mask protects the
//! proxy only because nobody can predict the key.

use sockets_by_hand::ws::frame::{Opcode, apply_mask, encode};
use sockets_by_hand::ws::random::random_bytes;

const REQUEST: &[u8] = b"\r\nGET /a.js HTTP/1.1\r\nHost: bank.example\r\n\r\n";

/// What a proxy without WebSocket sees: a `GET` at the beginning of a line is a request.
fn contains_request(wire: &[u8]) -> bool {
    wire.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"GET /"))
}

/// The payload that an attacker's page sends if it expects the masking key `key`.
fn payload_for(wanted: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut payload = wanted.to_vec();
    apply_mask(&mut payload, key, 0);
    payload
}

#[test]
fn without_a_mask_the_payload_can_be_a_request() {
    assert!(contains_request(&encode(true, Opcode::Binary, REQUEST, None)));
}

#[test]
fn with_a_predictable_key_the_payload_becomes_a_request() {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let payload = payload_for(REQUEST, key);
    assert!(!contains_request(&payload));
    assert!(contains_request(&encode(true, Opcode::Binary, &payload, Some(key))));
}

#[test]
fn with_a_random_key_for_each_frame_it_does_not() {
    let predicted = random_bytes();
    let payload = payload_for(REQUEST, predicted);
    let mut key = random_bytes();
    while key == predicted {
        key = random_bytes(); // once in four billion runs
    }
    assert!(!contains_request(&encode(true, Opcode::Binary, &payload, Some(key))));
}
