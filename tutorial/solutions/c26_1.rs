//! Chapter 26, exercise 1: the last messages of a room, for those who need them.
//!
//! One lock guards two steps at a time, as in chapter 23: read the list and join the room; add to the list
//! and emit to the room. A client that has recovered is in the room, and has received what it missed. As
//! `history` has an offset, a client can recover before anything is said.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sockets_by_hand::socketio::{Event, Socket, Value};

/// The last messages of the room `tea`.
type History = Mutex<VecDeque<Value>>;

/// Puts a new client into the room, and emits the last messages to it.
fn greet(history: &History, socket: &Socket) {
    let mut messages = history.lock().unwrap_or_else(PoisonError::into_inner);
    if !socket.recovered() {
        socket.join("tea");
        socket.emit("history", &*messages.make_contiguous());
    }
}

/// Emits a message to the room, and keeps it if it is one of the last ten.
fn say(history: &History, event: &Event<Socket>) {
    let mut messages = history.lock().unwrap_or_else(PoisonError::into_inner);
    if messages.len() == 10 {
        messages.pop_front();
    }
    messages.push_back(event.args[0].clone());
    event.socket.namespace().to("tea").emit("said", event.args[0].clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PacketClient;
    use sockets_by_hand::json;
    use sockets_by_hand::socketio::{Options, Recovery, Server};
    use std::sync::Arc;

    fn serve() -> String {
        let recovery = Some(Recovery::default());
        let options = Options { connection_state_recovery: recovery, ..Options::default() };
        let server = Server::bind("127.0.0.1:0", options).unwrap();
        let address = server.address().unwrap().to_string();
        let history = Arc::new(History::default());
        server.io().on_connection(move |socket| {
            greet(&history, &socket);
            let history = history.clone();
            socket.on("say", move |event| say(&history, event));
            socket.on("disconnect", |event| event.socket.to("tea").emit("left", ()));
        });
        std::thread::spawn(|| server.serve());
        address
    }

    /// Connects to `/`, and returns the data of the server's CONNECT packet.
    fn connect(client: &mut PacketClient) -> Value {
        client.send("40");
        Value::parse(client.receive().unwrap().strip_prefix("40").unwrap()).unwrap()
    }

    /// Receives an event: its name and arguments as text, and its offset.
    fn event(client: &mut PacketClient) -> (String, Value) {
        let packet = client.receive().unwrap();
        let event = Value::parse(packet.strip_prefix("42").unwrap()).unwrap();
        let (offset, values) = event.as_array().unwrap().split_last().unwrap();
        (Value::from(values.to_vec()).to_string(), offset.clone())
    }

    #[test]
    fn a_new_client_gets_the_last_ten_and_one_that_recovers_what_it_missed() {
        let address = serve();
        let [mut ann, mut bob] = [(); 2].map(|()| PacketClient::open(&address));
        let pid = connect(&mut ann)["pid"].clone();
        let (history, offset) = event(&mut ann);
        assert_eq!(history, r#"["history"]"#);
        connect(&mut bob);
        event(&mut bob);

        drop(ann);
        assert_eq!(event(&mut bob).0, r#"["left"]"#); // the server has noticed it
        for n in 1..=12 {
            bob.send(&format!(r#"42["say",{n}]"#));
            assert_eq!(event(&mut bob).0, format!(r#"["said",{n}]"#));
        }
        let mut ann = PacketClient::open(&address);
        ann.send(&format!("40{}", json!({"pid": pid, "offset": offset})));
        for n in 1..=12 {
            assert_eq!(event(&mut ann).0, format!(r#"["said",{n}]"#));
        }
        assert!(ann.receive().unwrap().starts_with("40"));
        ann.send(r#"42["say",13]"#); // is handled after `greet`
        assert_eq!(event(&mut ann).0, r#"["said",13]"#);

        let mut eve = PacketClient::open(&address);
        connect(&mut eve);
        assert_eq!(event(&mut eve).0, r#"["history",4,5,6,7,8,9,10,11,12,13]"#);
    }
}
