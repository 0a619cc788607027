//! Chapter 03, exercise 2: a censor.
//!
//! A piece may end in the middle of the word. So the longest end that is a beginning of the word is
//! held back: the next piece decides what it was. A wiretap must not do that, because it would delay
//! bytes that the other side may wait for.

use std::io::{self, Read, Write};

/// Passes on what `source` sends, with `*` for each byte of `word`, which is not empty.
fn censor(mut source: impl Read, mut sink: impl Write, word: &[u8]) -> io::Result<()> {
    let mut held = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = source.read(&mut buffer)?;
        held.extend_from_slice(&buffer[..n]);
        while let Some(at) = held.windows(word.len()).position(|part| part == word) {
            held[at..at + word.len()].fill(b'*');
        }
        let is_beginning = |len: &usize| n > 0 && held.ends_with(&word[..*len]);
        let back = (0..word.len()).rev().find(is_beginning).unwrap_or(0);
        let rest = held.split_off(held.len() - back);
        sink.write_all(&held)?;
        held = rest;
        if n == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives one of these pieces at each `read`.
    struct Pieces(Vec<&'static str>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            self.0.remove(0).as_bytes().read(buffer)
        }
    }

    #[track_caller]
    fn assert_censored(pieces: &[&'static str], expected: &str) {
        let mut passed = Vec::new();
        censor(Pieces(pieces.to_vec()), &mut passed, b"secret").unwrap();
        assert_eq!(String::from_utf8(passed).unwrap(), expected);
    }

    #[test]
    fn a_word_is_replaced_however_it_is_cut() {
        assert_censored(&["a secret, two secrets"], "a ******, two ******s");
        assert_censored(&["a sec", "ret"], "a ******");
        assert_censored(&["s", "e", "c", "r", "e", "t", "s"], "******s");
    }

    #[test]
    fn what_only_begins_like_the_word_is_passed_on() {
        assert_censored(&["a sec", "ond"], "a second");
        assert_censored(&["secsec", "ret"], "sec******");
        assert_censored(&["the end is secre"], "the end is secre");
    }

    #[test]
    fn nothing_else_is_held_back() {
        let (mut client, source) = crate::connection();
        let (sink, mut server) = crate::connection();
        std::thread::spawn(move || censor(source, sink, b"secret"));
        client.write_all(b"no such word").unwrap();
        let mut received = [0; 12];
        server.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"no such word");
    }
}
