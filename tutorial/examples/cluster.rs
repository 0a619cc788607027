//! Asks all servers who is in a room. Chapter 28.
//!
//! `cargo run --example cluster -- redis://127.0.0.1:6379`

use std::error::Error;

use sockets_by_hand::socketio::{Options, Redis, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("redis://127.0.0.1:6379".to_string());
    let server = Server::bind("127.0.0.1:0", Options::default())?;
    let io = server.io();
    io.adapter(Redis::new(&url)?)?;
    println!("Servers: {}", io.cluster().server_count()?);
    let sockets = io.to("tea").cluster().fetch_sockets()?;
    println!("Clients in the room: {}", sockets.len());
    Ok(())
}
