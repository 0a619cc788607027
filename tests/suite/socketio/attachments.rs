//! Events with more attachments than a packet may have: nothing is sent, and the sender is told.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{
    AckError, Client, ClientOptions, ClientSocket, Emitted, Options, Parser, Recovery, Value,
};

use super::{assert_receives_nothing_else, connected, server, server_with};
use crate::common::{Frame, LIMIT, WebSocket, next, run_alone};

fn images(count: usize) -> Vec<Value> {
    vec![b"x"[..].into(); count]
}

/// A client of ours, which is connected.
fn connected_client(address: SocketAddr) -> (Client, ClientSocket) {
    let client = Client::connect(&format!("http://{address}")).unwrap();
    let socket = (*client).clone();
    let (sender, connected) = mpsc::channel();
    socket.on("connect", move |_| _ = sender.send(()));
    if !socket.is_connected() {
        next(&connected);
    }
    (client, socket)
}

#[test]
fn ten_are_sent_and_eleven_are_not() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    server.io.emit("ten", images(10));
    assert!(client.text().starts_with(r#"4510-["ten","#));
    (0..10).for_each(|_| assert_eq!(client.read(), Frame::Binary(b"x".to_vec())));
    server.io.emit("eleven", images(11));
    server.io.to("room").emit("eleven", images(11));
    let nested = json!({"images": images(11)});
    for values in [Value::Array(images(11)), nested] {
        assert_eq!(socket.emit("eleven", &values), Emitted::TooManyAttachments);
        assert_eq!(socket.emit_volatile("eleven", &values), Emitted::TooManyAttachments);
    }
    assert_receives_nothing_else(&mut client);
}

#[test]
fn nothing_is_kept_for_recovery() {
    let connection_state_recovery = Some(Recovery::default());
    let options = Options { connection_state_recovery, ..Options::default() };
    let server = server_with(options, |_| {});
    let mut client = WebSocket::session(server.address);
    client.send("40");
    assert!(client.text().starts_with(r#"40{"sid":""#));
    let socket = next(&server.sockets);
    assert_eq!(socket.emit("eleven", images(11)), Emitted::TooManyAttachments);
    server.io.emit("eleven", images(11));
    assert_eq!(socket.emit("one", ()), Emitted::Sent);
    assert!(client.text().starts_with(r#"42["one","#));
}

#[test]
fn a_client_sends_nothing_either() {
    let server = server(|_| {});
    let (_client, socket) = connected_client(server.address);
    assert_eq!(socket.emit("eleven", images(11)), Emitted::TooManyAttachments);
    assert_eq!(socket.emit_volatile("eleven", images(11)), Emitted::TooManyAttachments);
    assert_eq!(socket.emit("one", ()), Emitted::Sent);
    socket.disconnect();
    assert_eq!(socket.emit("eleven", images(11)), Emitted::TooManyAttachments);
}

#[test]
fn no_acknowledgement_is_awaited() {
    let server = server(|_| {});
    let (_client, client) = connected_client(server.address);
    let socket = next(&server.sockets);
    let failed = Err(AckError::TooManyAttachments);
    assert_eq!(socket.emit_with_ack("ask", images(11)), failed);
    assert_eq!(socket.timeout(LIMIT).emit_with_ack("ask", images(11)), failed);
    assert_eq!(client.emit_with_ack("ask", images(11)), failed);
    assert_eq!(client.timeout(LIMIT).emit_with_ack("ask", images(11)), failed);

    let (sender, results) = mpsc::channel();
    let also = sender.clone();
    let this = thread::current().id();
    socket.emit_with_callback("ask", images(11), move |result| {
        sender.send((result, thread::current().id() != this)).unwrap();
    });
    assert_eq!(next(&results), (failed.clone(), true));
    client.emit_with_callback("ask", images(11), move |result| {
        also.send((result, thread::current().id() != this)).unwrap();
    });
    assert_eq!(next(&results), (failed, true));
}

#[test]
fn no_acknowledgement_of_a_broadcast_is_awaited() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    let socket = next(&server.sockets);
    let everyone = server.io.timeout(LIMIT);
    for (to, missing) in [(everyone.clone(), vec![socket]), (everyone.to("an empty room"), vec![])]
    {
        let error = to.emit_with_ack("ask", images(11)).unwrap_err();
        assert_eq!(error.reason, AckError::TooManyAttachments);
        assert!(error.missing == missing);
        let (sender, results) = mpsc::channel();
        let this = thread::current().id();
        to.emit_with_callback("ask", images(11), move |result| {
            sender.send((result, thread::current().id() != this)).unwrap();
        });
        assert_eq!(next(&results), (Err(error), true));
    }
    assert_receives_nothing_else(&mut client);
}

#[test]
fn an_acknowledgement_with_too_many_is_not_sent() {
    let server = server(|socket| {
        socket.on("images", |event| event.ack(images(11)));
    });
    let mut client = connected(server.address);
    let _socket = next(&server.sockets);
    client.send(r#"420["images"]"#);
    assert_receives_nothing_else(&mut client);

    let (_client, client) = connected_client(server.address);
    client.on("images", |event| event.ack(images(11)));
    client.on("last", |event| event.ack("last"));
    let socket = next(&server.sockets);
    let (sender, results) = mpsc::channel();
    let also = sender.clone();
    socket.emit_with_callback("images", (), move |result| sender.send(result).unwrap());
    socket.emit_with_callback("last", (), move |result| also.send(result).unwrap());
    assert_eq!(next(&results).unwrap()[0], "last");
    socket.disconnect(true);
    assert_eq!(next(&results), Err(AckError::Disconnected));
}

#[test]
fn messagepack_has_no_attachments() {
    let options = Options { parser: Parser::MessagePack, ..Options::default() };
    let server = server_with(options, |_| {});
    let options = ClientOptions { parser: Parser::MessagePack, ..Default::default() };
    let url = format!("http://{}", server.address);
    let client = Client::connect_with(&url, options).unwrap();
    let images = images(11);
    assert_eq!(client.emit_with_ack("ask", &images).unwrap()[..], images);
}

#[test]
fn stderr_says_which_event_has_how_many() {
    if let Some(stderr) = run_alone() {
        let few = "attachments, and a packet may have at most 10";
        for line in [
            format!(r#"Not sent: the event "broadcast" has 11 {few}"#),
            format!(r#"Not sent: the event "to one" has 12 {few}"#),
            format!(r#"Not sent: the acknowledgement of "images" has 13 {few}"#),
        ] {
            assert_eq!(stderr.lines().filter(|l| *l == line).count(), 1, "{line}\n{stderr}");
        }
        return;
    }
    let server = server(|socket| {
        socket.on("images", |event| event.ack(images(13)));
    });
    let mut client = connected(server.address);
    server.io.emit("broadcast", images(11));
    next(&server.sockets).emit("to one", images(12));
    client.send(r#"420["images"]"#);
    assert_receives_nothing_else(&mut client);
}
