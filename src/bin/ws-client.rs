//! A WebSocket in the terminal: sends each line that you type, and prints what arrives. Chapter 17.

mod terminal;

use std::io::{self, BufRead};
use std::thread;

use sockets_by_hand::ws::{self, Close, Error, Message};
use terminal::{fail, say};

const USAGE: &str = "usage: ws-client [URL] (ws://127.0.0.1:8080/ if left out)";

fn main() {
    let [url] = terminal::arguments(USAGE, ["ws://127.0.0.1:8080/"]);
    let mut socket = ws::connect(&url).unwrap_or_else(|e| match e {
        Error::Invalid(what) => fail(2, &format!("{what}; {USAGE}")),
        e => fail(1, &format!("cannot connect to {url}: {e}")),
    });
    let sender = socket.sender();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return; // the connection has ended, which the thread that reads reports
            }
        }
        _ = sender.close(Close::NORMAL, "");
    });
    loop {
        match socket.read() {
            Ok(Some(Message::Text(text))) => say(&text),
            Ok(Some(Message::Binary(bytes))) => say(&format!("({} bytes)", bytes.len())),
            Ok(None) => break,
            Err(e) => fail(1, &format!("lost the server: {e}")),
        }
    }
    match socket.closed() {
        Some(Close { code: Close::NORMAL | Close::GOING_AWAY | Close::NO_STATUS, .. }) | None => {}
        Some(Close { code: Close::ABNORMAL, .. }) => {
            fail(1, "lost the server: it left without a close frame")
        }
        Some(close) => fail(1, &format!("the server has closed: {} {}", close.code, close.reason)),
    }
}
