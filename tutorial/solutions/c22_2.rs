//! Chapter 22, exercise 2: a limit.
//!
//! A listener that `on_any` has added is called for every event, before those for its name, so it can
//! count. For the eleventh event those are not called any more: `disconnect` has removed them before.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sockets_by_hand::socketio::Socket;

fn at_most(events: usize, socket: &Socket) {
    let count = AtomicUsize::new(0);
    socket.on_any(move |event| {
        if count.fetch_add(1, Relaxed) == events {
            event.socket.disconnect(true);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PacketClient, serve_socketio};
    use std::sync::mpsc;

    #[test]
    fn the_eleventh_event_disconnects_and_is_not_handled() {
        let (io, address) = serve_socketio();
        let (sender, reasons) = mpsc::channel();
        io.on_connection(move |socket| {
            at_most(10, &socket);
            socket.on("say", |event| event.ack(&event.args));
            let sender = sender.clone();
            socket.on("disconnect", move |event| _ = sender.send(event.args[0].to_string()));
        });
        let mut client = PacketClient::connect(&address);
        for n in 0..=10 {
            client.send(&format!(r#"42{n}["say",{n}]"#));
        }
        for n in 0..10 {
            assert_eq!(client.receive().unwrap(), format!("43{n}[{n}]"));
        }
        assert_eq!(client.receive().unwrap(), "41"); // and no 4310[10]
        assert_eq!(client.receive(), None);
        assert_eq!(reasons.recv().unwrap(), r#""server namespace disconnect""#);
    }
}
