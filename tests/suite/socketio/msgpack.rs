//! `Parser::MessagePack`: each packet is one binary message.

use std::sync::mpsc;

use sockets_by_hand::json;
use sockets_by_hand::msgpack;
use sockets_by_hand::socketio::codec::{DecodeError, Decoded};
use sockets_by_hand::socketio::packet::Kind;
use sockets_by_hand::socketio::{Args, Client, ClientOptions, Options, Parser, Socket, Value};

use super::{TestServer, server_with};
use crate::common::{Frame, LIMIT, Polling, WebSocket, next};

fn server(set: impl Fn(&Socket) + Send + Sync + 'static) -> TestServer {
    server_with(Options { parser: Parser::MessagePack, ..Options::default() }, set)
}

fn send(client: &mut WebSocket, packet: &Value) {
    client.send_bytes(&msgpack::encode(packet));
}

#[track_caller]
fn receive(client: &mut WebSocket) -> Value {
    match client.read() {
        Frame::Binary(bytes) => msgpack::decode(&bytes).unwrap(),
        other => panic!("{other:?} arrived instead of a packet"),
    }
}

/// A client that is connected to the main namespace, and its socket.
#[track_caller]
fn connected(server: &TestServer) -> (WebSocket, Socket) {
    let mut client = WebSocket::session(server.address);
    send(&mut client, &json!({type: 0, nsp: "/"}));
    let accepted = receive(&mut client);
    let socket = next(&server.sockets);
    assert_eq!(accepted, json!({type: 0, nsp: "/", data: {sid: socket.id()}}));
    (client, socket)
}

#[track_caller]
fn decode(packet: Value) -> Result<Decoded, DecodeError> {
    let bytes = msgpack::encode(&packet);
    let decoded = Parser::MessagePack.decoder().add(bytes.into());
    decoded.map(|packet| packet.expect("no packet waits for another message"))
}

#[test]
fn decodes_every_legal_packet() {
    let decoded = |kind, id, values: Value| {
        let values = values.as_array().unwrap().to_vec();
        Ok(Decoded { kind, namespace: "/a".to_string(), id, values })
    };
    for (packet, expected) in [
        (json!({type: 0, nsp: "/a"}), decoded(Kind::Connect, None, json!([]))),
        (json!({type: 0, nsp: "/a", data: null}), decoded(Kind::Connect, None, json!([]))),
        (json!({type: 0, nsp: "/a", data: {n: 1}}), decoded(Kind::Connect, None, json!([{n: 1}]))),
        (json!({type: 1, nsp: "/a"}), decoded(Kind::Disconnect, None, json!([]))),
        (json!({nsp: "/a", data: ["b"], type: 2}), decoded(Kind::Event, None, json!(["b"]))),
        (
            json!({type: 2, data: ["b", [null]], options: {compress: true}, id: 3, nsp: "/a"}),
            decoded(Kind::Event, Some(3), json!(["b", [null]])),
        ),
        (json!({type: 2, nsp: "/a", data: [7]}), decoded(Kind::Event, None, json!(["7"]))),
        (json!({type: 3, nsp: "/a", id: 0, data: []}), decoded(Kind::Ack, Some(0), json!([]))),
        (json!({type: 4, nsp: "/a", data: "no"}), decoded(Kind::ConnectError, None, json!(["no"]))),
    ] {
        assert_eq!(decode(packet.clone()), expected, "{packet}");
    }
}

#[test]
fn refuses_what_is_not_a_packet() {
    for packet in [
        json!(1),
        json!([]),
        json!({}),
        json!({type: 2, data: ["a"]}),
        json!({nsp: "/", data: ["a"]}),
        json!({type: "2", nsp: "/", data: ["a"]}),
        json!({type: 5, nsp: "/", data: ["a"]}),
        json!({type: -1, nsp: "/", data: ["a"]}),
        json!({type: 2.5, nsp: "/", data: ["a"]}),
        json!({type: 2, nsp: 1, data: ["a"]}),
        json!({type: 2, nsp: "/"}),
        json!({type: 2, nsp: "/", data: []}),
        json!({type: 2, nsp: "/", data: {}}),
        json!({type: 2, nsp: "/", data: ["disconnect"]}),
        json!({type: 2, nsp: "/", data: ["a"], id: "1"}),
        json!({type: 2, nsp: "/", data: ["a"], id: 1.5}),
        json!({type: 2, nsp: "/", data: ["a"], id: -1}),
        json!({type: 3, nsp: "/", id: 1}),
        json!({type: 0, nsp: "/", data: []}),
        json!({type: 1, nsp: "/", data: {}}),
        json!({type: 4, nsp: "/"}),
    ] {
        assert_eq!(decode(packet.clone()), Err(DecodeError), "{packet}");
    }
    let add = |message| Parser::MessagePack.decoder().add(message);
    assert_eq!(add(r#"2["a"]"#.into()), Err(DecodeError));
    assert_eq!(add(vec![0x81, 0xa4].into()), Err(DecodeError));
    assert_eq!(add(vec![0x91; 1000].into()), Err(DecodeError)); // nested too deeply
}

#[test]
fn events_and_acknowledgements_are_binary_messages() {
    let server = server(|_| {});
    let (mut client, socket) = connected(&server);
    let bytes = Value::Binary(vec![1, 2]);
    let values = json!(["echo", bytes.clone(), {deep: [bytes]}]);
    send(&mut client, &json!({type: 2, nsp: "/", data: values.clone()}));
    assert_eq!(receive(&mut client), json!({type: 2, nsp: "/", data: values}));
    send(&mut client, &json!({type: 2, nsp: "/", id: 7, data: ["ask", 1, "b"]}));
    assert_eq!(receive(&mut client), json!({type: 3, nsp: "/", id: 7, data: [1, "b"]}));

    let (answered, answers) = mpsc::channel();
    socket.timeout(LIMIT).emit_with_callback("who?", (), move |answer| _ = answered.send(answer));
    assert_eq!(receive(&mut client), json!({type: 2, nsp: "/", id: 0, data: ["who?"]}));
    send(&mut client, &json!({type: 3, nsp: "/", id: 0, data: ["Ann"]}));
    assert_eq!(next(&answers), Ok(Args(vec![json!("Ann")])));
    server.io.emit("all", "text");
    assert_eq!(receive(&mut client), json!({type: 2, nsp: "/", data: ["all", "text"]}));
    socket.disconnect(false);
    assert_eq!(receive(&mut client), json!({type: 1, nsp: "/"}));
}

#[test]
fn more_binary_values_than_a_packet_of_text_may_have_are_sent() {
    let server = server(|_| {});
    let (mut client, socket) = connected(&server);
    let many = vec![Value::Binary(vec![1]); 11];
    socket.emit("many", many.clone());
    assert_eq!(receive(&mut client)["data"][11], many[10]);
}

#[test]
fn a_refusal_is_a_binary_message() {
    let server = server(|_| {});
    let mut client = WebSocket::session(server.address);
    send(&mut client, &json!({type: 0, nsp: "/no", data: {token: 1}}));
    let refusal = json!({type: 4, nsp: "/no", data: {message: "Invalid namespace"}});
    assert_eq!(receive(&mut client), refusal);
}

#[test]
fn packets_are_base64_over_polling() {
    let server = server(|_| {});
    let mut client = Polling::open(server.address);
    client.post("bgqR0eXBlAKNuc3ChLw=="); // {"type": 0, "nsp": "/"}
    let socket = next(&server.sockets);
    let response = client.poll();
    assert!(response.starts_with("bg6R0eXBlAKNuc3ChL6RkYXRhgaNzaWS0"), "{response}");
    socket.emit("x", ());
    assert_eq!(client.poll(), "bg6R0eXBlAqNuc3ChL6RkYXRhkaF4");
}

#[test]
fn every_malformed_packet_ends_its_session() {
    let server = server(|_| {});
    for (n, malformed) in [
        json!({type: 2, nsp: "/", data: []}),
        json!({type: 2, nsp: "/", data: ["connect"]}),
        json!({type: 9, nsp: "/"}),
        json!("text"),
    ]
    .iter()
    .enumerate()
    {
        let (mut client, _) = connected(&server);
        send(&mut client, malformed);
        assert_eq!(client.read(), Frame::Close(1005), "packet {n}");
        assert_eq!(next(&server.ends), ("/".to_string(), "parse error".to_string()), "packet {n}");
    }
    let (mut client, _) = connected(&server);
    client.send(r#"42["echo"]"#); // the other parser
    assert_eq!(client.read(), Frame::Close(1005));
    assert_eq!(next(&server.ends).1, "parse error");
}

#[test]
fn our_client_speaks_message_pack_over_each_transport() {
    let server = server(|socket| {
        socket.emit("auth", socket.handshake().auth);
    });
    for transports in [&["polling"][..], &["websocket"], &["polling", "websocket"]] {
        let auth = json!({token: "right"}).into();
        let mut options = ClientOptions { parser: Parser::MessagePack, auth, ..Default::default() };
        options.engine.transports = transports.to_vec();
        let client = Client::new(&format!("http://{}", server.address), options).unwrap();
        let (received, events) = mpsc::channel();
        client.on_any(move |event| _ = received.send((event.name.clone(), event.args.clone())));
        client.emit("echo", (vec![1_u8, 2], json!({deep: vec![3_u8]})));
        client.open();
        assert_eq!(next(&events), ("auth".to_string(), Args(vec![json!({token: "right"})])));
        let echo = vec![Value::Binary(vec![1, 2]), json!({deep: vec![3_u8]})];
        assert_eq!(next(&events), ("echo".to_string(), Args(echo)));
        let (answered, answers) = mpsc::channel();
        client
            .timeout(LIMIT)
            .emit_with_callback("ask", "?", move |answer| _ = answered.send(answer));
        assert_eq!(next(&answers), Ok(Args(vec![json!("?")])));
        client.disconnect();
        assert_eq!(next(&server.ends).1, "client namespace disconnect");
    }
}
