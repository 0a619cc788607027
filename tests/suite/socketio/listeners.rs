//! Listeners to all events, and the removal of listeners.

use std::sync::mpsc::{self, Receiver};

use sockets_by_hand::socketio::{Emitted, Event, Listeners};

use super::{assert_receives_nothing_else, connect_to, connected, connected_polling, server};
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
fn middleware_refuses_events_with_an_error_on_the_socket_and_not_to_the_client() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    let (sender, received) = mpsc::channel();
    let logs = |what: &'static str| {
        let sender = sender.clone();
        move |event: &Event<_>| _ = sender.send(format!("{what} {}", event.args[0]))
    };
    let [first, second] = [logs("first"), logs("second")];
    socket.use_middleware(move |event| {
        first(event);
        if event.name == "refused" { Err("no".into()) } else { Ok(()) }
    });
    socket.use_middleware(move |event| {
        second(event);
        Ok(())
    });
    socket.on_any(logs("any"));
    socket.on("refused", logs("never"));
    socket.on("accepted", logs("listener"));
    socket.on("error", logs("error"));
    client.send(r#"42["refused",1]"#);
    client.send(r#"42["accepted",2]"#);
    for line in ["any 1", "first 1", "error \"no\"", "any 2", "first 2", "second 2", "listener 2"] {
        assert_eq!(next(&received), line);
    }
    assert_receives_nothing_else(&mut client);
}

#[test]
fn events_that_a_middleware_disconnects_reach_no_listener() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    socket.use_middleware(|event| {
        event.socket.disconnect(false);
        Ok(())
    });
    socket.on("event", |event| event.socket.conn().close("forced close"));
    client.send(r#"42["event"]"#);
    assert_eq!(client.text(), "41");
    connect_to(&mut client, ""); // the session is still open
}

#[test]
fn conn_is_the_session_with_its_events() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    assert_eq!(socket.conn().transport(), "websocket");
    let (sender, events) = mpsc::channel();
    for name in ["packet", "close"] {
        let sender = sender.clone();
        socket.conn().events().on(name, move |value| _ = sender.send(format!("{name} {value}")));
    }
    client.send(r#"42["event"]"#);
    assert!(next(&events).starts_with("packet "));
    socket.conn().close("forced close");
    assert_eq!(next(&events), "close \"forced close\"");
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
