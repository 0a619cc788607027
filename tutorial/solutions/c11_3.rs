//! Chapter 11, exercise 3: a proxy that is fooled, and how it is not.
//!
//! To mask twice with the same key changes nothing. So whoever knows the key sends the masked form
//! of what the wire is to carry, and the mask itself makes the request of it. It is not the mask
//! that protects the proxy, but that nobody can know the key.

use sockets_by_hand::ws::frame::{Opcode, apply_mask, encode};
use sockets_by_hand::ws::random::random_bytes;

const REQUEST: &[u8] = b"\r\nGET /a.js HTTP/1.1\r\nHost: bank.example\r\n\r\n";

/// The proxy, which knows nothing of WebSockets: a `GET` at the beginning of a line is a request.
fn is_fooled(wire: &[u8]) -> bool {
    wire.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"GET /"))
}

/// What the attacker's page hands to the browser, if it believes that `key` will be the mask.
fn payload_for(wanted: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut payload = wanted.to_vec();
    apply_mask(&mut payload, key, 0);
    payload
}

#[test]
fn without_a_mask_the_page_writes_requests() {
    assert!(is_fooled(&encode(true, Opcode::Binary, REQUEST, None)));
}

#[test]
fn under_a_mask_that_can_be_foreseen_it_still_does() {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let payload = payload_for(REQUEST, key);
    assert!(!is_fooled(&payload));
    assert!(is_fooled(&encode(true, Opcode::Binary, &payload, Some(key))));
}

#[test]
fn under_a_mask_that_is_drawn_for_each_frame_it_does_not() {
    let foreseen = random_bytes();
    let payload = payload_for(REQUEST, foreseen);
    let mut drawn = random_bytes();
    while drawn == foreseen {
        drawn = random_bytes(); // once in four billion runs
    }
    assert!(!is_fooled(&encode(true, Opcode::Binary, &payload, Some(drawn))));
}
