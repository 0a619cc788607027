//! Chapter 19, exercise 1: ask them all.
//!
//! Everyone is asked alone, with the same time limit, and a thread collects the answers from a
//! channel. Each callback owns a sender, and is called once, with an answer or without. When the last
//! has been dropped, the channel ends: nobody counts, and an empty room is answered at once.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockets_by_hand::socketio::{Args, Broadcast, Value};

fn ask_all(
    whom: &Broadcast,
    name: &str,
    values: &[Value],
    time: Duration,
    callback: impl FnOnce(Vec<Args>) + Send + 'static,
) {
    let (sender, answers) = mpsc::channel();
    for socket in whom.fetch_sockets() {
        let sender = sender.clone();
        socket.emit_with_ack(name, values, time, move |answer| _ = sender.send(answer));
    }
    drop(sender);
    thread::spawn(move || callback(answers.iter().flatten().collect()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guest, street};

    /// What two in the room `tea` answer, of whom `silent` say nothing.
    fn answers(guests: usize, silent: usize, time: Duration) -> Vec<Args> {
        let (io, address) = street();
        io.on_connection(|socket| {
            socket.join("tea");
            socket.emit("in", []);
        });
        let mut guests: Vec<Guest> = (0..guests).map(|_| Guest::enter(&address)).collect();
        for guest in &mut guests {
            assert_eq!(guest.hear().unwrap(), r#"42["in"]"#);
        }
        let (sender, answers) = mpsc::channel();
        ask_all(&io.to("tea"), "sugar?", &[], time, move |answers| _ = sender.send(answers));
        for (n, guest) in guests.iter_mut().enumerate().skip(silent) {
            assert_eq!(guest.hear().unwrap(), r#"420["sugar?"]"#);
            guest.say(&format!("430[{n}]"));
        }
        let mut answers = answers.recv().unwrap();
        answers.sort_by_key(|answer| answer[0].to_string());
        answers
    }

    #[test]
    fn all_who_answer_are_collected() {
        let long = Duration::from_secs(60);
        assert_eq!(answers(3, 0, long), [[0.into()], [1.into()], [2.into()]]);
        assert_eq!(answers(0, 0, long), [[]; 0]);
    }

    #[test]
    fn who_says_nothing_is_left_out() {
        assert_eq!(answers(2, 2, Duration::from_millis(20)), [[]; 0]);
    }
}
