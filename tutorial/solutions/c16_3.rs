//! Chapter 16, exercise 3: a PIN out of lengths (CRIME).
//!
//! `pin=` is in the message already, with the PIN behind it. A guess that has the right next digit makes a
//! match one byte longer, and the message one byte shorter.

/// Returns the four digits. `len` sends a text of ours in a message that also has `pin=` and the PIN, and
/// says how long the compressed message was.
fn pin(len: impl Fn(&str) -> usize) -> String {
    let mut known = "pin=".to_string();
    for _ in 0..4 {
        let guesses = ('0'..='9').map(|digit| format!("{known}{digit}"));
        known = guesses.min_by_key(|guess| len(guess)).unwrap();
    }
    known.split_off("pin=".len())
}

#[test]
fn pin_is_found_with_forty_guesses() {
    use sockets_by_hand::ws::deflate::deflate::Deflater;
    use std::cell::Cell;

    for secret in ["7391", "2024", "1358", "0000", "9876", "4711"] {
        let guesses = Cell::new(0);
        let len = |text: &str| {
            guesses.set(guesses.get() + 1);
            let message = format!("user=ann&pin={secret}&room=tea&search={text}&page=1");
            Deflater::new(15, 6).message(message.as_bytes()).len()
        };
        assert_eq!(pin(len), secret);
        assert!(guesses.get() <= 40, "{} guesses", guesses.get());
    }
}
