//! A session that is upgraded to a WebSocket, with the client of `engineio`. Chapter 21.
//!
//! `cargo run --example session [URL]` emits an event of Socket.IO, as eio-upgrade.js does.

use std::env;

use sockets_by_hand::engineio::{Client, client::Error};
use sockets_by_hand::ws::Message;

fn main() -> Result<(), Error> {
    let url = env::args().nth(1).unwrap_or("http://127.0.0.1:3000".to_string());
    let mut session = Client::connect(&url)?;
    println!("open, over {}", session.transport());
    session.send("0"); // chapter 22: CONNECT
    let sender = session.sender();
    session.events().on("upgrade", move |transport| {
        println!("now over {transport}");
        sender.send(r#"21["echo","Hello"]"#);
    });
    session.events().on("close", |reason| println!("closed: {reason}"));
    while let Some(message) = session.read()? {
        match message {
            Message::Text(text) if text.starts_with('3') => {
                println!("{text}");
                session.close();
            }
            _ => {}
        }
    }
    Ok(())
}
