//! Chapter 18, exercise 1: waiting after all.
//!
//! The callback puts the answer into a channel, and `recv` waits for it. It may be called on any
//! thread but the client's own: that one would wait for an answer which it should be reading itself,
//! until the time is up. So a handler starts a thread for it.

use std::sync::mpsc;
use std::time::Duration;

use sockets_by_hand::socketio::{AckError, Args, Socket, Value};

fn ask(
    socket: &Socket,
    name: &str,
    values: impl AsRef<[Value]>,
    time: Duration,
) -> Result<Args, AckError> {
    let (sender, receiver) = mpsc::channel();
    socket.emit_with_ack(name, values, time, move |answer| _ = sender.send(answer));
    receiver.recv().unwrap_or(Err(AckError::Disconnected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guest, street};
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_is_waited_for_on_another_thread() {
        let (io, address) = street();
        io.on_connection(|socket| {
            thread::spawn(move || {
                let answer = ask(&socket, "name?", [], LONG);
                socket.emit("hello", answer.unwrap());
            });
        });
        let mut guest = Guest::enter(&address);
        assert_eq!(guest.hear().unwrap(), r#"420["name?"]"#);
        guest.say(r#"430["Ann"]"#);
        assert_eq!(guest.hear().unwrap(), r#"42["hello","Ann"]"#);
    }

    #[test]
    fn on_the_clients_own_thread_there_is_no_answer() {
        let (io, address) = street();
        io.on_connection(|socket| {
            let answer = ask(&socket, "name?", [], Duration::from_millis(50));
            socket.emit("nobody", [answer.unwrap_err().to_string().into()]);
        });
        let mut guest = Guest::enter(&address);
        assert_eq!(guest.hear().unwrap(), r#"420["name?"]"#);
        guest.say(r#"430["Ann"]"#); // nobody reads it before the time is up
        assert_eq!(guest.hear().unwrap(), r#"42["nobody","operation has timed out"]"#);
    }

    #[test]
    fn a_client_that_leaves_ends_the_waiting() {
        let (io, address) = street();
        let (sender, asked) = mpsc::channel();
        io.on_connection(move |socket| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(ask(&socket, "name?", [], LONG)));
        });
        let mut guest = Guest::enter(&address);
        assert_eq!(guest.hear().unwrap(), r#"420["name?"]"#);
        drop(guest);
        assert_eq!(asked.recv().unwrap(), Err(AckError::Disconnected));
    }
}
