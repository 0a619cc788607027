//! Acknowledgements of the clients: with a callback, and waiting, from one client and from many.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockets_by_hand::socketio::{AckError, Args, BroadcastAckError, Socket};

use super::server;
use super::{TestServer, assert_receives_nothing_else, connect_to, connected, connected_polling};
use crate::common::{LIMIT, WebSocket, next, until};

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

mod of_many_clients {
    use super::*;

    type Results = mpsc::Receiver<Result<Vec<Args>, BroadcastAckError>>;

    /// So many clients, and their sockets.
    fn clients<const N: usize>(server: &TestServer) -> [(WebSocket, Socket); N] {
        std::array::from_fn(|_| (connected(server.address), next(&server.sockets)))
    }

    /// Receives an event that wants an acknowledgement, and returns the id of that.
    #[track_caller]
    fn asked(client: &mut WebSocket) -> String {
        let text = client.text();
        let id = text.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["ask"]"#));
        id.unwrap_or_else(|| panic!("{text}")).to_string()
    }

    #[track_caller]
    fn acknowledge(client: &mut WebSocket, answer: i32) {
        let id = asked(client);
        client.send(&format!("43{id}[{answer}]"));
    }

    fn args(answers: &[i32]) -> Vec<Args> {
        answers.iter().map(|answer| Args(vec![(*answer).into()])).collect()
    }

    fn callback(
        emit: impl FnOnce(Box<dyn FnOnce(Result<Vec<Args>, BroadcastAckError>) + Send>),
    ) -> Results {
        let (sender, results) = mpsc::channel();
        emit(Box::new(move |result| sender.send(result).unwrap()));
        results
    }

    #[test]
    fn emit_with_ack_returns_the_answers_of_all_in_the_order_of_arrival() {
        let server = server(|_| {});
        let mut clients = clients::<3>(&server);
        let mut polling = connected_polling(server.address);
        let io = server.io.clone();
        let waiting = thread::spawn(move || io.timeout(LIMIT).emit_with_ack("ask", ()));
        assert_eq!(polling.poll(), r#"420["ask"]"#);
        polling.post("430[3]");
        for n in [1, 0, 2] {
            acknowledge(&mut clients[n].0, n as i32);
            assert_receives_nothing_else(&mut clients[n].0);
        }
        assert_eq!(waiting.join().unwrap(), Ok(args(&[3, 1, 0, 2])));
    }

    #[test]
    fn only_the_chosen_sockets_are_asked_and_the_ids_are_not_taken_for_others() {
        let server = server(|_| {});
        let mut clients = clients::<3>(&server);
        clients[0].1.join("x");
        clients[1].1.join("x");
        let chosen = server.io.timeout(LIMIT).to("x").except(clients[0].1.id());
        let results = callback(|callback| chosen.emit_with_callback("ask", (), callback));
        let id = asked(&mut clients[1].0);
        clients[0].0.send(&format!("43{id}[0]")); // it was not asked
        assert_receives_nothing_else(&mut clients[0].0);
        assert_receives_nothing_else(&mut clients[2].0);
        clients[1].0.send(&format!("43{id}[1]"));
        assert_eq!(next(&results), Ok(args(&[1])));
        assert!(results.recv().is_err());
    }

    #[test]
    fn nobody_is_asked_in_an_empty_room() {
        let server = server(|_| {});
        for chosen in [server.io.to("empty"), server.io.to("empty").timeout(LIMIT)] {
            assert_eq!(chosen.emit_with_ack("ask", ()), Ok(Vec::new()));
            let called_on = callback(|callback| chosen.emit_with_callback("ask", (), callback));
            assert_eq!(next(&called_on), Ok(Vec::new()));
        }
    }

    #[test]
    fn the_timeout_says_who_has_not_answered_and_a_late_answer_does_no_harm() {
        let server = server(|_| {});
        let mut clients = clients::<2>(&server);
        // Until the first has answered in time.
        let error = loop {
            let io = server.io.clone();
            let time = Duration::from_millis(200);
            let waiting = thread::spawn(move || io.timeout(time).emit_with_ack("ask", ()));
            acknowledge(&mut clients[0].0, 7);
            let error = waiting.join().unwrap().unwrap_err();
            let id = asked(&mut clients[1].0);
            clients[1].0.send(&format!("43{id}[8]"));
            assert_receives_nothing_else(&mut clients[1].0);
            if error.missing.len() == 1 {
                break error;
            }
        };
        assert_eq!(error.reason, AckError::Timeout);
        assert_eq!(error.answers, args(&[7]));
        assert!(error.missing == [clients[1].1.clone()]);
        let text = "operation has timed out (1 of 2 clients have not answered)";
        assert_eq!(error.to_string(), text);
        assert!(format!("{error:?}").contains(clients[1].1.id()));
        let results = callback(|callback| {
            server.io.timeout(SHORT).emit_with_callback("ask", (), callback);
        });
        assert_eq!(next(&results).unwrap_err().reason, AckError::Timeout);
    }

    #[test]
    fn those_that_are_disconnected_are_missing_and_not_waited_for() {
        let server = server(|_| {});
        let mut clients = clients::<2>(&server);
        let results = callback(|callback| server.io.emit_with_callback("ask", (), callback));
        let io = server.io.clone();
        let waiting = thread::spawn(move || io.emit_with_ack("ask", ()));
        for _ in 0..2 {
            acknowledge(&mut clients[0].0, 7);
            asked(&mut clients[1].0);
        }
        clients[1].0.close();
        for result in [next(&results), waiting.join().unwrap()] {
            let error = result.unwrap_err();
            assert_eq!((error.reason, &error.answers), (AckError::Disconnected, &args(&[7])));
            assert!(error.missing == [clients[1].1.clone()]);
        }
    }

    #[test]
    fn emit_with_ack_fails_at_once_in_a_listener_of_a_receiver() {
        let (sender, results) = mpsc::channel();
        let server = server(move |socket| {
            let sender = sender.clone();
            socket.on("all", move |event| {
                let all = event.socket.namespace().timeout(LIMIT);
                sender.send(all.emit_with_ack("ask", ())).unwrap();
                let others = event.socket.broadcast().timeout(LIMIT);
                sender.send(others.emit_with_ack("ask", ())).unwrap();
            });
        });
        let mut clients = clients::<2>(&server);
        clients[0].0.send(r#"42["all"]"#);
        let error = next(&results).unwrap_err();
        assert_eq!((error.reason, error.missing.len()), (AckError::Deadlock, 2));
        acknowledge(&mut clients[1].0, 1);
        assert_eq!(next(&results), Ok(args(&[1])));
        clients.iter_mut().for_each(|(client, _)| assert_receives_nothing_else(client));
    }

    #[test]
    fn a_callback_that_panics_disconnects_nobody() {
        let server = server(|_| {});
        let mut clients = clients::<1>(&server);
        server.io.emit_with_callback("ask", (), |_| panic!("on purpose"));
        acknowledge(&mut clients[0].0, 1);
        assert_receives_nothing_else(&mut clients[0].0);
    }

    #[test]
    fn the_end_of_the_server_ends_the_wait() {
        let server = server(|_| {});
        let mut clients = clients::<2>(&server);
        let io = server.io.clone();
        let waiting = thread::spawn(move || io.emit_with_ack("ask", ()));
        clients.iter_mut().for_each(|(client, _)| _ = asked(client));
        server.handle.close();
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!((error.reason, error.missing.len()), (AckError::Disconnected, 2));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn five_hundred_broadcasts_wait_without_a_thread_for_each() {
        if !crate::common::is_alone() {
            return;
        }
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let server = server(|_| {});
        let mut clients = clients::<2>(&server);
        let before = threads();
        let (sender, results) = mpsc::channel();
        for _ in 0..500 {
            let sender = sender.clone();
            let io = server.io.timeout(Duration::from_secs(3600));
            io.emit_with_callback("ask", (), move |result| _ = sender.send(result));
        }
        for _ in 0..500 {
            acknowledge(&mut clients[0].0, 7); // the other is silent
        }
        assert_receives_nothing_else(&mut clients[0].0);
        until(|| threads() < before + 100);
        assert!(results.try_recv().is_err());
        clients[1].0.close();
        for _ in 0..500 {
            assert_eq!(next(&results).unwrap_err().answers, args(&[7]));
        }
    }
}
