//! What becomes of the events that the server emits, and how to emit no faster than a client reads.

use std::thread;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{Emitted, Options};
use sockets_by_hand::ws::PerMessageDeflate;

use super::{connect_to, connected, connected_polling, server, server_with};
use crate::common::{Frame, WEBSOCKET, WebSocket, next};

#[test]
fn emit_returns_whether_the_event_was_sent() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    assert_eq!(socket.emit("first", ()), Emitted::Sent);
    assert_eq!(client.text(), r#"42["first"]"#);
    socket.disconnect(false);
    assert_eq!(client.text(), "41");
    assert_eq!(socket.emit("late", ()), Emitted::Dropped);

    let mut client = connected_polling(server.address);
    let socket = next(&server.sockets);
    assert_eq!(socket.emit_volatile("no GET is held", ()), Emitted::Dropped);
    assert_eq!(socket.emit("waits for a GET", ()), Emitted::Sent);
    assert_eq!(client.poll(), r#"42["waits for a GET"]"#);
    socket.disconnect(true);
    assert_eq!(socket.emit("late", ()), Emitted::Dropped);
}

#[test]
fn an_event_may_say_that_it_is_not_to_be_compressed() {
    let mut options = Options::default();
    options.engine.per_message_deflate = Some(PerMessageDeflate::default());
    let server = server_with(options, |_| {});
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut client = WebSocket::open_with(server.address, WEBSOCKET, offer).unwrap();
    client.text();
    connect_to(&mut client, "");
    let socket = next(&server.sockets);
    let text = "twice ".repeat(1000);
    let packet = format!(r#"42["event","{text}"]"#);
    socket.emit("event", &text);
    assert!(matches!(client.read(), Frame::Compressed(_)));
    assert_eq!(socket.emit_uncompressed("event", &text), Emitted::Sent);
    assert_eq!(client.text(), packet);
    server.io.compress(false).to(socket.id()).emit("event", &text);
    assert_eq!(client.text(), packet);
    server.io.compress(false).compress(true).emit("event", &text);
    assert!(matches!(client.read(), Frame::Compressed(_)));
    server.io.compress(false).emit_with_callback("event", &text, |_| {});
    assert_eq!(client.text(), packet.replacen("42", "420", 1));
}

/// More than may wait for a client, in events of 1 MiB.
const EVENTS: usize = 40;

#[test]
fn wait_until_sent_keeps_a_fast_sender_from_losing_a_slow_client() {
    let server = server(|_| {});
    let mut websocket = connected(server.address);
    let sockets = [next(&server.sockets), {
        let mut client = connected_polling(server.address);
        thread::spawn(move || {
            let mut received = 0;
            while received < EVENTS {
                received += client.poll().matches("42[").count();
            }
            client.post(r#"42["all received"]"#);
        });
        next(&server.sockets)
    }];
    let (done, all_received) = std::sync::mpsc::channel();
    sockets[1].on("all received", move |_| _ = done.send(()));
    let senders = sockets.map(|socket| {
        thread::spawn(move || {
            (0..EVENTS).all(|n| {
                let sent = socket.emit("event", (n, "x".repeat(1 << 20))) == Emitted::Sent;
                socket.wait_until_sent();
                sent
            })
        })
    });
    for n in 0..EVENTS {
        assert!(websocket.text().starts_with(&format!(r#"42["event",{n},"#)));
    }
    next(&all_received);
    assert!(senders.map(|sender| sender.join().unwrap()).into_iter().all(|sent| sent));
}

#[test]
fn wait_until_sent_returns_when_a_client_that_polls_has_gone() {
    let server = server(|_| {});
    let _client = connected_polling(server.address);
    let socket = next(&server.sockets);
    socket.emit("no GET fetches this", ());
    let waiting = thread::spawn({
        let socket = socket.clone();
        move || socket.wait_until_sent()
    });
    socket.disconnect(true);
    waiting.join().unwrap();
}

#[test]
fn update_data_loses_no_update() {
    let server = server(|_| {});
    let _client = connected(server.address);
    let socket = next(&server.sockets);
    socket.set_data(json!({"count": 0}));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    socket.update_data(|data| {
                        data["count"] = (data["count"].as_f64().unwrap() + 1.0).into();
                    });
                }
            });
        }
    });
    assert_eq!(socket.data(), json!({"count": 40_000}));
}
