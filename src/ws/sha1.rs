//! SHA-1: twenty bytes that stand for any number of bytes.
//!
//! Picture a mixer with five dials. The message goes through it in blocks of 64 bytes; each block
//! turns the dials eighty times, and where they stand at the end is the digest. Change one bit, and
//! every dial ends elsewhere. (For secrets SHA-1 is no longer good enough; a WebSocket handshake
//! asks it only to prove that the other side knows what a WebSocket is.)
//!
//! Chapter 10 of the book.

/// The SHA-1 digest of `message` (FIPS 180-4 §6.1).
///
/// ```
/// use sockets_by_hand::ws::sha1::sha1;
///
/// assert_eq!(sha1(b"abc")[..4], [0xa9, 0x99, 0x3e, 0x36]);
/// ```
pub fn sha1(message: &[u8]) -> [u8; 20] {
    let mut dials: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
    let blocks = message.chunks_exact(64);

    // §5.1.1: what is left of the message, one bit, zeros, and the message's length in bits.
    let mut tail = Vec::with_capacity(128);
    tail.extend(blocks.remainder());
    tail.push(0x80);
    tail.resize(if tail.len() <= 56 { 56 } else { 120 }, 0);
    tail.extend((message.len() as u64 * 8).to_be_bytes());

    blocks.chain(tail.chunks_exact(64)).for_each(|block| mix(&mut dials, block));
    let mut digest = [0; 20];
    for (bytes, dial) in digest.chunks_exact_mut(4).zip(dials) {
        bytes.copy_from_slice(&dial.to_be_bytes());
    }
    digest
}

/// Turns the dials for one block of 64 bytes (§6.1.2).
fn mix(dials: &mut [u32; 5], block: &[u8]) {
    let mut words = [0; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *dials;
    for (t, &word) in words.iter().enumerate() {
        // §4.1.1 and §4.2.1: the function and the constant change every twenty turns.
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
    for (dial, turned) in dials.iter_mut().zip([a, b, c, d, e]) {
        *dial = dial.wrapping_add(turned);
    }
}
