//! A chat in the terminal, which comes back when its server does. Chapter 24.

mod terminal;

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockets_by_hand::socketio::{Client, ClientOptions, Value};
use terminal::{fail, say};

const USAGE: &str = "usage: socketio-client [URL] (http://127.0.0.1:3000 if left out)";

fn main() {
    let [url] = terminal::arguments(USAGE, ["http://127.0.0.1:3000"]);
    // A WebSocket from the beginning; long-polling only where that fails.
    let mut options = ClientOptions::default();
    options.engine.transports = vec!["websocket", "polling"];
    options.engine.try_all_transports = true;
    let client = Client::new(&url, options).unwrap_or_else(|e| fail(2, &format!("{e}; {USAGE}")));
    let rooms = Arc::new(Mutex::new(BTreeSet::<String>::new()));
    add_listeners(&client, &rooms);
    client.open();
    emit_lines(&client, &rooms);

    // The acknowledgement of this arrives after everything that the lines have caused.
    if let Err(e) = client.timeout(Duration::from_secs(60)).emit_with_ack("echo", ()) {
        fail(1, &format!("the server did not answer: {e}"));
    }
}

fn add_listeners(client: &Client, rooms: &Arc<Mutex<BTreeSet<String>>>) {
    client.on("connect", |_| say("Connected to server"));
    client.on("said", |event| match event.args.first() {
        Some(Value::String(text)) => say(text),
        Some(value) => say(&value.to_string()),
        None => {}
    });
    client.on("connect_error", |event| {
        say(&format!("Cannot connect: {}", event.args[0]["message"].as_str().unwrap_or("refused")));
    });
    let joined = rooms.clone();
    client.on("disconnect", move |event| {
        // After a new connection the client is in no room. These events are buffered until then.
        for room in joined.lock().unwrap().iter() {
            event.socket.emit("join", room);
        }
        let reason = event.args[0].as_str().unwrap_or_default();
        say(&format!("Disconnected from server ({reason})"));
        if reason == "io server disconnect" {
            fail(1, "the server has disconnected this client"); // it does not reconnect by itself
        }
    });
    client.io().on("reconnect_pause", |pause| {
        say(&format!("Trying again in {:.1} s", pause.as_f64().unwrap_or_default()));
    });
}

/// Emits an event for each line of stdin.
fn emit_lines(client: &Client, rooms: &Mutex<BTreeSet<String>>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["/join", room] => {
                rooms.lock().unwrap().insert(room.to_string());
                client.emit("join", room);
            }
            ["/leave", room] => {
                rooms.lock().unwrap().remove(room);
                client.emit("leave", room);
            }
            ["/tell", room, text] => _ = client.emit("tell", (room, text)),
            [word, ..] if word.starts_with('/') => say("/join ROOM, /leave ROOM, /tell ROOM TEXT"),
            _ => _ = client.emit("say", line),
        }
    }
}
