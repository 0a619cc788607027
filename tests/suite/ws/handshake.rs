//! RFC 6455 §4.2: which requests a server accepts, and with which status it refuses the others.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sockets_by_hand::http::{Request, Response};
use sockets_by_hand::ws::Options;

use super::peer::*;
use crate::common::until;

/// Sends a request, and returns the head of the response.
#[track_caller]
fn answer(server: SocketAddr, request: &str) -> String {
    let mut peer = Peer::connect(server);
    peer.write(request);
    peer.head()
}

#[track_caller]
fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The valid request with more headers.
pub fn request_with(headers: &str) -> String {
    REQUEST.replace("Host: a\r\n", &format!("Host: a\r\n{headers}\r\n"))
}

#[test]
fn a_valid_request_gets_the_response_of_section_1_3() {
    let head = answer(serve(server(), echo), REQUEST);
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert_eq!(header(&head, "Upgrade").as_deref(), Some("websocket"));
    assert_eq!(header(&head, "Connection").as_deref(), Some("Upgrade"));
    assert_eq!(header(&head, "Sec-WebSocket-Accept").as_deref(), Some(ACCEPT));
    for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Content-Length"] {
        assert_eq!(header(&head, name), None, "{name}");
    }
}

#[test]
fn each_missing_or_invalid_header_has_its_status() {
    let server = serve(server(), echo);
    for (valid, invalid, expected) in [
        ("GET / HTTP/1.1", "POST / HTTP/1.1", 405),
        ("GET / HTTP/1.1", "get / HTTP/1.1", 405),
        ("GET / HTTP/1.1", "GET / HTTP/1.0", 400),
        ("GET / HTTP/1.1", "GET / HTTP/2.0", 505),
        ("GET / HTTP/1.1", "GET /", 400),
        ("Host: a\r\n", "", 400),
        ("Host: a\r\n", "Host: a\r\nHost: a\r\n", 400),
        ("Upgrade: websocket\r\n", "", 426), // no upgrade: a request for a page
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n", 426),
        ("Upgrade: websocket\r\n", "Upgrade: websockets\r\n", 426),
        ("Connection: Upgrade\r\n", "", 400),
        ("Connection: Upgrade\r\n", "Connection: keep-alive\r\n", 400),
        ("Connection: Upgrade\r\n", "Connection: Upgraded\r\n", 400),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 8\r\n", 426),
        ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 130\r\n", 426),
        ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 013\r\n", 426),
        (
            "Sec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
            426,
        ),
        (
            "Sec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n",
            400,
        ),
        ("Host: a\r\n", "Host: a\r\nContent-Length: 1\r\n", 413), // a body would be read as frames
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400), // no padding
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", 400), // bits left over
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400),   // 15 bytes
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE=", 400), // 17 bytes
        ("dGhlIHNhbXBsZSBub25jZQ==", "********************==", 400),
    ] {
        let request = REQUEST.replace(valid, invalid);
        assert_ne!(request, REQUEST);
        let head = answer(server, &request);
        assert_eq!(status(&head), expected, "{request}{head}");
    }
}

#[test]
fn header_names_and_values_match_in_any_case_and_in_lists() {
    let server = serve(server(), echo);
    for (as_usual, otherwise) in [
        ("Upgrade: websocket", "upgrade: WebSocket"),
        ("Upgrade: websocket", "UPGRADE:WEBSOCKET"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Connection: Upgrade", "connection: keep-alive, upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: UPGRADE"),
        ("Sec-WebSocket-Key: ", "SEC-WEBSOCKET-KEY:   "),
        ("Sec-WebSocket-Version: 13", "sec-websocket-version:13 "),
        ("GET / ", "GET /any/path?and=query "),
        ("GET / ", "GET http://a/ "),
    ] {
        let request = REQUEST.replace(as_usual, otherwise);
        assert_ne!(request, REQUEST);
        let head = answer(server, &request);
        assert_eq!(status(&head), 101, "{request}");
        assert_eq!(header(&head, "Sec-WebSocket-Accept").as_deref(), Some(ACCEPT));
    }
}

#[test]
fn a_426_names_the_supported_version_and_a_405_the_allowed_method() {
    let server = serve(server(), echo);
    let head = answer(server, &REQUEST.replace("Version: 13", "Version: 12"));
    assert_eq!(status(&head), 426);
    assert_eq!(header(&head, "Sec-WebSocket-Version").as_deref(), Some("13"));
    assert_eq!(header(&head, "Upgrade").as_deref(), Some("websocket"));
    let head = answer(server, &REQUEST.replace("GET", "PUT"));
    assert_eq!(status(&head), 405);
    assert_eq!(header(&head, "Allow").as_deref(), Some("GET"));
}

#[test]
fn a_refused_request_gets_the_reason_and_the_connection_closes() {
    let mut peer = Peer::connect(serve(server(), echo));
    peer.write(REQUEST.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"));
    peer.write(Role::Client.frame(TEXT, b"is this read?")); // not read
    let answer = peer.rest();
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nSec-WebSocket-Key is not 16 bytes in base64"), "{answer}");
}

#[test]
fn frames_may_follow_the_request_at_once() {
    let mut peer = Peer::connect(serve(server(), echo));
    peer.write([REQUEST.as_bytes(), &Role::Client.frame(TEXT, b"Hello")].concat());
    assert_eq!(status(&peer.head()), 101);
    peer.expect(TEXT, "Hello");
}

#[test]
fn an_offer_of_compression_is_declined_without_a_header_by_default() {
    let server = serve(server(), echo);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other";
    let mut peer = Peer::connect(server);
    peer.write(request_with(offer));
    let head = peer.head();
    assert_eq!((status(&head), header(&head, "Sec-WebSocket-Extensions")), (101, None));
    peer.send(TEXT | 0x40, "marked as compressed");
    peer.expect_close(1002);
}

#[test]
fn the_first_subprotocol_that_is_offered_is_chosen() {
    let server = serve(server(), echo);
    for (offer, chosen) in [
        ("Sec-WebSocket-Protocol: chat.v2, chat.v1", Some("chat.v2")),
        ("Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Protocol: a", Some("b")),
        ("sec-websocket-protocol:only", Some("only")),
        ("Sec-WebSocket-Protocol: ", None),
        ("X: no offer", None),
    ] {
        let head = answer(server, &request_with(offer));
        assert_eq!(header(&head, "Sec-WebSocket-Protocol").as_deref(), chosen, "{offer}");
    }
}

#[test]
fn handle_protocols_chooses_by_the_offer_and_the_request() {
    let handle_protocols = Box::new(|offered: &[&str], request: &Request| {
        let wanted = request.query("version").unwrap_or_default();
        offered.iter().find(|protocol| **protocol == wanted).map(|chosen| chosen.to_string())
    });
    let server = server_with(Options { handle_protocols, ..Options::default() });
    let server = serve(server, |socket| {
        socket.send(format!("{:?}", socket.protocol))?;
        Ok(())
    });
    for (version, chosen) in [("v1", Some("v1")), ("v3", None)] {
        let mut peer = Peer::connect(server);
        let request = request_with("Sec-WebSocket-Protocol: v2, v1");
        peer.write(request.replace("GET /", &format!("GET /?version={version}")));
        assert_eq!(header(&peer.head(), "Sec-WebSocket-Protocol").as_deref(), chosen);
        peer.expect(TEXT, format!("{:?}", chosen.map(str::to_string)));
    }
}

#[test]
fn verify_client_accepts_or_refuses_before_the_response() {
    let verify_client = Box::new(|request: &Request| match request.headers.get("origin") {
        Some("http://good.example") => Ok(()),
        Some(_) => Err(Response::text(403, "not from there")),
        None => Err(Response::new(401)),
    });
    let server = serve(server_with(Options { verify_client, ..Options::default() }), echo);
    assert_eq!(status(&answer(server, &request_with("Origin: http://good.example"))), 101);
    assert_eq!(status(&answer(server, REQUEST)), 401);
    let mut peer = Peer::connect(server);
    peer.write(request_with("Origin: http://good.example.bad.example"));
    let answer = peer.rest();
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\nnot from there"));
}

#[test]
fn verify_client_does_not_see_an_invalid_request() {
    let (sender, receiver) = mpsc::channel();
    let verify_client = Box::new(move |request: &Request| {
        sender.send(request.target.clone()).unwrap();
        Ok(())
    });
    let server = serve(server_with(Options { verify_client, ..Options::default() }), echo);
    answer(server, &REQUEST.replace("Version: 13", "Version: 8"));
    answer(server, &REQUEST.replace("GET /", "GET /right"));
    assert_eq!(receiver.recv().unwrap(), "/right");
}

#[test]
fn a_handler_sees_the_request() {
    let server = serve(server(), |socket| {
        let request = &socket.request;
        let cookie = request.headers.get("cookie").unwrap_or_default();
        let room = request.query("room").unwrap_or_default();
        socket.send(format!("{} {room} {cookie}", request.path()))?;
        socket.close(1000, "")
    });
    let mut peer = Peer::connect(server);
    peer.write(request_with("Cookie: id=7").replace("GET /", "GET /chat?room=tea"));
    peer.head();
    peer.expect(TEXT, "/chat tea id=7");
}

#[test]
fn pages_and_websockets_come_from_one_server_and_one_connection() {
    let options = Options { path: Some("/chat".to_string()), ..Options::default() };
    let mut server = server_with(options);
    server.page(|request, _| match request.path() {
        "/" => Response::html("<h1>a page</h1>"),
        _ => Response::text(404, "nothing here"),
    });
    let server = serve(server, echo);
    let mut peer = Peer::connect(server);
    peer.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = peer.head();
    assert_eq!((status(&head), header(&head, "Content-Length")), (200, Some("15".to_string())));
    peer.expect_bytes("<h1>a page</h1>");
    peer.write("POST /chat HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nGET");
    assert_eq!(status(&peer.head()), 404);
    peer.expect_bytes("nothing here");
    peer.write(REQUEST.replace("GET /", "GET /chatter")); // a WebSocket on another path
    assert_eq!(status(&peer.head()), 404);
    peer.expect_bytes("nothing here");
    peer.write(REQUEST.replace("GET /", "GET /chat?room=tea"));
    assert_eq!(status(&peer.head()), 101);
    peer.send(TEXT, "Hello");
    peer.expect(TEXT, "Hello");
}

#[test]
fn a_page_sees_the_clients_the_body_and_the_address() {
    let mut server = server_with(Options { max_body: 5, ..Options::default() });
    let clients = server.clients();
    server.page(move |request, body| {
        let (clients, ip) = (clients.all().len(), request.remote_address.unwrap().ip());
        Response::text(200, &format!("{clients} {ip} {}", String::from_utf8_lossy(body)))
    });
    let server = serve(server, echo);
    let _client = Peer::open(server);
    let mut peer = Peer::connect(server);
    peer.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(status(&peer.head()), 200);
    peer.expect_bytes("1 127.0.0.1 hello");
    peer.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello!");
    assert_eq!(status(&peer.head()), 413);
}

#[test]
fn without_a_page_a_request_without_upgrade_gets_426() {
    let head = answer(serve(server(), echo), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&head), 426);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(status(&answer(serve(server(), echo), request)), 413);
}

#[test]
fn a_head_has_a_limit() {
    let server = serve(server(), echo);
    let long = format!("X: {}", "x".repeat(16 * 1024));
    assert_eq!(status(&answer(server, &request_with(&long))), 431);
    assert_eq!(status(&answer(server, &request_with(&["X: x"; 101].join("\r\n")))), 431);
}

#[test]
fn a_head_that_trickles_gets_408_in_time() {
    let time = Duration::from_millis(100);
    let server =
        serve(server_with(Options { handshake_timeout: time, ..Options::default() }), echo);
    let mut peer = Peer::connect(server);
    let mut writer = peer.writer();
    let start = Instant::now();
    let trickling = thread::spawn(move || {
        // A byte at a time, and never all of them: it ends when the server has closed the connection.
        for byte in REQUEST[..REQUEST.len() - 1].bytes().chain([b'x'].into_iter().cycle()) {
            if std::io::Write::write_all(&mut writer, &[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(status(&peer.head()), 408);
    assert!(start.elapsed() >= time);
    drop(peer.rest());
    peer.destroy();
    trickling.join().unwrap();
    let mut silent = Peer::connect(server);
    assert_eq!(status(&silent.head()), 408);
}

#[test]
fn an_open_websocket_may_be_silent_for_longer_than_a_handshake() {
    let time = Duration::from_secs(1);
    let server =
        serve(server_with(Options { handshake_timeout: time, ..Options::default() }), echo);
    let mut peer = Peer::open(server);
    // A client that connected later has timed out.
    assert_eq!(status(&Peer::connect(server).head()), 408);
    peer.send(TEXT, "Hello");
    peer.expect(TEXT, "Hello");
}

#[test]
fn a_request_that_arrives_after_close_gets_503() {
    let server = server();
    let handle = server.handle();
    let server = serve(server, echo);
    let mut connected = Peer::open(server);
    let mut late = Peer::connect(server);
    until(|| handle.connections() == 2);
    handle.close();
    late.write(REQUEST);
    assert_eq!(status(&late.head()), 503);
    connected.send(TEXT, "Hello");
    connected.expect(TEXT, "Hello");
}

#[test]
fn subprotocols_that_are_no_tokens_get_400() {
    let server = serve(server(), echo);
    for offer in ["a b", "a, b c", "a;b", "\"a\""] {
        let mut peer = Peer::connect(server);
        peer.write(
            REQUEST.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Protocol: {offer}\r\n\r\n")),
        );
        assert_eq!(status(&peer.head()), 400, "{offer:?}");
    }
}

#[test]
fn max_queued_can_be_set() {
    let options = Options { max_queued: 9_000_000, ..Options::default() };
    let mut peer = Peer::open(serve(server_with(options), |mut socket| {
        let sent = (0..20).try_for_each(|_| socket.send("x".repeat(300_000)));
        socket.read()?;
        sent
    }));
    (0..20).for_each(|_| peer.expect(TEXT, "x".repeat(300_000)));
}

#[test]
fn a_client_over_max_connections_gets_503_until_another_closes() {
    let server = server_with(Options { max_connections: 2, ..Options::default() });
    let handle = server.handle();
    let server = serve(server, echo);
    let mut first = Peer::open(server);
    let second = Peer::open(server);
    let refused = Peer::connect(server).rest(); // sends nothing: an unread byte would be a reset
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("\r\nConnection: close\r\n"), "{refused}");
    drop(second);
    until(|| handle.connections() == 1);
    Peer::open(server);
    first.send(TEXT, "Hello");
    first.expect(TEXT, "Hello");
}
