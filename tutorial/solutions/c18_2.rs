//! Chapter 18, exercise 2: too many words.
//!
//! `on_any` hears every event before the listeners for its name, so it can count. The eleventh is not
//! heard by them any more: `disconnect` has taken all listeners away before their turn comes.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sockets_by_hand::socketio::Socket;

fn at_most(events: usize, socket: &Socket) {
    let heard = AtomicUsize::new(0);
    socket.on_any(move |event| {
        if heard.fetch_add(1, Relaxed) == events {
            event.socket.disconnect(true);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guest, street};
    use std::sync::mpsc;

    #[test]
    fn who_emits_an_eleventh_event_is_sent_away_unheard() {
        let (io, address) = street();
        let (sender, reasons) = mpsc::channel();
        io.on_connection(move |socket| {
            at_most(10, &socket);
            socket.on("say", |event| event.ack(&event.args));
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args[0].to_string()));
        });
        let mut guest = Guest::enter(&address);
        for n in 0..=10 {
            guest.say(&format!(r#"42{n}["say",{n}]"#));
        }
        for n in 0..10 {
            assert_eq!(guest.hear().unwrap(), format!("43{n}[{n}]"));
        }
        assert_eq!(guest.hear().unwrap(), "41"); // and no 4310[10]
        assert_eq!(guest.hear(), None);
        assert_eq!(reasons.recv().unwrap(), r#""server namespace disconnect""#);
    }
}
