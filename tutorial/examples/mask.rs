//! One message in three frames: without a mask, and with two masking keys. Chapter 13.

use sockets_by_hand::ws::frame::{Opcode, encode};

const MESSAGE: &[u8] = b"GET /a.js HTTP/1.1";

fn main() {
    for mask in [None, Some([0x37, 0xfa, 0x21, 0x3d]), Some([0x9c, 0x02, 0xe6, 0x58])] {
        match mask {
            None => println!("no mask:"),
            Some(key) => println!("masked with {key:02x?}:"),
        }
        show(&encode(true, Opcode::Text, MESSAGE, mask));
    }
}

/// Prints bytes, and at the right those of them that are printable characters.
fn show(bytes: &[u8]) {
    for row in bytes.chunks(16) {
        let hex: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        let printable = |&byte: &u8| if (b' '..=b'~').contains(&byte) { byte.into() } else { '.' };
        let text: String = row.iter().map(printable).collect();
        println!("  {hex:50}{text}");
    }
}
