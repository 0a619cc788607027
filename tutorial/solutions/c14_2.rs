//! Chapter 14, exercise 2: validate UTF-8 without keeping the text.
//!
//! From one piece to the next, only an incomplete character must be kept: at most three bytes.
//! `error_len()` says whether the bytes at the end are wrong or incomplete.

use std::str::from_utf8;

#[derive(Default)]
struct Utf8Validator {
    incomplete: Vec<u8>,
}

impl Utf8Validator {
    /// Adds a piece; `false` if it contains bytes that are not UTF-8.
    fn feed(&mut self, piece: &[u8]) -> bool {
        self.incomplete.extend_from_slice(piece);
        let valid = match from_utf8(&self.incomplete) {
            Ok(text) => text.len(),
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(_) => return false,
        };
        self.incomplete.drain(..valid);
        true
    }

    /// Whether the last character is complete: the text may end here.
    fn is_complete(&self) -> bool {
        self.incomplete.is_empty()
    }
}

#[test]
fn valid_text_is_valid_wherever_it_is_cut() {
    let text = "tea, thé, 차, 🍵";
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let mut validator = Utf8Validator::default();
            let bytes = text.as_bytes();
            for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                assert!(validator.feed(piece), "cut at {first} and {second}");
                assert!(validator.incomplete.len() <= 3);
            }
            assert!(validator.is_complete());
        }
    }
}

#[test]
fn the_first_invalid_byte_is_found() {
    assert!(!Utf8Validator::default().feed(b"caf\xe9 ")); // Latin-1
    assert!(!Utf8Validator::default().feed(b"\xc0\x80")); // a zero, written longer than need be
    let mut validator = Utf8Validator::default();
    assert!(validator.feed(b"caf\xc3"));
    assert!(!validator.is_complete());
    assert!(!validator.feed(b"e"));
}
