//! Servers that share their rooms over Redis: ours, and npm's with `@socket.io/redis-adapter`.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{env, fs, path::PathBuf, process, thread};

use sockets_by_hand::json;
use sockets_by_hand::redis::{Connection, Reply};
use sockets_by_hand::socketio::{
    Args, Client, ClientOptions, Event, Namespace, Options, Redis, RedisEmitter, Server, Socket,
    Value,
};

use super::node::{LIMIT, Peer};

/// A Redis server with an empty database, on a free port. It ends with the test.
pub struct RedisServer {
    pub child: Child,
    pub port: u16,
    folder: PathBuf,
}

impl RedisServer {
    pub fn start(more: &[&str]) -> RedisServer {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = env::temp_dir().join(format!("redis-{}-{port}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let server = RedisServer { child: RedisServer::run(port, &folder, more), port, folder };
        server.wait();
        server
    }

    fn run(port: u16, folder: &PathBuf, more: &[&str]) -> Child {
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder)
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("redis-server does not start: {e}"))
    }

    /// Waits until it listens.
    fn wait(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < LIMIT, "redis-server does not listen on port {}", self.port);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again, once it has ended.
    pub fn start_again(&mut self) {
        self.child = RedisServer::run(self.port, &self.folder, &[]);
        self.wait();
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// A server of ours, with the listeners of `cluster-host.js`. Returns its URL.
pub fn ours(redis: &str) -> String {
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    let io = server.io();
    for namespace in [io.of("/"), io.of("/news")] {
        namespace.on_connection(|socket| add_listeners(&socket));
        namespace.on_server_side("heard", |event| event.socket.local().emit("heard", &event.args));
        namespace.on_server_side("question", |event| {
            event.ack(event.args[0].as_f64().unwrap_or_default() + 1.0);
        });
    }
    io.adapter(Redis::new(redis).unwrap()).unwrap();
    thread::spawn(|| server.serve());
    url
}

fn names(value: &Value) -> Vec<String> {
    let names = value.as_array().unwrap_or_default().iter().filter_map(Value::as_str);
    names.map(String::from).collect()
}

fn add_listeners(socket: &Socket) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    socket.set_data(socket.handshake().auth.clone());
    socket.on("join", move |event| {
        event.socket.join(text(&event.args[0]));
        event.ack(());
    });
    socket.on("to", move |event| {
        let sockets = event.socket.namespace().to(names(&event.args[0]));
        let sockets = sockets.except(names(&event.args[1]));
        sockets.emit(&text(&event.args[2]), &event.args[3..]);
    });
    socket.on("others", move |event| {
        event.socket.broadcast().emit(&text(&event.args[0]), &event.args[1..]);
    });
    socket.on("local", move |event| {
        event.socket.namespace().local().emit(&text(&event.args[0]), &event.args[1..]);
    });
    let chosen = move |namespace: &Namespace, room: &Value| namespace.to(text(room));
    socket.on("sockets join", move |event| {
        chosen(event.socket.namespace(), &event.args[0]).sockets_join(text(&event.args[1]));
    });
    socket.on("sockets leave", move |event| {
        chosen(event.socket.namespace(), &event.args[0]).sockets_leave(text(&event.args[1]));
    });
    socket.on("disconnect sockets", move |event| {
        let close = event.args[1] == true;
        chosen(event.socket.namespace(), &event.args[0]).disconnect_sockets(close);
    });
    socket.on("fetch", move |event| {
        let sockets = chosen(event.socket.namespace(), &event.args[0]).cluster().fetch_sockets();
        let value = |socket: &sockets_by_hand::socketio::RemoteSocket| {
            let (id, handshake) = (&socket.id, socket.handshake.clone());
            json!({"id": id, "handshake": handshake, "rooms": &socket.rooms, "data": &socket.data})
        };
        event.ack(Value::Array(sockets.unwrap().iter().map(value).collect()));
    });
    socket.on("rooms", |event| {
        let rooms = event.socket.namespace().cluster().all_rooms().unwrap();
        event.ack(Value::Array(rooms.into_iter().map(Value::from).collect()));
    });
    socket.on("count", |event| {
        event.ack(event.socket.namespace().cluster().server_count().unwrap() as f64);
    });
    socket.on("ask", ask);
    socket.on("server side", |event| {
        event.socket.namespace().server_side_emit("heard", &event.args[0]);
    });
    socket.on("ask servers", |event| {
        let namespace = event.socket.namespace();
        event.ack(Value::Array(
            namespace.server_side_emit_with_ack("question", &event.args[0]).unwrap(),
        ));
    });
}

fn ask(event: &Event<Socket>) {
    let (room, time) = (event.args[0].as_str().unwrap_or_default(), event.args[1].as_u64());
    let sockets =
        event.socket.namespace().to(room).timeout(Duration::from_millis(time.unwrap_or(0)));
    let event = event.clone();
    sockets.emit_with_callback("question", 1, move |answers| {
        let list =
            |answers: &[Args]| Value::Array(answers.iter().map(|args| args[0].clone()).collect());
        match answers {
            Ok(answers) => event.ack((Value::Null, list(&answers))),
            Err(e) => event.ack((e.reason.to_string(), list(&e.answers))),
        }
    });
}

fn npms(redis: &str) -> (Peer, String) {
    let peer = Peer::node("cluster-host.js", &["127.0.0.1:0", redis]);
    let line = peer.line();
    let port = line.strip_prefix("Server listening on port ").expect(&line);
    let url = format!("http://127.0.0.1:{port}");
    (peer, url)
}

#[test]
#[ignore = "needs Redis, Node.js and npm's packages; .ci/run runs it"]
fn servers_of_ours_and_npms_share_their_rooms_as_npms_alone_do() {
    let redis = RedisServer::start(&[]);
    let npms_alone = [npms(&redis.url()), npms(&redis.url()), npms(&redis.url())];
    let urls = npms_alone.each_ref().map(|(_, url)| &**url);
    let expected = Peer::node("cluster.js", &urls).finish();
    drop(npms_alone);

    let redis = RedisServer::start(&[]);
    let (_peer, npms) = npms(&redis.url());
    let [one, two] = [ours(&redis.url()), ours(&redis.url())];
    for urls in [[&one, &two, &npms], [&npms, &one, &two]] {
        let observed = Peer::node("cluster.js", &urls.map(|url| &**url)).finish();
        assert_eq!(observed, expected);
    }
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn commands_are_answered_by_redis() {
    let server = RedisServer::start(&["--requirepass", "secret"]);
    assert!(Connection::open(&server.url()).is_ok(), "nothing is asked before the first command");
    let wrong = format!("redis://:wrong@127.0.0.1:{}", server.port);
    let error = Connection::open(&wrong).unwrap_err().to_string();
    assert!(error.starts_with("Redis refused: WRONGPASS"), "{error}");
    let mut redis =
        Connection::open(&format!("redis://:secret@127.0.0.1:{}/3", server.port)).unwrap();
    assert_eq!(redis.command(["SET", "user", "Ann"]).unwrap(), Reply::Simple("OK".to_string()));
    assert_eq!(redis.command(["GET", "user"]).unwrap(), Reply::Bulk(b"Ann".to_vec()));
    assert_eq!(redis.command(["GET", "nobody"]).unwrap(), Reply::Null);
    (0..1000).for_each(|_| redis.sender.send(["INCR", "n"]).unwrap());
    for n in 1..=1000 {
        assert_eq!(redis.receiver.reply().unwrap(), Reply::Integer(n));
    }
}

/// A client that reports what it hears.
pub fn listen(url: &str, events: &[&'static str]) -> (Client, Receiver<(String, Value)>) {
    let client = Client::new(url, ClientOptions::default()).unwrap();
    let (sender, heard) = mpsc::channel();
    for name in events.iter().copied() {
        let sender = sender.clone();
        client.on(name, move |event| _ = sender.send((name.to_string(), event.args[0].clone())));
    }
    let (connected, wait) = mpsc::channel();
    client.on("connect", move |_| _ = connected.send(()));
    client.open();
    wait.recv_timeout(LIMIT).expect("the client connects");
    (client, heard)
}

/// Emits events over `by`, until `heard` hears one of them.
pub fn until_heard(by: &Client, heard: &Receiver<(String, Value)>, name: &str) {
    let start = Instant::now();
    loop {
        by.emit("to", (json!([]), json!([]), name, 0));
        match heard.recv_timeout(Duration::from_millis(100)) {
            Ok((heard, _)) if heard == name => return,
            _ => assert!(start.elapsed() < LIMIT, "nobody hears {name}"),
        }
    }
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn while_redis_is_away_each_server_serves_its_own_clients() {
    let mut redis = RedisServer::start(&[]);
    let [one, two] = [ours(&redis.url()), ours(&redis.url())];
    let (ann, ann_hears) = listen(&one, &["own", "both", "again"]);
    let (bob, bob_hears) = listen(&two, &["own", "both", "again"]);
    until_heard(&ann, &bob_hears, "both");
    redis.child.kill().unwrap();
    redis.child.wait().unwrap();
    until_heard(&ann, &ann_hears, "own");
    until_heard(&bob, &bob_hears, "own");
    redis.start_again();
    until_heard(&ann, &bob_hears, "again");
    until_heard(&bob, &ann_hears, "again");
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn a_server_that_starts_without_redis_joins_the_others_later() {
    let mut redis = RedisServer::start(&[]);
    redis.child.kill().unwrap();
    redis.child.wait().unwrap();
    let [one, two] = [ours(&redis.url()), ours(&redis.url())];
    let (ann, ann_hears) = listen(&one, &["own"]);
    let (_bob, bob_hears) = listen(&two, &["both"]);
    until_heard(&ann, &ann_hears, "own");
    redis.start_again();
    until_heard(&ann, &bob_hears, "both");
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn no_client_waits_for_a_redis_that_is_stopped() {
    let redis = RedisServer::start(&[]);
    let [one, two] = [ours(&redis.url()), ours(&redis.url())];
    let (ann, ann_hears) = listen(&one, &["own"]);
    let (_bob, bob_hears) = listen(&two, &["both"]);
    let signal = |name: &str| {
        let pid = redis.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    // Much more than the buffers of the kernel and the outbox hold.
    let text = "x".repeat(100_000);
    for _ in 0..400 {
        ann.emit("to", (json!([]), json!([]), "filler", &*text));
    }
    until_heard(&ann, &ann_hears, "own");
    signal("-CONT");
    until_heard(&ann, &bob_hears, "both");
}

#[test]
#[ignore = "needs Redis, Node.js and npm's packages; .ci/run runs it"]
fn ten_thousand_events_of_three_servers_arrive_once_and_in_order() {
    const EACH: usize = 10_000;
    let redis = RedisServer::start(&[]);
    let (_peer, npms) = npms(&redis.url());
    let urls = [ours(&redis.url()), ours(&redis.url()), npms];
    let clients = urls.each_ref().map(|url| listen(url, &["0", "1", "2"]));
    // (Those of npm's server count from when it has subscribed, which it does not tell.)
    for (speaker, name) in clients.iter().zip(["0", "1", "2"]) {
        clients.iter().for_each(|(_, heard)| until_heard(&speaker.0, heard, name));
    }
    let speakers: Vec<_> = clients.iter().zip(["0", "1", "2"]).collect();
    thread::scope(|scope| {
        for ((speaker, _), name) in &speakers {
            scope.spawn(move || {
                for n in 1..=EACH {
                    speaker.emit("to", (json!([]), json!([]), *name, n as f64));
                }
            });
        }
    });
    for (_, heard) in &clients {
        let mut last = [0; 3];
        while last.iter().any(|last| *last < EACH) {
            let (name, value) = heard.recv_timeout(LIMIT).expect("all events arrive");
            let n = value.as_u64().unwrap() as usize;
            if n > 0 {
                let last = &mut last[name.parse::<usize>().unwrap()];
                assert_eq!(n, *last + 1, "of server {name}");
                *last = n;
            }
        }
    }
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn malformed_messages_from_redis_harm_nobody() {
    let redis = RedisServer::start(&[]);
    let [one, two] = [ours(&redis.url()), ours(&redis.url())];
    let (ann, _) = listen(&one, &["both"]);
    let (_bob, bob_hears) = listen(&two, &["both", "disconnect"]);
    let mut attacker = Connection::open(&redis.url()).unwrap();
    let packet = |event: Value| json!(["x", {"type": 2, "data": event, "nsp": "/"}, {"rooms": [], "except": []}]);
    let messages = [
        packet(json!(["disconnect", 1])),
        packet(json!([])),
        packet(json!([1])),
        packet(json!("text")),
        json!(["x", {"type": 2, "data": ["a"], "nsp": "/"}, {"rooms": 1, "except": []}]),
        json!(["x", null, null]),
        json!([]),
        json!({"type": 2}),
    ];
    let deep = [vec![0x91; 200], vec![0xc0]].concat();
    let huge = vec![0xdd, 0xff, 0xff, 0xff, 0xff];
    let mut all: Vec<Vec<u8>> = messages.iter().map(sockets_by_hand::msgpack::encode).collect();
    all.extend([
        deep,
        huge,
        vec![],
        vec![0xc1],
        b"{".to_vec(),
        b"{}".to_vec(),
        vec![0xff; 100_000],
    ]);
    for n in 0..10 {
        all.push(format!(r#"{{"type":{n},"requestId":"x","uid":"x"}}"#).into_bytes());
        all.push(
            format!(
                r#"{{"type":{n},"requestId":1,"opts":{{"rooms":{{}},"except":7}},"data":{{}}}}"#
            )
            .into_bytes(),
        );
    }
    for channel in [
        "socket.io#/#",
        "socket.io#/#a#",
        "socket.io-request#/#",
        "socket.io-response#/#",
        "socket.io#",
        "socket.io#x",
    ] {
        for message in &all {
            attacker.command([b"PUBLISH", channel.as_bytes(), message]).unwrap();
        }
    }
    until_heard(&ann, &bob_hears, "both");
}

#[test]
#[ignore = "needs Redis, Node.js and npm's packages; .ci/run runs it"]
fn an_emitter_reaches_the_clients_of_all_servers() {
    let redis = RedisServer::start(&[]);
    let (_peer, npms) = npms(&redis.url());
    let urls = [ours(&redis.url()), npms];
    let clients = urls.each_ref().map(|url| listen(url, &["hello", "joined", "disconnect"]));
    for (client, heard) in &clients {
        let (_, other) = clients.iter().find(|(other, _)| other.id() != client.id()).unwrap();
        until_heard(client, heard, "hello");
        until_heard(client, other, "hello");
    }
    let drain = || clients.iter().for_each(|(_, heard)| while heard.try_recv().is_ok() {});
    drain();
    let emitter = RedisEmitter::connect(&redis.url()).unwrap();
    emitter.sockets_join(["a", "b"]).unwrap();
    emitter.to("a").except("nobody").emit("joined", 1).unwrap();
    let wait = |name: &str| {
        for (_, heard) in &clients {
            while heard.recv_timeout(LIMIT).expect(name).0 != name {}
        }
    };
    wait("joined");
    Peer::node("emitter-redis.js", &[&redis.url()]).finish();
    wait("joined");
    emitter.to("b").disconnect_sockets(false).unwrap();
    wait("disconnect");
}
