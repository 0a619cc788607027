//! Base64: any bytes as text, three of them in four characters.
//!
//! Picture 24 bits in a row. Cut them into three pieces and you have bytes; cut them into four and
//! you have numbers from 0 to 63, each of which has a letter. Where the last bytes do not fill a
//! row, `=` fills the places of the letters that are missing.
//!
//! Chapter 10 of the book.

/// The letter of each number (RFC 4648 §4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text that stands for `bytes`: four characters for each three, or part of three.
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
    for row in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | usize::from(*row.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let letter = ALPHABET[bits >> (18 - 6 * i) & 63];
            text.push(if i <= row.len() { letter.into() } else { '=' });
        }
    }
    text
}

/// The bytes that `text` stands for, or `None` if no encoder writes such text: a wrong length or
/// letter, a missing `=`, anything behind it, bits left over that are not zero (RFC 4648 §3.5).
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut rows = text.as_bytes().chunks(4).peekable();
    while let Some(row) = rows.next() {
        let padding = match row {
            [_, _, b'=', b'='] => 2,
            [_, _, _, b'='] => 1,
            [_, _, _, _] => 0,
            _ => return None,
        };
        let mut bits = 0;
        for letter in &row[..4 - padding] {
            bits = bits << 6 | number(*letter)?;
        }
        bits <<= 6 * padding;
        let left_over = bits & ((1 << (8 * padding)) - 1);
        if left_over != 0 || padding > 0 && rows.peek().is_some() {
            return None;
        }
        bytes.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}

fn number(letter: u8) -> Option<u32> {
    let number = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(number.into())
}
