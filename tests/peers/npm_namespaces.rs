//! Namespaces that appear with their first client, the order of rooms and of their events, and the details of
//! `disconnect`: npm's client against our server and against npm's observes the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use sockets_by_hand::json;
use sockets_by_hand::socketio::{
    ConnectError, Event, Namespace, Options, ParentNamespace, Server, Socket, Value,
};

use super::node::Peer;

/// What has happened, with the names of the clients instead of their ids.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<Value>>,
    names: Mutex<HashMap<String, String>>,
}

impl Log {
    fn name(&self, id: &str) -> String {
        self.names.lock().unwrap().get(id).map_or(id, |name| name).to_string()
    }

    fn note(&self, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|word| self.name(word)).collect();
        self.lines.lock().unwrap().push(words.join(" ").trim().into());
    }

    fn keep_name(&self, socket: &Socket) -> Result<(), ConnectError> {
        let auth = socket.handshake().auth;
        let name = auth["name"].as_str().unwrap().to_string();
        self.names.lock().unwrap().insert(socket.id().to_string(), name);
        if auth["refuse"] == true { Err("refused".into()) } else { Ok(()) }
    }
}

fn watch(namespace: &Namespace, log: &Arc<Log>) {
    for name in ["create-room", "join-room", "leave-room", "delete-room"] {
        let (log, namespace_name) = (log.clone(), namespace.name().to_string());
        namespace.room_events().on(name, move |event| {
            log.note(&[name, &namespace_name, &event.room, event.id.as_deref().unwrap_or("")]);
        });
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        list => list.as_array().unwrap().iter().filter_map(Value::as_str).collect(),
    }
}

fn add_listeners(socket: &Socket, log: &Arc<Log>, parent: &ParentNamespace) {
    log.note(&["connected", socket.namespace().name(), socket.id()]);
    let on = |name: &str, listener: fn(&Event<Socket>, &Log, &ParentNamespace)| {
        let (log, parent) = (log.clone(), parent.clone());
        socket.on(name, move |event| listener(event, &log, &parent));
    };
    on("join", |event, _, _| {
        event.socket.join(texts(&event.args[0]));
        event.ack(());
    });
    on("leave", |event, _, _| {
        event.socket.leave(texts(&event.args[0]));
        event.ack(());
    });
    on("rooms", |event, log, _| {
        let rooms: Vec<Value> =
            event.socket.rooms().iter().map(|room| log.name(room).into()).collect();
        event.ack([Value::Array(rooms)]);
    });
    on("who", |event, log, _| {
        let nsp = event.socket.namespace();
        let sockets = nsp.to(texts(&event.args[0])).except(texts(&event.args[1])).fetch_sockets();
        let names = sockets.iter().map(|socket| log.name(socket.id()).into()).collect();
        event.ack([Value::Array(names)]);
    });
    on("all rooms", |event, log, _| {
        let mut rooms = event.socket.namespace().all_rooms();
        rooms.retain(|room, _| log.name(room) == *room);
        let names = |ids: &Vec<String>| -> Vec<Value> {
            ids.iter().map(|id| log.name(id).into()).collect()
        };
        let rooms = rooms.iter().map(|(room, ids)| json!([room.clone(), names(ids)])).collect();
        event.ack([Value::Array(rooms)]);
    });
    on("find", |event, log, _| {
        let sockets = event.socket.namespace().sockets();
        let found = sockets.iter().find(|socket| event.args[0] == log.name(socket.id()).as_str());
        let found = found.and_then(|socket| socket.namespace().socket(socket.id()));
        event.ack((found.is_some(), sockets.len()));
    });
    on("tell all children", |event, _, parent| parent.emit("told", &event.args));
    on("children", |event, _, parent| {
        let names = parent.children().iter().map(|child| child.name().into()).collect();
        event.ack([Value::Array(names)]);
    });
    on("move", |event, _, _| {
        let (nsp, [from, to]) = (event.socket.namespace(), [0, 1].map(|i| texts(&event.args[i])));
        nsp.r#in(&from).sockets_join(&to);
        nsp.r#in(&to).sockets_leave(&from);
        event.ack(());
    });
    on("disconnect them", |event, _, _| {
        let nsp = event.socket.namespace();
        nsp.to(texts(&event.args[0])).disconnect_sockets(event.args[1] == true);
    });
    on("log", |event, log, _| event.ack([Value::Array(log.lines.lock().unwrap().split_off(0))]));
    for name in ["disconnecting", "disconnect"] {
        on(name, |event, log, _| {
            let (socket, args) = (&event.socket, &event.args);
            let rooms = format!("({} rooms)", socket.rooms().len());
            let [reason, details] =
                [&args[0], &args[1]["message"]].map(|v| v.as_str().unwrap_or(""));
            let namespace = socket.namespace().name();
            log.note(&[&event.name, namespace, socket.id(), &rooms, reason, details]);
        });
    }
}

/// Starts our server with the listeners of `sio-namespaces.js`, and returns its port.
fn ours(options: Options) -> String {
    let server = Server::bind("127.0.0.1:0", options).unwrap();
    let (io, log) = (server.io(), Arc::new(Log::default()));
    let parent =
        io.of_matching(|name, auth| name.starts_with("/room-") && auth["token"] != "wrong");
    let log_of_new = log.clone();
    io.on_new_namespace(move |namespace| {
        log_of_new.note(&["new", namespace.name()]);
        watch(&namespace, &log_of_new);
    });
    watch(&io, &log);
    let [keeps, keeps_too] = [log.clone(), log.clone()];
    io.use_middleware(move |socket| keeps.keep_name(&socket));
    parent.use_middleware(move |socket| keeps_too.keep_name(&socket));
    let (of_main, of_child) = ((log.clone(), parent.clone()), (log, parent.clone()));
    io.on_connection(move |socket| add_listeners(&socket, &of_main.0, &of_main.1));
    parent.on_connection(move |socket| add_listeners(&socket, &of_child.0, &of_child.1));
    let port = server.address().unwrap().port().to_string();
    thread::spawn(|| server.serve());
    port
}

/// Asserts that a client that does this observes the same with both servers.
#[track_caller]
fn alike(cleanup: bool, transports: &str, what: &str) -> Vec<String> {
    let options = json!({"cleanupEmptyChildNamespaces": cleanup}).to_string();
    let npms = Peer::node("sio-namespaces.js", &[&options]);
    let [ours, npms] = [
        ours(Options { cleanup_empty_child_namespaces: cleanup, ..Options::default() }),
        npms.line(),
    ]
    .map(|port| {
        let url = format!("http://127.0.0.1:{port}");
        let seen =
            Peer::node("sio-client.js", &[&url, "socket.io-client", transports, what]).finish();
        assert_eq!(seen.last().unwrap(), "done");
        assert!(!seen.iter().any(|line| line.starts_with("error:")), "{seen:?}");
        seen
    });
    assert_eq!(ours, npms, "{what} over {transports}");
    ours
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn children_appear_and_go_as_with_npms_server() {
    for transports in ["polling", "websocket"] {
        for cleanup in [false, true] {
            let seen = alike(cleanup, transports, "dynamic namespaces");
            assert!(seen.iter().any(|line| line.contains("told")), "{seen:?}");
        }
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn rooms_are_in_order_and_emit_their_events_as_with_npms_server() {
    for transports in ["polling", "websocket"] {
        let seen = alike(false, transports, "room events");
        assert!(seen.iter().any(|line| line.contains("delete-room")), "{seen:?}");
    }
}

#[test]
#[ignore = "needs npm socket.io-client; .ci/run runs it"]
fn disconnect_has_the_details_of_npms_server() {
    let seen = alike(false, "polling", "transport errors");
    assert!(seen.iter().any(|line| line.contains("overlap from client")), "{seen:?}");
}
