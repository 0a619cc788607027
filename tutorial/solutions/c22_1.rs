//! Chapter 22, exercise 1: a blocking call.
//!
//! The callback puts the acknowledgement into a channel, and `recv` waits for it. `emit_and_wait` may be
//! called on any thread but the client's own: that one would wait for a packet that it has to read
//! itself, until the timeout. So a handler starts a thread for it.

use std::sync::mpsc;
use std::time::Duration;

use sockets_by_hand::socketio::{AckError, Args, IntoArgs, Socket};

fn emit_and_wait(
    socket: &Socket,
    name: &str,
    values: impl IntoArgs,
    timeout: Duration,
) -> Result<Args, AckError> {
    let (sender, receiver) = mpsc::channel();
    socket.timeout(timeout).emit_with_callback(name, values, move |answer| _ = sender.send(answer));
    receiver.recv().unwrap_or(Err(AckError::Disconnected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PacketClient, serve_socketio};
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn another_thread_can_wait_for_an_acknowledgement() {
        let (io, address) = serve_socketio();
        io.on_connection(|socket| {
            thread::spawn(move || {
                let answer = emit_and_wait(&socket, "name?", [], LONG);
                socket.emit("hello", answer.unwrap());
            });
        });
        let mut client = PacketClient::connect(&address);
        assert_eq!(client.receive().unwrap(), r#"420["name?"]"#);
        client.send(r#"430["Ann"]"#);
        assert_eq!(client.receive().unwrap(), r#"42["hello","Ann"]"#);
    }

    #[test]
    fn on_the_clients_own_thread_it_times_out() {
        let (io, address) = serve_socketio();
        io.on_connection(|socket| {
            let answer = emit_and_wait(&socket, "name?", [], Duration::from_millis(50));
            socket.emit("nobody", answer.unwrap_err().to_string());
        });
        let mut client = PacketClient::connect(&address);
        assert_eq!(client.receive().unwrap(), r#"420["name?"]"#);
        client.send(r#"430["Ann"]"#); // nobody reads it before the timeout
        assert_eq!(client.receive().unwrap(), r#"42["nobody","operation has timed out"]"#);
    }

    #[test]
    fn a_client_that_leaves_ends_the_wait() {
        let (io, address) = serve_socketio();
        let (sender, results) = mpsc::channel();
        io.on_connection(move |socket| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(emit_and_wait(&socket, "name?", [], LONG)));
        });
        let mut client = PacketClient::connect(&address);
        assert_eq!(client.receive().unwrap(), r#"420["name?"]"#);
        drop(client);
        assert_eq!(results.recv().unwrap(), Err(AckError::Disconnected));
    }
}
