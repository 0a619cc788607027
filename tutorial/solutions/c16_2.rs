//! Chapter 16, exercise 2: only where it pays.
//!
//! Whether a message gets shorter is known only after it has been compressed, and then the time is spent.
//! But messages of one connection are alike: if one did not get shorter, the next are not tried.

use sockets_by_hand::ws::deflate::deflate::Deflater;

const THRESHOLD: usize = 1024;

/// How many messages are left as they are behind one that did not get shorter by a tenth.
const PAUSE: usize = 15;

#[derive(Default)]
struct Chooser {
    /// How many messages are still left as they are.
    pause: usize,
}

impl Chooser {
    /// Returns RSV1 and the payload for a message.
    fn choose(&mut self, message: &[u8]) -> (bool, Vec<u8>) {
        if message.len() < THRESHOLD {
            return (false, message.to_vec());
        }
        if self.pause > 0 {
            self.pause -= 1;
            return (false, message.to_vec());
        }
        let mut deflated = Deflater::new(15, 6).message(message);
        deflated.truncate(deflated.len() - 4);
        if deflated.len() > message.len() * 9 / 10 {
            self.pause = PAUSE;
            return (false, message.to_vec());
        }
        (true, deflated)
    }
}

/// Bytes in which nothing repeats itself, as in a photo.
#[cfg(test)]
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..2000).map(|_| next()).collect()
}

#[test]
fn short_messages_stay_as_they_are() {
    let mut chooser = Chooser::default();
    assert_eq!(chooser.choose(&[b'x'; 1023]), (false, vec![b'x'; 1023]));
    assert!(chooser.choose(&[b'x'; 1024]).0);
}

#[test]
fn compressed_payload_is_inflated_again() {
    use sockets_by_hand::ws::deflate::inflate::Inflater;

    let message = b"to be, or not to be, ".repeat(100);
    let (rsv1, payload) = Chooser::default().choose(&message);
    assert!(rsv1 && payload.len() < 100 && !payload.ends_with(&[0, 0, 0xff, 0xff]));
    let payload = [&payload[..], &[0, 0, 0xff, 0xff]].concat();
    assert_eq!(Inflater::new(1 << 15).message(&payload, 1 << 20).unwrap(), message);
}

#[test]
fn noise_is_tried_once_in_sixteen_messages() {
    let mut chooser = Chooser::default();
    assert_eq!(chooser.choose(&noise()), (false, noise()));
    for _ in 0..PAUSE {
        assert!(!chooser.choose(&[b'x'; 2000]).0);
        assert!(!chooser.choose(b"a short one does not count").0);
    }
    assert!(chooser.choose(&[b'x'; 2000]).0);
}
