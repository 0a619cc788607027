//! RFC 6455 §3 and §4.1: a client's opening handshake, and which responses it accepts.

use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sockets_by_hand::http;
use sockets_by_hand::ws::handshake::accept_key;
use sockets_by_hand::ws::{Client, Error, Message, Socket, base64, connect};

use super::peer::*;

/// A server for one client, which sends what `answer` makes of the `Sec-WebSocket-Accept`. Returns its URL,
/// and the thread that returns the request.
fn answering(
    answer: impl FnOnce(&str) -> Vec<u8> + Send + 'static,
) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().unwrap().0, Role::Server);
        let request = peer.head();
        let accept = accept_key(&header(&request, "Sec-WebSocket-Key").unwrap());
        peer.write(answer(&accept));
        peer.half_close();
        peer.rest();
        request
    });
    (url, server)
}

/// A valid response.
fn valid_response(accept: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Connects a client that offers `protocols` to a server whose response is valid but for `old`, replaced by
/// `new`.
fn connect_with(protocols: &[&str], old: &'static str, new: &'static str) -> Result<Socket, Error> {
    let (url, _server) = answering(move |accept| {
        let response = valid_response(accept);
        assert!(response.contains(old), "{response}");
        response.replacen(old, new, 1).into()
    });
    let protocols = protocols.iter().map(|protocol| protocol.to_string()).collect();
    Client { protocols, ..Client::default() }.connect(&url)
}

/// Connects a client to a server that sends this response.
fn connect_to(answer: impl Into<Vec<u8>>) -> Result<Socket, Error> {
    let answer = answer.into();
    connect(&answering(move |_| answer).0)
}

#[test]
fn the_request_is_the_one_of_section_4_1() {
    let (url, server) = answering(|accept| valid_response(accept).into());
    let mut client = Client { protocols: vec!["v2".into(), "v1".into()], ..Client::default() };
    client.headers.push("Origin", "http://good.example");
    client.headers.push("Cookie", "id=7\r\nX-Injected: yes");
    _ = client.connect(&format!("{url}/chat/é?room=tea and cake"));
    let request = server.join().unwrap();
    let first = "GET /chat/%C3%A9?room=tea%20and%20cake HTTP/1.1\r\n";
    assert!(request.starts_with(first), "{request}");
    for (name, value) in [
        ("Host", &url["ws://".len()..]),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "v2, v1"),
        ("Origin", "http://good.example"),
        ("Cookie", "id=7  X-Injected: yes"),
    ] {
        assert_eq!(header(&request, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(header(&request, "X-Injected"), None);
    let offer = "permessage-deflate; client_no_context_takeover; client_max_window_bits";
    assert_eq!(header(&request, "Sec-WebSocket-Extensions").as_deref(), Some(offer));
    let key = header(&request, "Sec-WebSocket-Key").unwrap();
    assert_eq!(base64::decode(&key).unwrap().len(), 16);
}

#[test]
fn every_request_has_a_fresh_key() {
    let key = || {
        let (url, server) = answering(|accept| valid_response(accept).into());
        _ = connect(&url);
        header(&server.join().unwrap(), "Sec-WebSocket-Key")
    };
    assert_ne!(key(), key());
}

#[test]
fn a_url_without_a_path_asks_for_the_root() {
    for (rest, target) in [("", "/"), ("/", "/"), ("?a=b", "/?a=b"), ("/?/", "/?/")] {
        let (url, server) = answering(|accept| valid_response(accept).into());
        _ = connect(&format!("{url}{rest}"));
        let request = server.join().unwrap();
        assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{request}");
    }
}

#[test]
fn an_invalid_websocket_url_is_an_error() {
    for url in [
        "",
        "invalid",
        "ws:",
        "ws:/",
        "ws://",
        "ws:///",
        "ws:///path",
        "ws://?query",
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "wss://127.0.0.1/",
        "WSS://127.0.0.1/",
        "ws://127.0.0.1:1/#part",
        "ws://user@127.0.0.1:1/",
        "ws://user:word@127.0.0.1:1/",
        "127.0.0.1:1",
        "//127.0.0.1:1",
        "://127.0.0.1:1",
    ] {
        assert!(matches!(connect(url), Err(Error::Invalid(_))), "{url:?}");
    }
}

#[test]
fn the_scheme_may_be_written_in_capitals() {
    let (url, _server) = answering(|accept| valid_response(accept).into());
    assert!(connect(&url.replace("ws", "WS")).is_ok());
}

#[test]
fn an_address_without_a_listener_is_an_io_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(connect(&format!("ws://{free}/")), Err(Error::Io(_))));
}

#[test]
fn a_valid_response_is_accepted_however_it_is_written() {
    for (old, new) in [
        ("Switching Protocols", ""),
        ("Upgrade: websocket", "upgrade:WEBSOCKET"),
        ("Connection: Upgrade", "connection: keep-alive, upgrade"),
        ("Sec-WebSocket-Accept: ", "SEC-WEBSOCKET-ACCEPT:  "),
        (
            "HTTP/1.1 101",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nX: y\r\n\r\nHTTP/1.1 101",
        ),
    ] {
        let socket = connect_with(&[], old, new).unwrap_or_else(|e| panic!("{new}: {e}"));
        assert_eq!(socket.protocol, None);
    }
}

#[test]
fn a_response_that_is_invalid_in_one_thing_is_refused() {
    for (old, new) in [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade\r\n", "Connection: close\r\n"),
        ("Sec-WebSocket-Accept: ", "X-Accept: "),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: A"),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX: "),
        ("\r\n\r\n", "\r\nSec-WebSocket-Accept: twice\r\n\r\n"),
        ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: never-offered\r\n\r\n"),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: never-offered\r\n\r\n"),
    ] {
        let result = connect_with(&[], old, new);
        assert!(matches!(result, Err(Error::Handshake(_))), "{new:?}: {:?}", result.err());
    }
}

#[test]
fn the_server_may_choose_one_of_the_offered_subprotocols() {
    let choosing = |line| connect_with(&["v2", "v1"], "\r\n\r\n", line);
    let chosen = choosing("\r\nSec-WebSocket-Protocol: v1\r\n\r\n").unwrap();
    assert_eq!(chosen.protocol.as_deref(), Some("v1"));
    for line in [
        "\r\nSec-WebSocket-Protocol: v3\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: V1\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: v1, v2\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2\r\n\r\n",
        "\r\n\r\n",
    ] {
        assert!(matches!(choosing(line), Err(Error::Handshake(_))), "{line:?}");
    }
}

#[test]
fn a_status_other_than_101_is_an_error_with_the_body() {
    for (answer, expected, body) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nno tea", 404, "no te"),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "hi"),
        ("HTTP/1.1 401 \r\n\r\nuntil the end", 401, "until the end"),
        // A redirect is not followed: the user may not want to go there.
        ("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, ""),
    ] {
        match connect_to(answer) {
            Err(Error::Refused { status, text }) => assert_eq!((status, &*text), (expected, body)),
            other => panic!("{answer:?}: {:?}", other.err()),
        }
    }
    let long = format!("HTTP/1.1 400 \r\nContent-Length: 9999\r\n\r\n{}", "é".repeat(5000));
    match connect_to(long) {
        Err(Error::Refused { text, .. }) => assert_eq!(text, "é".repeat(200)),
        other => panic!("{:?}", other.err()),
    }
    let page = format!("HTTP/1.1 404 \r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000));
    assert!(
        matches!(connect_to(page), Err(Error::Refused { status: 404, .. })),
        "a page of an ordinary size"
    );
}

#[test]
fn an_end_before_a_response_has_an_error_of_its_own() {
    let error = connect_to("").err().unwrap();
    assert_eq!(error.to_string(), "the stream ended before a response came");
}

#[test]
fn a_response_that_is_not_http_is_refused() {
    let longer = "HTTP/1.1 400 \r\nContent-Length: 2000000\r\n\r\n";
    for (answer, expected) in [
        (&b"SSH-2.0-OpenSSH_9.6\r\n\r\n"[..], 400),
        (b"\x00\x01\xff\xfe\r\n\r\n", 400),
        (b"HTTP/1.1 1O1 \r\n\r\n", 400),
        (b"HTTP/1.1\r\n\r\n", 400),
        (b"HTTP/1.1 101 Yes\r\nUpgrade", 400), // cut short
        (b"HTTP/1.1 101 Yes\nUpgrade: websocket\n\n", 400),
        (b"", 400),
        (longer.as_bytes(), 413),
    ] {
        match connect_to(answer) {
            Err(Error::Http(http::Error::Refused(status, _))) => assert_eq!(status, expected),
            other => panic!("{answer:?}: {:?}", other.err()),
        }
    }
}

#[test]
fn an_endless_head_is_refused() {
    let long = format!("HTTP/1.1 101 Yes\r\nX: {}", "x".repeat(16 * 1024));
    assert!(matches!(connect_to(long), Err(Error::Http(http::Error::Refused(431, _)))));
    let many = format!("HTTP/1.1 101 Yes\r\n{}\r\n", "X: x\r\n".repeat(101));
    assert!(matches!(connect_to(many), Err(Error::Http(http::Error::Refused(431, _)))));
}

#[test]
fn a_handshake_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = Client { handshake_timeout: Duration::from_millis(60), ..Client::default() };
    let start = Instant::now();
    let result = client.connect(&url); // the kernel accepts the connection, and no program answers
    assert!(matches!(result, Err(Error::Http(http::Error::Refused(408, _)))));
    assert!(start.elapsed() >= client.handshake_timeout);
}

#[test]
fn an_end_within_a_frame_is_an_error_wherever_it_is() {
    for frame in [&b"\x81"[..], b"\x81\x7e\x01", b"\x81\x05He", b"\x89\x05He"] {
        let (url, _server) =
            answering(move |accept| [valid_response(accept).as_bytes(), frame].concat());
        let error = connect(&url).unwrap().read().unwrap_err().to_string();
        let expected = "the connection failed: the stream ended in the middle of a frame";
        assert_eq!(error, expected, "{frame:x?}");
    }
}

#[test]
fn frames_may_follow_the_response_at_once() {
    let (url, _server) = answering(|accept| {
        [valid_response(accept).as_bytes(), &Role::Server.frame(TEXT, b"Welcome")].concat()
    });
    assert_eq!(connect(&url).unwrap().read().unwrap(), Some(Message::from("Welcome")));
}

#[test]
fn an_open_websocket_may_be_silent_for_longer_than_a_handshake() {
    let url = format!("ws://{}/", serve(server(), echo));
    // The handshake must keep the limit that the silence exceeds: a busy machine gets a longer one.
    let connect = |n: u64| {
        let time = Duration::from_millis(50 << n);
        let client = Client { handshake_timeout: time, ..Client::default() };
        Some((time, client.connect(&url).ok()?))
    };
    let (time, mut socket) = (0..10).find_map(connect).expect("a handshake within 25 s");
    let sender = socket.sender();
    let later = thread::spawn(move || {
        thread::sleep(time + time / 10);
        sender.send("Hello").unwrap();
    });
    assert_eq!(socket.read().unwrap(), Some(Message::from("Hello")));
    later.join().unwrap();
}

#[test]
fn a_host_header_of_the_user_replaces_ours() {
    let (url, server) = answering(|accept| valid_response(accept).into());
    let mut client = Client { handshake_timeout: Duration::MAX, ..Client::default() };
    client.headers.push("host", "tea.example");
    assert!(client.connect(&url).is_ok());
    let request = server.join().unwrap().to_ascii_lowercase();
    assert_eq!(request.matches("host:").count(), 1, "{request}");
    assert!(request.contains("host: tea.example"), "{request}");
}

#[test]
fn pongs_to_a_server_that_does_not_read_take_no_memory() {
    const PINGS: u64 = 100_000; // their pongs, of 131 bytes each, are more than all buffers hold
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (read, all_read) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        let mut peer = Peer::accept(&listener, b"");
        peer.write(peer.role.frame(PING, &[b'x'; 125]).repeat(PINGS as usize));
        peer.send(TEXT, "the end");
        all_read.recv().unwrap();
        peer.half_close();
        peer.rest_len() / 131
    });
    let mut socket = connect(&url).unwrap();
    assert_eq!(socket.read().unwrap(), Some(Message::from("the end")));
    read.send(()).unwrap();
    drop(socket);
    let pongs = server.join().unwrap();
    assert!((1..PINGS).contains(&pongs), "{pongs} pongs");
}
