//! Chapter 18, exercise 3: at least once.
//!
//! The callback asks again when the time is up. An answer may be late or lost, not only the event, so
//! a client may hear it twice. A number of its own goes with every event, the same each time: who
//! remembers the last number does nothing when it comes again, but answers.

use std::time::Duration;

use sockets_by_hand::socketio::{AckError, Socket, Value};

fn emit_surely(
    socket: &Socket,
    name: &str,
    values: Vec<Value>,
    (time, tries): (Duration, usize),
    give_up: impl FnOnce(&Socket) + Send + 'static,
) {
    let (again, event) = (socket.clone(), name.to_string());
    socket.emit_with_ack(name, values.clone(), time, move |answer| match answer {
        Err(AckError::Timeout) if tries > 1 => {
            emit_surely(&again, &event, values, (time, tries - 1), give_up);
        }
        Err(_) => give_up(&again),
        Ok(_) => {}
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guest, street};

    fn order(time: Duration) -> Guest {
        let (io, address) = street();
        io.on_connection(move |socket| {
            let values = vec![1.into(), "tea".into()];
            emit_surely(&socket, "order", values, (time, 3), |socket| {
                socket.emit("never mind", [])
            });
            socket.on("what else?", |event| event.ack([]));
        });
        Guest::enter(&address)
    }

    #[test]
    fn an_event_without_an_answer_comes_three_times_and_not_a_fourth() {
        let mut guest = order(Duration::from_millis(20));
        for n in 0..3 {
            assert_eq!(guest.hear().unwrap(), format!(r#"42{n}["order",1,"tea"]"#));
        }
        assert_eq!(guest.hear().unwrap(), r#"42["never mind"]"#);
    }

    #[test]
    fn an_event_that_is_answered_comes_once() {
        let mut guest = order(Duration::from_secs(60));
        assert_eq!(guest.hear().unwrap(), r#"420["order",1,"tea"]"#);
        guest.say("430[]");
        guest.say(r#"427["what else?"]"#);
        assert_eq!(guest.hear().unwrap(), "437[]");
    }
}
