//! Listeners to all events, and the removal of listeners.

use std::sync::mpsc::{self, Receiver};

use sockets_by_hand::socketio::{Emitted, Event, Listeners};

use super::{connected, connected_polling, server};
use crate::common::next;

/// Receives a line for each event that this end emits.
fn outgoing<S>(socket: &Listeners<S>) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    socket.on_any_outgoing(move |event: &Event<S>| {
        let args: String = event.args.iter().map(|value| format!(" {value}")).collect();
        _ = sender.send(event.name.clone() + &args);
    });
    lines
}

#[test]
fn outgoing_listeners_get_each_event_that_is_sent_to_their_client() {
    let server = server(|_| {});
    let _clients = [connected(server.address), connected(server.address)];
    let [first, second] = [next(&server.sockets), next(&server.sockets)];
    let [to_first, to_second] = [&first, &second].map(|socket| outgoing(socket));
    first.emit("one", 1);
    first.emit_with_callback("two", "text", |_| {});
    server.io.emit("three", ());
    first.broadcast().emit("four", ());
    first.disconnect(false);
    first.emit("five", ());
    server.io.emit("six", ());
    assert_eq!(to_first.iter().take(3).collect::<Vec<_>>(), ["one 1", "two \"text\"", "three"]);
    assert_eq!(to_second.iter().take(3).collect::<Vec<_>>(), ["three", "four", "six"]);
    assert_eq!(to_first.try_iter().count(), 0);
}

#[test]
fn outgoing_listeners_may_emit_and_broadcast() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    socket.on_any_outgoing(|event| {
        let namespace = event.socket.namespace();
        match &*event.name {
            "one" => namespace.emit("two", ()),
            "two" => assert_eq!(event.socket.emit("three", ()), Emitted::Sent),
            _ => {}
        }
    });
    server.io.emit("one", ());
    for name in ["one", "two", "three"] {
        assert_eq!(client.text(), format!(r#"42["{name}"]"#));
    }
}

#[test]
fn a_volatile_event_that_is_dropped_is_no_outgoing_event() {
    let server = server(|_| {});
    let _client = connected_polling(server.address);
    let socket = next(&server.sockets);
    let sent = outgoing(&socket);
    socket.emit_volatile("dropped", ());
    server.io.volatile().emit("dropped", ());
    socket.emit("sent", ());
    assert_eq!(next(&sent), "sent");
}

#[test]
fn removed_listeners_are_called_no_more_and_hold_nothing() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    let (sender, received) = mpsc::channel();
    let logs = move |what: &'static str| {
        let sender = sender.clone();
        move |event: &Event<_>| _ = sender.send(format!("{what} {}", event.name))
    };
    let ids = [socket.on("a", logs("first")), socket.once("a", logs("second"))];
    socket.on("b", logs("first"));
    assert_eq!(socket.listeners("a"), ids);
    let last = socket.on_any(logs("any"));
    let first = socket.prepend_any(logs("any before"));
    assert_eq!(socket.listeners_any(), [first, last]);
    socket.remove_all_listeners("a");
    socket.off_any(last);
    client.send(r#"42["a"]"#);
    client.send(r#"42["b"]"#);
    for line in ["any before a", "any before b", "first b"] {
        assert_eq!(next(&received), line);
    }
    socket.on_any_outgoing(logs("outgoing"));
    socket.off_any_outgoing(None);
    socket.off_any(None);
    socket.remove_all_listeners(None);
    assert!(socket.listeners("b").is_empty() && socket.listeners_any().is_empty());
    drop(logs);
    socket.emit("nobody is told", ());
    assert!(received.recv().is_err()); // all senders have been dropped
}
