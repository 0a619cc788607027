//! What two servers do while Redis is away, stopped, paused, full, or reached over a slow link. The tests
//! with a Redis that breaks the protocol are in `tests/adapter.rs`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use std::{array, thread};

use sockets_by_hand::json;
use sockets_by_hand::redis::{Connection, Error, Reply};
use sockets_by_hand::socketio::{AckError, Client, Options, Redis, RequestError, Server, Value};

use super::node::LIMIT;
use super::redis::{RedisServer, listen, ours, until_heard};

/// A client that emits numbered events to all clients of both servers, one after the other.
struct Speaker {
    name: &'static str,
    client: Client,
    /// The number of the last event.
    sent: AtomicU64,
    /// Whether it has heard all that it waits for.
    done: AtomicBool,
}

/// Whether the trouble is over, and the number that each had sent then.
#[derive(Default)]
struct Over {
    over: AtomicBool,
    sent: [AtomicU64; 2],
}

impl Speaker {
    /// Emits the next event when the client has received the one before. (So its server serves its own
    /// clients all the time.) Ends when both hear each other again.
    fn speak(&self, heard: Receiver<(String, Value)>, other: &Speaker, size: usize, over: &Over) {
        let sent_by_other = &over.sent[other.name.parse::<usize>().unwrap()];
        let text = "x".repeat(size);
        let mut last_of_other = 0;
        while !(self.done.load(SeqCst) && other.done.load(SeqCst)) {
            let n = self.sent.fetch_add(1, SeqCst) + 1;
            self.client.emit("to", (json!([]), json!([]), self.name, json!([n as f64, &*text])));
            loop {
                let (name, value) = heard.recv_timeout(LIMIT).expect("the next event");
                let number = value[0].as_u64().unwrap();
                if name == self.name {
                    assert_eq!(number, n, "each of its own server, in order");
                    break;
                }
                assert!(number > last_of_other, "{number} after {last_of_other}");
                last_of_other = number;
            }
            if over.over.load(SeqCst) && last_of_other > sent_by_other.load(SeqCst) {
                self.done.store(true, SeqCst);
            }
        }
    }
}

/// Lets the clients of two servers speak all the time, with texts of this size, while there is trouble.
/// Each must receive all events of its own server, those of the other in order and once, and all of them
/// again when the trouble is over.
fn under_load(urls: [&str; 2], size: usize, trouble: impl FnOnce()) {
    let [(zero, zero_hears), (one, one_hears)] = array::from_fn(|n| {
        let (client, heard) = listen(&ours(urls[n]), &["0", "1"]);
        let (sent, done) = (AtomicU64::new(0), AtomicBool::new(false));
        (Speaker { name: ["0", "1"][n], client, sent, done }, heard)
    });
    let over = Over::default();
    thread::scope(|scope| {
        scope.spawn(|| zero.speak(zero_hears, &one, size, &over));
        scope.spawn(|| one.speak(one_hears, &zero, size, &over));
        let speakers = [&zero, &one];
        let many = |speaker: &Speaker, more: u64| {
            let (start, before) = (Instant::now(), speaker.sent.load(SeqCst));
            while speaker.sent.load(SeqCst) < before + more {
                assert!(start.elapsed() < LIMIT, "nothing is said");
                thread::yield_now();
            }
        };
        speakers.iter().for_each(|speaker| many(speaker, 100));
        trouble();
        for (speaker, sent) in speakers.into_iter().zip(&over.sent) {
            many(speaker, 100);
            sent.store(speaker.sent.load(SeqCst), SeqCst);
        }
        over.over.store(true, SeqCst);
    });
}

fn signal(redis: &RedisServer, name: &str) {
    let pid = redis.child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// Time in which something may happen that must not.
fn a_while() {
    thread::sleep(Duration::from_secs(1));
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn redis_is_killed_and_started_again_under_load() {
    let mut redis = RedisServer::start(&[]);
    let url = redis.url();
    under_load([&url, &url], 10, || {
        redis.child.kill().unwrap();
        redis.child.wait().unwrap();
        a_while();
        redis.start_again();
    });
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn redis_is_stopped_and_continued_under_load() {
    let redis = RedisServer::start(&[]);
    let url = redis.url();
    under_load([&url, &url], 10_000, || {
        signal(&redis, "-STOP");
        a_while();
        signal(&redis, "-CONT");
    });
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn redis_is_paused_under_load() {
    let redis = RedisServer::start(&[]);
    let url = redis.url();
    under_load([&url, &url], 100, || {
        let mut control = Connection::open(&redis.url()).unwrap();
        control.command(["CLIENT", "PAUSE", "1000", "ALL"]).unwrap();
        control.command(["PING"]).unwrap(); // is answered when the pause is over
    });
}

/// What stands between a server and Redis, and passes on about 100 KB/s while it is slow.
fn slow_link(redis: &RedisServer, slow: &Arc<AtomicBool>) -> String {
    fn pass(mut from: TcpStream, mut to: TcpStream, slow: &AtomicBool) {
        let mut bytes = [0; 1000];
        while let Ok(1..=1000) = from.peek(&mut bytes[..1]) {
            let len = from.read(&mut bytes).unwrap();
            if slow.load(SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            if to.write_all(&bytes[..len]).is_err() {
                return;
            }
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let (port, slow) = (redis.port, slow.clone());
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let Ok(redis) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            for (from, to) in [(&client, &redis), (&redis, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let slow = slow.clone();
                thread::spawn(move || pass(from, to, &slow));
            }
        }
    });
    url
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn the_link_to_redis_is_slow_under_load() {
    let redis = RedisServer::start(&[]);
    let slow = Arc::new(AtomicBool::new(false));
    let link = slow_link(&redis, &slow);
    under_load([&link, &redis.url()], 1000, || {
        slow.store(true, SeqCst);
        a_while();
        slow.store(false, SeqCst);
    });
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn redis_whose_memory_is_full_passes_all_messages_on() {
    let redis = RedisServer::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let url = redis.url();
    let mut control = Connection::open(&url).unwrap();
    under_load([&url, &url], 100, || {
        let refused = (0..100).find_map(|n| {
            control.command([&b"SET"[..], n.to_string().as_bytes(), &[0; 100_000]]).err()
        });
        let Some(Error::Refused(message)) = refused else { panic!("{refused:?}") };
        assert!(message.starts_with("OOM"), "{message}");
    });
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn a_server_with_a_wrong_password_joins_the_others_once_it_is_right() {
    let redis = RedisServer::start(&["--requirepass", "right"]);
    let right = redis.url().replace("://", "://:right@");
    let mut control = Connection::open(&right).unwrap();
    let one = ours(&redis.url().replace("://", "://:later@"));
    let (ann, ann_hears) = listen(&one, &["own"]);
    until_heard(&ann, &ann_hears, "own");
    let two = ours(&right);
    let (_bob, bob_hears) = listen(&two, &["both"]);
    control.command(["CONFIG", "SET", "requirepass", "later"]).unwrap();
    until_heard(&ann, &bob_hears, "both");
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn nobody_waits_longer_than_5_s_for_a_server_that_has_died() {
    let redis = RedisServer::start(&[]);
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let url = format!("http://{}", server.address().unwrap());
    let io = server.io().clone();
    io.adapter(Redis::new(&redis.url()).unwrap()).unwrap();
    thread::spawn(|| server.serve());
    let (client, _) = listen(&url, &[]);
    client.on("question", |event| event.ack(1));
    // A machine that has lost its network: Redis counts it still, and it answers nothing.
    let mut dead = Connection::open(&redis.url()).unwrap();
    dead.command(["SUBSCRIBE", "socket.io-request#/#"]).unwrap();
    let timed_out = |result: Result<Vec<Value>, RequestError>, own: usize| match result {
        Err(RequestError::Timeout { answers, missing }) => {
            assert_eq!((answers.len(), missing), (own, 1));
        }
        other => panic!("{other:?}"),
    };
    let sockets = || io.to(client.id().unwrap());
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| timed_out(io.server_side_emit_with_ack("question", ()), 0));
        scope.spawn(|| match sockets().cluster().fetch_sockets() {
            Err(error) => timed_out(Err(error), 1),
            Ok(sockets) => panic!("{sockets:?}"),
        });
        scope.spawn(|| {
            let error = sockets().emit_with_ack("question", ()).unwrap_err();
            assert_eq!((error.reason, error.missing_elsewhere), (AckError::Timeout, 1));
            assert_eq!((error.answers.len(), error.missing.len()), (1, 0));
        });
    });
    assert!((4..10).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[test]
#[ignore = "needs Redis; .ci/run runs it"]
fn nobody_waits_longer_than_5_s_for_a_redis_that_is_stopped() {
    let redis = RedisServer::start(&[]);
    let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
    let io = server.io().clone();
    io.adapter(Redis::new(&redis.url()).unwrap()).unwrap();
    signal(&redis, "-STOP");
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let error = io.cluster().fetch_sockets().unwrap_err();
            assert!(matches!(error, RequestError::Redis(_)), "{error}");
        });
        scope.spawn(|| assert!(io.emit_with_ack("question", ()).unwrap().is_empty()));
        scope.spawn(|| assert!(io.cluster().server_count().is_err()));
    });
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    signal(&redis, "-CONT");
    let mut control = Connection::open(&redis.url()).unwrap();
    assert_eq!(control.command(["PING"]).unwrap(), Reply::Simple("PONG".to_string()));
}
