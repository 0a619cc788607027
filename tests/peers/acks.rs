//! Broadcasts that want acknowledgements: our server and npm's, each asking our client and npm's.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use sockets_by_hand::socketio::client::{self, Client};
use sockets_by_hand::socketio::{Args, BroadcastAckError, Event, Options, Server, Socket};

use super::common::{LIMIT, next};
use super::node::Peer;

const TRANSPORTS: [&[&str]; 3] = [&["polling"], &["websocket"], &["polling", "websocket"]];

enum TestServer {
    Ours(String, Receiver<String>),
    Npms(String, Peer),
}

impl TestServer {
    fn both() -> [TestServer; 2] {
        let peer = Peer::node("acks.js", &["server"]);
        [TestServer::ours(), TestServer::Npms(format!("http://127.0.0.1:{}", peer.line()), peer)]
    }

    fn ours() -> TestServer {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let (print, lines) = mpsc::channel();
        server.io().on_connection(move |socket| {
            socket.on("join", |event| {
                event.socket.join("class");
                event.ack(());
            });
            let also = print.clone();
            socket.on("ask", move |event| {
                let (time, print) = (time(event), also.clone());
                let class = event.socket.namespace().timeout(time).to("class");
                class.emit_with_callback("question", "?", move |result| {
                    print.send(summary(result)).unwrap();
                });
            });
            let print = print.clone();
            socket.on("ask and wait", move |event| {
                let (time, print) = (time(event), print.clone());
                let class = event.socket.namespace().timeout(time).to("class");
                thread::spawn(move || print.send(summary(class.emit_with_ack("question", "?"))));
            });
        });
        thread::spawn(|| server.serve());
        TestServer::Ours(url, lines)
    }

    fn url(&self) -> &str {
        match self {
            TestServer::Ours(url, _) | TestServer::Npms(url, _) => url,
        }
    }

    #[track_caller]
    fn line(&self) -> String {
        match self {
            TestServer::Ours(_, lines) => next(lines),
            TestServer::Npms(_, peer) => peer.line(),
        }
    }
}

fn time(event: &Event<Socket>) -> Duration {
    Duration::from_millis(event.args[0].as_f64().unwrap() as u64)
}

fn summary(result: Result<Vec<Args>, BroadcastAckError>) -> String {
    let (what, answers) = match result {
        Ok(answers) => ("all".to_string(), answers),
        Err(error) => (error.reason.to_string(), error.answers),
    };
    let mut answers: Vec<&str> = answers.iter().filter_map(|args| args[0].as_str()).collect();
    answers.sort();
    format!("{what}: {}", answers.join(","))
}

/// A client of ours in the room. It answers if it has a name.
fn ours(url: &str, transports: &[&'static str], name: Option<&'static str>) -> Client {
    let mut options = client::Options::default();
    options.engine.transports = transports.to_vec();
    let client = Client::new(url, options).unwrap();
    client.on("question", move |event| {
        _ = name.map(|name| event.ack(format!("{name}{}", event.args[0].as_str().unwrap())));
    });
    client.open();
    client.timeout(LIMIT).emit_with_ack("join", ()).unwrap();
    client
}

/// npm's client in the room.
fn npms(url: &str, transports: &[&'static str], name: Option<&'static str>) -> Peer {
    let transports = transports.join(",");
    let mut arguments = vec!["client", url, &transports];
    arguments.extend(name);
    let peer = Peer::node("acks.js", &arguments);
    assert_eq!(peer.line(), "joined");
    peer
}

#[test]
#[ignore = "needs npm socket.io; .ci/run runs it"]
fn a_broadcast_gathers_the_answers_of_our_clients_and_npms() {
    for (server, transports) in TestServer::both().iter().flat_map(|s| TRANSPORTS.map(|t| (s, t))) {
        let bob = ours(server.url(), transports, Some("Bob"));
        let _ann = npms(server.url(), transports, Some("Ann"));
        for form in ["ask", "ask and wait"] {
            bob.emit(form, 60_000);
            assert_eq!(server.line(), "all: Ann?,Bob?");
        }
        let _silent = (ours(server.url(), transports, None), npms(server.url(), transports, None));
        for form in ["ask", "ask and wait"] {
            // On a loaded machine an answer may be late too: then with more time.
            let (begun, mut ms) = (Instant::now(), 250);
            loop {
                bob.emit(form, ms);
                let line = server.line();
                if line == "operation has timed out: Ann?,Bob?" {
                    break;
                }
                assert!(begun.elapsed() < LIMIT, "{line}");
                ms *= 2;
            }
        }
    }
}
