//! Chapter 23, exercise 1: acknowledgements of a room.
//!
//! The event is emitted to each socket with the same timeout, and a thread collects the acknowledgements
//! from a channel. Each callback owns a sender, and is called once, with an acknowledgement or without.
//! When the last has been dropped, the channel ends: nothing is counted, and an empty room has its result
//! at once.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockets_by_hand::socketio::{Args, Broadcast, Value};

fn emit_to_all(
    receivers: &Broadcast,
    name: &str,
    values: &[Value],
    timeout: Duration,
    callback: impl FnOnce(Vec<Args>) + Send + 'static,
) {
    let (sender, answers) = mpsc::channel();
    for socket in receivers.fetch_sockets() {
        let sender = sender.clone();
        socket
            .timeout(timeout)
            .emit_with_callback(name, values, move |answer| _ = sender.send(answer));
    }
    drop(sender);
    thread::spawn(move || callback(answers.iter().flatten().collect()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PacketClient, serve_socketio};

    /// What the clients in the room `tea` acknowledge, of which the first `silent` send nothing.
    fn answers(clients: usize, silent: usize, timeout: Duration) -> Vec<Args> {
        let (io, address) = serve_socketio();
        io.on_connection(|socket| {
            socket.join("tea");
            socket.emit("joined", ());
        });
        let mut clients: Vec<PacketClient> =
            (0..clients).map(|_| PacketClient::connect(&address)).collect();
        for client in &mut clients {
            assert_eq!(client.receive().unwrap(), r#"42["joined"]"#);
        }
        let (sender, answers) = mpsc::channel();
        emit_to_all(&io.to("tea"), "sugar?", &[], timeout, move |answers| _ = sender.send(answers));
        for (n, client) in clients.iter_mut().enumerate().skip(silent) {
            let event = client.receive().unwrap(); // such as 420["sugar?"]
            let id = event.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["sugar?"]"#));
            client.send(&format!("43{}[{n}]", id.unwrap()));
        }
        let mut answers = answers.recv().unwrap();
        answers.sort_by_key(|answer| answer[0].to_string());
        answers
    }

    #[test]
    fn all_acknowledgements_are_collected() {
        let long = Duration::from_secs(60);
        assert_eq!(answers(3, 0, long), [[0.into()], [1.into()], [2.into()]]);
        assert_eq!(answers(0, 0, long), [[]; 0]);
    }

    #[test]
    fn a_client_that_does_not_acknowledge_is_left_out() {
        assert_eq!(answers(2, 2, Duration::from_millis(20)), [[]; 0]);
    }
}
