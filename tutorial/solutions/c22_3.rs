//! Chapter 22, exercise 3: at least once.
//!
//! The callback emits again at the timeout. Not only the event may be late or lost, but also its
//! acknowledgement, so a client may receive it twice. Each event carries a number, the same each time: a
//! client that remembers the last number does nothing when it arrives again, but acknowledges.

use std::time::Duration;

use sockets_by_hand::socketio::{AckError, Socket, Value};

fn emit_at_least_once(
    socket: &Socket,
    name: &str,
    values: Vec<Value>,
    (timeout, tries): (Duration, usize),
    give_up: impl FnOnce(&Socket) + Send + 'static,
) {
    let (again, event) = (socket.clone(), name.to_string());
    socket.timeout(timeout).emit_with_callback(name, values.clone(), move |answer| match answer {
        Err(AckError::Timeout) if tries > 1 => {
            emit_at_least_once(&again, &event, values, (timeout, tries - 1), give_up);
        }
        Err(_) => give_up(&again),
        Ok(_) => {}
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PacketClient, serve_socketio};

    fn order(timeout: Duration) -> PacketClient {
        let (io, address) = serve_socketio();
        io.on_connection(move |socket| {
            let values = vec![1.into(), "tea".into()];
            emit_at_least_once(&socket, "order", values, (timeout, 3), |socket| {
                socket.emit("never mind", ());
            });
            socket.on("what else?", |event| event.ack(()));
        });
        PacketClient::connect(&address)
    }

    #[test]
    fn an_event_without_an_acknowledgement_is_emitted_three_times() {
        let mut client = order(Duration::from_millis(20));
        for n in 0..3 {
            assert_eq!(client.receive().unwrap(), format!(r#"42{n}["order",1,"tea"]"#));
        }
        assert_eq!(client.receive().unwrap(), r#"42["never mind"]"#);
    }

    #[test]
    fn an_acknowledged_event_is_emitted_once() {
        let mut client = order(Duration::from_secs(60));
        assert_eq!(client.receive().unwrap(), r#"420["order",1,"tea"]"#);
        client.send("430[]");
        client.send(r#"427["what else?"]"#);
        assert_eq!(client.receive().unwrap(), "437[]");
    }
}
