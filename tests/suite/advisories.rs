//! The vulnerabilities of the peers, tried on ours: a test for each advisory that has been published
//! about `ws`, `engine.io`, `socket.io`, `socket.io-parser` and `tungstenite`, with what the flaw was
//! and why it is not here. After each attempt another client is served.

#[allow(dead_code)] // tests/ws uses the rest
use std::io::{BufReader, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{LIMIT, POLLING, WEBSOCKET, until};
use crate::ws::peer::*;
use sockets_by_hand::engineio::{self, Event};
use sockets_by_hand::http::{MAX_HEAD, Request};
use sockets_by_hand::socketio::codec::{DecodeError, Decoder, MAX_ATTACHMENTS};
use sockets_by_hand::socketio::{self, Value};
use sockets_by_hand::ws::message::{Incoming, Reader};
use sockets_by_hand::ws::{self, Close, Message, PerMessageDeflate};

/// A handshake's request with these lines in its head.
fn upgrade_request(target: &str, lines: &str) -> String {
    REQUEST.replacen("GET / ", &format!("GET {target} "), 1).replacen("Host: a\r\n", lines, 1)
}

/// Sends a request, and returns the response, with which the connection ends.
fn exchange(server: SocketAddr, method: &str, target: &str, lines: &str, body: &str) -> String {
    let mut peer = Peer::connect(server);
    let length = body.len();
    peer.write(format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}Connection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    ));
    peer.half_close();
    peer.rest()
}

fn status(response: &str) -> &str {
    response.split(' ').nth(1).unwrap_or_else(|| panic!("{response:?} is no response"))
}

/// A WebSocket server that echoes.
fn echo_server() -> SocketAddr {
    serve(server(), echo)
}

#[track_caller]
fn assert_echoes(server: SocketAddr) {
    let mut next = Peer::open(server);
    next.send(TEXT, "still there?");
    next.expect(TEXT, "still there?");
}

/// A Socket.IO server; its handle counts the sessions.
fn io_server() -> (SocketAddr, engineio::Handle) {
    io_server_with(engineio::Options::default())
}

fn io_server_with(engine: engineio::Options) -> (SocketAddr, engineio::Handle) {
    let options = socketio::Options { engine, ..socketio::Options::default() };
    let server = socketio::Server::bind("127.0.0.1:0", options).unwrap();
    let (address, handle) = (server.address().unwrap(), server.handle());
    server.io().on_connection(|socket| _ = socket.on("echo", |event| event.ack(&event.args)));
    thread::spawn(|| server.serve());
    (address, handle)
}

/// A session over long-polling that has been opened by hand.
fn session(server: SocketAddr) -> String {
    let open = exchange(server, "GET", POLLING, "", "");
    open.split("\"sid\":\"").nth(1).expect(&open)[..20].to_string()
}

/// Asserts that a new client is served: it connects, emits, and gets its ack.
#[track_caller]
fn assert_serves(server: SocketAddr) {
    let mut next = Peer::connect(server);
    next.write(upgrade_request(WEBSOCKET, "Host: a\r\n"));
    assert_eq!(status(&next.head()), "101");
    assert!(next.frame().unwrap().1.starts_with(b"0{\"sid\":"));
    next.send(TEXT, "40");
    assert!(next.frame().unwrap().1.starts_with(b"40{\"sid\":"));
    next.send(TEXT, "420[\"echo\",1]");
    next.expect(TEXT, "430[1]");
}

/// Sends these frames in a WebSocket session that is connected to the main namespace, and returns the frames
/// that arrive.
fn in_a_session(server: SocketAddr, frames: &[(u8, &[u8])]) -> Vec<(u8, Vec<u8>)> {
    let mut peer = Peer::connect(server);
    peer.write(upgrade_request(WEBSOCKET, "Host: a\r\n"));
    peer.head();
    peer.frame();
    peer.send(TEXT, "40");
    peer.frame();
    for (first, payload) in frames {
        peer.send(*first, payload);
    }
    peer.half_close();
    std::iter::from_fn(|| peer.frame()).collect()
}

fn decoded(messages: &[Message]) -> Result<Option<socketio::codec::Decoded>, DecodeError> {
    let mut decoder = Decoder::default();
    let (last, before) = messages.split_last().unwrap();
    for message in before {
        assert_eq!(decoder.add(message.clone())?, None, "not complete yet");
    }
    decoder.add(last.clone())
}

/// `ws`, 2016 (CVE-2016-10518): a ping was answered out of a buffer that had the length of its payload
/// and old memory in it. Here a `Vec` is filled before it can be read, and a pong carries the payload of its ping.
#[test]
fn cve_2016_10518_a_pong_carries_what_the_ping_carried() {
    let server = echo_server();
    let mut peer = Peer::open(server);
    for payload in [&b""[..], b"100", &[b'7'; 125]] {
        peer.send(PING, payload);
        peer.expect(PONG, payload);
    }
}

/// `ws`, 2016 (CVE-2016-10542): a message could be as long as it liked. Here there is a limit from the
/// beginning, and a longer frame is refused by its header, before its payload arrives.
#[test]
fn cve_2016_10542_a_message_has_a_limit_before_it_arrives() {
    let server = echo_server();
    let mut peer = Peer::open(server);
    peer.write(Role::Client.header(BINARY, 127, &(1_u64 << 40).to_be_bytes()));
    peer.expect_close(1009);
    assert_echoes(server);
}

/// `ws`, 2017 (GHSA-5v72-xg48-5rpm): an extension or a parameter called like something that every
/// JavaScript object has (`constructor`) ended the program. Here a name is a string that is compared with
/// those that are known.
#[test]
fn ghsa_5v72_xg48_5rpm_extensions_may_be_called_anything() {
    let per_message_deflate = Some(PerMessageDeflate::default());
    let server =
        serve(server_with(ws::Options { per_message_deflate, ..Default::default() }), echo);
    for offer in ["constructor", ",;constructor", "a; __proto__; toString=\"valueOf", ";=,;=,\""] {
        let mut peer = Peer::connect(server);
        peer.write(upgrade_request(
            "/",
            &format!("Host: a\r\nSec-WebSocket-Extensions: {offer}\r\n"),
        ));
        let head = peer.head();
        assert_eq!(status(&head), "101", "{offer}");
        assert_eq!(header(&head, "Sec-WebSocket-Extensions"), None, "{offer}");
    }
    assert_echoes(server);
}

/// `ws`, 2021 (CVE-2021-32640): a list of subprotocols was split with a regular expression, which tried
/// each of many spaces as the beginning of a comma's: time grew with the square of their number. Here
/// the list is cut at its commas, once, and each part is trimmed.
#[test]
fn cve_2021_32640_spaces_among_subprotocols_cost_no_time() {
    let server = echo_server();
    let spaces = " ".repeat(MAX_HEAD - 500);
    let begun = Instant::now();
    for (offer, response) in [("b{}x, c", "400"), ("b{}, c", "101")].repeat(15) {
        let mut peer = Peer::connect(server);
        let offer = offer.replace("{}", &spaces);
        peer.write(upgrade_request(
            "/",
            &format!("Host: a\r\nSec-WebSocket-Protocol: {offer}\r\n"),
        ));
        assert_eq!(status(&peer.head()), response);
    }
    assert!(begun.elapsed() < LIMIT, "it took {:?}", begun.elapsed());
}

/// `tungstenite`, 2023 (CVE-2023-43669): a head was parsed again after each piece of it that arrived, and
/// could be as long as it liked: minutes for one that is millions of bytes long. Here each byte is looked
/// at as it arrives, and no more than 16 KiB of them.
#[test]
fn cve_2023_43669_a_head_is_read_once_and_has_an_end() {
    struct Endless(usize);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer[0] = b'x';
            self.0 += 1;
            Ok(1)
        }
    }
    for begin in ["GET / HTTP/1.1\r\nCookie: ", "GET /", ""] {
        let mut stream = BufReader::new(begin.as_bytes().chain(Endless(0)));
        let refused = Request::read(&mut stream).unwrap_err();
        assert_eq!(refused.status(), Some(431), "{begin}");
        let read = begin.len() + stream.into_inner().into_inner().1.0;
        assert_eq!(read, MAX_HEAD, "{begin}");
    }
}

/// `ws`, 2024 (CVE-2024-37890): Node leaves out the headers beyond a number, and `ws` took it for
/// granted that there is an `Upgrade` among the others. Here too many are refused, not left out.
#[test]
fn cve_2024_37890_too_many_headers_are_refused() {
    let server = echo_server();
    for count in [99, 1000, 2000] {
        let lines: String = (0..count).map(|i| format!("{i:x}:x\r\n")).collect();
        let mut peer = Peer::connect(server);
        peer.write(upgrade_request("/", &format!("Host: a\r\n{lines}")));
        peer.half_close();
        assert_eq!(status(&peer.rest()), "431", "{count}");
    }
    assert_echoes(server);
}

/// `ws`, 2026 (CVE-2026-45736): a close reason that was neither text nor bytes had its length
/// taken from one thing and its content from another, and old memory went out between. Here a reason
/// is a `&str`, and the frame is as long as what is in it.
#[test]
fn cve_2026_45736_a_close_frame_has_its_reason_and_nothing_else() {
    for (mut socket, mut peer) in both() {
        let reason = "a".repeat(123);
        socket.close(1000, &reason).unwrap();
        peer.expect(CLOSE, [&1000_u16.to_be_bytes(), reason.as_bytes()].concat());
        peer.write(peer.role.close(1000, ""));
        assert_eq!(socket.read().unwrap(), None);
        peer.half_close();
    }
    assert!(Close { code: 1000, reason: "a".repeat(124) }.encode().is_err());
}

/// `ws`, 2026 (CVE-2026-48779, GHSA-96hv-2xvq-fx4p): each fragment of a message was kept as an object of
/// its own, and an object is much larger than the byte that was in it. Here fragments are joined as they
/// arrive in one `Vec`, and an empty one adds nothing to it.
#[test]
fn cve_2026_48779_tiny_fragments_take_no_more_than_their_bytes() {
    const PIECES: usize = 50_000;
    let piece = frame(CONTINUATION, b"x", None);
    let nothing = frame(CONTINUATION, b"", None);
    let mut wire = frame(BINARY_FIRST, b"x", None);
    for _ in 0..PIECES {
        wire.extend_from_slice(&piece);
        wire.extend_from_slice(&nothing);
    }
    wire.extend(frame(FINAL, b"x", None));
    let mut reader = Reader::new(&wire[..], false, ws::MAX_PAYLOAD);
    let Ok(Some(Incoming::Message(Message::Binary(bytes)))) = reader.read() else {
        panic!("no message")
    };
    assert_eq!(bytes.len(), PIECES + 2);
    assert!(bytes.capacity() <= 2 * bytes.len() + 64 * 1024, "{}", bytes.capacity());
}

/// `engine.io`, 2020 (CVE-2020-36048): a post could have 100 MB, and was cut into packets in a way
/// that copied the rest of it for each. Here it can have 1 MB, and is cut at its marks, once.
#[test]
fn cve_2020_36048_a_post_of_many_packets_is_split_once() {
    let server = engineio::Server::bind("127.0.0.1:0", engineio::Options::default()).unwrap();
    let address = server.address().unwrap();
    let received = Arc::new(AtomicUsize::new(0));
    let count = received.clone();
    thread::spawn(|| {
        server.serve(move |_| {
            let count = count.clone();
            Box::new(move |event| {
                if let Event::Message(_) = event {
                    count.fetch_add(1, Relaxed);
                }
            })
        });
    });
    let target = format!("{POLLING}&sid={}", session(address));
    let body = vec!["4"; 200_000].join("\x1e");
    let begun = Instant::now();
    assert_eq!(status(&exchange(address, "POST", &target, "", &body)), "200");
    assert_eq!(received.load(Relaxed), 200_000);
    assert!(begun.elapsed() < LIMIT, "it took {:?}", begun.elapsed());

    let mut peer = Peer::connect(address);
    peer.write(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n4"));
    peer.half_close();
    assert_eq!(status(&peer.rest()), "413");
}

/// `socket.io-parser`, 2020 (CVE-2020-36049): the numbers and names before the JSON were put together a
/// character at a time, each time a string of its own, all of which stayed in memory. Here they are
/// slices of the message, and a number has an end.
#[test]
fn cve_2020_36049_long_numbers_and_names_are_not_copied() {
    let digits = "1".repeat(300_000);
    let slashes = "/".repeat(300_000);
    let begun = Instant::now();
    for text in [
        format!("2{digits}[\"x\"]"),
        format!("5{digits}-[\"x\"]"),
        format!("5{digits}"),
        format!("2{slashes}"),
        format!("2/a,{digits}"),
    ] {
        assert_eq!(decoded(&[Message::from(&*text)]), Err(DecodeError), "{}…", &text[..10]);
    }
    assert!(begun.elapsed() < LIMIT, "it took {:?}", begun.elapsed());
    let (server, _) = io_server();
    let text = format!("42{digits}[\"x\"]");
    assert_eq!(in_a_session(server, &[(TEXT, text.as_bytes())]).last().unwrap().0, CLOSE);
    assert_serves(server);
}

/// `socket.io`, 2020 (CVE-2020-28481): by default, pages of every other origin could use a server. Here
/// none can.
#[test]
fn cve_2020_28481_other_origins_are_not_allowed_by_default() {
    let (server, _) = io_server();
    for method in ["GET", "OPTIONS"] {
        let response = exchange(server, method, POLLING, "Origin: http://elsewhere\r\n", "");
        assert!(!response.to_ascii_lowercase().contains("access-control-"), "{response}");
    }
}

/// `engine.io`, 2022 (CVE-2022-21676): an illegal frame right after the handshake, before there was an
/// error listener, ended the program. Here the thread that reads gets the error.
#[test]
fn cve_2022_21676_an_illegal_first_frame_ends_its_own_session() {
    let (server, handle) = io_server();
    for illegal in [0xb1, 0xf1, 0x83, 0x08] {
        for target in [WEBSOCKET.to_string(), format!("{WEBSOCKET}&sid={}", session(server))] {
            let mut peer = Peer::connect(server);
            let frame = Role::Client.frame(illegal, b"x");
            peer.write([upgrade_request(&target, "Host: a\r\n").as_bytes(), &frame].concat());
            assert_eq!(status(&peer.head()), "101");
            while let Some((first, payload)) = peer.frame() {
                assert!(first == TEXT || payload.starts_with(&1002_u16.to_be_bytes()));
            }
        }
    }
    assert_serves(server);
    until(|| handle.sessions() <= 4); // four sessions are still on polling
}

/// `socket.io-parser`, 2022 (CVE-2022-2421): the number of a placeholder was not looked at: `"splice"`
/// put a function of JavaScript's arrays among an event's values. Here it is a number, of an
/// attachment that is there, or the packet is malformed.
#[test]
fn cve_2022_2421_a_placeholder_has_the_number_of_an_attachment() {
    for number in ["\"splice\"", "\"0\"", "null", "-1", "0.5", "1", "1e300", "[0]", "{}", "true"] {
        let text = format!(r#"51-["x",{{"_placeholder":true,"num":{number}}}]"#);
        let bytes = Message::Binary(vec![1]);
        assert_eq!(decoded(&[Message::from(text), bytes]), Err(DecodeError), "{number}");
    }
    let text = r#"51-["x",{"_placeholder":true,"num":0},{"_placeholder":1,"num":7}]"#;
    let whole = decoded(&[Message::from(text), Message::Binary(vec![1])]).unwrap().unwrap();
    assert_eq!(whole.values[1], Value::Binary(vec![1]));
    assert_eq!(whole.values[2]["num"], Value::Number(7.0), "1 is not true");
}

/// `engine.io`, 2022 (CVE-2022-41940): a connection whose upgrade had been refused had no error listener,
/// and a reset there ended the program. Here a reset ends a `read`.
#[test]
fn cve_2022_41940_a_reset_after_a_refused_upgrade_disturbs_no_other_client() {
    let (server, handle) = io_server();
    for (target, upgrade) in [
        (WEBSOCKET, "h2c"),
        ("/elsewhere", "websocket"),
        ("/socket.io/?EIO=4&transport=websocket&sid=none", "websocket"),
        ("/socket.io/?EIO=4&transport=polling", "websocket"),
    ] {
        let request =
            upgrade_request(target, "Host: a\r\n").replace(": websocket", &format!(": {upgrade}"));
        for wait in [false, true] {
            let mut peer = Peer::connect(server);
            peer.write(&request);
            peer.write("and more that is never read");
            if wait {
                peer.head(); // the rest of the response stays unread: the end is a reset
            }
        }
    }
    assert_serves(server);
    until(|| handle.sessions() == 0);
}

/// `engine.io`, 2023 (CVE-2023-31125): whether a transport can be upgraded was looked up under the name
/// that the request gave, which need not be one. Here the name is validated before anything else.
#[test]
fn cve_2023_31125_an_upgrade_to_a_transport_that_is_not_one_is_refused() {
    let (server, handle) = io_server();
    let sid = session(server);
    for transport in ["", "&transport=", "&transport=constructor", "&transport=webtransport"] {
        for sid in [String::new(), format!("&sid={sid}")] {
            let mut peer = Peer::connect(server);
            peer.write(upgrade_request(
                &format!("/socket.io/?EIO=4{transport}{sid}"),
                "Host: a\r\n",
            ));
            let response = peer.rest();
            assert_eq!(status(&response), "400", "{transport}");
            assert!(
                response.ends_with(r#"{"code":0,"message":"Transport unknown"}"#),
                "{response}"
            );
        }
    }
    assert_serves(server);
    until(|| handle.sessions() == 1);
}

/// `socket.io-parser`, 2023 (CVE-2023-32695): an event's name could be an object, which cannot be made
/// a string of, and that ended the program. Here a name that is no string, nor a number, is malformed.
#[test]
fn cve_2023_32695_the_name_of_an_event_is_a_string() {
    let (server, _) = io_server();
    for name in [r#"{"toString":1}"#, "{}", "[]", "null", "true", r#"["say"]"#, ""] {
        let text = format!("2[{name}]");
        assert_eq!(decoded(&[Message::from(&*text)]), Err(DecodeError), "{name}");
        let text = format!("4{text}");
        assert_eq!(in_a_session(server, &[(TEXT, text.as_bytes())]).last().unwrap().0, CLOSE);
    }
    assert_serves(server);
}

/// `socket.io`, 2024 (CVE-2024-38355): a client could emit `error`, which in Node ends a program that has no
/// listener for it. Here it is a name like any other.
#[test]
fn cve_2024_38355_an_error_event_without_a_listener_is_an_event_like_another() {
    let (server, _) = io_server();
    let after: [(u8, &[u8]); 2] = [(TEXT, b"42[\"error\"]"), (TEXT, b"421[\"echo\"]")];
    assert_eq!(in_a_session(server, &after)[0], (TEXT, b"431[]".to_vec()));
    assert_serves(server);
}

/// `socket.io-parser`, 2026 (CVE-2026-33151): a packet could announce any number of attachments, and
/// all that arrived were kept. Here it is ten.
#[test]
fn cve_2026_33151_a_packet_has_at_most_ten_attachments() {
    let (server, _) = io_server();
    for count in [MAX_ATTACHMENTS + 1, 1_000_000, usize::MAX] {
        let text = format!(r#"5{count}-["x"]"#);
        assert_eq!(decoded(&[Message::from(&*text)]), Err(DecodeError), "{count}");
        let text = format!("4{text}");
        assert_eq!(in_a_session(server, &[(TEXT, text.as_bytes())]).last().unwrap().0, CLOSE);
    }
    assert_serves(server);
}

/// `engine.io`, 2026 (CVE-2026-59724): with WebTransport, a session called `__proto__` was found where
/// there was none. Here there is no WebTransport, and a map has only what was put in.
#[test]
fn cve_2026_59724_an_unknown_session_id_is_refused() {
    let (server, _) = io_server();
    for sid in ["__proto__", "constructor", "%5f%5fproto%5f%5f", "", "0"] {
        let target = format!("{POLLING}&sid={sid}");
        for method in ["GET", "POST"] {
            let response = exchange(server, method, &target, "", "");
            assert!(
                response.ends_with(r#"{"code":1,"message":"Session ID unknown"}"#),
                "{response}"
            );
        }
        let mut peer = Peer::connect(server);
        peer.write(upgrade_request(&format!("{WEBSOCKET}&sid={sid}"), "Host: a\r\n"));
        assert_eq!(status(&peer.rest()), "400");
    }
    assert_serves(server);
}

/// `engine.io`, 2026 (CVE-2026-59725, GHSA-r635-g3xr-vw7x): a POST of binary content was refused, and never
/// answered: its connection stayed open. Here every invalid POST gets a response, whatever its
/// `Content-Type`.
#[test]
fn cve_2026_59725_an_invalid_post_gets_a_response_and_its_connection_closes() {
    let (server, handle) = io_server();
    for body in ["\0\u{1}\u{2}", "x", "", "b!", "4\x1e\x1e", "0", "5"] {
        let target = format!("{POLLING}&sid={}", session(server));
        let mut peer = Peer::connect(server);
        let length = body.len();
        peer.write(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ));
        let response = peer.rest(); // up to the end of the connection
        assert_eq!(status(&response), "400", "{body:?}");
    }
    until(|| handle.sessions() == 0);
    assert_serves(server);
}

/// `engine.io`, 2026 (CVE-2026-102599): a session of one revision of the protocol could be upgraded by a
/// request of another, and the heartbeats of one met the parser of the other. Here there is one
/// revision, and one parser.
#[test]
fn cve_2026_102599_an_upgrade_has_no_revision_of_its_own() {
    let (server, _) = io_server();
    for revision in ["", "EIO=3&", "EIO=4&EIO=3&", "EIO=constructor&"] {
        for packets in [["2", "3"], ["2probe", "5"], ["3", "2"], ["6", "1"]] {
            let target =
                format!("/socket.io/?{revision}transport=websocket&sid={}", session(server));
            let mut peer = Peer::connect(server);
            peer.write(upgrade_request(&target, "Host: a\r\n"));
            let head = peer.head();
            assert!(["101", "400"].contains(&status(&head)), "{head}");
            if status(&head) == "101" {
                packets.iter().for_each(|packet| peer.send(TEXT, packet));
                peer.send(TEXT, "2");
                peer.half_close();
                while peer.frame().is_some() {}
            }
        }
    }
    assert_serves(server);
}

/// `engine.io` 6.6.13 (2026): a body could take as long as it liked, and one that was too long was
/// refused while its session went on, to send the next. Here a body has half a minute in all, and
/// either fault ends the session and the connection.
#[test]
fn engine_io_6_6_13_a_body_that_is_late_or_too_long_ends_its_session() {
    let options = engineio::Options {
        http_request_body_timeout: Duration::from_millis(20),
        ..engineio::Options::default()
    };
    assert_eq!(engineio::Options::default().http_request_body_timeout.as_secs(), 30);
    let (server, handle) = io_server_with(options);
    for (length, status_of_refusal) in [(5, "408"), (1_000_001, "413")] {
        let target = format!("{POLLING}&sid={}", session(server));
        let mut peer = Peer::connect(server);
        peer.write(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n4"
        ));
        assert_eq!(status(&peer.rest()), status_of_refusal);
        until(|| handle.sessions() == 0);
    }
    assert_serves(server);
}

/// `engine.io` 6.6.13 (2026): each piece of a body that arrived was kept as an object of its own, with
/// no limit on how many. Here the bytes are joined as they arrive, in one `Vec`.
#[test]
fn engine_io_6_6_13_a_body_in_tiny_chunks_takes_no_more_than_its_bytes() {
    const PIECES: usize = 50_000;
    struct Pieces(usize);
    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer[0] = b'x';
            self.0 += 1;
            Ok(1)
        }
    }
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {PIECES}\r\n\r\n");
    let request = Request::read(&mut head.as_bytes()).unwrap().unwrap();
    let mut reader = BufReader::with_capacity(16, Pieces(0));
    let body = request.body(&mut reader, 1_000_000).unwrap();
    assert_eq!((body.len(), reader.get_ref().0), (PIECES, PIECES));
    assert!(body.capacity() <= 2 * PIECES + 64 * 1024, "{}", body.capacity());
}

/// `socket.io-parser`, 2026 (CVE-2026-69185): a packet of a binary type with no attachments waited for
/// attachments without end. Here it is malformed, as for the peer since then.
#[test]
fn cve_2026_69185_a_packet_with_no_attachments_does_not_say_that_it_has_some() {
    let (server, _) = io_server();
    for text in [r#"50-["x"]"#, r#"60-1["x"]"#, r#"5-["x"]"#, r#"500-["x"]"#] {
        assert_eq!(decoded(&[Message::from(text)]), Err(DecodeError), "{text}");
        let text = format!("4{text}");
        let frames: [(u8, &[u8]); 3] = [(TEXT, text.as_bytes()), (BINARY, b"1"), (BINARY, b"2")];
        assert_eq!(in_a_session(server, &frames).last().unwrap().0, CLOSE);
    }
    assert_serves(server);
}

/// No advisory, but of their kind: 30,000 placeholders in 1 MB of text, all with the number of one
/// attachment of 1 MB, would be 30 GB where each is given a copy. JavaScript gives all of them the
/// same bytes; here each attachment has one placeholder, as every sender writes it.
#[test]
fn an_attachment_has_one_placeholder() {
    let place = r#"{"_placeholder":true,"num":0}"#;
    let bytes = Message::Binary(vec![1]);
    for text in [format!(r#"51-["x",{place},{place}]"#), format!(r#"51-["x",[{place},[{place}]]]"#)]
    {
        assert_eq!(decoded(&[Message::from(text), bytes.clone()]), Err(DecodeError));
    }
    let (server, _) = io_server();
    let text = format!("451-[\"x\",{}]", [place; 30_000].join(","));
    let frames: [(u8, &[u8]); 2] = [(TEXT, text.as_bytes()), (BINARY, &[0; 1_000_000])];
    assert_eq!(in_a_session(server, &frames).last().unwrap().0, CLOSE);
    assert_serves(server);
}
