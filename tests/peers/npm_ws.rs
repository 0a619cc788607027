//! npm's `ws` as a client of ours, and as a server for ours.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::{Client, Close, Error, Message, Options, Server, Socket, connect};

use super::node::Peer;

const SIZES: [usize; 9] = [0, 1, 125, 126, 127, 65535, 65536, 65537, 5 * 1024 * 1024];

/// Close codes and reasons that both sides may send, and an empty close frame (1005).
const CODES: [(u16, &str); 5] =
    [(1000, ""), (1001, "moving out"), (3000, ""), (4999, "안녕히"), (1005, "")];

fn close(code: u16, reason: &str) -> Close {
    Close { code, reason: reason.to_string() }
}

/// The line that a script prints for it.
fn closed(code: u16, reason: &str) -> String {
    format!("closed {code} {reason}").trim_end().to_string()
}

// ---- npm's ws as a client ----

fn bind() -> Server {
    bind_with(Options::default())
}

fn bind_with(options: Options) -> Server {
    Server::bind("127.0.0.1:0", options).unwrap()
}

/// Serves on a thread until the tests end, and returns the URL.
fn serve<H>(server: Server, handler: H) -> String
where
    H: Fn(Socket) -> Result<(), Error> + Send + Sync + 'static,
{
    let url = format!("ws://{}/", server.address().unwrap());
    thread::spawn(|| server.serve(handler));
    url
}

fn client(url: &str, what: &[&str]) -> Peer {
    Peer::node("ws-client.js", &[&[url], what].concat())
}

fn echo(mut socket: Socket) -> Result<(), Error> {
    while let Some(message) = socket.read()? {
        socket.send(message)?;
    }
    Ok(())
}

/// The URL of a server that reads to the end of each connection, and the receiver of how they ended.
fn reporting(server: Server) -> (String, Receiver<Close>) {
    let (sender, ends) = mpsc::channel();
    let url = serve(server, move |mut socket| {
        let read = loop {
            match socket.read() {
                Ok(Some(_)) => {}
                read => break read,
            }
        };
        _ = sender.send(socket.closed().unwrap().clone());
        read.map(|_| ())
    });
    (url, ends)
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_client_gets_every_size_back_and_its_compression_is_declined() {
    let (sender, offers) = mpsc::channel();
    let url = serve(bind(), move |socket| {
        let offer = socket.request.headers.get("sec-websocket-extensions");
        _ = sender.send(offer.unwrap_or_default().to_string());
        echo(socket)
    });
    let client = client(&url, &["sizes"]);
    assert_eq!(client.line(), "extensions: none");
    assert!(offers.recv().unwrap().contains("permessage-deflate"));
    for size in SIZES {
        assert_eq!(client.line(), format!("{size} text came back"));
        assert_eq!(client.line(), format!("{size} bytes came back"));
    }
    assert_eq!(client.finish(), ["closed 1000"]);
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_client_and_our_server_join_each_others_fragments() {
    let url = serve(bind(), |mut socket| {
        while let Some(message) = socket.read()? {
            socket.send_fragmented(message, 2)?; // splits its characters
        }
        Ok(())
    });
    let seen = client(&url, &["fragments"]).finish();
    assert_eq!(seen, ["pong: between", "message: 안녕하세요", "closed 1000"]);
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_client_and_our_server_answer_each_others_pings() {
    let (sender, events) = mpsc::channel();
    let url = serve(bind(), move |mut socket| {
        let (pings, pongs) = (sender.clone(), sender.clone());
        socket.on_ping(move |payload| pings.send(("ping", payload.to_vec())).unwrap());
        socket.on_pong(move |payload| pongs.send(("pong", payload.to_vec())).unwrap());
        socket.ping(b"are you there?")?;
        echo(socket)
    });
    let seen = client(&url, &["ping", "yes, and you?"]).finish();
    assert_eq!(seen, ["ping: are you there?", "pong: yes, and you?", "closed 1000"]);
    let mut events: Vec<_> = events.try_iter().collect();
    events.sort(); // npm's client pings when it is open, which may be before it has our ping
    assert_eq!(events, [("ping", b"yes, and you?".into()), ("pong", b"are you there?".into())]);
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn the_heartbeat_terminates_an_npm_client_without_pongs_and_no_other() {
    let server =
        bind_with(Options { heartbeat: Some(Duration::from_secs(2)), ..Options::default() });
    let clients = server.clients();
    let (sender, connections) = mpsc::channel();
    let url = serve(server, move |socket| {
        _ = sender.send(());
        echo(socket)
    });
    let alive = client(&url, &["listen"]);
    connections.recv().unwrap();
    assert_eq!(client(&url, &["no-pong"]).finish().last().unwrap(), "closed 1006");
    clients.broadcast("still there?");
    assert_eq!(alive.line(), "message: still there?");
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_server_returns_the_close_frame_of_npms_client() {
    let (url, ends) = reporting(bind());
    for (code, reason) in CODES {
        let number = code.to_string();
        let what: &[&str] = if code == 1005 { &["close"] } else { &["close", &number, reason] };
        assert_eq!(client(&url, what).finish(), [closed(code, reason)]);
        assert_eq!(ends.recv().unwrap(), close(code, reason));
    }
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_client_returns_the_close_frame_of_our_server() {
    for (code, reason) in CODES {
        let (sender, ends) = mpsc::channel();
        let url = serve(bind(), move |mut socket| {
            socket.close(code, reason)?;
            assert_eq!(socket.read()?, None);
            _ = sender.send(socket.closed().unwrap().clone());
            Ok(())
        });
        assert_eq!(client(&url, &["listen"]).finish(), [closed(code, reason)]);
        assert_eq!(ends.recv().unwrap(), close(code, reason));
    }
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn a_handler_that_returns_or_panics_closes_the_connection_of_npms_client() {
    let url = serve(bind(), |mut socket| match socket.read()? {
        Some(Message::Text(text)) if text == "panic" => panic!("the handler panics"),
        _ => Ok(()),
    });
    assert_eq!(client(&url, &["send", "return"]).finish(), ["closed 1000"]);
    assert_eq!(client(&url, &["send", "panic"]).finish(), ["closed 1011"]);
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn an_npm_client_that_breaks_a_rule_gets_its_close_code_and_reason() {
    let (url, ends) = reporting(bind_with(Options { max_payload: 10, ..Options::default() }));
    for (what, code, reason) in [
        (["raw", "810161"], 1002, "a client sent a frame without a mask"),
        (["raw", "818100000000ff"], 1007, "not UTF-8"),
        (["send", "eleven char"], 1009, "10 bytes"),
    ] {
        let seen = client(&url, &what).finish();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen[0].starts_with(&closed(code, "")), "{seen:?}");
        assert!(seen[0].contains(reason), "{seen:?}");
        assert_eq!(ends.recv().unwrap(), close(1006, ""));
    }
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_server_gets_1009_for_a_message_too_big_for_npms_client() {
    let (sender, ends) = mpsc::channel();
    let url = serve(bind(), move |mut socket| {
        socket.send("x".repeat(101))?;
        assert_eq!(socket.read()?, None);
        _ = sender.send(socket.closed().unwrap().clone());
        Ok(())
    });
    let seen = client(&url, &["small-payload"]).finish();
    assert_eq!(seen[0], "error: Max payload size exceeded");
    assert_eq!(ends.recv().unwrap(), close(1009, ""));
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_client_gets_the_subprotocol_that_our_server_chose() {
    let url = serve(bind(), echo);
    let seen = client(&url, &["protocols", "tea", "coffee"]).finish();
    assert_eq!(seen, ["protocol: tea", "closed 1000"]);
    assert_eq!(client(&url, &["protocols"]).finish(), ["protocol: none", "closed 1000"]);

    let handle_protocols =
        Box::new(|offered: &[&str], _: &Request| offered.last().map(|last| last.to_string()));
    let url = serve(bind_with(Options { handle_protocols, ..Options::default() }), echo);
    let seen = client(&url, &["protocols", "tea", "coffee"]).finish();
    assert_eq!(seen, ["protocol: coffee", "closed 1000"]);

    let none = Options { handle_protocols: Box::new(|_, _| None), ..Options::default() };
    let url = serve(bind_with(none), echo);
    let seen = client(&url, &["protocols", "tea"]).finish();
    assert_eq!(seen, ["error: Server sent no subprotocol", "closed 1006"]);
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_client_gets_the_status_and_body_that_refuse_it() {
    let verify_client = Box::new(|_: &Request| Err(Response::text(401, "Who are you?")));
    let url = serve(bind_with(Options { verify_client, ..Options::default() }), echo);
    assert_eq!(client(&url, &["listen"]).finish(), ["401 Who are you?"]);

    let url =
        serve(bind_with(Options { path: Some("/chat".to_string()), ..Options::default() }), echo);
    let seen = client(&format!("{url}chat"), &["close", "1000"]).finish();
    assert_eq!(seen, ["closed 1000"]);
    assert_eq!(client(&url, &["listen"]).finish(), ["426 Upgrade Required"]);
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn a_hundred_npm_clients_receive_a_broadcast_and_a_close_frame() {
    let server = bind();
    let (all, clients) = (server.clients(), server.clients());
    let connected = AtomicUsize::new(0);
    let url = serve(server, move |socket| {
        if connected.fetch_add(1, Relaxed) == 99 {
            all.broadcast("to all");
        }
        echo(socket)
    });
    let client = client(&url, &["clients", "100"]);
    assert_eq!(client.line(), "100 received to all");
    clients.all().iter().for_each(|member| member.close(1001, "").unwrap());
    assert_eq!(client.finish(), ["100 were closed with 1001"]);
}

// ---- npm's ws as a server ----

fn server() -> (Peer, String) {
    let (server, url, _) = servers();
    (server, url)
}

/// The same, and the URL of a server without WebSockets.
fn servers() -> (Peer, String, String) {
    let server = Peer::node("ws-server.js", &[]);
    let ports = server.line();
    let (port, plain) = ports.split_once(' ').unwrap();
    let [url, pages] = [port, plain].map(|port| format!("ws://127.0.0.1:{port}"));
    (server, url, pages)
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_gets_every_size_back_from_npms_server() {
    let (_server, url) = server();
    let mut socket = connect(&format!("{url}/echo")).unwrap();
    let of_size = |size| {
        let text = "é".repeat(size / 2) + &"x".repeat(size % 2);
        [Message::Text(text), Message::Binary(vec![size as u8; size])]
    };
    let (big, small) = SIZES.split_last().unwrap();
    let small: Vec<Message> = small.iter().flat_map(|size| of_size(*size)).collect();
    for message in &small {
        socket.send(message.clone()).unwrap();
    }
    for message in small {
        assert!(socket.read().unwrap() == Some(message));
    }
    for message in of_size(*big) {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == Some(message));
    }
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_and_npms_server_join_each_others_fragments() {
    let (server, url) = server();
    let mut socket = connect(&format!("{url}/fragments")).unwrap();
    assert_eq!(socket.read().unwrap(), Some("안녕하세요".into()));
    assert_eq!(server.line(), "pong: between");
    socket.send_fragmented("안녕하세요", 2).unwrap();
    assert_eq!(server.line(), "message: 안녕하세요");
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_and_npms_server_answer_each_others_pings() {
    let (server, url) = server();
    let mut socket = connect(&format!("{url}/ping")).unwrap();
    let sender = socket.sender();
    let reader = thread::spawn(move || socket.read().map(|_| socket.closed().cloned()));
    assert_eq!(server.line(), "pong: are you there?");
    sender.ping(b"yes, and you?").unwrap();
    assert_eq!(server.line(), "ping: yes, and you?");
    sender.close(1000, "").unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), Some(close(1000, "")));
    assert_eq!(server.line(), "closed 1000");
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_returns_the_close_frame_of_npms_server() {
    let (server, url) = server();
    for (code, reason) in CODES {
        let path =
            if code == 1005 { "close".to_string() } else { format!("close/{code}/{reason}") };
        let mut socket = connect(&format!("{url}/{path}")).unwrap();
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(code, reason)));
        drop(socket);
        assert_eq!(server.line(), closed(code, reason));
    }
    let mut socket = connect(&format!("{url}/terminate")).unwrap();
    assert_eq!(socket.read().unwrap(), None);
    assert_eq!(socket.closed(), Some(&close(1006, "")));
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn npms_server_returns_the_close_frame_of_our_client() {
    let (server, url) = server();
    for (code, reason) in CODES {
        let mut socket = connect(&format!("{url}/wait")).unwrap();
        socket.close(code, reason).unwrap();
        assert_eq!(socket.read().unwrap(), None);
        assert_eq!(socket.closed(), Some(&close(code, reason)));
        drop(socket);
        assert_eq!(server.line(), closed(code, reason));
    }
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn an_npm_server_that_breaks_a_rule_gets_its_close_code_and_reason() {
    let (server, url) = server();
    let limited = Client { max_payload: 10, ..Client::default() };
    for (hex, code, reason) in [
        ("81810000000061", 1002, "a server sent a frame with a mask"),
        ("8101ff", 1007, "not UTF-8"),
        ("810b", 1009, "10 bytes"),
    ] {
        let mut socket = limited.connect(&format!("{url}/raw/{hex}")).unwrap();
        assert_eq!(socket.read().unwrap_err().close_code(), Some(code));
        drop(socket);
        let seen = server.line();
        assert!(seen.starts_with(&closed(code, "")), "{seen:?}");
        assert!(seen.contains(reason), "{seen:?}");
    }
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_gets_1009_for_a_message_too_big_for_npms_server() {
    let (server, url) = server();
    let mut socket = connect(&format!("{url}/echo")).unwrap();
    socket.send("x".repeat(7 * 1024 * 1024)).unwrap();
    assert_eq!(socket.read().unwrap(), None);
    assert_eq!(socket.closed(), Some(&close(1009, "")));
    assert_eq!(server.line(), "error: Max payload size exceeded");
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_gets_the_subprotocol_that_npms_server_chose() {
    let (_server, url) = server();
    let offering = |protocols: &[&str]| {
        let protocols = protocols.iter().map(|protocol| protocol.to_string()).collect();
        Client { protocols, ..Client::default() }.connect(&format!("{url}/echo"))
    };
    assert_eq!(offering(&["coffee", "tea"]).unwrap().protocol.as_deref(), Some("tea"));
    assert_eq!(offering(&[]).unwrap().protocol, None);
    let why = offering(&["coffee"]).map(|_| ()).unwrap_err().to_string();
    assert!(why.ends_with("it chose none of the subprotocols that were offered"), "{why}");
}

#[test]
#[ignore = "needs npm ws; .ci/run runs it"]
fn our_client_gets_the_status_and_body_that_refuse_it() {
    let (_server, url, pages) = servers();
    let mut unauthorized = Client::default();
    unauthorized.headers.push("Authorization", "wrong");
    let why = unauthorized.connect(&format!("{url}/echo")).map(|_| ()).unwrap_err().to_string();
    assert_eq!(why, "the server refused the handshake with status 403: Not you");

    let why = connect(&pages).map(|_| ()).unwrap_err().to_string();
    assert_eq!(why, "the server refused the handshake with status 200: a page");
}
