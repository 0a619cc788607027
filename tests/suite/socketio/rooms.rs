//! Rooms, broadcasts, and operations on many sockets at once.

use std::sync::{Arc, Mutex, mpsc};

use sockets_by_hand::socketio::{Socket, Value};

use super::{TestServer, assert_receives_nothing_else, connect_to, connected, server};
use crate::common::{WebSocket, next, until};

/// Clients in their rooms (one room for each character), and their sockets.
fn clients<const N: usize>(server: &TestServer, rooms: [&str; N]) -> [(WebSocket, Socket); N] {
    rooms.map(|rooms| {
        let client = connected(server.address);
        let socket = next(&server.sockets);
        rooms.chars().for_each(|room| socket.join(room.to_string()));
        (client, socket)
    })
}

/// Asserts which clients received the last event, and nothing else.
#[track_caller]
fn assert_received(clients: &mut [(WebSocket, Socket)], expected: &[usize]) {
    for (n, (client, _)) in clients.iter_mut().enumerate() {
        if expected.contains(&n) {
            assert_eq!(client.text(), r#"42["event",1]"#, "client {n}");
        }
        assert_receives_nothing_else(client);
    }
}

fn args() -> [Value; 1] {
    [1.into()]
}

#[test]
fn a_broadcast_reaches_each_chosen_socket_once() {
    let server = server(|_| {});
    let io = &server.io;
    let mut clients = clients(&server, ["x", "xy", "y", "z", ""]);
    for (chosen, expected) in [
        (io.everyone(), &[0, 1, 2, 3, 4][..]),
        (io.to("x"), &[0, 1]),
        (io.r#in("x"), &[0, 1]),
        (io.to("x").to("y"), &[0, 1, 2]),
        (io.to("x").r#in("z"), &[0, 1, 3]),
        (io.to("x").except("y"), &[0]),
        (io.except("x"), &[2, 3, 4]),
        (io.except("x").except("z"), &[2, 4]),
        (io.except("x").to("y"), &[2]),
        (io.to("nowhere"), &[]),
        (io.except("nowhere"), &[0, 1, 2, 3, 4]),
        (io.local(), &[0, 1, 2, 3, 4]),
        (io.to(["x", "y"]), &[0, 1, 2]),
        (io.to(vec!["y", "z"]).except(["x", "nowhere"]), &[2, 3]),
        (io.except(&["x".to_string(), "z".to_string()][..]), &[2, 4]),
        (io.to(Vec::<String>::new()), &[0, 1, 2, 3, 4]),
        (io.to(clients[3].1.id()), &[3]),
        (io.everyone().except(clients[4].1.id()), &[0, 1, 2, 3]),
    ] {
        chosen.emit("event", args());
        assert_received(&mut clients, expected);
        assert_eq!(chosen.fetch_sockets().len(), expected.len());
    }
    io.emit("event", args());
    assert_received(&mut clients, &[0, 1, 2, 3, 4]);
}

#[test]
fn socket_to_reaches_the_others_only() {
    let server = server(|_| {});
    let mut clients = clients(&server, ["x", "xy", "y", "z", ""]);
    let socket = clients[0].1.clone();
    for (chosen, expected) in [
        (socket.broadcast(), &[1, 2, 3, 4][..]),
        (socket.to("x"), &[1]),
        (socket.to("x").to("y"), &[1, 2]),
        (socket.to("x").except("y"), &[]),
        (socket.to(["x", "y"]), &[1, 2]),
        (socket.except(["y", "z"]), &[4]),
        (socket.except("y"), &[3, 4]),
        (socket.to(clients[4].1.id()), &[4]),
        (socket.to(socket.id()), &[]),
    ] {
        chosen.emit("event", args());
        assert_received(&mut clients, expected);
    }
}

#[test]
fn binary_broadcasts_reach_every_socket() {
    use crate::common::Frame;
    let server = server(|_| {});
    let mut clients = clients(&server, ["x", "x"]);
    server.io.to("x").emit("bytes", [Value::Binary(vec![7])]);
    for (client, _) in &mut clients {
        assert_eq!(client.text(), r#"451-["bytes",{"_placeholder":true,"num":0}]"#);
        assert_eq!(client.read(), Frame::Binary(vec![7]));
    }
}

#[test]
fn a_client_that_left_a_room_receives_no_broadcast_of_it() {
    let server = server(|_| {});
    let mut clients = clients(&server, ["x", "x", "x"]);
    clients[0].1.leave("x");
    clients[0].1.leave("x");
    clients[0].1.leave("nowhere");
    server.io.to("x").emit("event", args());
    assert_received(&mut clients, &[1, 2]);
    assert_eq!(clients[0].1.rooms(), [clients[0].1.id()]);
    clients[1].1.disconnect(false);
    assert_eq!(clients[1].0.text(), "41");
    until(|| clients[1].1.rooms().is_empty());
    clients[2].0.close();
    until(|| server.io.to("x").fetch_sockets().is_empty());
    until(|| server.io.fetch_sockets().len() == 1);
}

#[test]
fn rooms_of_two_namespaces_are_different() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    connect_to(&mut client, "/admin,");
    let (main, admin) = (next(&server.sockets), next(&server.sockets));
    main.join("x");
    server.io.of("/admin").to("x").emit("event", args());
    assert_receives_nothing_else(&mut client);
    admin.join("x");
    server.io.of("/admin").to("x").emit("event", args());
    server.io.to("x").emit("event", args());
    assert_eq!(client.text(), r#"42/admin,["event",1]"#);
    assert_eq!(client.text(), r#"42["event",1]"#);
    assert_receives_nothing_else(&mut client);
}

#[test]
fn sockets_join_and_sockets_leave_move_many_at_once() {
    let server = server(|_| {});
    let mut clients = clients(&server, ["x", "x", ""]);
    server.io.to("x").sockets_join("y");
    server.io.to("y").emit("event", args());
    assert_received(&mut clients, &[0, 1]);
    clients[0].1.to("x").sockets_leave("y");
    server.io.to("y").emit("event", args());
    assert_received(&mut clients, &[0]);
    server.io.sockets_join("all");
    server.io.except("x").sockets_leave("all");
    server.io.to("all").emit("event", args());
    assert_received(&mut clients, &[0, 1]);
    server.io.sockets_leave("all");
    server.io.to("all").emit("event", args());
    assert_received(&mut clients, &[]);
}

#[test]
fn disconnect_sockets_disconnects_many_at_once() {
    use crate::common::Frame;
    let server = server(|_| {});
    let mut clients = clients(&server, ["x", "xy", ""]);
    server.io.to("x").except("y").disconnect_sockets(false);
    assert!(server.io.to("x").except("y").fetch_sockets().is_empty(), "at once, as in Node");
    assert_eq!(clients[0].0.text(), "41");
    connect_to(&mut clients[0].0, ""); // its session is still there
    next(&server.sockets);
    assert_eq!(next(&server.ends).1, "server namespace disconnect");
    server.io.disconnect_sockets(true);
    for (client, _) in &mut clients {
        assert_eq!(client.text(), "41");
        assert_eq!(client.read(), Frame::Close(1005));
    }
    until(|| server.io.fetch_sockets().is_empty());
}

#[test]
fn a_handler_may_broadcast() {
    let server = server(|socket| {
        socket.on("all", |event| event.socket.namespace().emit("event", &event.args));
        socket.on("others", |event| event.socket.broadcast().emit("event", &event.args));
        socket.on("room", |event| event.socket.to("x").emit("event", &event.args));
        socket.on("you", |event| {
            for socket in event.socket.namespace().to("x").fetch_sockets() {
                socket.emit("event", &event.args);
            }
        });
    });
    let mut clients = clients(&server, ["", "x", "y"]);
    for (event, expected) in
        [("all", &[0, 1, 2][..]), ("others", &[1, 2]), ("room", &[1]), ("you", &[1])]
    {
        clients[0].0.send(&format!(r#"42["{event}",1]"#));
        assert_received(&mut clients, expected);
    }
}

#[test]
fn sockets_are_in_the_order_of_connecting_and_members_in_that_of_joining() {
    let server = server(|_| {});
    let io = &server.io;
    let clients = clients(&server, [""; 20]);
    let ids: Vec<&str> = clients.iter().map(|(_, socket)| socket.id()).collect();
    let all = |sockets: Vec<Socket>| sockets.iter().map(|s| s.id().to_string()).collect::<Vec<_>>();
    clients.iter().rev().for_each(|(_, socket)| socket.join("x"));
    let reversed: Vec<&str> = ids.iter().rev().copied().collect();
    assert_eq!(all(io.sockets()), ids);
    assert_eq!(all(io.fetch_sockets()), ids);
    assert_eq!(all(io.except("y").fetch_sockets()), ids);
    assert_eq!(all(io.to("x").fetch_sockets()), reversed);
    assert_eq!(io.all_rooms()["x"], reversed);
    assert_eq!(io.all_rooms()[ids[3]], [ids[3]]);
    assert_eq!(io.all_rooms().len(), 21);
}

#[test]
fn a_socket_is_found_by_its_id_until_it_is_disconnected() {
    let server = server(|_| {});
    let [(mut client, socket)] = clients(&server, [""]);
    assert!(server.io.socket(socket.id()).unwrap() == socket);
    assert!(server.io.socket("nobody").is_none());
    assert!(server.io.of("/admin").socket(socket.id()).is_none(), "of another namespace");
    socket.disconnect(false);
    assert!(server.io.socket(socket.id()).is_none());
    assert_eq!(client.text(), "41");
}

#[test]
fn join_and_leave_take_one_room_or_a_list() {
    let server = server(|_| {});
    let [(_client, socket)] = clients(&server, [""]);
    socket.join(["z", "y", "x"]);
    socket.join(String::from("w"));
    assert_eq!(socket.rooms(), [socket.id(), "z", "y", "x", "w"]);
    socket.leave(vec!["y", "w", "nowhere"]);
    server.io.sockets_join(["a", "b"]);
    server.io.sockets_leave(["z"]);
    assert_eq!(socket.rooms(), [socket.id(), "x", "a", "b"]);
}

#[test]
fn rooms_emit_when_they_are_created_joined_left_and_deleted() {
    let server = server(|_| {});
    let [(mut client, socket), (_other, other)] = clients(&server, ["", ""]);
    let log = Arc::new(Mutex::new(Vec::new()));
    for name in ["create-room", "join-room", "leave-room", "delete-room"] {
        let (log, io) = (log.clone(), server.io.clone());
        server.io.room_events().on(name, move |event| {
            io.all_rooms(); // no lock is held
            let id = event.id.clone().unwrap_or_default();
            log.lock().unwrap().push(format!("{} {} {id}", event.name, event.room));
        });
    }
    let events = || std::mem::take(&mut *log.lock().unwrap());
    let (a, b) = (socket.id(), other.id());
    socket.join(["x", "x", "y"]);
    let joined = |room: &str| [format!("create-room {room} "), format!("join-room {room} {a}")];
    let left = |room: &str| [format!("leave-room {room} {a}"), format!("delete-room {room} ")];
    assert_eq!(events(), [joined("x"), joined("y")].concat());
    other.join("x");
    assert_eq!(events(), [format!("join-room x {b}")]);
    socket.leave(["x", "nowhere", "x"]);
    assert_eq!(events(), [format!("leave-room x {a}")]);
    other.leave("x");
    assert_eq!(events(), [format!("leave-room x {b}"), "delete-room x ".to_string()]);
    socket.disconnect(false);
    assert_eq!(client.text(), "41");
    until(|| log.lock().unwrap().len() == 4);
    assert_eq!(events(), [left(a), left("y")].concat());
    assert_eq!(next(&server.ends).1, "server namespace disconnect");
    connect_to(&mut client, "");
    let id = next(&server.sockets).id().to_string();
    assert_eq!(events(), [format!("create-room {id} "), format!("join-room {id} {id}")]);
}

#[test]
fn a_listener_of_room_events_that_panics_disturbs_nobody() {
    let server = server(|_| {});
    let (seen, events) = mpsc::channel();
    server.io.room_events().on("join-room", |_| panic!("on purpose"));
    server.io.room_events().on("join-room", move |event| _ = seen.send(event.room.clone()));
    let [(_client, socket)] = clients(&server, ["x"]);
    assert_eq!([next(&events), next(&events)], [socket.id(), "x"]);
    assert_eq!(socket.rooms(), [socket.id(), "x"]);
}

#[test]
#[should_panic(expected = "\"connection\" is a reserved event name")]
fn server_side_emit_refuses_reserved_names() {
    let server = server(|_| {});
    server.io.server_side_emit("hello", 1); // nobody is there
    server.io.server_side_emit("connection", 1);
}
