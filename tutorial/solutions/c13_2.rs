//! Chapter 13, exercise 2: a message whose length is not known yet.
//!
//! The header of a frame says whether it is the last one. So a part that has been read is sent only
//! after the next part has been read, or the end.

use std::io::{self, Read, Write};

use sockets_by_hand::ws::frame::{Opcode, encode};

fn send_all(mut reader: impl Read, writer: &mut impl Write, size: usize) -> io::Result<()> {
    let mut next = || {
        let mut part = Vec::new();
        reader.by_ref().take(size as u64).read_to_end(&mut part).map(|_| part)
    };
    let (mut opcode, mut part) = (Opcode::Binary, next()?);
    loop {
        let after = next()?;
        writer.write_all(&encode(after.is_empty(), opcode, &part, None))?;
        if after.is_empty() {
            return Ok(());
        }
        (opcode, part) = (Opcode::Continuation, after);
    }
}

#[cfg(test)]
fn sent(message: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    send_all(message, &mut wire, size).unwrap();
    wire
}

#[test]
fn only_the_last_frame_has_fin() {
    assert_eq!(sent(b"Hello", 2), b"\x02\x02He\x00\x02ll\x80\x01o");
    assert_eq!(sent(b"Hell", 2), b"\x02\x02He\x80\x02ll");
    assert_eq!(sent(b"He", 2), b"\x82\x02He");
    assert_eq!(sent(b"", 2), b"\x82\x00");
}

#[test]
fn reader_reads_one_message() {
    use sockets_by_hand::ws::message::{Incoming, Message, Reader};
    let message: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let wire = sent(&message, 1000);
    let mut reader = Reader::new(&wire[..], false, message.len());
    let found = reader.read().unwrap();
    assert_eq!(found, Some(Incoming::Message(Message::Binary(message))));
    assert_eq!(reader.read().unwrap(), None);
}
