//! Chapter 06, exercise 1: a delimiter that a message may contain.
//!
//! A message ends with `;`. Inside, `;` is written `\;` and `\` is written `\\`: after a `\`, the
//! next byte stands for itself. A frame tells its end at once; here the reader must look at every byte.

use sockets_by_hand::net::framing::Error;
use std::io::{self, BufRead, Read, Write};

fn write_message(writer: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let mut wire = Vec::new();
    for &byte in message {
        if matches!(byte, b';' | b'\\') {
            wire.push(b'\\');
        }
        wire.push(byte);
    }
    wire.push(b';');
    writer.write_all(&wire)
}

fn read_message(reader: &mut impl BufRead, max: usize) -> Result<Option<Vec<u8>>, Error> {
    let (mut message, mut escaped, mut begun) = (Vec::new(), false, false);
    for byte in reader.bytes() {
        begun = true;
        match byte? {
            b';' if !escaped => return Ok(Some(message)),
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            _ if message.len() == max => return Err(Error::TooLong(max)),
            byte => message.push(byte),
        }
        escaped = false;
    }
    // At least the `;` is missing.
    if begun { Err(Error::CutShort(1)) } else { Ok(None) }
}

#[test]
fn any_bytes_are_read_as_they_were_written() {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let messages = [&all_bytes[..], b"", br";;\\;", br"ends with \"];
    let mut wire = Vec::new();
    for message in messages {
        write_message(&mut wire, message).unwrap();
    }
    let mut reader = &wire[..];
    for message in messages {
        assert_eq!(read_message(&mut reader, 256).unwrap().unwrap(), message);
    }
    assert!(read_message(&mut reader, 256).unwrap().is_none());
}

#[test]
fn a_message_without_its_end_is_cut_short() {
    for cut in [&b"half"[..], br"half\", br"half\;", br"\"] {
        assert!(matches!(read_message(&mut &cut[..], 80), Err(Error::CutShort(_))));
    }
}

#[test]
fn the_maximum_counts_neither_escapes_nor_the_delimiter() {
    assert_eq!(read_message(&mut &br"\;\;;"[..], 2).unwrap().unwrap(), b";;");
    let endless = &mut io::BufReader::new(io::repeat(b'x'));
    assert!(matches!(read_message(endless, 1000), Err(Error::TooLong(1000))));
}
