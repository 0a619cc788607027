//! Namespaces that appear with their first client, and how a server is closed.

use std::sync::mpsc::{self, Receiver};
use std::thread;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{Io, Options, ParentNamespace, Socket};

use super::{TestServer, assert_receives_nothing_else, connect_to, connected, server, server_with};
use crate::common::{Frame, WebSocket, next, until};

/// A server with children whose name begins with `/room-`, and the sockets of the children.
fn server_with_rooms(options: Options) -> (TestServer, ParentNamespace, Receiver<Socket>) {
    let server = server_with(options, |_| {});
    let parent = server.io.of_matching(|name, _| name.starts_with("/room-"));
    let (sender, sockets) = mpsc::channel();
    parent.on_connection(move |socket| {
        socket.emit("welcome", socket.namespace().name());
        _ = sender.send(socket);
    });
    (server, parent, sockets)
}

fn cleanup() -> Options {
    Options { cleanup_empty_child_namespaces: true, ..Options::default() }
}

fn names(parent: &ParentNamespace) -> Vec<String> {
    parent.children().iter().map(|child| child.name().to_string()).collect()
}

fn new_namespaces(io: &Io) -> Receiver<String> {
    let (sender, namespaces) = mpsc::channel();
    io.on_new_namespace(move |namespace| _ = sender.send(namespace.name().to_string()));
    namespaces
}

/// Asks for a namespace (such as `/room-1`), and returns the message of the refusal.
#[track_caller]
fn refused(client: &mut WebSocket, name: &str) -> String {
    client.send(&format!("40{name},"));
    client.text().strip_prefix(&format!("44{name},")).unwrap().to_string()
}

#[test]
fn a_child_appears_with_its_first_client() {
    let (server, parent, sockets) = server_with_rooms(Options::default());
    let namespaces = new_namespaces(&server.io);
    let mut client = connected(server.address);
    let invalid = r#"{"message":"Invalid namespace"}"#;
    assert_eq!(refused(&mut client, "/elsewhere"), invalid);
    assert_eq!(refused(&mut client, &format!("/room-{}", "x".repeat(995))), invalid, "too long");
    assert_eq!(names(&parent), [""; 0]);
    connect_to(&mut client, "/room-2,");
    assert_eq!(client.text(), r#"42/room-2,["welcome","/room-2"]"#);
    let mut other = connected(server.address);
    connect_to(&mut other, "/room-2,");
    assert_eq!(other.text(), r#"42/room-2,["welcome","/room-2"]"#);
    connect_to(&mut other, "/room-1,");
    assert_eq!(other.text(), r#"42/room-1,["welcome","/room-1"]"#);
    assert_eq!(names(&parent), ["/room-1", "/room-2"]);
    assert_eq!([next(&namespaces), next(&namespaces)], ["/room-2", "/room-1"]);
    assert!(namespaces.try_recv().is_err(), "each is created once");
    let [first, second, third] = [(); 3].map(|()| next(&sockets));
    assert_eq!(server.io.of("room-2").sockets().len(), 2);
    assert!(first.namespace().sockets() == [first.clone(), second]);
    assert_eq!(third.namespace().name(), "/room-1");
}

#[test]
fn a_broadcast_to_the_parent_reaches_all_children() {
    let (server, parent, _sockets) = server_with_rooms(Options::default());
    let mut clients = ["/room-1", "/room-1", "/room-2"].map(|name| {
        let mut client = connected(server.address);
        connect_to(&mut client, &format!("{name},"));
        client.text(); // welcome
        (client, name)
    });
    parent.emit("hello", (1, "a"));
    for (client, name) in &mut clients {
        assert_eq!(client.text(), format!(r#"42{name},["hello",1,"a"]"#));
        assert_receives_nothing_else(client);
    }
}

#[test]
fn a_matcher_receives_the_name_and_the_auth_and_the_first_that_accepts_is_the_parent() {
    let server = server(|_| {});
    let (sender, asked) = mpsc::channel();
    let secret = server.io.of_matching(move |name, auth| {
        _ = sender.send((name.to_string(), auth.clone()));
        auth["token"] == "right"
    });
    let all = server.io.of_matching(|name, _| name != "/never");
    let mut client = connected(server.address);
    client.send(r#"40/x,{"token":"right"}"#);
    assert!(client.text().starts_with(r#"40/x,{"sid":"#));
    assert_eq!(next(&asked), ("/x".to_string(), json!({"token": "right"})));
    connect_to(&mut client, "/y,");
    assert_eq!(next(&asked), ("/y".to_string(), json!({})));
    assert_eq!(refused(&mut client, "/never"), r#"{"message":"Invalid namespace"}"#);
    next(&asked);
    connect_to(&mut connected(server.address), "/y,"); // it exists, and no matcher is asked
    assert!(asked.try_recv().is_err());
    assert_eq!((names(&secret), names(&all)), (vec!["/x".into()], vec!["/y".to_string()]));
}

#[test]
fn a_child_has_the_middleware_and_listeners_that_its_parent_had() {
    let (server, parent, sockets) = server_with_rooms(Options::default());
    let mut client = connected(server.address);
    connect_to(&mut client, "/room-1,");
    client.text(); // welcome
    parent.use_middleware(|_| Err("not any more".into()));
    assert_eq!(refused(&mut client, "/room-2"), r#"{"message":"not any more"}"#);
    connect_to(&mut connected(server.address), "/room-1,");
    assert_eq!(next(&sockets).namespace().name(), "/room-1");
    assert_eq!(names(&parent), ["/room-1", "/room-2"], "it stays, without cleanup");
}

#[test]
fn of_asks_the_matchers_too() {
    let (server, parent, sockets) = server_with_rooms(Options::default());
    let namespaces = new_namespaces(&server.io);
    assert!(server.io.of("/room-1").sockets().is_empty());
    server.io.of("/plain");
    server.io.of("/admin"); // is there already
    assert_eq!([next(&namespaces), next(&namespaces)], ["/room-1", "/plain"]);
    assert!(namespaces.try_recv().is_err());
    assert_eq!(names(&parent), ["/room-1"]);
    connect_to(&mut connected(server.address), "/room-1,");
    assert_eq!(next(&sockets).namespace().name(), "/room-1");
}

#[test]
fn an_empty_child_is_removed_with_its_last_client() {
    let (server, parent, sockets) = server_with_rooms(cleanup());
    let mut clients = [(); 2].map(|()| {
        let mut client = connected(server.address);
        connect_to(&mut client, "/room-1,");
        client.text(); // welcome
        client
    });
    let [first, second] = [next(&sockets), next(&sockets)];
    clients[0].send("41/room-1,");
    until(|| first.namespace().sockets() == [second.clone()]);
    assert_eq!(names(&parent), ["/room-1"]);
    clients[1].close();
    until(|| names(&parent).is_empty());
    connect_to(&mut clients[0], "/room-1,"); // a new one
    clients[0].text(); // welcome
    let third = next(&sockets);
    assert_eq!(names(&parent), ["/room-1"]);
    assert!(third.namespace().sockets() == [third.clone()]);
    assert!(first.namespace().sockets().is_empty());
    server.io.of("/admin"); // fixed ones stay
    connect_to(&mut clients[0], "/admin,");
}

#[test]
fn a_child_stays_while_the_middleware_of_another_client_runs() {
    let (server, parent, sockets) = server_with_rooms(cleanup());
    let (entered, entries) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    parent.use_middleware(move |socket| {
        if socket.handshake().auth["slow"] == true {
            _ = entered.send(());
            next(&released.lock().unwrap());
        }
        Ok(())
    });
    let [mut fast, mut slow] = [connected(server.address), connected(server.address)];
    connect_to(&mut fast, "/room-1,");
    let first = next(&sockets);
    slow.send(r#"40/room-1,{"slow":true}"#);
    next(&entries);
    fast.send("41/room-1,");
    until(|| first.namespace().sockets().is_empty());
    release.send(()).unwrap();
    let second = next(&sockets);
    assert!(server.io.of("/room-1").sockets() == [second.clone()], "not an orphan");
    assert_eq!(names(&parent), ["/room-1"]);
    slow.close();
    until(|| names(&parent).is_empty());
}

#[test]
fn a_child_that_many_clients_enter_and_leave_is_the_same_for_all_of_them() {
    let (server, parent, _sockets) = server_with_rooms(cleanup());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = connected(server.address);
                for _ in 0..50 {
                    let id = connect_to(&mut client, "/room-1,");
                    client.text(); // welcome
                    assert!(server.io.of("/room-1").socket(&id).is_some(), "not an orphan");
                    client.send("41/room-1,");
                }
            });
        }
    });
    until(|| names(&parent).is_empty());
    until(|| server.io.sockets().is_empty());
}

#[test]
fn a_refused_client_leaves_no_child_behind() {
    let (server, parent, _sockets) = server_with_rooms(cleanup());
    parent.use_middleware(|socket| match socket.namespace().name() {
        "/room-panic" => panic!("on purpose"),
        _ => Err("no".into()),
    });
    let mut client = connected(server.address);
    for n in 0..1000 {
        assert_eq!(refused(&mut client, &format!("/room-{n}")), r#"{"message":"no"}"#);
        refused(&mut client, &format!("/invalid-{n}"));
    }
    until(|| names(&parent).is_empty());
    client.send("40/room-panic,");
    until(|| server.handle.sessions() == 0);
    until(|| names(&parent).is_empty());
}

#[test]
fn a_client_may_be_connected_to_a_limited_number_of_namespaces() {
    let (server, parent, _sockets) = server_with_rooms(Options { max_namespaces: 3, ..cleanup() });
    let mut client = connected(server.address);
    for name in ["/room-1", "/room-2"] {
        connect_to(&mut client, &format!("{name},"));
        client.text(); // welcome
    }
    for n in 3..1000 {
        let refusal = refused(&mut client, &format!("/room-{n}"));
        assert_eq!(refusal, r#"{"message":"Too many namespaces"}"#);
    }
    assert_eq!(names(&parent), ["/room-1", "/room-2"]);
    client.send("41/room-1,");
    connect_to(&mut client, "/room-3,");
    until(|| names(&parent) == ["/room-2", "/room-3"]);
}

#[test]
fn a_listener_of_new_namespace_may_use_the_namespaces_and_may_panic() {
    let server = server(|_| {});
    server.io.of_matching(|name, _| name != "/a");
    let io = server.io.clone();
    server.io.on_new_namespace(move |namespace| {
        assert!(io.of(namespace.name()).sockets().is_empty());
        panic!("on purpose");
    });
    let namespaces = new_namespaces(&server.io);
    connect_to(&mut connected(server.address), "/b,");
    assert_eq!(next(&namespaces), "/b");
}

#[test]
fn io_close_disconnects_every_socket_and_ends_the_server() {
    let server = server(|_| {});
    let mut client = connected(server.address);
    connect_to(&mut client, "/admin,");
    next(&server.sockets);
    next(&server.sockets); // the listeners of both are added
    server.io.close();
    let mut ends = [next(&server.ends), next(&server.ends)];
    ends.sort();
    let reason = "server shutting down";
    assert_eq!(ends, ["/", "/admin"].map(|name| (name.to_string(), reason.to_string())));
    assert!(matches!(client.read(), Frame::Close(_)));
    server.thread.join().unwrap();
}
