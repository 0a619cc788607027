//! Our Socket.IO client, and the program that uses it, against npm's server.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use sockets_by_hand::json;
use sockets_by_hand::net::Backoff;
use sockets_by_hand::socketio::client::{Client, Options, Socket};
use sockets_by_hand::socketio::{AckError, Args, Parser, Value};

use super::common::{LIMIT, next};
use super::node::Peer;

const TRANSPORTS: [&[&str]; 3] = [&["polling"], &["websocket"], &["polling", "websocket"]];

fn server(arguments: &[&str]) -> (Peer, String) {
    let server = Peer::node("sio-server.js", arguments);
    let port = server.line();
    (server, port)
}

fn options(transports: &[&'static str]) -> Options {
    let (min, max) = (Duration::from_millis(20), Duration::from_millis(100));
    let backoff = Backoff { min, max, ..Backoff::default() };
    let mut options = Options { backoff, ..Options::default() };
    options.engine.transports = transports.to_vec();
    options
}

fn client(port: &str, transports: &[&'static str]) -> Client {
    Client::new(&format!("http://127.0.0.1:{port}"), options(transports)).unwrap()
}

/// Receives a line for each event about the connection of a socket.
fn events(socket: &Socket) -> Receiver<String> {
    let (sender, events) = mpsc::channel();
    for name in ["connect", "connect_error", "disconnect"] {
        let sender = sender.clone();
        socket.on(name, move |event| {
            let args: String = event.args.iter().map(|value| format!(" {value}")).collect();
            _ = sender.send(format!("{name}{args}"));
        });
    }
    events
}

/// Emits, and returns the receiver of the ack.
fn emit_with_ack(
    socket: &Socket,
    name: &str,
    values: &[Value],
) -> Receiver<Result<Args, AckError>> {
    let (sender, answer) = mpsc::channel();
    socket.timeout(LIMIT).emit_with_callback(name, values, move |answer| _ = sender.send(answer));
    answer
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn our_client_uses_npms_server_over_each_transport() {
    let (mut server, port) = server(&[]);
    for (transports, transport) in TRANSPORTS.iter().zip(["polling", "websocket", "websocket"]) {
        let client = client(&port, transports);
        let events = events(&client);
        let (sender, upgrades) = mpsc::channel();
        client.io().engine().on("upgrade", move |_| _ = sender.send(()));
        client.on("who?", |event| event.ack([json!("Ada"), event.args[0].clone()]));
        client.emit("kept", [json!("until connected")]);
        client.emit_volatile("not kept", []);
        client.open();
        assert_eq!(next(&events), "connect");
        assert_eq!(server.line(), "in /");
        assert_eq!(server.line(), r#"kept "until connected""#);
        if transports.len() == 2 {
            next(&upgrades);
        }
        assert_eq!(
            next(&emit_with_ack(&client, "transport", &[])),
            Ok(Args(vec![json!(transport)]))
        );
        assert_eq!(server.line(), "transport");

        let bytes = Value::Binary(vec![1, 2, 255]);
        let deep = Value::Object(vec![("a".into(), Value::Array(vec![bytes.clone(), json!("b")]))]);
        let values = [json!("안녕"), bytes, deep];
        assert_eq!(next(&emit_with_ack(&client, "echo", &values)), Ok(Args(values.to_vec())));
        let (sender, back) = mpsc::channel();
        client.on("back", move |event| _ = sender.send(event.args.clone()));
        client.emit("back", &values);
        assert_eq!(next(&back), values);
        assert!(server.line().starts_with("echo") && server.line().starts_with("back"));

        let (sender, answer) = mpsc::channel();
        let short = Duration::from_millis(50);
        client
            .timeout(short)
            .emit_with_callback("silence", [], move |answer| _ = sender.send(answer));
        assert_eq!(next(&answer), Err(AckError::Timeout));
        assert_eq!(server.line(), "silence");
        server.say("ask");
        let answers = r#"answers: ["Ada"]"#; // the server takes the first value only
        assert_eq!(server.line(), answers);

        let (sender, messages) = mpsc::channel();
        client.on("said", move |event| _ = sender.send(event.args[0].clone()));
        for room in ["tea", "tea", "coffee"] {
            client.emit("tell", [json!(room), json!(format!("to {room}"))]);
            client.emit("join", [json!(room)]);
        }
        assert_eq!(next(&messages), json!("to tea")); // the second: it had joined by then
        assert_eq!(next(&emit_with_ack(&client, "echo", &[])), Ok(Args::default()));
        assert!(messages.try_recv().is_err());
        client.disconnect();
        while server.line() != "left: client namespace disconnect" {}
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn our_client_and_npms_server_use_the_message_pack_parser() {
    let (mut server, port) = server(&["0", "msgpack"]);
    for transports in TRANSPORTS {
        let options = Options { parser: Parser::MessagePack, ..options(transports) };
        let client = Client::new(&format!("http://127.0.0.1:{port}"), options).unwrap();
        let admin = client.of("admin", json!({token: "wrong"}));
        let (main, admin_events) = (events(&client), events(&admin));
        client.on("who?", |event| event.ack(event.args[0].clone()));
        client.open();
        assert_eq!(next(&main), "connect");
        assert_eq!(server.line(), "in /");
        admin.open();
        assert_eq!(next(&admin_events), r#"connect_error {"message":"Not you","data":{"code":7}}"#);
        let bytes = Value::Binary(vec![1, 2, 255]);
        let values = [
            json!("안녕"),
            bytes.clone(),
            json!({deep: [bytes, null, -1.5, 0.1]}),
            json!(1_u64 << 40),
        ];
        assert_eq!(next(&emit_with_ack(&client, "echo", &values)), Ok(Args(values.to_vec())));
        assert!(server.line().starts_with("echo"));
        let (sender, back) = mpsc::channel();
        client.on("back", move |event| _ = sender.send(event.args.clone()));
        client.emit("back", &values);
        assert_eq!(next(&back), values);
        assert!(server.line().starts_with("back"));
        server.say("ask");
        assert_eq!(server.line(), r#"answers: [{"type":"Buffer","data":[1]}]"#);
        client.disconnect();
        assert_eq!(server.line(), "left: client namespace disconnect");
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn npms_middleware_refuses_our_client_and_accepts_another_auth() {
    let (server, port) = server(&[]);
    for transports in TRANSPORTS {
        let client = client(&port, transports);
        let (admin, nowhere) = (client.of("admin", Value::Null), client.of("nowhere", Value::Null));
        let (main, admin_events, refusals) = (events(&client), events(&admin), events(&nowhere));
        client.open();
        admin.open();
        nowhere.open();
        assert_eq!(next(&admin_events), r#"connect_error {"message":"Not you","data":{"code":7}}"#);
        assert_eq!(next(&refusals), r#"connect_error {"message":"Invalid namespace"}"#);
        admin.set_auth(json!({"token": "right"}));
        admin.open();
        assert_eq!(next(&admin_events), "connect");
        assert_eq!(next(&main), "connect");
        assert_eq!([server.line(), server.line()], ["in /", "in /admin"]);
        client.disconnect();
        assert_eq!(server.line(), "left: client namespace disconnect");
        assert_eq!(next(&emit_with_ack(&admin, "echo", &[json!(1)])), Ok(Args(vec![json!(1)])));
        assert_eq!(server.line(), "echo 1");
        drop(client);
        assert_eq!(server.line(), "left: client namespace disconnect");
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn npms_server_disconnects_our_client_until_open_is_called() {
    let (mut server, port) = server(&[]);
    for (transports, word) in
        TRANSPORTS.into_iter().flat_map(|transports| [(transports, "out"), (transports, "all out")])
    {
        let client = client(&port, transports);
        let events = events(&client);
        client.open();
        assert_eq!(next(&events), "connect");
        assert_eq!(server.line(), "in /");
        server.say(word);
        assert_eq!(next(&events), r#"disconnect "io server disconnect""#);
        assert_eq!(server.line(), "left: server namespace disconnect");
        client.open();
        assert_eq!(next(&events), "connect");
        assert_eq!(server.line(), "in /");
        drop(client);
        assert_eq!(server.line(), "left: client namespace disconnect");
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn npms_middleware_emits_to_our_client_which_acknowledges_once_connected() {
    let (server, port) = server(&[]);
    for transports in TRANSPORTS {
        let client = client(&port, transports);
        let curious = client.of("curious", Value::Null);
        curious.on("who?", |event| event.ack([json!(event.socket.is_connected())]));
        curious.open();
        assert_eq!(server.line(), "it is true");
    }
}

/// The numbers of the events that the server has printed: each once, and in order.
fn in_order(server: &Peer) -> Vec<usize> {
    let mut numbers: Vec<usize> = Vec::new();
    loop {
        match server.line() {
            line if line == "end" => break,
            line if line.starts_with("echo ") => {
                let number = line[5..].split(' ').next().unwrap();
                numbers.push(number.parse().unwrap());
            }
            _ => {}
        }
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    numbers
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn npms_server_is_killed_and_no_event_is_lost_without_an_error() {
    for (end, transports, sent) in [
        ("upgrade", TRANSPORTS[2], true),
        ("poll", TRANSPORTS[0], false),
        ("binary", TRANSPORTS[0], true),
        ("binary", TRANSPORTS[1], true),
    ] {
        let (server, port) = server(&["0", end]);
        let client = client(&port, transports);
        let answers: Vec<_> = (0..30)
            .map(|n| {
                emit_with_ack(&client, "echo", &[json!(n), Value::Binary(vec![n as u8; 1000])])
            })
            .collect();
        client.emit("end", []);
        let events = events(&client);
        client.open();
        while next(&events) == "connect" {}
        drop(server);
        let (server, _) = self::server(&[&port]);
        while next(&events) != "connect" {}
        client.emit("end", []);
        let arrived = in_order(&server);
        for (n, answer) in answers.iter().enumerate() {
            match next(answer) {
                Ok(values) => assert_eq!(values[0], json!(n)),
                Err(why) => assert!(sent && why == AckError::Disconnected, "{end}: {n} {why}"),
            }
        }
        assert!(sent || arrived == Vec::from_iter(0..30), "{end}: {arrived:?}");
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn with_retries_npms_server_receives_each_event_though_it_is_killed() {
    for transports in TRANSPORTS {
        let (server, port) = server(&["0", "binary"]);
        let retries = Options { retries: 100, ack_timeout: Some(LIMIT), ..options(transports) };
        let client = Client::connect_with(&format!("http://127.0.0.1:{port}"), retries).unwrap();
        let events = events(&client);
        (0..5).for_each(|n| _ = client.emit("echo", n));
        let answer = emit_with_ack(&client, "echo", &[json!(5), Value::Binary(vec![7])]);
        (6..10).for_each(|n| _ = client.emit("echo", n));
        client.emit("end", ());
        while !next(&events).starts_with("disconnect") {} // at the binary value
        assert_eq!(server.line(), "in /");
        (0..5).for_each(|n| assert_eq!(server.line(), format!("echo {n}")));
        drop(server);
        let (server, _) = self::server(&[&port]);
        assert_eq!(in_order(&server), [5, 6, 7, 8, 9]);
        assert_eq!(next(&answer).unwrap()[0], json!(5));
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn our_chat_uses_npms_server_and_reconnects_when_that_was_killed() {
    let (server, port) = server(&[]);
    let mut chat = Peer::ours("socketio-client", &[&format!("http://127.0.0.1:{port}")]);
    assert_eq!(chat.line(), "Connected to server");
    chat.say("Hello 안녕");
    assert_eq!(chat.line(), "Hello 안녕");
    chat.say("/join tea");
    chat.say("/tell tea two lumps, please");
    assert_eq!(chat.line(), "two lumps, please");
    drop(server); // killed
    let line = chat.line(); // an "error", if its session had not been upgraded yet
    assert!(line.starts_with("Disconnected from server (transport "), "{line}");
    chat.say("buffered");
    let (_server, _) = self::server(&[&port]);
    while chat.line() != "Connected to server" {}
    assert_eq!(chat.line(), "buffered");
    chat.say("/tell tea still there?");
    assert_eq!(chat.line(), "still there?"); // it has joined its room again
    chat.say("bye");
    assert_eq!(chat.finish(), ["bye", "Disconnected from server (io client disconnect)"]);
}
