//! Chapter 26, exercise 2: ask again.
//!
//! Each socket is in a room of its own id, so those that have not answered are a list of rooms. An empty
//! list of rooms would mean all sockets; but an error has at least one that is missing. Where nobody may
//! wait, it would not help to ask again.

use std::time::Duration;

use sockets_by_hand::socketio::{AckError, Args, Namespace};

/// The answers of a room. Those that have not answered in time are asked once more.
fn ask_twice(io: &Namespace, room: &str, name: &str, time: Duration) -> Vec<Args> {
    let error = match io.to(room).timeout(time).emit_with_ack(name, ()) {
        Ok(answers) => return answers,
        Err(error) if error.reason == AckError::Deadlock => return Vec::new(),
        Err(error) => error,
    };
    let missing: Vec<String> = error.missing.iter().map(|socket| socket.id().to_string()).collect();
    let again = io.to(&missing).timeout(time).emit_with_ack(name, ());
    let late = again.unwrap_or_else(|error| error.answers);
    [error.answers, late].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PacketClient, serve_socketio};
    use std::thread;

    /// Receives the question, and returns the id of the acknowledgement.
    fn asked(client: &mut PacketClient) -> String {
        let event = client.receive().unwrap(); // such as 420["ready?"]
        let id = event.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["ready?"]"#));
        id.unwrap().to_string()
    }

    #[test]
    fn who_has_not_answered_is_asked_again() {
        let (io, address) = serve_socketio();
        io.on_connection(|socket| {
            socket.join("tea");
            socket.emit("joined", ());
        });
        let [mut ann, mut bob] = [(); 2].map(|()| {
            let mut client = PacketClient::connect(&address);
            assert_eq!(client.receive().unwrap(), r#"42["joined"]"#);
            client
        });
        let asking = thread::spawn(move || ask_twice(&io, "tea", "ready?", Duration::from_secs(2)));
        let id = asked(&mut ann);
        ann.send(&format!("43{id}[1]"));
        asked(&mut bob); // and says nothing
        let id = asked(&mut bob);
        bob.send(&format!("43{id}[2]"));
        assert_eq!(asking.join().unwrap(), [[1.into()], [2.into()]]);
    }

    #[test]
    fn an_empty_room_has_no_answers() {
        let (io, _) = serve_socketio();
        assert_eq!(ask_twice(&io, "tea", "ready?", Duration::from_secs(60)), [[]; 0]);
    }
}
