//! Acknowledgements of the clients: with a callback, and waiting, from one client and from many.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockets_by_hand::socketio::{AckError, Args};

use super::{assert_receives_nothing_else, connect_to, connected, connected_polling, server};
use crate::common::{LIMIT, next};

const SHORT: Duration = Duration::from_millis(5);

mod of_one_client {
    use super::*;

    #[test]
    fn emit_with_ack_waits_and_returns_the_arguments() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        for (id, timeout) in [(0, None), (1, Some(LIMIT))] {
            let socket = socket.clone();
            let waiting = thread::spawn(move || match timeout {
                Some(time) => socket.timeout(time).emit_with_ack("ask", ("?", 1)),
                None => socket.emit_with_ack("ask", ("?", 1)),
            });
            assert_eq!(client.text(), format!(r#"42{id}["ask","?",1]"#));
            client.send(&format!(r#"43{id}["yes",2]"#));
            assert_eq!(waiting.join().unwrap(), Ok(Args(vec!["yes".into(), 2.into()])));
        }
    }

    #[test]
    fn emit_with_ack_over_polling() {
        let server = server(|_| {});
        let mut client = connected_polling(server.address);
        let socket = next(&server.sockets);
        let waiting = thread::spawn(move || socket.timeout(LIMIT).emit_with_ack("ask", ()));
        assert_eq!(client.poll(), r#"420["ask"]"#);
        client.post("430[1]");
        assert_eq!(waiting.join().unwrap(), Ok(Args(vec![1.into()])));
    }

    #[test]
    fn emit_with_ack_returns_at_the_timeout_and_a_late_ack_does_no_harm() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        assert_eq!(socket.timeout(SHORT).emit_with_ack("ask", ()), Err(AckError::Timeout));
        assert_eq!(client.text(), r#"420["ask"]"#);
        client.send("430[1]");
        assert_receives_nothing_else(&mut client);
    }

    #[test]
    fn emit_with_ack_and_emit_with_callback_end_when_the_client_is_disconnected() {
        let server = server(|_| {});
        let mut client = connected(server.address);
        let socket = next(&server.sockets);
        let (sender, called) = mpsc::channel();
        socket.emit_with_callback("ask", 0, move |result| sender.send(result).unwrap());
        assert_eq!(client.text(), r#"420["ask",0]"#);
        let also = socket.clone();
        let waiting = thread::spawn(move || also.emit_with_ack("ask", 1));
        assert_eq!(client.text(), r#"421["ask",1]"#);
        client.send("41");
        assert_eq!(waiting.join().unwrap(), Err(AckError::Disconnected));
        assert_eq!(next(&called), Err(AckError::Disconnected));
        assert_eq!(socket.emit_with_ack("ask", 2), Err(AckError::Disconnected));
    }

    #[test]
    fn emit_with_ack_fails_at_once_in_every_listener_of_the_same_session() {
        let (sender, results) = mpsc::channel();
        let server = server(move |socket| {
            // In a connection listener, a listener of an event, a callback and a last listener.
            sender.send(socket.emit_with_ack("ask", ())).unwrap();
            for name in ["wait", "disconnecting", "disconnect"] {
                let sender = sender.clone();
                socket.on(name, move |event| {
                    sender.send(event.socket.emit_with_ack("ask", ())).unwrap();
                });
            }
            let (sender, again) = (sender.clone(), socket.clone());
            socket.emit_with_callback("callback", (), move |_| {
                sender.send(again.timeout(LIMIT).emit_with_ack("ask", ())).unwrap();
            });
        });
        let mut client = connected(server.address);
        assert_eq!(client.text(), r#"420["callback"]"#);
        for packet in ["", "430[]", r#"42["wait"]"#, "41", ""] {
            if !packet.is_empty() {
                client.send(packet);
            }
            assert_eq!(next(&results), Err(AckError::Deadlock), "after {packet}");
        }
        let mut polling = connected_polling(server.address);
        assert_eq!(next(&results), Err(AckError::Deadlock));
        polling.post(r#"42["wait"]"#);
        assert_eq!(next(&results), Err(AckError::Deadlock));
    }

    #[test]
    fn emit_with_ack_in_a_listener_waits_for_another_client() {
        let (sender, results) = mpsc::channel();
        let server = server(move |socket| {
            let sender = sender.clone();
            socket.on("ask the other", move |event| {
                let mut others = event.socket.broadcast().fetch_sockets();
                sender.send(others.remove(0).timeout(LIMIT).emit_with_ack("ask", ())).unwrap();
            });
        });
        let (mut ann, mut bob) = (connected(server.address), connected(server.address));
        ann.send(r#"42["ask the other"]"#);
        assert_eq!(bob.text(), r#"420["ask"]"#);
        bob.send("430[7]");
        assert_eq!(next(&results), Ok(Args(vec![7.into()])));
        assert_receives_nothing_else(&mut ann);
    }

    #[test]
    fn each_namespace_counts_the_ids_of_all_its_clients() {
        let server = server(|socket| socket.emit_with_callback("ask", (), |_| {}));
        let mut clients = [connected(server.address), connected(server.address)];
        assert_eq!(
            clients.each_mut().map(|client| client.text()),
            [r#"420["ask"]"#, r#"421["ask"]"#]
        );
        connect_to(&mut clients[0], "/admin,");
        assert_eq!(clients[0].text(), r#"42/admin,0["ask"]"#);
    }
}
