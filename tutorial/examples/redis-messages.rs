//! Prints what Socket.IO servers publish over Redis: the channel, the bytes, and their value. Chapter 28.
//!
//! `cargo run --example redis-messages -- redis://127.0.0.1:6379`

use std::env;

use sockets_by_hand::msgpack;
use sockets_by_hand::redis::{Connection, Error, Message};

fn main() -> Result<(), Error> {
    let url = env::args().nth(1).unwrap_or("redis://127.0.0.1:6379".to_string());
    let mut redis = Connection::open(&url)?;
    redis.command(["PSUBSCRIBE", "socket.io*"])?;
    println!("Subscribed to socket.io*");
    loop {
        let Message { channel, payload } = redis.receiver.message()?;
        println!("{}", channel.escape_ascii());
        match msgpack::decode(&payload) {
            Ok(value) if payload[0] != b'{' => {
                show(&payload);
                println!("  {value}");
            }
            _ => println!("  {}", String::from_utf8_lossy(&payload)), // JSON
        }
    }
}

/// Prints bytes, and at the right those of them that are printable characters.
fn show(bytes: &[u8]) {
    for row in bytes.chunks(16) {
        let hex: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        let printable = |&byte: &u8| if (b' '..=b'~').contains(&byte) { byte.into() } else { '.' };
        let text: String = row.iter().map(printable).collect();
        println!("  {hex:50}|{text}|");
    }
}
