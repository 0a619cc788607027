//! Random bytes, from the only source of randomness in `std`.
//!
//! `std` makes a secret key for every `HashMap`, so that nobody can choose keys that collide:
//! [`RandomState`]. A hash of nothing with such a key is a random number.
//!
//! Its limit: the first key of a thread comes from the operating system, and the next ones count up
//! from it. SipHash-1-3, the hash, is designed against guessing, but not as a generator of keys.
//! That is enough for masks and session ids. A bank takes every random number from the operating
//! system.
//!
//! Chapter 12 of the book.

use std::hash::{BuildHasher, RandomState};

/// `N` random bytes, which cannot be guessed from those before.
///
/// ```
/// use sockets_by_hand::ws::random::random_bytes;
///
/// assert_ne!(random_bytes::<16>(), random_bytes::<16>());
/// ```
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for part in bytes.chunks_mut(8) {
        let random = RandomState::new().hash_one(()).to_ne_bytes();
        part.copy_from_slice(&random[..part.len()]);
    }
    bytes
}

/// A random id: 20 characters that need no escape in a URL, 120 random bits.
pub fn random_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    random_bytes::<20>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}
