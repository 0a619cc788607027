//! Chapter 12, exercise 1: base64 that fits into a URL.
//!
//! `+`, `/` and `=` have other meanings in a URL. Two characters are replaced (RFC 4648 §5), and the
//! padding is left out: the length says how many characters of the last group are missing.

use sockets_by_hand::ws::base64;

fn encode_url(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn decode_url(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/', '=']) {
        return None;
    }
    let missing = text.len().next_multiple_of(4) - text.len();
    base64::decode(&(text.replace('-', "+").replace('_', "/") + &"=".repeat(missing)))
}

#[test]
fn decoding_reverses_encoding_and_every_character_is_safe_in_a_url() {
    let bytes: Vec<u8> = (0..=255).collect();
    for len in 0..=256 {
        let text = encode_url(&bytes[256 - len..]);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
        assert_eq!(decode_url(&text).unwrap(), bytes[256 - len..]);
    }
    assert_eq!(encode_url(&[0xfb, 0xff, 0xfe, 0x01]), "-__-AQ");
}

#[test]
fn invalid_text_is_refused() {
    for text in ["+__+AQ", "-__-AQ==", "-__-A", "-__-AR", "-__-A\u{e9}", "-__- AQ"] {
        assert_eq!(decode_url(text), None, "{text}");
    }
}
