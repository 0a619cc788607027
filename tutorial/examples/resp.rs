//! Shows RESP, the protocol of Redis. Chapter 27.
//!
//! With arguments, `cargo run --example resp -- SET user Ann`, it prints the bytes of that command;
//! without any, it reads replies from stdin.

use std::io::{self, BufRead};

use sockets_by_hand::redis::resp::{self, Error, Reply};

/// How much memory a reply may take.
const MAX: usize = 1000;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if !args.is_empty() {
        let command: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
        print(&resp::encode(&command));
        return Ok(());
    }
    let mut reader = io::stdin().lock();
    while !reader.fill_buf()?.is_empty() {
        match Reply::read(&mut reader, MAX) {
            Ok(Reply::Bulk(bytes)) => println!("Bulk {:?}", String::from_utf8_lossy(&bytes)),
            Ok(reply) => println!("{reply:?}"),
            Err(e) => {
                println!("{e}");
                break;
            }
        }
    }
    Ok(())
}

/// Prints a line for each line of bytes, with CR and LF as `\r\n`.
fn print(bytes: &[u8]) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        println!("{}", line.escape_ascii());
    }
}
