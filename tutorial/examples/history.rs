//! A chat that sends each new client what was said before.   cargo run --example history -- [HOST:PORT]
//!
//! Chapter 23.

use std::sync::{Arc, Mutex, PoisonError};
use std::{env, io};

use sockets_by_hand::socketio::{Options, Server, Value};

/// How many messages are kept.
const MAX_HISTORY: usize = 100;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:3000".to_string());
    let server = Server::bind(&*address, Options::default())?;
    println!("Server listening on port {}", server.address().map_or(0, |address| address.port()));

    let history: Arc<Mutex<Vec<Value>>> = Arc::default();
    server.io().on_connection(move |socket| {
        let messages = history.lock().unwrap_or_else(PoisonError::into_inner);
        socket.emit("history", &*messages);
        socket.join("chat");
        drop(messages); // unlocks

        let history = history.clone();
        socket.on("say", move |event| {
            let mut messages = history.lock().unwrap_or_else(PoisonError::into_inner);
            if messages.len() == MAX_HISTORY {
                messages.remove(0);
            }
            messages.push(event.args[0].clone());
            event.socket.namespace().to("chat").emit("said", event.args[0].clone());
        });
    });
    server.serve();
    Ok(())
}
