//! Many clients at once: members of a room receive every broadcast in order, and clients that have
//! disconnected leave nothing behind.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{TestServer, connected, connected_polling, server};
use crate::common::{Polling, WebSocket, until};

const EMITTERS: usize = 10;
const EVENTS: usize = 60;
const ALL: usize = EMITTERS * EVENTS;

/// Joins the room, over a WebSocket.
fn join(client: &mut WebSocket) {
    client.send(r#"420["join","crowd"]"#);
    while client.text() != "430[]" {} // a broadcast may arrive before the acknowledgement
}

fn join_polling(client: &mut Polling) {
    client.post(r#"420["join","crowd"]"#);
    assert_eq!(client.poll(), "430[]");
}

fn receive(client: &mut WebSocket, received: &mut Vec<String>) {
    while received.len() < ALL {
        received.push(client.text());
    }
}

/// Polls until `count` events have been received.
fn poll(client: &mut Polling, received: &mut Vec<String>, count: usize) {
    while received.len() < count {
        received.extend(client.poll().split('\x1e').map(str::to_string));
    }
}

/// The members that stay: all events that each has received.
fn members(server: &TestServer) -> Vec<JoinHandle<Vec<String>>> {
    let mut members = Vec::new();
    for _ in 0..4 {
        let mut client = connected(server.address);
        join(&mut client);
        members.push(thread::spawn(move || {
            let mut received = Vec::new();
            receive(&mut client, &mut received);
            received
        }));
    }
    for upgrades_at in [ALL, ALL, 1, ALL / 4, ALL / 2] {
        let mut client = connected_polling(server.address);
        join_polling(&mut client);
        members.push(thread::spawn(move || {
            let mut received = Vec::new();
            poll(&mut client, &mut received, upgrades_at);
            if received.len() < ALL {
                client.send_get();
                let mut socket = client.probe();
                let last = client.received();
                received
                    .extend(last.split('\x1e').filter(|packet| *packet != "6").map(str::to_string));
                socket.send("5");
                receive(&mut socket, &mut received);
            }
            received
        }));
    }
    members
}

/// Connects, joins and disconnects in one of many ways, again and again until the last broadcast.
fn come_and_go(server: &TestServer, done: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    let ways: [fn(std::net::SocketAddr); 5] = [
        |address| join(&mut connected(address)), // ends the connection only
        |address| {
            let mut client = connected(address);
            join(&mut client);
            client.send(r#"421["leave","crowd"]"#);
            while client.text() != "431[]" {}
            client.close();
        },
        |address| {
            let mut client = connected(address);
            join(&mut client);
            client.send("4malformed");
        },
        |address| {
            let mut client = connected_polling(address);
            client.post(r#"42["join","crowd"]"#);
            client.send_get();
            // Its GET may be held at the end, or have been answered.
        },
        |address| {
            let mut client = connected_polling(address);
            client.post(r#"42["join","crowd"]"#);
            client.upgrade().send("1");
        },
    ];
    let (address, done) = (server.address, done.clone());
    let threads = ways.map(|way| {
        let done = done.clone();
        thread::spawn(move || {
            while !done.load(Relaxed) {
                way(address);
            }
        })
    });
    threads.into()
}

#[test]
fn members_of_a_room_receive_all_broadcasts_in_one_order() {
    let server = server(|_| {});
    let members = members(&server);
    let done = Arc::new(AtomicBool::new(false));
    let come_and_go = come_and_go(&server, &done);
    let start = Arc::new(Barrier::new(EMITTERS));
    let emitters = (0..EMITTERS).map(|emitter| {
        let (room, start) = (server.io.to("crowd"), start.clone());
        thread::spawn(move || {
            start.wait();
            for n in 0..EVENTS {
                room.emit("n", [emitter.into(), n.into()]);
                thread::yield_now();
            }
        })
    });
    emitters.collect::<Vec<_>>().into_iter().for_each(|emitter| emitter.join().unwrap());
    let received: Vec<_> = members.into_iter().map(|thread| thread.join().unwrap()).collect();
    done.store(true, Relaxed);
    come_and_go.into_iter().for_each(|thread| thread.join().unwrap());

    for emitter in 0..EMITTERS {
        let of_one = format!(r#"42["n",{emitter},"#);
        let of_one: Vec<_> =
            received[0].iter().filter(|packet| packet.starts_with(&of_one)).collect();
        let expected: Vec<_> = (0..EVENTS).map(|n| format!(r#"42["n",{emitter},{n}]"#)).collect();
        assert_eq!(of_one, expected.iter().collect::<Vec<_>>());
    }
    for (n, other) in received.iter().enumerate() {
        assert!(received[0] == *other, "client {n} received another order than client 0");
    }
    server.io.disconnect_sockets(true);
    until(|| server.io.fetch_sockets().is_empty());
}

#[test]
fn disconnected_clients_leave_nothing_behind() {
    let witness = Arc::new(());
    let weak = Arc::downgrade(&witness);
    let server = server(move |socket| {
        // Listeners that hold the socket that holds them, and something else.
        for name in ["hello", "disconnecting", "disconnect"] {
            let held = (socket.clone(), witness.clone());
            socket.on(name, move |_| _ = &held);
        }
        let held = (socket.clone(), witness.clone());
        socket.on_any(move |_| _ = &held);
        let held = (socket.clone(), witness.clone());
        socket.emit_with_callback("acknowledge", [], move |_| _ = &held);
    });
    let held_by_the_server = weak.strong_count();
    let mut clients: Vec<_> = (0..6)
        .map(|n| {
            let mut client = connected(server.address);
            assert_eq!(client.text(), format!(r#"42{n}["acknowledge"]"#));
            client.send(["41", "1", "4malformed", "40", r#"42["hello"]"#, r#"42["hello"]"#][n]);
            client
        })
        .collect();
    let mut polling = Polling::open(server.address);
    polling.post("40");
    polling.send_get();
    assert!(polling.received().contains(r#"426["acknowledge"]"#));
    assert!(weak.strong_count() > held_by_the_server);
    clients[4].close();
    drop((clients, polling.upgrade(), polling));
    until(|| server.handle.sessions() == 0);
    until(|| server.io.fetch_sockets().is_empty());
    while server.sockets.try_recv().is_ok() {}
    until(|| weak.strong_count() == held_by_the_server);
    server.handle.close();
    server.thread.join().unwrap();
    drop(server.io);
    until(|| weak.upgrade().is_none());
}

#[cfg(target_os = "linux")]
mod alone {
    use std::fs;

    use sockets_by_hand::socketio::{Options, Server};

    use super::*;
    use crate::common::is_alone;

    #[test]
    fn sockets_that_are_kept_hold_no_descriptor() {
        if !is_alone() {
            return;
        }
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let server = server(|_| {});
        let before = descriptors();
        let mut clients: Vec<_> = (0..10).map(|_| connected(server.address)).collect();
        let mut polling: Vec<_> = (0..10).map(|_| connected_polling(server.address)).collect();
        let upgraded: Vec<_> = polling[..5].iter_mut().map(Polling::upgrade).collect();
        let kept: Vec<_> = (0..20).map(|_| server.sockets.recv().unwrap()).collect();
        assert!(descriptors() >= before + 2 * 20);
        clients.truncate(5);
        kept[1].disconnect(true);
        drop((clients, polling, upgraded));
        server.io.disconnect_sockets(true);
        until(|| descriptors() <= before);
        assert!(kept.iter().all(|socket| !socket.is_connected()));
    }

    #[test]
    fn a_closed_server_leaves_no_thread() {
        if !is_alone() {
            return;
        }
        let threads = || fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads() + 1; // the thread that writes to stderr stays
        let mut options = Options::default();
        // So long the last packets wait for a client that does not poll.
        options.engine.ping_timeout = Duration::from_millis(20);
        let server = Server::bind("127.0.0.1:0", options).unwrap();
        let (address, handle, io) = (server.address().unwrap(), server.handle(), server.io());
        let serving = thread::spawn(|| server.serve());
        let mut clients: Vec<_> = (0..5).map(|_| connected(address)).collect();
        let mut polling = connected_polling(address);
        polling.send_get();
        let silent = Polling::open(address);
        let mut refused = WebSocket::session(address);
        refused.send("40/nowhere");
        assert_eq!(refused.text(), r#"44/nowhere,{"message":"Invalid namespace"}"#);
        assert!(threads() > before + 8);
        clients[0].send("41");
        clients[1].send("4malformed");
        io.emit("bye", []);
        assert_eq!(polling.received(), r#"42["bye"]"#);
        drop((clients, polling, silent, refused));
        handle.close();
        serving.join().unwrap();
        until(|| threads() == before);
    }
}
