//! Numbers that nobody can guess, from the one source of chance that `std` has.
//!
//! Picture a machine that shuffles whatever you put in, set by a secret that it drew from the
//! operating system at its start. `std` builds one for every `HashMap`, so that nobody can choose
//! keys that collide: [`RandomState`]. Its hash of nothing at all is as good as a number drawn.
//!
//! Its limit: the secret is drawn once a thread and counted up from there, and SipHash-1-3, which
//! shuffles, is built against guessing, not proved as a generator of keys. For masks and session
//! ids that is enough. A bank takes its random numbers from the operating system, each of them.
//!
//! Chapter 10 of the book.

use std::hash::{BuildHasher, RandomState};

/// `N` bytes that cannot be guessed from those drawn before.
///
/// ```
/// use sockets_by_hand::ws::random::random_bytes;
///
/// assert_ne!(random_bytes::<16>(), random_bytes::<16>());
/// ```
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for part in bytes.chunks_mut(8) {
        let drawn = RandomState::new().hash_one(()).to_ne_bytes();
        part.copy_from_slice(&drawn[..part.len()]);
    }
    bytes
}

/// A name that cannot be guessed: 20 characters that need no escape in a URL, 120 bits of chance.
pub fn random_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    random_bytes::<20>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}
