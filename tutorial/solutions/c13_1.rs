//! Chapter 13, exercise 1: a frame printer.
//!
//! `&[u8]` is a reader that advances as it is read. So the loop is the one that reads from a
//! connection. A payload that is shorter than its header says was cut short.

use std::io::Read;

use sockets_by_hand::ws::frame::{Header, apply_mask};

fn describe(mut capture: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let header = match Header::read(&mut capture) {
            Ok(Some(header)) => header,
            Ok(None) => return lines,
            Err(e) => {
                lines.push(e.to_string());
                return lines;
            }
        };
        let mut line = format!("{:?}, {} bytes", header.opcode, header.len);
        if !header.fin {
            line += ", to be continued";
        }
        let mut payload = Vec::new();
        _ = Read::take(&mut capture, header.len).read_to_end(&mut payload); // memory does not fail
        if let Some(key) = header.mask {
            line += &format!(", masked with {key:02x?}");
            apply_mask(&mut payload, key, 0);
        }
        line += &format!(": {:?}", String::from_utf8_lossy(&payload));
        if (payload.len() as u64) < header.len {
            line += " and the rest is missing";
        }
        lines.push(line);
    }
}

#[test]
fn captured_frames_are_described() {
    let capture = b"\x81\x05Hello\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x01\x03Hel\x80\x02lo";
    assert_eq!(
        describe(capture),
        [
            r#"Text, 5 bytes: "Hello""#,
            r#"Text, 5 bytes, masked with [37, fa, 21, 3d]: "Hello""#,
            r#"Text, 3 bytes, to be continued: "Hel""#,
            r#"Continuation, 2 bytes: "lo""#,
        ]
    );
}

#[test]
fn frames_before_an_illegal_or_incomplete_one_are_described() {
    assert_eq!(
        describe(b"\x89\x00\x83\x00\x81\x00"),
        [r#"Ping, 0 bytes: """#, "an illegal frame arrived: its opcode is reserved"]
    );
    assert_eq!(
        describe(b"\x82\x7f\0\0\0\x10\0\0\0\0abc"),
        [r#"Binary, 68719476736 bytes: "abc" and the rest is missing"#]
    );
    assert_eq!(describe(b""), [""; 0]);
}
