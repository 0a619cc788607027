//! Chapter 06, exercise 2: a length in as few bytes as it needs.
//!
//! Seven bits go into each byte, the lowest first; the eighth says that another byte follows. Five
//! bytes hold 35 bits. A sixth is an error: without that limit a length could go on for ever.

use sockets_by_hand::net::framing::Error;
use std::io::{self, Read, Write};

fn write_frame(writer: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let mut wire = Vec::new();
    let mut len = payload.len();
    while len > 0x7f {
        wire.push(len as u8 | 0x80); // `as u8` keeps the lowest eight bits
        len >>= 7;
    }
    wire.push(len as u8);
    wire.extend(payload);
    writer.write_all(&wire)
}

/// Reads one byte at a time: give it a `BufReader`.
fn read_frame(reader: &mut impl Read, max: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut len = 0_u64;
    for i in 0.. {
        let mut byte = [0];
        match reader.read(&mut byte)? {
            0 if i == 0 => return Ok(None),
            0 => return Err(Error::CutShort(1)),
            _ if i == 5 => return Err(Error::TooLong(max)),
            _ => len |= u64::from(byte[0] & 0x7f) << (7 * i),
        }
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    if len > max as u64 {
        return Err(Error::TooLong(max));
    }
    let mut payload = Vec::new();
    reader.take(len).read_to_end(&mut payload)?;
    match len as usize - payload.len() {
        0 => Ok(Some(payload)),
        missing => Err(Error::CutShort(missing)),
    }
}

#[test]
fn a_length_takes_as_few_bytes_as_it_needs() {
    for (len, header) in [
        (0, &[0][..]),
        (127, &[127]),
        (128, &[0x80, 1]),
        (300, &[0xac, 2]),
        (16_384, &[0x80, 0x80, 1]),
    ] {
        let payload = vec![7; len];
        let mut wire = Vec::new();
        write_frame(&mut wire, &payload).unwrap();
        assert_eq!(wire[..wire.len() - len], *header);
        assert_eq!(read_frame(&mut &wire[..], 20_000).unwrap().unwrap(), payload);
    }
}

#[test]
fn a_length_without_an_end_is_refused() {
    let read = |wire: &[u8]| read_frame(&mut &wire[..], 1000);
    assert!(matches!(read(&[0x80; 100]), Err(Error::TooLong(1000))));
    assert!(matches!(read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]), Err(Error::TooLong(_))));
    assert!(matches!(read(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Err(Error::TooLong(1000))));
}

#[test]
fn a_frame_that_is_cut_anywhere_is_noticed() {
    let mut wire = Vec::new();
    write_frame(&mut wire, &[7; 200]).unwrap();
    assert!(read_frame(&mut &wire[..0], 1000).unwrap().is_none());
    for end in 1..wire.len() {
        let cut = read_frame(&mut &wire[..end], 1000);
        assert!(matches!(cut, Err(Error::CutShort(_))), "{end} bytes");
    }
}
