//! Connection state recovery: our client and npm's, each against our server and npm's. All four
//! pairs must do the same, in the same order.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use sockets_by_hand::json;
use sockets_by_hand::socketio::client::{self, Client};
use sockets_by_hand::socketio::{Options, Recovery, Server, Socket, Value};

use super::common::next;
use super::node::Peer;

const TRANSPORTS: [&[&str]; 3] = [&["polling"], &["websocket"], &["polling", "websocket"]];

enum TestServer {
    Ours(String, Receiver<String>),
    Npms(String, Peer),
}

impl TestServer {
    fn both(recovery: &Recovery) -> [TestServer; 2] {
        [TestServer::ours(recovery.clone()), TestServer::npms(recovery)]
    }

    fn npms(recovery: &Recovery) -> TestServer {
        let options = json!({"connectionStateRecovery": {
            "maxDisconnectionDuration": recovery.max_disconnection_duration.as_millis() as u64,
            "skipMiddlewares": recovery.skip_middlewares,
        }});
        let peer = Peer::node("recovery.js", &["server", &options.to_string()]);
        TestServer::Npms(format!("http://127.0.0.1:{}", peer.line()), peer)
    }

    /// Serves until the tests end.
    fn ours(recovery: Recovery) -> TestServer {
        let options = Options { connection_state_recovery: Some(recovery), ..Options::default() };
        let server = Server::bind("127.0.0.1:0", options).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let (sender, lines) = mpsc::channel();
        let print = sender.clone();
        server.io().use_middleware(move |socket| {
            _ = print.send(format!("middleware: {}", socket.recovered()));
            Ok(())
        });
        server.io().on_connection(move |socket| add_listeners(&socket, sender.clone()));
        thread::spawn(|| server.serve());
        TestServer::Ours(url, lines)
    }

    fn url(&self) -> &str {
        match self {
            TestServer::Ours(url, _) | TestServer::Npms(url, _) => url,
        }
    }

    #[track_caller]
    fn assert_line(&self, expected: &str) {
        let line = match self {
            TestServer::Ours(_, lines) => next(lines),
            TestServer::Npms(_, peer) => peer.line(),
        };
        assert_eq!(line, expected);
    }
}

fn add_listeners(socket: &Socket, print: mpsc::Sender<String>) {
    let mut rooms = socket.rooms();
    rooms.retain(|room| room != socket.id());
    socket.emit("state", (socket.recovered(), rooms, socket.data()));
    socket.on("join", |event| {
        let socket = &event.socket;
        socket.join(event.args[0].as_str().unwrap());
        socket.set_data(event.args[1].clone());
        socket.timeout(Duration::from_secs(60)).emit_with_callback("question", (), |_| {});
        socket.emit("joined", ());
    });
    // It ends the connection with the reason `forced close`, as `conn.close()` does in Node.
    socket.on("close the connection", |_| panic!("a listener panics, as the test wants it"));
    socket.on("disconnect", move |event| {
        let (socket, io) = (&event.socket, event.socket.namespace());
        socket.emit("direct", 1);
        io.emit("all", b"2".to_vec());
        io.to("tea").emit("room", json!({"n": 3}));
        io.to("coffee").emit("another room", ());
        io.except("tea").emit("others", ());
        socket.to("tea").emit("others", ());
        io.volatile().emit("volatile", ());
        io.to("coffee").to("tea").emit("rooms", (4, "5"));
        _ = print.send(format!("disconnected: {}", event.args[0].as_str().unwrap()));
    });
}

enum TestClient {
    Ours(Client, Receiver<String>),
    Npms(Peer),
}

impl TestClient {
    fn npms(url: &str, transports: &[&'static str]) -> TestClient {
        TestClient::Npms(Peer::node("recovery.js", &["client", url, &transports.join(",")]))
    }

    fn ours(url: &str, transports: &[&'static str]) -> TestClient {
        let mut options = client::Options { reconnection: false, ..client::Options::default() };
        options.engine.transports = transports.to_vec();
        let client = Client::new(url, options).unwrap();
        let (sender, lines) = mpsc::channel();
        let (print, last_id) = (sender.clone(), Mutex::new(None));
        client.on("connect", move |event| {
            let id = event.socket.id();
            let is_same = last_id.lock().unwrap().replace(id.clone()) == Some(id);
            let (recovered, id) =
                (event.socket.recovered(), if is_same { "the same" } else { "new" });
            _ = print.send(format!("connected, recovered: {recovered} id: {id}"));
        });
        let print = sender.clone();
        client.on("disconnect", move |event| {
            _ = print.send(format!("disconnected: {}", event.args[0].as_str().unwrap()));
        });
        client.on_any(move |event| {
            let (args, last) = match &event.args[..] {
                args if event.wants_ack() => (args, "function"),
                [args @ .., Value::String(_)] => (args, "string"),
                args => (args, "wrong last argument"),
            };
            let args: String = args.iter().map(|value| format!(" {}", shown(value))).collect();
            _ = sender.send(format!("{}{args} (and a {last})", event.name));
        });
        client.open();
        TestClient::Ours(client, lines)
    }

    #[track_caller]
    fn assert_lines(&self, expected: &[&str]) {
        for expected in expected {
            let line = match self {
                TestClient::Ours(_, lines) => next(lines),
                TestClient::Npms(peer) => peer.line(),
            };
            assert_eq!(line, *expected);
        }
    }

    fn command(&mut self, command: &Value) {
        match self {
            TestClient::Npms(peer) => peer.say(&command.to_string()),
            TestClient::Ours(client, _) => match (command[0].as_str().unwrap(), &command[1]) {
                ("emit", Value::String(name)) => {
                    client.emit(name, &command.as_array().unwrap()[2..]);
                }
                ("auth", auth) => client.set_auth(auth.clone()),
                ("connect", _) => client.open(),
                (_, _) => client.disconnect(),
            },
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Binary(bytes) => format!("<{}>", String::from_utf8_lossy(bytes)),
        value => value.to_string(),
    }
}

const CONNECTED: [&str; 2] =
    ["connected, recovered: false id: new", "state false [] {} (and a string)"];
const RECOVERED: [&str; 6] = [
    "direct 1 (and a string)",
    "all <2> (and a string)",
    r#"room {"n":3} (and a string)"#,
    r#"rooms 4 "5" (and a string)"#,
    "connected, recovered: true id: the same",
    r#"state true ["tea"] {"name":"Ann"} (and a string)"#,
];

/// Connects, and joins a room.
#[track_caller]
fn connect_and_join(client: &mut TestClient, server: &TestServer) {
    client.assert_lines(&CONNECTED);
    server.assert_line("middleware: false");
    join(client);
}

#[track_caller]
fn join(client: &mut TestClient) {
    client.command(&json!(["emit", "join", "tea", {"name": "Ann"}]));
    client.assert_lines(&["question (and a function)", "joined (and a string)"]);
}

/// Loses the connection, and connects again once the server has noticed.
#[track_caller]
fn lose_and_connect(client: &mut TestClient, server: &TestServer) {
    client.command(&json!(["emit", "close the connection"]));
    client.assert_lines(&["disconnected: transport close"]);
    server.assert_line("disconnected: forced close");
    client.command(&json!(["connect"]));
}

/// Runs `test` for each server, each client, and all transports.
fn for_each_pair(recovery: &Recovery, test: impl Fn(&mut TestClient, &TestServer)) {
    for server in &TestServer::both(recovery) {
        for transports in TRANSPORTS {
            for start in [TestClient::npms, TestClient::ours] {
                let mut client = start(server.url(), transports);
                test(&mut client, server);
                client.command(&json!(["disconnect"]));
                client.assert_lines(&["disconnected: io client disconnect"]);
                server.assert_line("disconnected: client namespace disconnect");
            }
        }
    }
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn rooms_data_and_missed_events_come_back_in_order() {
    for_each_pair(&Recovery::default(), |client, server| {
        connect_and_join(client, server);
        for _ in 0..2 {
            lose_and_connect(client, server);
            client.assert_lines(&RECOVERED);
        }
    });
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn the_middleware_runs_for_a_recovered_client_if_it_is_not_to_be_skipped() {
    let recovery = Recovery { skip_middlewares: false, ..Recovery::default() };
    for_each_pair(&recovery, |client, server| {
        connect_and_join(client, server);
        lose_and_connect(client, server);
        client.assert_lines(&RECOVERED);
        server.assert_line("middleware: true");
    });
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn an_unknown_pid_or_offset_makes_a_new_client() {
    for_each_pair(&Recovery::default(), |client, server| {
        connect_and_join(client, server);
        for auth in [json!({"pid": "unknown"}), json!({"offset": "unknown"}), json!({"pid": 1})] {
            client.command(&json!(["auth", auth]));
            lose_and_connect(client, server);
            connect_and_join(client, server);
        }
        client.command(&json!(["auth", {}]));
        lose_and_connect(client, server);
        client.assert_lines(&RECOVERED);
    });
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn a_session_that_has_expired_makes_a_new_client() {
    let max_disconnection_duration = Duration::from_millis(1);
    let recovery = Recovery { max_disconnection_duration, ..Recovery::default() };
    for_each_pair(&recovery, |client, server| {
        connect_and_join(client, server);
        client.command(&json!(["emit", "close the connection"]));
        client.assert_lines(&["disconnected: transport close"]);
        server.assert_line("disconnected: forced close");
        thread::sleep(Duration::from_millis(20)); // until it has expired
        client.command(&json!(["connect"]));
        connect_and_join(client, server);
    });
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn a_client_that_left_is_a_new_client() {
    for_each_pair(&Recovery::default(), |client, server| {
        connect_and_join(client, server);
        client.command(&json!(["disconnect"]));
        client.assert_lines(&["disconnected: io client disconnect"]);
        server.assert_line("disconnected: client namespace disconnect");
        client.command(&json!(["connect"]));
        connect_and_join(client, server);
    });
}
