//! SHA-1: twenty bytes that stand for any number of bytes.
//!
//! The state is five words of 32 bits. The message is compressed into it in blocks of 64 bytes, in
//! eighty rounds each, and the state after the last block is the digest. Change one bit of the
//! message, and every word of the digest changes. (SHA-1 is no longer good enough to sign anything;
//! a WebSocket handshake uses it only to prove that the other side knows what a WebSocket is.)
//!
//! Chapter 12 of the book.

/// The SHA-1 digest of `message` (FIPS 180-4 §6.1).
///
/// ```
/// use sockets_by_hand::ws::sha1::sha1;
///
/// assert_eq!(sha1(b"abc")[..4], [0xa9, 0x99, 0x3e, 0x36]);
/// ```
pub fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
    let blocks = message.chunks_exact(64);

    // §5.1.1: what is left of the message, one bit, zeros, and the message's length in bits.
    let mut tail = Vec::with_capacity(128);
    tail.extend(blocks.remainder());
    tail.push(0x80);
    tail.resize(if tail.len() <= 56 { 56 } else { 120 }, 0);
    tail.extend((message.len() as u64 * 8).to_be_bytes());

    blocks.chain(tail.chunks_exact(64)).for_each(|block| compress(&mut state, block));
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// Compresses one block of 64 bytes into the state (§6.1.2).
fn compress(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (t, &word) in words.iter().enumerate() {
        // §4.1.1 and §4.2.1: the function and the constant change every twenty rounds.
        let (f, k) = match t {
            0..20 => ((b & c) | (!b & d), 0x5a827999),
            20..40 => (b ^ c ^ d, 0x6ed9eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1bbcdc),
            _ => (b ^ c ^ d, 0xca62c1d6),
        };
        let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e);
        let next = next.wrapping_add(k).wrapping_add(word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (word, change) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(change);
    }
}
