//! Emits to the clients of all servers, and is no server. Chapter 28.
//!
//! `cargo run --example emitter -- redis://127.0.0.1:6379`

use sockets_by_hand::redis::Error;
use sockets_by_hand::socketio::RedisEmitter;

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or("redis://127.0.0.1:6379".to_string());
    let emitter = RedisEmitter::connect(&url)?;
    emitter.to("tea").emit("said", "The water boils")
}
