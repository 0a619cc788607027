//! RFC 6455 §5.2, §5.3 and §5.7: reading and writing a frame's header, and masking.

use std::io::{Cursor, ErrorKind, Read};

use sockets_by_hand::ws::frame::{Error, Header, Opcode, apply_mask, encode};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const OPCODES: [Opcode; 6] =
    [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];

/// Reads a header, and returns it with the number of its bytes.
fn read(bytes: &[u8]) -> (Result<Option<Header>, Error>, usize) {
    let mut rest = bytes;
    let header = Header::read(&mut rest);
    (header, bytes.len() - rest.len())
}

/// Reads a whole frame: its header, and its payload unmasked.
#[track_caller]
fn decoded(bytes: &[u8]) -> (Header, Vec<u8>) {
    let (header, len) = read(bytes);
    let header = header.unwrap().unwrap();
    let mut payload = bytes[len..].to_vec();
    assert_eq!(payload.len() as u64, header.len);
    apply_mask(&mut payload, header.mask.unwrap_or([0; 4]), 0);
    (header, payload)
}

#[track_caller]
fn illegal(bytes: &[u8]) {
    match read(bytes).0 {
        Err(Error::Illegal(_)) => {}
        other => panic!("{bytes:02x?} was read as {other:?}"),
    }
}

#[test]
fn the_examples_of_section_5_7_are_read_and_written() {
    let masked = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let bytes: Vec<u8> = (0..=255).collect();
    let many = bytes.repeat(256);
    for (wire, fin, opcode, mask, payload) in [
        (b"\x81\x05Hello".to_vec(), true, Opcode::Text, None, &b"Hello"[..]),
        ([&[0x81, 0x85], &KEY[..], &masked].concat(), true, Opcode::Text, Some(KEY), b"Hello"),
        (b"\x01\x03Hel".to_vec(), false, Opcode::Text, None, b"Hel"),
        (b"\x80\x02lo".to_vec(), true, Opcode::Continuation, None, b"lo"),
        (b"\x89\x05Hello".to_vec(), true, Opcode::Ping, None, b"Hello"),
        ([&[0x8a, 0x85], &KEY[..], &masked].concat(), true, Opcode::Pong, Some(KEY), b"Hello"),
        ([&b"\x82\x7e\x01\x00"[..], &bytes].concat(), true, Opcode::Binary, None, &bytes),
        ([b"\x82\x7f\0\0\0\0\0\x01\0\0", &many[..]].concat(), true, Opcode::Binary, None, &many),
    ] {
        let header = Header { fin, rsv1: false, opcode, mask, len: payload.len() as u64 };
        assert_eq!(decoded(&wire), (header, payload.to_vec()));
        assert_eq!(encode(fin, opcode, payload, mask), wire);
    }
}

/// Whether RFC 6455 §5.2 and §5.5 allow the first two bytes.
fn is_legal(first: u8, second: u8) -> bool {
    let control = first & 0x08 != 0;
    let starts_message = matches!(first & 0x0f, 1 | 2);
    first & 0x30 == 0
        && (first & 0x40 == 0 || starts_message) // RFC 7692 §6
        && matches!(first & 0x0f, 0 | 1 | 2 | 8 | 9 | 10)
        && !(control && (first & 0x80 == 0 || second & 0x7f > 125))
}

#[test]
fn all_65536_pairs_of_first_bytes_are_read_where_they_are_legal() {
    for [first, second] in (0..=u16::MAX).map(u16::to_be_bytes) {
        let mut bytes = vec![first, second];
        let len = match second & 0x7f {
            126 => 126,
            127 => 65536,
            len => u64::from(len),
        };
        match second & 0x7f {
            126 => bytes.extend((len as u16).to_be_bytes()),
            127 => bytes.extend(len.to_be_bytes()),
            _ => {}
        }
        let mask = (second & 0x80 != 0).then_some(KEY);
        bytes.extend(mask.iter().flatten());
        let end = bytes.len();
        bytes.push(b'x'); // the payload is not read
        match read(&bytes) {
            (Ok(Some(header)), n) => {
                assert!(is_legal(first, second), "{first:02x} {second:02x}");
                assert_eq!((header.mask, header.len, n), (mask, len, end));
                let rsv1 = (header.rsv1 as u8) << 6;
                assert_eq!((header.fin as u8) << 7 | rsv1 | header.opcode as u8, first);
                let mut written = Vec::new();
                header.write(&mut written);
                assert_eq!(written, bytes[..end]);
            }
            (Err(Error::Illegal(_)), _) => {
                assert!(!is_legal(first, second), "{first:02x} {second:02x}")
            }
            other => panic!("{bytes:02x?} was read as {other:?}"),
        }
    }
}

#[test]
fn a_length_that_is_not_in_the_fewest_bytes_is_illegal() {
    for len in 0..=u16::MAX {
        let bytes = [&[0x82, 126], &len.to_be_bytes()[..]].concat();
        match read(&bytes).0 {
            Ok(Some(header)) => assert_eq!((header.len, len > 125), (len.into(), true)),
            Err(Error::Illegal(_)) => assert!(len <= 125, "{len}"),
            other => panic!("{len}: {other:?}"),
        }
    }
    let eight = |len: u64| [&[0x82, 127], &len.to_be_bytes()[..]].concat();
    for len in [0, 1, 125, 126, 127, 255, 256, 0xfffe, 0xffff] {
        illegal(&eight(len));
    }
    for len in [0x10000, 0x10001, 1 << 31, 1 << 32, (1 << 63) - 1] {
        assert_eq!(read(&eight(len)).0.unwrap().unwrap().len, len);
    }
}

#[test]
fn a_length_with_its_most_significant_bit_set_is_illegal() {
    for len in [1 << 63, (1 << 63) + 5, u64::MAX] {
        illegal(&[&[0x82, 127], &len.to_be_bytes()[..]].concat());
    }
}

#[test]
fn a_header_is_written_in_the_fewest_bytes_and_read_as_the_same() {
    for len in [0, 1, 125, 126, 127, 0xfffe, 0xffff, 0x10000, (1 << 63) - 1] {
        for opcode in OPCODES.into_iter().filter(|opcode| !opcode.is_control() || len <= 125) {
            for mask in [None, Some(KEY)] {
                let header = Header { fin: true, rsv1: false, opcode, mask, len };
                let mut bytes = Vec::new();
                header.write(&mut bytes);
                let length = if len <= 125 { 0 } else { 2 + 6 * usize::from(len > 0xffff) };
                assert_eq!(bytes.len(), 2 + length + if mask.is_some() { 4 } else { 0 });
                assert_eq!(read(&bytes).0.unwrap(), Some(header));
            }
        }
    }
}

#[test]
fn a_stream_may_end_before_a_header_and_not_within_it() {
    let header = [&[0x82, 0xff], &0x10000u64.to_be_bytes()[..], &KEY].concat();
    assert!(matches!(read(b"").0, Ok(None)));
    for end in 1..header.len() {
        match read(&header[..end]).0 {
            Err(Error::Io(e)) => assert_eq!(e.kind(), ErrorKind::UnexpectedEof),
            other => panic!("{end} bytes were read as {other:?}"),
        }
    }
    assert!(matches!(read(&header).0, Ok(Some(_))));
}

#[test]
fn a_header_may_arrive_byte_by_byte() {
    struct ByteByByte(Cursor<Vec<u8>>);
    impl Read for ByteByByte {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let n = buffer.len().min(1);
            self.0.read(&mut buffer[..n])
        }
    }
    let expected =
        Header { fin: false, rsv1: false, opcode: Opcode::Text, mask: Some(KEY), len: 0x10000 };
    let mut bytes = Vec::new();
    expected.write(&mut bytes);
    assert_eq!(Header::read(&mut ByteByByte(Cursor::new(bytes))).unwrap(), Some(expected));
}

#[test]
fn unmasking_in_chunks_equals_unmasking_at_once() {
    let plain: Vec<u8> = (0..100).collect();
    let masked: Vec<u8> = plain.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k).collect();
    for start in 0..40 {
        for end in start..=plain.len() {
            let mut piece = masked[start..end].to_vec();
            apply_mask(&mut piece, KEY, start);
            assert_eq!(piece, plain[start..end], "{start}..{end}");
        }
    }
}
