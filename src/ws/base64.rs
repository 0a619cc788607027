//! Base64: any bytes as text, three of them in four characters.
//!
//! Three bytes are 24 bits, and so are four numbers of 6 bits, each of which has a character. If
//! the last group has fewer bytes, `=` takes the place of the characters that are missing
//! (*padding*).
//!
//! Chapter 12 of the book.

/// The character of each number (RFC 4648 §4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes: four characters for each group of up to three bytes.
///
/// ```
/// use sockets_by_hand::ws::base64::{decode, encode};
///
/// assert_eq!(encode(b"any bytes"), "YW55IGJ5dGVz");
/// assert_eq!(decode("YW55IGJ5dGVz").unwrap(), b"any bytes");
/// assert_eq!(decode("YW55 IGJ5dGVz"), None);
/// ```
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | usize::from(*group.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let character = ALPHABET[bits >> (18 - 6 * i) & 63];
            text.push(if i <= group.len() { character.into() } else { '=' });
        }
    }
    text
}

/// Decodes `text`; `None` if no encoder writes such text: the length or a character is wrong,
/// padding is missing or not at the end, or left over bits are not zero (RFC 4648 §3.5).
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut groups = text.as_bytes().chunks(4).peekable();
    while let Some(group) = groups.next() {
        let padding = match group {
            [_, _, b'=', b'='] => 2,
            [_, _, _, b'='] => 1,
            [_, _, _, _] => 0,
            _ => return None,
        };
        let mut bits = 0;
        for character in &group[..4 - padding] {
            bits = bits << 6 | number(*character)?;
        }
        bits <<= 6 * padding;
        let left_over = bits & ((1 << (8 * padding)) - 1);
        if left_over != 0 || padding > 0 && groups.peek().is_some() {
            return None;
        }
        bytes.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}

fn number(character: u8) -> Option<u32> {
    let number = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(number.into())
}
