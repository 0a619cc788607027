//! gzip (RFC 1952): DEFLATE between a head and a checksum. Files have it, and HTTP responses.
//!
//! It needs all others of `src/ws/deflate/` beside it.
//!
//! Chapter 15 of the book.

use super::deflate::Deflater;
use super::inflate::{Error, inflate};

/// The two bytes with which it begins, and the method: DEFLATE.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// An empty final block, with fixed codes.
const END: [u8; 2] = [0b011, 0];

/// Compresses data, at a level from 0 to 9.
///
/// ```
/// use sockets_by_hand::ws::deflate::gzip;
///
/// let compressed = gzip::compress(&[b'x'; 1000], 6);
/// assert!(compressed.len() < 50);
/// assert_eq!(gzip::decompress(&compressed, 1000).unwrap(), [b'x'; 1000]);
/// ```
pub fn compress(data: &[u8], level: u8) -> Vec<u8> {
    // No flags, no time, no hints; 255: an operating system that is not known (§2.3.1).
    let mut gzip = [&MAGIC[..], &[0, 0, 0, 0, 0, 0, 255]].concat();
    gzip.extend(Deflater::new(15, level).message(data));
    gzip.extend(END);
    gzip.extend(crc32(data).to_le_bytes());
    gzip.extend((data.len() as u32).to_le_bytes());
    gzip
}

/// Decompresses a file of one member: up to `max` bytes.
///
/// # Errors
/// It is malformed, incomplete, or its checksum is wrong; or more than `max` bytes would come out
/// of it.
pub fn decompress(gzip: &[u8], max: usize) -> Result<Vec<u8>, Error> {
    let (head, mut rest) = gzip.split_first_chunk::<10>().ok_or(Error::Incomplete)?;
    let [_, _, _, flags, ..] = *head;
    if !head.starts_with(&MAGIC) || flags & 0xe0 != 0 {
        return Err(Error::Malformed("this is not gzip"));
    }
    let take = |rest: &mut &[u8], len: usize| {
        let (_, after) = rest.split_at_checked(len).ok_or(Error::Incomplete)?;
        *rest = after;
        Ok(())
    };
    // What may come before the data, each behind a flag: more fields, a name, a comment, a checksum.
    if flags & 0x04 != 0 {
        let [low, high] = *rest.first_chunk().ok_or(Error::Incomplete)?;
        take(&mut rest, 2 + usize::from(u16::from_le_bytes([low, high])))?;
    }
    for _ in 0..(flags & 0x18).count_ones() {
        let end = rest.iter().position(|byte| *byte == 0).ok_or(Error::Incomplete)?;
        take(&mut rest, end + 1)?;
    }
    if flags & 0x02 != 0 {
        take(&mut rest, 2)?;
    }
    let (data, len) = inflate(rest, max)?;
    let sums = [crc32(&data).to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
    match rest[len..].get(..8) {
        Some(found) if found == sums => Ok(data),
        Some(_) => Err(Error::Malformed("the checksum or the length is wrong")),
        None => Err(Error::Incomplete),
    }
}

/// What each byte does to the checksum.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut sum = i as u32;
        let mut bit = 0;
        while bit < 8 {
            // The remainder of a division by a polynomial, bit by bit (§8).
            sum = if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xedb8_8320 };
            bit += 1;
        }
        table[i] = sum;
        i += 1;
    }
    table
};

/// The checksum of gzip, zip and PNG.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| CRC_TABLE[(sum as u8 ^ byte) as usize] ^ sum >> 8;
    !bytes.iter().fold(!0, step)
}
