//! Chapter 11, exercise 1: percent-encoding.
//!
//! Both functions work on bytes, not on characters: `ë` is two bytes, and so two escapes. A client
//! may send anything, so decoding cannot fail: an invalid escape stays as it is.

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, escaped(after)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that the first two digits stand for, if they are two digits.
fn escaped(text: &[u8]) -> Option<u8> {
    let [high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[test]
fn decoding_reverses_encoding() {
    for (text, encoded) in [
        ("Ada", "Ada"),
        ("Ada L", "Ada%20L"),
        ("Zoë", "Zo%C3%AB"),
        ("100 %41", "100%20%2541"),
        ("?a=b&c\r\n", "%3Fa%3Db%26c%0D%0A"),
    ] {
        assert_eq!(encode(text), encoded);
        assert_eq!(decode(encoded), text);
    }
}

#[test]
fn invalid_escapes_are_kept() {
    for text in ["%", "%4", "%zz", "%+1", "é%", "%é"] {
        assert_eq!(decode(text), text);
    }
    assert_eq!(decode("%C3"), "\u{FFFD}");
}
