//! The Redis adapter beside a Redis of a few lines, which does what Redis itself cannot be asked for: it
//! refuses, stops reading, and sends anything. The tests with Redis itself are in `tests/peers/`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::{array, str, thread};

#[cfg(target_os = "linux")]
use crate::common::status;
use crate::common::{Connection, LIMIT, Polling, next, until};
use sockets_by_hand::redis::Reply;
use sockets_by_hand::socketio::{
    Client, ClientOptions, Options, Redis, RedisEmitter, Server, Value,
};
use sockets_by_hand::{json, msgpack};

/// A Redis that knows the commands of the adapter. A clone is the same one.
#[derive(Clone)]
struct FakeRedis(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    /// How many passwords are still refused.
    refused: AtomicUsize,
    /// How many servers are said to have subscribed.
    servers: AtomicUsize,
    /// Whether no command is read.
    stopped: Mutex<bool>,
    changed: Condvar,
    subscribers: Mutex<Vec<TcpStream>>,
    /// What a new subscriber receives at once.
    first: Mutex<Vec<u8>>,
    /// How many subscribers there have been.
    subscriptions: AtomicUsize,
    /// The channels and the messages that were published.
    published: Mutex<Vec<(String, Vec<u8>)>>,
}

impl FakeRedis {
    fn start() -> FakeRedis {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let redis = FakeRedis(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            refused: AtomicUsize::new(0),
            servers: AtomicUsize::new(1),
            stopped: Mutex::new(false),
            changed: Condvar::new(),
            subscribers: Mutex::default(),
            first: Mutex::default(),
            subscriptions: AtomicUsize::new(0),
            published: Mutex::default(),
        }));
        let serving = redis.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let redis = serving.clone();
                thread::spawn(move || redis.serve(stream.unwrap()));
            }
        });
        redis
    }

    fn url(&self) -> String {
        format!("redis://:secret@{}", self.0.address)
    }

    fn stop(&self, stopped: bool) {
        *self.0.stopped.lock().unwrap() = stopped;
        self.0.changed.notify_all();
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut silent, mut subscribed) = (false, false);
        loop {
            drop(self.0.changed.wait_while(self.0.stopped.lock().unwrap(), |stopped| *stopped));
            let Ok(Reply::Array(parts)) = Reply::read(&mut reader, 64 << 20) else { return };
            let parts: Vec<Vec<u8>> = parts.into_iter().map(bulk).collect();
            let word = |n: usize| String::from_utf8(parts[n].clone()).unwrap();
            let refuses = || self.0.refused.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1));
            let reply = match &*word(0) {
                "AUTH" if refuses().is_ok() => "-WRONGPASS invalid username-password pair\r\n",
                "AUTH" => "+OK\r\n",
                "PING" if subscribed => "*2\r\n$4\r\npong\r\n$0\r\n\r\n",
                "PING" => "+PONG\r\n",
                "SUBSCRIBE" | "PSUBSCRIBE" if subscribed => "",
                "SUBSCRIBE" | "PSUBSCRIBE" => {
                    subscribed = true;
                    stream.write_all(&self.0.first.lock().unwrap()).unwrap();
                    self.0.subscribers.lock().unwrap().push(stream.try_clone().unwrap());
                    self.0.subscriptions.fetch_add(1, SeqCst);
                    ""
                }
                "PUBLISH" => {
                    self.0.published.lock().unwrap().push((word(1), parts[2].clone()));
                    ":1\r\n"
                }
                "CLIENT" => {
                    silent = true;
                    ""
                }
                "PUBSUB" => {
                    let count = self.0.servers.load(SeqCst);
                    _ = write!(stream, "*2\r\n$1\r\na\r\n:{count}\r\n");
                    ""
                }
                other => panic!("{other}"),
            };
            if !silent && stream.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// Sends these bytes to all who have subscribed.
    fn send(&self, bytes: &[u8]) {
        let mut subscribers = self.0.subscribers.lock().unwrap();
        subscribers.iter_mut().for_each(|subscriber| _ = subscriber.write_all(bytes));
    }

    /// Sends a message to all who have subscribed.
    fn publish(&self, channel: &str, message: &[u8]) {
        self.send(&pushed(channel, message));
    }

    /// Sends the event of another server to everybody.
    fn broadcast(&self, name: &str) {
        self.send(&broadcast(name));
    }

    /// How many messages were published on a channel.
    fn published(&self, channel: &str) -> usize {
        let published = self.0.published.lock().unwrap();
        published.iter().filter(|(other, _)| other == channel).count()
    }
}

/// What a subscriber receives.
fn pushed(channel: &str, message: &[u8]) -> Vec<u8> {
    let parts = [b"message", channel.as_bytes(), message];
    let mut bytes = Vec::new();
    Reply::Array(parts.map(|part| Reply::Bulk(part.to_vec())).into()).write(&mut bytes);
    bytes
}

/// The event of another server to everybody.
fn broadcast(name: &str) -> Vec<u8> {
    pushed("socket.io#/#", &msgpack::encode(&packet(json!([name, 1]))))
}

fn bulk(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Bulk(bulk) => bulk,
        other => panic!("{other:?}"),
    }
}

/// What another server publishes.
fn packet(event: Value) -> Value {
    json!(["other", {"type": 2, "data": event, "nsp": "/"}, {"rooms": [], "except": []}])
}

/// The program `socketio-server`, with the lines that it writes to stderr.
struct Program {
    child: Child,
    url: String,
    lines: Receiver<String>,
}

impl Program {
    fn start(redis: &str) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_socketio-server"));
        command.args(["127.0.0.1:0", redis]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| _ = sender.send(line));
        });
        let line = stdout.next().unwrap();
        thread::spawn(move || stdout.for_each(drop));
        let port = line.strip_prefix("Server listening on port ").expect(&line);
        Program { child, url: format!("http://127.0.0.1:{port}"), lines }
    }

    /// The most memory that it has had, in KiB.
    #[cfg(target_os = "linux")]
    fn memory(&self) -> usize {
        status(self.child.id(), "VmHWM:").unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A client, and the names of the events that it receives.
fn client(url: &str) -> (Client, Receiver<String>) {
    let client = Client::new(url, ClientOptions::default()).unwrap();
    let (sender, names) = mpsc::channel();
    client.on_any(move |event| _ = sender.send(event.name.clone()));
    let (connected, wait) = mpsc::channel();
    client.on("connect", move |_| _ = connected.send(()));
    client.open();
    next(&wait);
    (client, names)
}

/// Emits events until all are received, which the server answers after it has published them.
fn say(client: &Client, times: usize, bytes: &[u8]) {
    for _ in 0..times {
        client.emit("say", Value::Binary(bytes.to_vec()));
        client.timeout(LIMIT).emit_with_ack("echo", ()).unwrap();
    }
}

#[test]
fn what_redis_does_not_take_is_counted_and_nobody_waits() {
    let redis = FakeRedis::start();
    let server = Program::start(&redis.url());
    let (client, _) = client(&server.url);
    redis.stop(true);
    // Much more than the buffers of the kernel and the outbox hold.
    say(&client, 60, &[0; 400_000]);
    assert!(next(&server.lines).starts_with("Redis takes messages too slowly"));
    #[cfg(target_os = "linux")]
    assert!(server.memory() < 100_000, "{} KiB", server.memory());
    redis.stop(false);
    let mut said = 60;
    let line = loop {
        say(&client, 1, &[]);
        said += 1;
        match server.lines.try_recv() {
            Ok(line) => break line,
            Err(_) => assert!(said < 1_000_000),
        }
    };
    let lost = line.strip_prefix("Redis takes all messages again; ").expect(&line);
    let lost: usize = lost.strip_suffix(" were not published").unwrap().parse().unwrap();
    assert!(lost > 10, "{line}");
    until(|| redis.published("socket.io#/#") == said - lost);
}

#[test]
fn a_wrong_password_is_reported_once() {
    let redis = FakeRedis::start();
    redis.0.refused.store(2, SeqCst);
    let server = Program::start(&redis.url());
    let (_client, names) = client(&server.url);
    until(|| redis.0.subscriptions.load(SeqCst) > 0);
    redis.broadcast("done");
    assert_eq!(next(&names), "done");
    let line = "Redis refused: WRONGPASS invalid username-password pair; trying again";
    assert_eq!(next(&server.lines), line);
    assert_eq!(next(&server.lines), "connected to Redis again; 0 messages were not published");
    assert!(server.lines.try_recv().is_err());
}

/// A server of ours, and a client of it that has connected.
fn server(redis: &FakeRedis) -> (Client, Receiver<String>) {
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    server.io().adapter(Redis::new(&redis.url()).unwrap()).unwrap();
    thread::spawn(|| server.serve());
    client(&url)
}

#[test]
fn the_flags_of_an_emitter_are_published() {
    let redis = FakeRedis::start();
    let emitter = RedisEmitter::connect(&redis.url()).unwrap();
    emitter.emit("a", ()).unwrap();
    emitter.volatile().emit("b", ()).unwrap();
    emitter.volatile().compress(false).emit("c", ()).unwrap();
    emitter.compress(false).compress(true).emit("d", ()).unwrap();
    let published = redis.0.published.lock().unwrap();
    let flags = published
        .iter()
        .map(|(_, message)| msgpack::decode(message).unwrap()[2]["flags"].to_string());
    let expected = ["{}", r#"{"volatile":true}"#, r#"{"volatile":true,"compress":false}"#, "{}"];
    assert_eq!(flags.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_not_resp_ends_the_connection_and_a_new_one_begins() {
    let all: [&[u8]; 7] = [
        b"$536870912\r\n",
        b"*3\r\n$7\r\nmessage\r\n$13\r\nsocket.io#/#\r\n$536870912\r\n",
        b"$99999999999999999999\r\n",
        b"garbage\r\n",
        b"\r\n",
        b"-ERR no\r\n",
        &b"*1\r\n".repeat(1000),
    ];
    thread::scope(|scope| {
        for bytes in all {
            scope.spawn(move || {
                let redis = FakeRedis::start();
                let (_client, names) = server(&redis);
                redis.send(bytes);
                until(|| redis.0.subscriptions.load(SeqCst) == 2);
                redis.broadcast("done");
                assert_eq!(next(&names), "done");
            });
        }
    });
}

#[test]
fn a_message_before_the_answer_to_the_first_ping_is_received() {
    let redis = FakeRedis::start();
    let (_client, names) = server(&redis);
    *redis.0.first.lock().unwrap() = broadcast("at once");
    redis.send(b"garbage\r\n"); // so that it connects again
    assert_eq!(next(&names), "at once");
}

#[test]
fn replies_that_are_no_messages_are_ignored() {
    let redis = FakeRedis::start();
    let (_client, names) = server(&redis);
    let others = [
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "$2\r\nab\r\n",
        "*1\r\n*1\r\n*0\r\n",
        "*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\na\r\n",
        "*3\r\n$7\r\nmessage\r\n$12\r\nsocket.io#/#\r\n$-1\r\n",
        "*4\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
        "*3\r\n$7\r\nmessage\r\n$2\r\n\u{7}\u{8}\r\n$0\r\n\r\n",
    ];
    others.iter().for_each(|other| redis.send(other.as_bytes()));
    redis.broadcast("done");
    assert_eq!(next(&names), "done");
    assert_eq!(redis.0.subscriptions.load(SeqCst), 1);
}

/// Messages of others that are no events, or no events for the namespace `/`.
fn no_events() -> Vec<Vec<u8>> {
    let reserved = ["connect", "connect_error", "disconnect", "disconnecting"];
    let mut values: Vec<Value> = reserved
        .iter()
        .chain(&["newListener", "removeListener"])
        .map(|name| packet(json!([*name, 1])))
        .collect();
    let options = json!({"rooms": [], "except": []});
    let with = |packet: Value, options: &Value| json!(["other", packet, options.clone()]);
    let data = json!(["event", 1]);
    values.extend([
        packet(json!([])),
        packet(json!([1])),
        packet(json!([null])),
        packet(json!("event")),
        packet(json!({"0": "event"})),
        packet(Value::Null),
        with(json!({"type": 2, "data": data.clone(), "nsp": "/other"}), &options),
        with(json!(["event"]), &options),
        with(Value::Null, &options),
        with(json!({"data": data.clone()}), &Value::Null),
        with(json!({"data": data.clone()}), &json!([])),
        with(json!({"data": data.clone()}), &json!({"rooms": "a"})),
        with(json!({"data": data.clone()}), &json!({"rooms": [null]})),
        with(json!({"data": data.clone()}), &json!({"rooms": [], "except": 7})),
        json!([1, {"data": data.clone()}, options.clone()]),
        json!(["other", {"data": data}]),
        json!([]),
        json!({"type": 2}),
        json!("event"),
    ]);
    let mut all: Vec<Vec<u8>> = values.iter().map(msgpack::encode).collect();
    all.extend(values.iter().map(|value| value.to_string().into_bytes()));
    let cut = msgpack::encode(&packet(json!(["event", 1])));
    all.extend((0..cut.len()).map(|len| cut[..len].to_vec()));
    all.push([&cut[..], b"\0"].concat());
    all.push([vec![0x91; 200], vec![0xc0]].concat()); // arrays within each other
    all.push(vec![0xdd, 0xff, 0xff, 0xff, 0xff]); // an array of four thousand million items
    all.push(vec![0xc6, 0x20, 0, 0, 0]); // 512 MB of bytes
    all
}

#[test]
fn messages_that_are_no_events_reach_no_client() {
    let redis = FakeRedis::start();
    let server = Program::start(&redis.url());
    let (client, names) = client(&server.url);
    let channels = [
        "socket.io#/#",
        "socket.io-request#/#",
        "socket.io-response#/#",
        "socket.io-response#/#x#",
    ];
    for message in no_events() {
        channels.iter().for_each(|channel| redis.publish(channel, &message));
    }
    let event = msgpack::encode(&packet(json!(["event", 1])));
    for channel in ["socket.io#/other#", "socket.io#/#room#", "socket.io#", "socket.io##", "", "#"]
    {
        redis.publish(channel, &event);
    }
    redis.broadcast("done");
    assert_eq!(next(&names), "done");
    assert!(client.is_connected());
    assert!(next(&server.lines).starts_with("a malformed message came from Redis"));
    assert!(server.lines.try_recv().is_err(), "it is said once");
}

/// A request of every type with fields of every wrong type.
fn wrong_requests() -> impl Iterator<Item = Vec<u8>> {
    let wrong: [Value; 8] = [
        Value::Null,
        json!(-1.5),
        json!("text"),
        json!([]),
        json!([[1]]),
        json!({}),
        json!({"rooms": {}, "except": 7}),
        json!([null, {"a": 1}]),
    ];
    (0..11).flat_map(move |kind| {
        let wrong: [Value; 8] = array::from_fn(|n| wrong[n].clone());
        wrong.into_iter().map(move |value| {
            let fields =
                ["uid", "requestId", "rooms", "room", "sid", "opts", "data", "packet", "close"];
            let fields = fields.map(|name| (name, value.clone()));
            let mut request: Value = fields.into_iter().collect();
            request["type"] = (kind as f64).into();
            request.to_string().into_bytes()
        })
    })
}

#[test]
fn requests_with_fields_of_wrong_types_change_nothing() {
    let redis = FakeRedis::start();
    let (client, names) = server(&redis);
    for request in wrong_requests() {
        redis.publish("socket.io-request#/#", &request);
        redis.publish("socket.io-response#/#", &request);
    }
    redis.broadcast("done");
    assert_eq!(next(&names), "done");
    assert!(client.is_connected());
}

#[test]
fn a_storm_of_requests_takes_bounded_memory() {
    let redis = FakeRedis::start();
    let server = Program::start(&redis.url());
    let (_client, names) = client(&server.url);
    redis.stop(true); // nobody reads what is answered
    let everyone = json!({"rooms": [], "except": [], "flags": {"timeout": 1e15}});
    for n in 0..6000 {
        let (kind, id) = ([0, 1, 5][n % 3], n.to_string());
        let request =
            json!({"type": kind as f64, "requestId": id, "uid": "other", "opts": everyone.clone()});
        redis.publish("socket.io-request#/#", request.to_string().as_bytes());
    }
    redis.broadcast("done");
    assert_eq!(next(&names), "done");
    #[cfg(target_os = "linux")]
    assert!(server.memory() < 100_000, "{} KiB", server.memory());
}

#[test]
fn a_server_awaits_a_limited_number_of_acknowledgements_for_others() {
    let redis = FakeRedis::start();
    let server = Program::start(&redis.url());
    // None fetches what it is sent.
    let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut clients: Vec<_> = (0..100).map(|_| Polling::open(address)).collect();
    for client in &mut clients {
        client.post("40");
        assert!(client.poll().starts_with(r#"40{"sid":""#));
    }
    let request = |id: &str| {
        let data = json!({"type": 2, "data": ["question"], "nsp": "/"});
        let options = json!({"rooms": [], "except": [], "flags": {"timeout": 1e15}});
        let fields =
            json!({"type": 7, "requestId": id, "uid": "other", "packet": data, "opts": options});
        redis.publish("socket.io-request#/#", &msgpack::encode(&fields));
    };
    (0..1001).for_each(|n| request(&n.to_string()));
    assert!(next(&server.lines).starts_with("other servers await too many acknowledgements"));
    let received = Connection::open(address).get(&clients[0].target());
    assert_eq!(received.body.matches("question").count(), 1000);
}
