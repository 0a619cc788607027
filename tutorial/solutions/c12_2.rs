//! Chapter 12, exercise 2: text judged without being kept.
//!
//! All that must be remembered from one piece to the next is a character whose end has not come:
//! at most three bytes. `error_len()` says whether what stands at the end is wrong or unfinished.

use std::str::from_utf8;

#[derive(Default)]
struct Judge {
    unfinished: Vec<u8>,
}

impl Judge {
    /// Whether text may go on like this.
    fn feed(&mut self, piece: &[u8]) -> bool {
        self.unfinished.extend_from_slice(piece);
        let good = match from_utf8(&self.unfinished) {
            Ok(text) => text.len(),
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(_) => return false,
        };
        self.unfinished.drain(..good);
        true
    }

    /// Whether text may end here.
    fn end(&self) -> bool {
        self.unfinished.is_empty()
    }
}

#[test]
fn text_is_judged_alike_wherever_it_is_cut() {
    let text = "tea, thé, 차, 🍵";
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let mut judge = Judge::default();
            let bytes = text.as_bytes();
            for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                assert!(judge.feed(piece), "cut at {first} and {second}");
                assert!(judge.unfinished.len() <= 3);
            }
            assert!(judge.end());
        }
    }
}

#[test]
fn the_first_wrong_byte_is_enough() {
    assert!(!Judge::default().feed(b"caf\xe9 ")); // Latin-1
    assert!(!Judge::default().feed(b"\xc0\x80")); // a zero, written longer than need be
    let mut judge = Judge::default();
    assert!(judge.feed(b"caf\xc3"));
    assert!(!judge.end());
    assert!(!judge.feed(b"e"));
}
