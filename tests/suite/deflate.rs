//! DEFLATE (RFC 1951) by section.

use crate::common::random::Random;
use sockets_by_hand::ws::deflate::bits::{BitReader, BitWriter};
use sockets_by_hand::ws::deflate::deflate::Deflater;
use sockets_by_hand::ws::deflate::inflate::{Error, Inflater, inflate};
use sockets_by_hand::ws::deflate::prefix::Prefix;

/// A stream of one final block, from (number, bits) pairs.
fn stream(parts: &[(u32, u32)]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    parts.iter().for_each(|(number, count)| bits.write(*number, *count));
    bits.into_bytes()
}

fn out(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    inflate(bytes, 1 << 20).map(|(out, _)| out)
}

fn is_malformed(bytes: &[u8]) -> bool {
    matches!(out(bytes), Err(Error::Malformed(_)))
}

mod bits {
    use super::*;

    #[test]
    fn the_first_bit_is_the_lowest_of_the_first_byte() {
        let mut bits = BitReader::new(&[0b1010_0101, 0b11]);
        bits.fill();
        assert_eq!(
            [bits.read(1), bits.read(3), bits.read(6)],
            [Some(1), Some(0b010), Some(0b11_1010)]
        );
        assert_eq!(bits.read(6), Some(0));
        assert_eq!(bits.read(1), None);
    }

    #[test]
    fn all_that_is_written_is_read_back() {
        let mut random = Random(1);
        let numbers: Vec<(u32, u32)> = (0..10_000)
            .map(|_| {
                let bits = random.below(33) as u32;
                (random.below(1 << 31) as u32 & (1_u64 << bits).wrapping_sub(1) as u32, bits)
            })
            .collect();
        let bytes = stream(&numbers);
        let mut reader = BitReader::new(&bytes);
        for (number, count) in numbers {
            reader.fill();
            assert_eq!(reader.read(count), Some(number as usize), "{count} bits");
        }
        assert!(reader.is_at_end());
    }

    #[test]
    fn bytes_begin_with_the_next_whole_one() {
        let mut bits = BitReader::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        bits.fill();
        assert_eq!(bits.read(3), Some(1));
        assert_eq!(bits.read_bytes(6), Some(&[2, 3, 4, 5, 6, 7][..]));
        assert_eq!(bits.read_bytes(3), None);
        assert_eq!(bits.read_bytes(2), Some(&[8, 9][..]));
    }
}

mod inflated {
    use super::*;

    #[test]
    fn a_stored_block_is_bytes_as_they_are() {
        assert_eq!(out(&[1, 3, 0, 0xfc, 0xff, b'a', b'b', b'c']).unwrap(), b"abc");
    }

    #[test]
    fn a_stored_block_whose_lengths_differ_is_malformed() {
        assert!(is_malformed(&[1, 3, 0, 0xfd, 0xff, b'a', b'b', b'c']));
    }

    /// §3.2.6: `a` is 0x91, as a code of eight bits with its highest bit first; 256 is seven zeros.
    #[test]
    fn a_fixed_block_has_the_codes_of_the_rfc() {
        assert_eq!(
            out(&stream(&[(1, 1), (1, 2), (0x91_u8.reverse_bits().into(), 8), (0, 7)])).unwrap(),
            b"a"
        );
    }

    /// A match may copy what it has written itself.
    #[test]
    fn a_distance_may_be_shorter_than_the_length() {
        // `a`, then length 258 (symbol 285: code 0b11000101), distance 1 (code 0), the end.
        let a = (0x91_u8.reverse_bits().into(), 8);
        let bytes =
            stream(&[(1, 1), (1, 2), a, (0b1100_0101_u8.reverse_bits().into(), 8), (0, 5), (0, 7)]);
        assert_eq!(out(&bytes).unwrap(), [b'a'; 259]);
    }

    #[test]
    fn a_distance_before_the_beginning_is_malformed() {
        // Length 3 (symbol 257: code 1), distance 1.
        assert!(is_malformed(&stream(&[(1, 1), (1, 2), (0b1000000, 7), (0, 5), (0, 7)])));
    }

    #[test]
    fn reserved_codes_are_malformed() {
        // Symbol 286 (code 0b11000110), then distance 30 after a literal and a length.
        assert!(is_malformed(&stream(&[
            (1, 1),
            (1, 2),
            (0b1100_0110_u8.reverse_bits().into(), 8)
        ])));
        let a = (0x91_u8.reverse_bits().into(), 8);
        assert!(is_malformed(&stream(&[(1, 1), (1, 2), a, (0b1000000, 7), (0b01111, 5)])));
    }

    #[test]
    fn a_block_of_type_3_is_malformed() {
        assert!(is_malformed(&[0b111]));
    }

    #[test]
    fn every_beginning_of_a_stream_is_incomplete() {
        let mut random = Random(2);
        for alphabet in [2, 40, 256] {
            let mut whole = Deflater::new(15, 6).message(&random.repetitive(500, alphabet));
            whole.extend([1, 0, 0, 0xff, 0xff]); // a final block
            for len in 0..whole.len() {
                assert_eq!(out(&whole[..len]), Err(Error::Incomplete), "{len} of {}", whole.len());
            }
        }
    }

    #[test]
    fn no_more_comes_out_than_may() {
        let zeros = Deflater::new(15, 9).message(&vec![0; 1 << 20]);
        assert!(zeros.len() < 1200, "{}", zeros.len());
        let mut inflater = Inflater::new(1 << 15);
        assert_eq!(inflater.message(&zeros, (1 << 20) - 1), Err(Error::TooLarge));
        assert_eq!(Inflater::new(1 << 15).message(&zeros, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_distance_beyond_the_window_is_malformed() {
        let mut random = Random(3);
        let noise = random.repetitive(400, 256);
        let twice = Deflater::new(9, 6).message(&[&noise[..], &noise].concat());
        assert!(Inflater::new(1 << 9).message(&twice, 1000).is_ok());
        assert!(matches!(Inflater::new(1 << 8).message(&twice, 1000), Err(Error::Malformed(_))));
    }

    #[test]
    fn the_bytes_of_a_stream_are_counted() {
        let bytes = [&[1, 1, 0, 0xfe, 0xff, b'a'], &b"what follows"[..]].concat();
        assert_eq!(inflate(&bytes, 10).unwrap(), (b"a".to_vec(), 6));
    }
}

/// Dynamic blocks (§3.2.7) that are written bit by bit.
mod dynamic {
    use super::*;

    /// A block whose code lengths have these codes: `lengths` in the order of §3.2.7, and then the
    /// symbols with their codes, already reversed.
    fn block(literals: u32, distances: u32, lengths: &[u32], symbols: &[(u32, u32)]) -> Vec<u8> {
        let mut parts = vec![
            (1, 1),
            (2, 2),
            (literals - 257, 5),
            (distances - 1, 5),
            (lengths.len() as u32 - 4, 4),
        ];
        parts.extend(lengths.iter().map(|length| (*length, 3)));
        parts.extend(symbols);
        stream(&parts)
    }

    /// Codes for 18 (0), 1 (10), 0 (11): 256 zeros but for one literal.
    const LENGTHS: [u32; 18] = [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    const ZERO: (u32, u32) = (0b01, 2); // 0 is the lower symbol of the two with two bits: 10
    const ONE: (u32, u32) = (0b11, 2);

    fn zeros(count: u32) -> [(u32, u32); 2] {
        [(0, 1), (count - 11, 7)]
    }

    #[test]
    fn a_block_may_have_one_literal_and_no_distance() {
        // 97 zeros, the length of `a`, 158 zeros, the length of the end, one zero for the distance;
        // a, a, end.
        let symbols = [
            &zeros(97)[..],
            &[ONE],
            &zeros(138),
            &zeros(20),
            &[ONE, ZERO],
            &[(0, 1), (0, 1), (1, 1)],
        ];
        assert_eq!(out(&block(257, 1, &LENGTHS, &symbols.concat())).unwrap(), b"aa");
    }

    #[test]
    fn a_block_without_a_code_for_its_end_is_malformed() {
        let symbols = [&zeros(97)[..], &[ONE], &zeros(138), &zeros(20), &[ZERO, ZERO]];
        assert!(is_malformed(&block(257, 1, &LENGTHS, &symbols.concat())));
    }

    #[test]
    fn too_many_codes_are_malformed() {
        for (literals, distances) in [(287, 1), (288, 1), (257, 31), (257, 32)] {
            assert!(
                is_malformed(&block(literals, distances, &LENGTHS, &[])),
                "{literals} {distances}"
            );
        }
    }

    #[test]
    fn oversubscribed_and_incomplete_codes_are_malformed() {
        // The codes for code lengths: three of one bit; and one of two bits alone.
        for lengths in [[1, 1, 1, 0], [0, 0, 2, 0]] {
            assert!(is_malformed(&block(257, 1, &lengths, &[(0, 32), (0, 32)])), "{lengths:?}");
        }
        // The codes for literals: three of one bit.
        let symbols = [&[ONE, ONE][..], &zeros(138), &zeros(116), &[ONE, ZERO]];
        assert!(is_malformed(&block(257, 1, &LENGTHS, &symbols.concat())));
    }

    #[test]
    fn a_repetition_without_a_first_length_or_beyond_the_last_is_malformed() {
        // 16 alone, in one bit, with another: nothing has been there before.
        assert!(is_malformed(&block(257, 1, &[1, 0, 1, 0], &[(0, 32)])));
        let symbols = [zeros(138), zeros(138)];
        assert!(is_malformed(&block(257, 1, &LENGTHS, &symbols.concat())));
    }

    #[test]
    fn bits_that_are_no_code_are_malformed() {
        // One distance code of one bit: the other bit is none.
        let symbols = [
            &zeros(97)[..],
            &[ONE],
            &zeros(138),
            &zeros(21),
            &[ONE, ONE], // `a`, and length 3; no end
            &[(0, 1), (1, 1), (1, 1)],
        ];
        assert!(out(&block(258, 1, &LENGTHS, &symbols.concat())).is_err());
    }
}

mod deflated {
    use super::*;

    #[test]
    fn what_is_deflated_is_inflated_again_at_each_level() {
        let mut random = Random(4);
        for level in 0..=9 {
            for alphabet in [1, 2, 16, 256] {
                for len in [0, 1, 2, 3, 4, 5, 100, 1000, 40_000] {
                    let bytes = random.repetitive(len, alphabet);
                    let deflated = Deflater::new(15, level).message(&bytes);
                    assert!(deflated.ends_with(&[0, 0, 0xff, 0xff]));
                    let inflated = Inflater::new(1 << 15).message(&deflated, len).unwrap();
                    assert!(inflated == bytes, "level {level}, {alphabet} symbols, {len} bytes");
                }
            }
        }
    }

    #[test]
    fn messages_are_inflated_in_their_order_within_each_window() {
        let mut random = Random(5);
        for window in 8..=15 {
            let (mut deflater, mut inflater) =
                (Deflater::new(window, 6), Inflater::new(1 << window));
            for _ in 0..200 {
                let len = random.below(3000);
                let message = random.repetitive(len, 30);
                let deflated = deflater.message(&message);
                assert!(inflater.message(&deflated, len).unwrap() == message, "window 2^{window}");
            }
        }
    }

    /// Byte by byte, and in larger pieces; with earlier messages, and with final blocks within one.
    #[test]
    fn a_prefix_is_inflated_up_to_its_last_whole_code() {
        let mut random = Random(7);
        for level in [0, 1, 6] {
            for alphabet in [2, 26, 256] {
                let mut deflater = Deflater::new(9, level);
                let mut inflater = Inflater::new(1 << 9);
                for pieces in [1, 10, 1000] {
                    let data = random.repetitive(3000, alphabet);
                    let mut deflated = deflater.message(&data);
                    deflated.extend(b"\xcb\x48\xcd\xc9\xc9\x57\xc8\x00\x91\x00"); // a final block
                    let whole = [&data[..], b"hello hello"].concat();
                    let mut prefix = Prefix::new(inflater.clone(), data.len() + 11);
                    let (mut out, mut arrived) = (Vec::new(), 0);
                    while arrived < deflated.len() {
                        arrived = deflated.len().min(arrived + 1 + random.below(pieces));
                        out.extend(prefix.inflate(&deflated[..arrived]).unwrap());
                        assert!(whole.starts_with(&out));
                    }
                    assert!(out == whole);
                    let mut prefix = Prefix::new(inflater.clone(), data.len() + 10);
                    assert_eq!(prefix.inflate(&deflated), Err(Error::TooLarge));
                    inflater.message(&deflated, 1 << 20).unwrap();
                    deflater.reset(); // it has not seen the final block
                }
            }
        }
    }

    #[test]
    fn a_message_that_is_sent_again_takes_few_bytes() {
        let mut random = Random(6);
        let message: Vec<u8> = (0..2000).map(|_| random.below(256) as u8).collect();
        let mut deflater = Deflater::new(15, 6);
        let first = deflater.message(&message).len();
        let second = deflater.message(&message).len();
        assert!(first > 1000 && second < 60, "{first}, then {second}");
        deflater.reset();
        assert_eq!(deflater.message(&message).len(), first);
    }

    #[test]
    fn what_does_not_repeat_is_stored() {
        let mut random = Random(7);
        let noise: Vec<u8> = (0..100_000).map(|_| random.below(256) as u8).collect();
        let len = Deflater::new(15, 6).message(&noise).len();
        assert!(len < noise.len() + 50, "{len}");
    }
}

mod gzip {
    use sockets_by_hand::ws::deflate::gzip::{compress, crc32, decompress};
    use sockets_by_hand::ws::deflate::inflate::Error;

    #[test]
    fn the_checksum_of_nine_digits_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_compressed_is_decompressed_again() {
        for data in [&b""[..], b"x", &[7; 70_000]] {
            assert_eq!(decompress(&compress(data, 6), data.len()).unwrap(), data);
        }
    }

    #[test]
    fn a_file_may_have_a_name_a_comment_more_fields_and_a_checksum_of_its_head() {
        let plain = compress(b"tea", 6);
        let mut file = plain[..10].to_vec();
        file[3] = 0b11110;
        file.extend(b"\x03\0abcname\0comment\0\x12\x34");
        file.extend(&plain[10..]);
        assert_eq!(decompress(&file, 3).unwrap(), b"tea");
        for len in 0..file.len() {
            assert_eq!(decompress(&file[..len], 3), Err(Error::Incomplete), "{len}");
        }
    }

    #[test]
    fn a_wrong_checksum_or_length_is_an_error() {
        let file = compress(b"tea", 6);
        for at in 1..=8 {
            let mut file = file.clone();
            let at = file.len() - at;
            file[at] ^= 1;
            assert!(matches!(decompress(&file, 3), Err(Error::Malformed(_))));
        }
        assert_eq!(decompress(&file, 2), Err(Error::TooLarge));
    }
}
