//! The Engine.IO server over real sockets, with requests and frames written by hand.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::{
    Connection, Frame, PATH, POLLING, Polling, WEBSOCKET, WebSocket, next, retry, sid, until,
};
use sockets_by_hand::engineio::packet::SEPARATOR;
use sockets_by_hand::engineio::{
    Cookie, Cors, Event, Handle, Options, Outgoing, Packet, Server, Session,
};
use sockets_by_hand::http::Response;
use sockets_by_hand::ws::{self, Message};

/// A server that echoes every message.
struct TestServer {
    address: SocketAddr,
    handle: Handle,
    /// Receives each session that is opened.
    sessions: Receiver<Session>,
    /// Receives the reason of each close event.
    ends: Receiver<&'static str>,
}

fn server(options: Options) -> TestServer {
    server_with(options, echo)
}

fn echo(session: &Session, message: Message) {
    send(session, Packet::Message(message));
}

fn server_with(
    options: Options,
    received: impl Fn(&Session, Message) + Clone + Send + Sync + 'static,
) -> TestServer {
    serve(Server::bind("127.0.0.1:0", options).unwrap(), received)
}

fn serve(
    server: Server,
    received: impl Fn(&Session, Message) + Clone + Send + Sync + 'static,
) -> TestServer {
    let (address, handle) = (server.address().unwrap(), server.handle());
    let (opened, sessions) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    thread::spawn(move || {
        server.serve(move |session| {
            _ = opened.send(session.clone());
            let (session, received, ended) = (session.clone(), received.clone(), ended.clone());
            Box::new(move |event| match event {
                Event::Message(message) => received(&session, message),
                Event::Close(reason) => _ = ended.send(reason),
            })
        });
    });
    TestServer { address, handle, sessions, ends }
}

/// A WebSocket client that has received an echo, and its session.
fn websocket_session(server: &TestServer) -> (WebSocket, Session) {
    let mut client = WebSocket::session(server.address);
    client.send("4hello");
    assert_eq!(client.text(), "4hello");
    (client, next(&server.sessions))
}

fn send(session: &Session, packet: Packet) {
    session.send(&Arc::new(packet.into()));
}

fn text(text: &str) -> Packet {
    Packet::Message(text.into())
}

/// A timeout that a test waits for.
const SHORT: Duration = Duration::from_millis(20);

/// A timeout that a test must keep. (On a loaded machine it may miss it: then the test tries
/// again.)
const LONGER: Duration = Duration::from_millis(300);

mod packets {
    use super::*;

    #[test]
    fn a_packet_is_its_type_and_its_data() {
        let bytes = |bytes: &[u8]| Packet::Message(Message::Binary(bytes.to_vec()));
        for (packet, wire) in [
            (Packet::Open("{}".to_string()), "0{}"),
            (Packet::Close, "1"),
            (Packet::Ping(String::new()), "2"),
            (Packet::Ping("probe".to_string()), "2probe"),
            (Packet::Pong(String::new()), "3"),
            (Packet::Pong("probe".to_string()), "3probe"),
            (text(""), "4"),
            (text("hello"), "4hello"),
            (text("4 is not €"), "44 is not €"),
            (Packet::Upgrade, "5"),
            (Packet::Noop, "6"),
            (bytes(&[]), "b"),
            (bytes(&[1]), "bAQ=="),
            (bytes(&[1, 2, 3, 4]), "bAQIDBA=="),
            (bytes(&[0xfb, 0xff]), "b+/8="),
        ] {
            assert_eq!(Packet::parse(wire), Some(packet.clone()));
            let mut payload = String::new();
            packet.write(&mut payload);
            assert_eq!(payload, wire);
        }
    }

    #[test]
    fn a_malformed_packet_is_refused() {
        for wire in
            ["", "7", "9", "-1", "a", " 4", "é", "B", "b!", "bAQI", "bAQ", "bAQ==AQ==", "\0"]
        {
            assert_eq!(Packet::parse(wire), None, "{wire:?}");
        }
    }

    #[test]
    fn a_binary_message_of_a_websocket_is_a_packet_as_it_is() {
        let bytes = Message::Binary(b"4hello".to_vec());
        assert_eq!(Packet::from_message(bytes.clone()), Some(Packet::Message(bytes)));
        assert_eq!(Packet::from_message("4hello".into()), Some(text("hello")));
        assert_eq!(Packet::from_message("".into()), None);
    }

    #[test]
    fn a_payload_is_packets_with_separators() {
        let packets = vec![text("one"), Packet::Message(Message::Binary(vec![1])), Packet::Noop];
        let payload = Outgoing::new(packets.clone()).payload();
        assert_eq!(&*payload, "4one\x1ebAQ==\x1e6");
        assert_eq!(Packet::parse_payload(&payload), Some(packets));
        for payload in ["", "4one\x1e", "\x1e4one", "4one\x1e\x1e4two", "4one\x1e9", "\x1e"] {
            assert_eq!(Packet::parse_payload(payload), None, "{payload:?}");
        }
    }

    #[test]
    fn each_packet_is_a_frame_of_its_own() {
        for (length, head) in [
            (0, &[0x81, 1][..]),
            (124, &[0x81, 125]),
            (125, &[0x81, 126, 0, 126]),
            (65_534, &[0x81, 126, 0xff, 0xff]),
            (65_535, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let data = "x".repeat(length);
            let outgoing = Outgoing::from(text(&data));
            assert_eq!(**outgoing.frames(), [head, b"4", data.as_bytes()].concat(), "{length}");
        }
        let outgoing = Outgoing::new(vec![text("a"), Packet::Message(vec![7, 8].into())]);
        assert_eq!(**outgoing.frames(), [0x81, 2, b'4', b'a', 0x82, 2, 7, 8]);
    }

    #[test]
    fn each_encoding_is_made_once_and_shared() {
        let outgoing = Outgoing::from(text("to a thousand"));
        assert_eq!(outgoing.frames().as_ptr(), outgoing.frames().as_ptr());
        let copy = || Arc::<[u8]>::from(outgoing.frames());
        assert!(Arc::ptr_eq(&copy(), &copy()) && *copy() == **outgoing.frames());
        assert!(Arc::ptr_eq(&outgoing.payload(), &outgoing.payload()));
    }
}

mod opening {
    use super::*;

    #[test]
    fn a_polling_session_begins_with_the_handshake_data() {
        let server = server(Options::default());
        let response = Connection::open(server.address).get(POLLING);
        let session = next(&server.sessions);
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let open_packet = format!(
            r#"0{{"sid":"{}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#,
            session.id()
        );
        assert_eq!(response.body, open_packet);
        assert_eq!((session.transport(), server.handle.sessions()), ("polling", 1));
    }

    #[test]
    fn a_websocket_session_offers_no_upgrades() {
        let server = server(Options {
            ping_interval: Duration::from_millis(30_500),
            max_payload: 5,
            ..Options::default()
        });
        let mut socket = WebSocket::open(server.address, WEBSOCKET);
        let open_packet = socket.text();
        let session = next(&server.sessions);
        let expected = format!(
            r#"0{{"sid":"{}","upgrades":[],"pingInterval":30500,"pingTimeout":20000,"maxPayload":5}}"#,
            session.id()
        );
        assert_eq!(open_packet, expected);
        assert_eq!((session.transport(), server.handle.sessions()), ("websocket", 1));
    }

    #[test]
    fn every_session_has_its_own_id_that_needs_no_escape() {
        let server = server(Options::default());
        let mut names: Vec<_> = (0..20).map(|_| Polling::open(server.address).sid).collect();
        for name in &names {
            assert_eq!(name.len(), 20);
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
                "{name}"
            );
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 20);
    }

    #[test]
    fn the_request_and_the_address_of_the_client_are_known() {
        let server = server(Options::default());
        let stream = TcpStream::connect(server.address).unwrap();
        let local_address = stream.local_addr().unwrap();
        drop(stream);
        Connection::open(server.address).request(
            "GET",
            &format!("{POLLING}&t=x%20y"),
            "X-A: b\r\n",
            "",
        );
        let session = next(&server.sessions);
        assert_eq!(session.request().query("t").as_deref(), Some("x y"));
        assert_eq!(session.request().headers.get("x-a"), Some("b"));
        assert_eq!(session.remote_address().map(|address| address.ip()), Some(local_address.ip()));
    }

    #[test]
    fn x_forwarded_for_is_trusted_with_the_option_only_over_each_transport() {
        for (trust_proxy, expected) in [(0, "127.0.0.1"), (1, "203.0.113.7"), (2, "1.1.1.1")] {
            let server = server(Options { trust_proxy, ..Options::default() });
            let lines = "X-Forwarded-For: 9.9.9.9, 1.1.1.1, 203.0.113.7\r\n";
            let address =
                || next(&server.sessions).remote_address().map(|address| address.ip().to_string());
            _ = Polling::open_with(server.address, lines);
            assert_eq!(address().as_deref(), Some(expected));
            WebSocket::open_with(server.address, WEBSOCKET, lines).unwrap();
            assert_eq!(address().as_deref(), Some(expected));
        }
    }

    #[test]
    fn invalid_requests_get_the_error_of_the_protocol() {
        let server = server(Options::default());
        let transport = (400, r#"{"code":0,"message":"Transport unknown"}"#);
        let sid = (400, r#"{"code":1,"message":"Session ID unknown"}"#);
        let method = (400, r#"{"code":2,"message":"Bad handshake method"}"#);
        let request = (400, r#"{"code":3,"message":"Bad request"}"#);
        let version = (400, r#"{"code":5,"message":"Unsupported protocol version"}"#);
        for (verb, query, expected) in [
            ("GET", "transport=polling", version),
            ("GET", "EIO=abc&transport=polling", version),
            ("GET", "EIO=3&transport=polling", version),
            ("GET", "EIO=4", transport),
            ("GET", "EIO=4&transport=abc", transport),
            ("GET", "EIO=4&transport=constructor", transport),
            ("GET", "", transport),
            ("GET", "EIO=4&transport=websocket", request),
            ("POST", "EIO=4&transport=polling", method),
            ("PUT", "EIO=4&transport=polling", method),
            ("DELETE", "EIO=4&transport=polling", method),
            ("OPTIONS", "EIO=4&transport=polling", method),
            ("GET", "EIO=4&transport=polling&sid=abc", sid),
            ("POST", "EIO=4&transport=polling&sid=", sid),
            ("GET", "EIO=4&transport=abc&sid=abc", transport),
        ] {
            let mut connection = Connection::open(server.address);
            connection.request(verb, &format!("/socket.io/?{query}"), "", "");
            let response = connection.response();
            assert_eq!(response.status_and_body(), expected, "{verb} {query}");
            assert_eq!(response.header("content-type"), Some("application/json"));
        }
        for (query, expected) in [
            ("transport=websocket", version),
            ("EIO=abc&transport=websocket", version),
            ("EIO=4", transport),
            ("EIO=4&transport=abc", transport),
            ("EIO=4&transport=polling", request),
            ("EIO=4&transport=websocket&sid=abc", sid),
        ] {
            let result = WebSocket::try_open(server.address, &format!("/socket.io/?{query}"));
            let response = result.err().unwrap_or_else(|| panic!("{query} opened a WebSocket"));
            assert_eq!(response.status_and_body(), expected, "{query}");
        }
        assert_eq!(server.handle.sessions(), 0);
    }

    #[test]
    fn an_invalid_websocket_handshake_is_refused() {
        let server = server(Options::default());
        let mut connection = Connection::open(server.address);
        let lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n";
        connection.request("GET", WEBSOCKET, lines, "");
        assert_eq!(connection.response().status, 426);
        assert!(connection.has_ended());
        assert_eq!(server.handle.sessions(), 0);
    }

    #[test]
    fn only_transports_in_the_options_are_accepted() {
        let polling = server(Options { transports: vec!["polling"], ..Options::default() });
        let open_packet = Connection::open(polling.address).get(POLLING).body;
        assert!(open_packet.contains(r#""upgrades":[],"#), "{open_packet}");
        let refused = WebSocket::try_open(polling.address, WEBSOCKET).err().unwrap();
        assert_eq!(refused.status_and_body(), (400, r#"{"code":0,"message":"Transport unknown"}"#));

        let websocket = server(Options { transports: vec!["websocket"], ..Options::default() });
        assert_eq!(Connection::open(websocket.address).get(POLLING).status, 400);
        WebSocket::session(websocket.address);
    }

    #[test]
    fn allow_request_refuses_over_either_transport() {
        let has_password = |request: &sockets_by_hand::http::Request| {
            request.headers.get("x-pass").is_some_and(|pass| pass == "swordfish")
        };
        let server =
            server(Options { allow_request: Box::new(has_password), ..Options::default() });
        let forbidden = (403, r#"{"code":4,"message":"Forbidden"}"#);
        assert_eq!(Connection::open(server.address).get(POLLING).status_and_body(), forbidden);
        assert_eq!(
            WebSocket::try_open(server.address, WEBSOCKET).err().unwrap().status_and_body(),
            forbidden
        );
        let mut connection = Connection::open(server.address);
        connection.request("GET", POLLING, "X-Pass: swordfish\r\n", "");
        assert_eq!(connection.response().status, 200);
    }

    #[test]
    fn other_paths_are_answered_by_page() {
        let path = "/talk".to_string(); // the same as "/talk/"
        let mut server =
            Server::bind("127.0.0.1:0", Options { path, ..Options::default() }).unwrap();
        server.page(|request, _| Response::text(200, request.path()));
        let server = serve(server, echo);
        let mut connection = Connection::open(server.address);
        assert_eq!(connection.get("/").status_and_body(), (200, "/"));
        assert_eq!(connection.get("/talks").body, "/talks");
        assert_eq!(connection.get("/socket.io/?EIO=4&transport=polling").body, "/socket.io/");
        assert_eq!(connection.post("/form", "a=b").body, "/form");
        assert!(connection.get("/talk/?EIO=4&transport=polling").body.starts_with("0{"));
    }

    #[test]
    fn a_session_over_the_limit_gets_a_503() {
        let server = server(Options { max_connections: 1, ..Options::default() });
        let _first = WebSocket::session(server.address);
        let mut second = Connection::open(server.address);
        assert_eq!(second.response().status, 503);
        assert!(second.has_ended());
    }
}

mod other_paths {
    use super::*;

    fn bind(options: Options) -> Server {
        Server::bind("127.0.0.1:0", options).unwrap()
    }

    #[test]
    fn a_page_sees_the_state_of_the_server_the_body_and_the_address() {
        let mut server = bind(Options { max_body: 5, ..Options::default() });
        let handle = server.handle();
        server.page(move |request, body| {
            let (sessions, ip) = (handle.sessions(), request.remote_address.unwrap().ip());
            let body = String::from_utf8_lossy(body);
            Response::text(200, &format!("{sessions} {ip} {} {body}", request.method))
        });
        let server = serve(server, echo);
        let mut connection = Connection::open(server.address);
        assert_eq!(connection.get("/").body, "0 127.0.0.1 GET ");
        let _client = WebSocket::session(server.address);
        assert_eq!(connection.post("/", "hello").body, "1 127.0.0.1 POST hello");
        assert_eq!(connection.post("/", "hello!").status, 413);
        assert!(connection.has_ended());
    }

    #[test]
    fn each_request_for_a_page_has_the_address_that_a_trusted_proxy_forwards() {
        let mut server = bind(Options { trust_proxy: 1, ..Options::default() });
        server.page(|request, _body| {
            Response::text(200, &request.remote_address.unwrap().ip().to_string())
        });
        let server = serve(server, echo);
        let mut proxy = Connection::open(server.address);
        for client in ["203.0.113.7", "2001:db8::1"] {
            proxy.request("GET", "/", &format!("X-Forwarded-For: {client}\r\n"), "");
            assert_eq!(proxy.response().body, client);
        }
        assert_eq!(proxy.get("/").body, "127.0.0.1");
    }

    #[test]
    fn plain_websockets_are_served_beside_the_sessions() {
        let mut server = bind(Options::default());
        let options =
            ws::Options { path: Some("/feed".to_string()), max_payload: 5, ..Default::default() };
        let feed = server.ws(options, |mut socket| {
            while let Some(message) = socket.read()? {
                socket.send(message)?;
            }
            Ok(())
        });
        let server = serve(server, echo);
        let mut socket = WebSocket::open(server.address, "/feed?since=7");
        socket.send("hello");
        assert_eq!(socket.text(), "hello");
        feed.broadcast("to all");
        assert_eq!(socket.text(), "to all");
        websocket_session(&server).0.close();
        assert_eq!((feed.all().len(), next(&server.ends)), (1, "transport close"));

        let other = WebSocket::try_open(server.address, "/feed/more").err().unwrap();
        assert_eq!(other.status, 404);
        assert_eq!(Connection::open(server.address).get("/feed").status, 404);
        socket.send("hello!");
        assert_eq!(socket.read(), Frame::Close(1009));
        until(|| feed.all().is_empty());
    }

    #[test]
    fn a_websocket_handler_without_a_path_takes_all_paths_but_that_of_the_sessions() {
        let mut server = bind(Options::default());
        server.ws(ws::Options::default(), |socket| {
            let path = socket.request.path().to_string();
            socket.send(path)
        });
        let server = serve(server, echo);
        for path in ["/", "/feed", "/socket.io"] {
            assert_eq!(WebSocket::open(server.address, path).text(), path);
        }
        WebSocket::session(server.address);
    }

    #[test]
    fn a_websocket_handler_refuses_by_its_own_options() {
        let mut server = bind(Options::default());
        let refuse = Box::new(|_: &_| Err(Response::text(401, "Who are you?")));
        let options = ws::Options { verify_client: refuse, ..Default::default() };
        server.ws(options, |_| panic!("a client was refused, and its handler is called"));
        let server = serve(server, echo);
        let refused = WebSocket::try_open(server.address, "/").err().unwrap();
        assert_eq!(refused.status_and_body(), (401, "Who are you?"));
        WebSocket::session(server.address);
    }
}

mod options {
    use super::*;

    #[test]
    fn the_cookie_is_in_the_first_response_over_polling() {
        let server = server(Options {
            cookie: Some(Cookie { max_age: Some(Duration::from_secs(90)), ..Cookie::default() }),
            generate_id: Box::new(|request| request.query("id").unwrap_or_default()),
            ..Options::default()
        });
        let mut connection = Connection::open(server.address);
        let response = connection.get(&format!("{POLLING}&id=a%22b"));
        let expected = "io=a%22b; Max-Age=90; Path=/; HttpOnly; SameSite=Lax";
        assert_eq!(response.header("set-cookie"), Some(expected));
        assert!(response.body.starts_with(r#"0{"sid":"a\"b","#), "{}", response.body);
        let response = connection.post(&format!("{POLLING}&sid=a%22b"), "4hello");
        assert_eq!((response.status, response.header("set-cookie")), (200, None));
    }

    #[test]
    fn an_empty_id_and_one_in_use_are_refused() {
        let (sender, errors) = mpsc::channel();
        let server = server(Options {
            generate_id: Box::new(|request| request.query("id").unwrap_or_default()),
            connection_error: Box::new(move |error| {
                sender.send((error.code, error.context["name"].clone())).unwrap();
            }),
            ..Options::default()
        });
        let mut connection = Connection::open(server.address);
        assert_eq!(connection.get(&format!("{POLLING}&id=a")).status, 200);
        for id in ["a", ""] {
            let refused = Connection::open(server.address).get(&format!("{POLLING}&id={id}"));
            let expected = (400, r#"{"code":3,"message":"Bad request"}"#);
            assert_eq!(refused.status_and_body(), expected);
            assert_eq!(next(&errors), (3, "ID_GENERATION_ERROR".into()));
        }
        let mut socket = WebSocket::open(server.address, &format!("{WEBSOCKET}&id=a"));
        assert_eq!(socket.read(), Frame::Close(1005));
        assert_eq!(next(&errors), (3, "ID_GENERATION_ERROR".into()));
        let target = format!("{POLLING}&sid=a");
        assert_eq!(connection.post(&target, "4hello").body, "ok");
        assert_eq!(connection.get(&target).body, "4hello");
        assert_eq!(server.handle.sessions(), 1);
    }

    #[test]
    fn headers_are_changed_in_the_first_response_and_in_every_one() {
        let server = server(Options {
            initial_headers: Box::new(|headers, _| headers.set("X-Initial", "1")),
            headers: Box::new(|headers, request| {
                let initial = headers.get("x-initial").unwrap_or("0").to_string();
                headers.set("Cache-Control", "private");
                headers.push("X-Every", &format!("{} {initial}", request.method));
            }),
            ..Options::default()
        });
        let mut connection = Connection::open(server.address);
        let response = connection.get(POLLING);
        assert_eq!(response.header("x-every"), Some("GET 1"));
        assert_eq!(response.header("cache-control"), Some("private"));
        let target = format!("{POLLING}&sid={}", sid(&response.body));
        let response = connection.post(&target, "4hello");
        assert_eq!((response.header("x-every"), response.status), (Some("POST 0"), 200));
        assert_eq!(connection.get(&target).header("x-every"), Some("GET 0"));
        let response = Connection::open(server.address).get("/socket.io/");
        assert_eq!((response.header("x-every"), response.status), (None, 400));
    }

    #[test]
    fn a_session_without_an_offer_may_still_be_upgraded() {
        let server = server(Options { allow_upgrades: false, ..Options::default() });
        let open_packet = Connection::open(server.address).get(POLLING).body;
        assert!(open_packet.contains(r#""upgrades":[],"#), "{open_packet}");
        let mut socket = Polling::open(server.address).upgrade();
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
    }

    #[test]
    fn connection_error_has_the_request_and_the_reason() {
        let (sender, errors) = mpsc::channel();
        let server = server(Options {
            connection_error: Box::new(move |error| {
                assert!(error.request.remote_address.is_some());
                let (request, context) = (error.request, &error.context);
                let error = format!("{} {} {context}", error.code, error.message);
                sender.send(format!("{} {error}", request.method)).unwrap();
            }),
            ..Options::default()
        });
        let mut socket = Polling::open(server.address).upgrade();
        let session = next(&server.sessions);
        for (method, query, expected) in [
            ("GET", "", "GET 0 Transport unknown {}"),
            ("POST", "&transport=polling", r#"POST 2 Bad handshake method {"method":"POST"}"#),
            ("GET", "&transport=polling&sid=a", r#"GET 1 Session ID unknown {"sid":"a"}"#),
        ] {
            let mut connection = Connection::open(server.address);
            connection.request(method, &format!("/socket.io/?EIO=4{query}"), "", "");
            assert_eq!((connection.response().status, &*next(&errors)), (400, expected));
        }
        until(|| session.transport() == "websocket");
        let target = format!("{POLLING}&sid={}", session.id());
        assert_eq!(Connection::open(server.address).get(&target).status, 400);
        let context = concat!(
            r#"{"name":"TRANSPORT_MISMATCH","transport":"polling","#,
            r#""previousTransport":"websocket"}"#
        );
        assert_eq!(next(&errors), format!("GET 3 Bad request {context}"));
        socket.send("no packet"); // it ends the session, and is no connection error
        assert_eq!(next(&server.ends), "parse error");
        assert!(errors.try_recv().is_err());
    }
}

mod events {
    use std::sync::Arc;

    use super::*;

    /// Records the events of a session, as `name value`.
    fn record(session: &Session) -> mpsc::Receiver<String> {
        let (sender, events) = mpsc::channel();
        for name in [
            "packet",
            "packetCreate",
            "flush",
            "drain",
            "heartbeat",
            "upgrading",
            "upgrade",
            "close",
        ] {
            let sender = sender.clone();
            session.events().on(name, move |value| _ = sender.send(format!("{name} {value}")));
        }
        events
    }

    #[track_caller]
    fn assert_next(events: &mpsc::Receiver<String>, expected: &[&str]) {
        for expected in expected {
            assert_eq!(next(events), *expected);
        }
    }

    #[test]
    fn are_emitted_in_order_over_a_websocket() {
        let server = server(Options::default());
        let (mut client, session) = websocket_session(&server);
        let events = record(&session);
        client.send("4hello");
        assert_eq!(client.text(), "4hello");
        let packet = r#"{"type":"message","data":"hello"}"#;
        assert_next(
            &events,
            &[
                &format!("packet {packet}"),
                &format!("packetCreate {packet}"),
                &format!("flush [{packet}]"),
                "drain null",
            ],
        );
        client.send("3");
        assert_next(&events, &[r#"packet {"type":"pong"}"#, "heartbeat null"]);
        client.send("x");
        assert_next(
            &events,
            &[r#"packet {"type":"error","data":"parser error"}"#, r#"close "parse error""#],
        );
        assert!(events.recv().is_err(), "the listeners are removed after the last event");
    }

    #[test]
    fn are_emitted_in_order_over_polling_and_in_the_upgrade() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        let events = record(&session);
        client.post("4a\x1e4b");
        let [a, b] = ["a", "b"].map(|data| format!(r#"{{"type":"message","data":"{data}"}}"#));
        for packet in [&a, &b] {
            assert_next(&events, &[&format!("packet {packet}"), &format!("packetCreate {packet}")]);
        }
        assert_eq!(client.poll(), "4a\x1e4b");
        assert_next(&events, &[&format!("flush [{a},{b}]"), "drain null"]);
        client.post("4a");
        assert_next(&events, &[&format!("packet {a}"), &format!("packetCreate {a}")]);
        let mut socket = client.upgrade();
        assert_eq!(socket.text(), "4a");
        let upgrade = [r#"upgrading "websocket""#, r#"upgrade "websocket""#];
        assert_next(&events, &upgrade);
        assert_next(&events, &[&format!("flush [{a}]"), "drain null"]);
        socket.close();
        assert_next(&events, &[r#"close "transport close""#]);
    }

    #[test]
    fn of_a_session_that_has_ended_keep_no_listener() {
        let server = server(Options::default());
        let (_client, session) = websocket_session(&server);
        let held = Arc::new(());
        let listener = held.clone();
        session.events().on("close", move |_| _ = &listener);
        session.close("forced close");
        assert_eq!(next(&server.ends), "forced close");
        until(|| Arc::strong_count(&held) == 1);
        let listener = held.clone();
        session.events().once("packet", move |_| _ = &listener);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn are_emitted_under_no_lock() {
        let server = server(Options::default());
        let (mut client, session) = websocket_session(&server);
        let (sender, seen) = mpsc::channel();
        let other = session.clone();
        session.events().once("packetCreate", move |_| {
            send(&other, text("sent by the listener"));
            sender.send((other.transport(), other.is_writable())).unwrap();
        });
        send(&session, text("hello"));
        let mut received = [client.text(), client.text()];
        received.sort(); // the listener runs on another thread, which may be the faster one
        assert_eq!(received, ["4hello", "4sent by the listener"]);
        assert_eq!(next(&seen).0, "websocket");
    }
}

mod the_limit_on_sessions {
    use super::*;

    #[test]
    fn a_session_without_a_second_request_is_removed() {
        let server = server(Options { first_request_timeout: SHORT, ..Options::default() });
        Connection::open(server.address).get(POLLING);
        assert_eq!(next(&server.ends), "ping timeout");
        until(|| server.handle.sessions() == 0);
    }

    #[test]
    fn a_second_request_keeps_the_session() {
        let server = server(Options { first_request_timeout: LONGER, ..Options::default() });
        let mut client = loop {
            let mut client = Polling::open(server.address);
            if client.try_post("4here").status == 200 {
                break client; // in time
            }
        };
        // A later one, which is left idle for that time.
        let open_packet = Connection::open(server.address).get(POLLING).body;
        let other = std::iter::repeat_with(|| next(&server.sessions));
        let other = { other }.find(|session| open_packet.contains(session.id())).unwrap();
        until(|| other.closed().is_some());
        assert_eq!(client.poll(), "4here");
    }

    #[test]
    fn at_the_limit_the_longest_idle_session_is_replaced() {
        let server = server(Options { max_connections: 4, ..Options::default() });
        let mut polling = Polling::open(server.address);
        let held = next(&server.sessions);
        polling.send_get();
        until(|| held.is_writable());
        let mut connection = Connection::open(server.address);
        for _ in 0..20 {
            let response = connection.get(POLLING);
            assert_eq!(response.status, 200, "{response:?}");
            let sid = sid(&response.body);
            assert!(server.handle.sessions() <= 4);
            // A POST does not make it a client that polls.
            assert_eq!(connection.post(&format!("{POLLING}&sid={sid}"), "4").status, 200);
        }
        (0..17).for_each(|_| assert_eq!(next(&server.ends), "ping timeout"));
        polling.post("4still here");
        assert_eq!(polling.received(), "4still here");
    }
}

mod messages {
    use super::*;

    #[test]
    fn a_posted_message_is_echoed_to_the_next_get() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        for payload in [
            "4hello",
            "4",
            "4Grüße €\u{1F600}",
            "4test1\x1e4test2\x1e4test3",
            "4hello\x1ebAQIDBA==",
            "b",
        ] {
            client.post(payload);
            assert_eq!(client.poll(), payload);
        }
    }

    #[test]
    fn a_get_is_held_until_there_is_a_packet() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        assert!(!session.is_writable());
        client.send_get();
        until(|| session.is_writable());
        send(&session, text("now"));
        assert_eq!(client.received(), "4now");
    }

    #[test]
    fn packets_wait_in_order_for_the_next_get() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        let pair = vec![text("b"), Packet::Message(vec![1].into())];
        send(&session, text("a"));
        session.send(&Arc::new(Outgoing::new(pair)));
        send(&session, text("c"));
        assert_eq!(client.poll(), ["4a", "4b", "bAQ==", "4c"].join(SEPARATOR));
    }

    #[test]
    fn a_websocket_echoes_text_and_bytes() {
        let server = server(Options::default());
        let mut client = WebSocket::session(server.address);
        for text in ["4hello", "4", "4Grüße €\u{1F600}"] {
            client.send(text);
            assert_eq!(client.text(), text);
        }
        for bytes in [&[][..], &[1, 2, 3, 4], &[b'4'; 70_000]] {
            client.send_bytes(bytes);
            assert_eq!(client.read(), Frame::Binary(bytes.to_vec()));
        }
    }

    #[test]
    fn a_malformed_post_ends_the_session() {
        let server = server(Options::default());
        // Only a server sends open and noop; upgrade belongs to a WebSocket.
        for body in ["abc", "", "4good\x1eabc", "bA", "4\x1e", "0{}", "5", "6", "2"] {
            let mut client = Polling::open(server.address);
            let response = client.try_post(body);
            let refused = (400, r#"{"code":3,"message":"Bad request"}"#);
            assert_eq!(response.status_and_body(), refused, "{body:?}");
            assert!(client.post.has_ended());
            assert_eq!(next(&server.ends), "parse error");
            client.assert_forgotten();
        }
        let mut client = Polling::open(server.address);
        let head =
            format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", client.target());
        client.post.send([head.as_bytes(), b"4\xff"].concat());
        assert_eq!(client.post.response().status, 400);
        assert_eq!(next(&server.ends), "parse error");
    }

    #[test]
    fn a_malformed_websocket_message_ends_the_session() {
        let server = server(Options::default());
        for text in ["abc", "", "9", "0{}", "5", "6", "bA"] {
            let mut client = WebSocket::session(server.address);
            client.send(text);
            assert_eq!(client.read(), Frame::Close(1005), "{text:?}");
            assert_eq!(client.read(), Frame::End);
            assert_eq!(next(&server.ends), "parse error");
        }
        until(|| server.handle.sessions() == 0);
    }

    #[test]
    fn a_message_may_be_as_long_as_max_payload_and_no_longer() {
        let server = server(Options { max_payload: 8, ..Options::default() });
        let mut client = Polling::open(server.address);
        client.post("4seven 7");
        assert_eq!(client.poll(), "4seven 7");
        assert_eq!(client.try_post("4eight 88").status_and_body(), (413, ""));
        assert!(client.post.has_ended());
        assert_eq!(next(&server.ends), "transport error");
        client.assert_forgotten();

        let mut client = WebSocket::session(server.address);
        client.send("4seven 7");
        assert_eq!(client.text(), "4seven 7");
        client.send("4eight 88");
        assert_eq!(client.read(), Frame::Close(1009));
        assert_eq!(next(&server.ends), "transport error");
    }

    #[test]
    fn the_close_frame_for_an_error_of_the_client_has_no_reason() {
        let server = server(Options { max_payload: 8, ..Options::default() });
        let reserved = 3;
        let errors = [(1, &b"4eight 88"[..], 1009), (1, b"4\xff", 1007), (reserved, b"", 1002)];
        for (opcode, payload, code) in errors {
            let mut client = WebSocket::session(server.address);
            client.frame(opcode, payload);
            assert_eq!(client.read_frame(), Some((0x88, u16::to_be_bytes(code).to_vec())));
        }
    }

    #[test]
    fn the_body_of_a_get_is_not_taken_for_the_next_request() {
        let cors = Some(Cors { origins: vec!["*".to_string()], credentials: false });
        let mut server =
            Server::bind("127.0.0.1:0", Options { cors, ..Options::default() }).unwrap();
        server.page(|_, _| panic!("a body was read as a request"));
        let server = serve(server, echo);
        let client = Polling::open(server.address);
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        for (method, target) in
            [("GET", client.target().as_str()), ("GET", POLLING), ("OPTIONS", POLLING)]
        {
            let mut connection = Connection::open(server.address);
            connection.request(method, target, "", hidden);
            assert_eq!(connection.response().status, 413, "{method} {target}");
            assert!(connection.has_ended());
        }
    }

    #[test]
    fn a_body_may_take_longer_than_a_head() {
        let second = Duration::from_secs(1);
        let server = server(Options { handshake_timeout: second, ..Options::default() });
        let client = Polling::open(server.address);
        let mut connection = Connection::open(server.address);
        let head = format!("POST {} HTTP/1.1\r\nHost: a\r\n", client.target());
        connection.send(head + "Content-Length: 5\r\n\r\n4slo");
        // A head that began later is late.
        assert_eq!(Connection::open(server.address).response().status, 408);
        connection.send("w");
        assert_eq!(connection.response().status_and_body(), (200, "ok"));
    }

    #[test]
    fn a_late_body_ends_the_session() {
        let server = server(Options { http_request_body_timeout: SHORT, ..Options::default() });
        let mut client = Polling::open(server.address);
        let head = format!("POST {} HTTP/1.1\r\nHost: a\r\n", client.target());
        client.post.send(head + "Content-Length: 5\r\n\r\n4slo");
        assert_eq!(client.post.response().status_and_body(), (408, ""));
        assert!(client.post.has_ended());
        assert_eq!(next(&server.ends), "transport error");
        client.assert_forgotten();
    }

    #[test]
    fn timeouts_may_be_duration_max() {
        let ever = Duration::MAX;
        let server = server(Options {
            ping_interval: ever,
            ping_timeout: ever,
            handshake_timeout: ever,
            http_request_body_timeout: ever,
            first_request_timeout: ever,
            upgrade_timeout: ever,
            ..Options::default()
        });
        let mut client = Polling::open(server.address);
        client.post("4hello");
        assert_eq!(client.poll(), "4hello");
        client.upgrade();
    }

    #[test]
    fn max_queued_can_be_set() {
        let server = server(Options { max_queued: 9_000_000, ..Options::default() });
        let mut polling = Polling::open(server.address);
        let mut websocket = WebSocket::session(server.address);
        let much = text(&"x".repeat(300_000));
        for session in [next(&server.sessions), next(&server.sessions)] {
            (0..20).for_each(|_| send(&session, much.clone()));
            assert_eq!(session.closed(), None);
        }
        assert!(polling.poll().len() > 6_000_000);
        (0..20).for_each(|_| assert_eq!(websocket.text().len(), 300_001));
    }

    #[test]
    fn a_client_that_never_polls_is_dropped_over_max_queued() {
        let server = server(Options { max_queued: 1 << 20, ..Options::default() });
        let client = Polling::open(server.address);
        let session = next(&server.sessions);
        let much = text(&"x".repeat(300_000));
        for _ in 0..4 {
            send(&session, much.clone()); // the first, and less than 1 MiB behind it
            assert!(session.closed().is_none());
        }
        send(&session, much.clone());
        assert_eq!(session.closed(), Some("transport error")); // at once: no more is queued
        let details = "the client is too slow: more than 1048576 bytes wait for it";
        assert_eq!(session.details(), Some(details));
        assert_eq!(next(&server.ends), "transport error");
        client.assert_forgotten();
        send(&session, much); // the session has ended
    }
}

mod a_burst {
    use super::*;

    const MESSAGES: usize = 5_000;

    /// What a server sends to a new client: many small messages, and some large ones.
    fn burst(session: &Session) {
        for i in 0..MESSAGES {
            send(session, text(&format!("{i:300}")));
        }
        for _ in 0..5 {
            send(session, Packet::Message(Message::Binary(vec![7; 400_000])));
        }
    }

    #[test]
    fn arrives_over_long_polling() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        burst(&next(&server.sessions));
        let body = client.poll();
        let packets: Vec<&str> = body.split(SEPARATOR).collect();
        assert_eq!(packets.len(), MESSAGES + 5);
        assert_eq!(packets[MESSAGES - 1], format!("4{:300}", MESSAGES - 1));
        assert!(packets[MESSAGES].starts_with("bBwcH"));
    }

    #[test]
    fn arrives_over_a_websocket_and_through_an_upgrade() {
        let server = server(Options::default());
        let websocket = WebSocket::session(server.address);
        let session = next(&server.sessions);
        let bursts = thread::spawn(move || burst(&session));
        let mut polling = Polling::open(server.address);
        burst(&next(&server.sessions));
        for mut client in [websocket, polling.upgrade()] {
            (0..MESSAGES).for_each(|i| assert_eq!(client.text(), format!("4{i:300}")));
            (0..5).for_each(|_| assert_eq!(client.read(), Frame::Binary(vec![7; 400_000])));
        }
        bursts.join().unwrap();
    }

    #[test]
    fn a_client_that_does_not_read_is_dropped_with_details() {
        let server = server(Options { max_queued: 10_000, ..Options::default() });
        let _client = WebSocket::session(server.address);
        let session = next(&server.sessions);
        let much = text(&"x".repeat(300_000));
        until(|| {
            send(&session, much.clone());
            session.closed().is_some()
        });
        assert_eq!(next(&server.ends), "transport error");
        let details = "the client is too slow: more than 10000 bytes wait for it";
        assert_eq!(session.details(), Some(details));
    }
}

mod heartbeat {
    use super::*;

    #[test]
    fn a_client_that_answers_each_ping_stays_connected() {
        let server = server(Options { ping_interval: SHORT, ..Options::default() });
        let mut polling = Polling::open(server.address);
        let mut websocket = WebSocket::session(server.address);
        for _ in 0..3 {
            assert_eq!(polling.poll(), "2");
            polling.post("3");
            assert_eq!(websocket.text(), "2");
            websocket.send("3");
        }
        polling.post("4still here");
        assert!(polling.poll().contains("4still here")); // perhaps after a ping
    }

    #[test]
    fn the_next_ping_comes_after_the_pong_and_not_before() {
        let server = server(Options { ping_interval: SHORT, ..Options::default() });
        let mut client = WebSocket::session(server.address);
        assert_eq!(client.text(), "2");
        let start = std::time::Instant::now();
        client.send("3");
        assert_eq!(client.text(), "2");
        assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    }

    #[test]
    fn a_websocket_that_misses_a_pong_is_closed() {
        let server =
            server(Options { ping_interval: SHORT, ping_timeout: SHORT, ..Options::default() });
        let mut websocket = WebSocket::session(server.address);
        assert_eq!(websocket.text(), "2");
        assert_eq!(websocket.read(), Frame::End);
        assert_eq!(next(&server.ends), "ping timeout");
    }

    #[test]
    fn a_polling_client_that_misses_a_pong_gets_a_close_packet() {
        let server =
            server(Options { ping_interval: SHORT, ping_timeout: LONGER, ..Options::default() });
        let polling = retry(|| {
            let mut polling = Polling::open(server.address);
            let target = polling.target();
            let mut receives =
                |packet: &str| polling.get.get(&target).status_and_body() == (200, packet);
            (receives("2") && receives("1")).then_some(polling)
        });
        assert_eq!(next(&server.ends), "ping timeout");
        polling.assert_forgotten();
    }

    #[test]
    fn silence_is_no_timeout_while_the_listener_is_busy() {
        let (sender, receiver) = mpsc::channel();
        let options = Options { ping_interval: LONGER, ping_timeout: SHORT, ..Options::default() };
        let server = server_with(options, move |session, _| {
            thread::sleep(LONGER * 2);
            sender.send(session.closed()).unwrap();
        });
        let (_websocket, closed) = retry(|| {
            let mut websocket = WebSocket::session(server.address);
            websocket.send("4work"); // it has to arrive before a ping timeout
            Some((websocket, receiver.recv_timeout(LONGER * 10).ok()?))
        });
        assert_eq!(closed, None);
        assert_eq!(next(&server.ends), "ping timeout"); // it stays silent
        let _polling = retry(|| {
            let mut polling = Polling::open(server.address);
            (polling.try_post("4work").status_and_body() == (200, "ok")).then_some(polling)
        });
        assert_eq!(next(&receiver), None);
        assert_eq!(next(&server.ends), "ping timeout");
    }

    #[test]
    fn a_client_that_neither_polls_nor_pongs_is_removed() {
        let server =
            server(Options { ping_interval: SHORT, ping_timeout: SHORT, ..Options::default() });
        let client = Polling::open(server.address);
        assert_eq!(next(&server.ends), "ping timeout");
        client.assert_forgotten();
        assert_eq!(server.handle.sessions(), 0);
    }

    /// A pong may arrive before the server has returned from sending the ping.
    #[test]
    fn an_immediate_pong_counts() {
        let server = server(Options {
            ping_interval: Duration::from_millis(1),
            ping_timeout: Duration::from_secs(60),
            ..Options::default()
        });
        let clients: Vec<_> = (0..8).map(|_| Polling::open(server.address).upgrade()).collect();
        let respond = |mut client: WebSocket| {
            move || {
                for round in 0..150 {
                    assert_eq!(client.read(), Frame::Text("2".to_string()), "round {round}");
                    client.send("3");
                }
            }
        };
        let threads: Vec<_> =
            clients.into_iter().map(|client| thread::spawn(respond(client))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

mod closing {
    use super::*;

    #[test]
    fn a_posted_close_packet_answers_the_held_get() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        client.send_get();
        until(|| session.is_writable());
        client.post("1");
        assert_eq!(client.received(), "6");
        assert_eq!(next(&server.ends), "transport close");
        client.assert_forgotten();
    }

    #[test]
    fn a_close_packet_over_a_websocket_closes_it() {
        let server = server(Options::default());
        let mut client = WebSocket::session(server.address);
        client.send("1");
        assert_eq!(client.read(), Frame::Close(1005));
        assert_eq!(client.read(), Frame::End);
        assert_eq!(next(&server.ends), "transport close");
    }

    #[test]
    fn a_websocket_that_is_closed_or_lost_ends_its_session() {
        let server = server(Options::default());
        let mut client = WebSocket::session(server.address);
        client.close();
        assert_eq!(client.read(), Frame::Close(1000));
        assert_eq!(client.read(), Frame::End);
        assert_eq!(next(&server.ends), "transport close");

        drop(WebSocket::session(server.address));
        assert_eq!(next(&server.ends), "transport close");
        until(|| server.handle.sessions() == 0);
    }

    #[test]
    fn a_server_that_closes_answers_the_held_get() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        client.send_get();
        until(|| session.is_writable());
        session.close("forced close");
        assert_eq!(client.received(), "1");
        assert_eq!(next(&server.ends), "forced close");
        assert!(session.closed().is_some());
        client.assert_forgotten();
    }

    #[test]
    fn after_a_close_the_next_get_still_fetches_the_queue() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        send(&session, text("the last message"));
        session.close("forced close");
        send(&session, text("one more"));
        assert_eq!(next(&server.ends), "forced close");
        assert_eq!(server.handle.sessions(), 1);
        assert_eq!(client.poll(), "4the last message");
        assert_eq!(client.poll(), "1"); // on its own: a client reads no further
        client.assert_forgotten();
    }

    #[test]
    fn a_closed_session_that_is_not_polled_is_removed() {
        let server = server(Options { ping_timeout: SHORT, ..Options::default() });
        let _client = Polling::open(server.address);
        next(&server.sessions).close("forced close");
        until(|| server.handle.sessions() == 0);
    }

    #[test]
    fn a_server_that_closes_sends_a_close_frame() {
        let server = server(Options::default());
        let (mut client, session) = websocket_session(&server);
        send(&session, text("the last message"));
        session.close("forced close");
        assert_eq!(client.text(), "4the last message");
        assert_eq!(client.read(), Frame::Close(1005));
        assert_eq!(client.read(), Frame::End);
        assert_eq!(next(&server.ends), "forced close");
    }

    #[test]
    fn a_server_that_closes_ends_all_sessions_and_waits_for_them() {
        let server = server(Options::default());
        let (mut websocket, session) = websocket_session(&server);
        let mut polling = Polling::open(server.address);
        until(|| server.handle.sessions() == 2);
        polling.send_get();
        let sessions = [session, next(&server.sessions)];
        until(|| sessions.iter().all(Session::is_writable));
        server.handle.close();
        assert_eq!(polling.received(), "1");
        assert_eq!(websocket.read(), Frame::Close(1005));
        assert_eq!([next(&server.ends), next(&server.ends)], ["server shutting down"; 2]);
        drop((polling, websocket));
        server.handle.wait();
        let refused = TcpStream::connect(server.address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(server.handle.sessions(), 0);
    }

    /// Whether `serve` returns soon after `close`, with the connection that `connect` has made.
    #[track_caller]
    fn closes<T>(server: TestServer, connect: impl FnOnce(&TestServer) -> T) {
        let _open = connect(&server);
        until(|| server.handle.connections() > 0);
        server.handle.close();
        let (sender, receiver) = mpsc::channel();
        let handle = server.handle.clone();
        thread::spawn(move || {
            handle.wait();
            sender.send(()).unwrap();
        });
        next(&receiver);
        assert_eq!(server.handle.connections(), 0);
    }

    #[test]
    fn half_a_body_does_not_outlive_the_server() {
        let body_time = Duration::from_secs(3600);
        let options = Options {
            http_request_body_timeout: body_time,
            close_timeout: SHORT,
            ..Options::default()
        };
        closes(server(options), |server| {
            let mut client = Connection::open(server.address);
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
            client
        });
    }

    #[test]
    fn a_response_that_is_not_read_does_not_outlive_the_server() {
        let (sender, requests) = mpsc::channel();
        let mut server =
            Server::bind("127.0.0.1:0", Options { close_timeout: SHORT, ..Options::default() })
                .unwrap();
        server.page(move |_, _| {
            sender.send(()).unwrap();
            Response::text(200, &"x".repeat(32 * 1024 * 1024))
        });
        closes(serve(server, echo), |server| {
            let mut client = Connection::open(server.address);
            client.request("GET", "/", "Connection: close\r\n", "");
            next(&requests);
            client
        });
    }

    #[test]
    #[ignore = "takes ten seconds; .ci/run runs it"]
    fn once_a_held_get_is_answered_the_connection_ends_soon_without_a_request() {
        let server = server(Options::default());
        let mut polling = Polling::open(server.address);
        polling.send_get();
        let session = next(&server.sessions);
        until(|| session.is_writable());
        thread::sleep(Duration::from_secs(6)); // longer than the keep-alive timeout
        send(&session, text("late"));
        assert_eq!(polling.received(), "4late");
        assert!(polling.get.has_ended(), "within the 20 s that it waits");
    }

    #[test]
    fn while_closing_each_response_is_the_last_of_its_connection() {
        let server = server(Options::default());
        let mut connection = Connection::open(server.address);
        assert_eq!(connection.get("/").header("connection"), None);
        let mut polling = Polling::open(server.address);
        polling.send_get();
        let session = next(&server.sessions);
        until(|| session.is_writable());
        server.handle.close();
        assert_eq!(connection.get("/").header("connection"), Some("close"));
        let response = polling.get.response();
        assert_eq!((response.header("connection"), &*response.body), (Some("close"), "1"));
    }

    #[test]
    fn close_is_emitted_once_with_the_first_reason() {
        let server = server(Options::default());
        let (client, session) = websocket_session(&server);
        let threads: Vec<_> = (0..4)
            .map(|_| session.clone())
            .map(|session| thread::spawn(move || session.close("forced close")))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(client);
        until(|| server.handle.sessions() == 0);
        assert_eq!(next(&server.ends), "forced close");
        assert!(server.ends.try_recv().is_err());
    }

    /// A server that calls `on_message` for each message, and the receiver of all its events.
    fn server_with_events(
        on_message: impl Fn(&Session) + Clone + Send + Sync + 'static,
    ) -> (TestServer, Receiver<String>) {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            server.serve(move |session| {
                let (session, on_message, sender) =
                    (session.clone(), on_message.clone(), sender.clone());
                Box::new(move |event| {
                    if let Event::Message(_) = event {
                        on_message(&session);
                    }
                    _ = sender.send(format!("{event:?}"));
                })
            });
        });
        let (_, sessions) = mpsc::channel();
        let (_, ends) = mpsc::channel();
        (TestServer { address, handle, sessions, ends }, events)
    }

    #[test]
    fn close_is_emitted_after_the_message_that_is_being_handled() {
        let on_its_own_thread = |session: &Session| session.close("forced close");
        let on_another = |session: &Session| {
            let session = session.clone();
            thread::spawn(move || session.close("forced close")).join().unwrap();
        };
        let both: [fn(&Session); 2] = [on_its_own_thread, on_another];
        for close in both {
            let (server, events) = server_with_events(close);
            let mut client = WebSocket::session(server.address);
            client.send("4one");
            client.send("4two");
            assert_eq!(next(&events), r#"Message(Text("one"))"#);
            assert_eq!(next(&events), r#"Close("forced close")"#);
            assert_eq!(client.read(), Frame::Close(1005));
            until(|| server.handle.sessions() == 0);
            assert!(events.try_recv().is_err(), "an event followed the close event");
        }
    }

    #[test]
    fn no_event_follows_a_close() {
        for _ in 0..40 {
            let (server, events) = server_with_events(|_| {});
            let mut client = WebSocket::session(server.address);
            let handle = server.handle.clone();
            let flood = thread::spawn(move || (0..200).for_each(|_| client.send("4more")));
            next(&events);
            handle.close();
            flood.join().unwrap();
            handle.wait();
            let received: Vec<_> = events.try_iter().collect();
            let close = received.iter().position(|event| event.starts_with("Close"));
            assert_eq!(close, Some(received.len() - 1), "{received:?}");
        }
    }

    #[test]
    fn a_listener_that_panics_ends_only_its_own_session() {
        let server = server_with(Options::default(), |session, message| match message {
            Message::Text(text) if text == "panic" => panic!("as the test wants it"),
            message => send(session, Packet::Message(message)),
        });
        let mut other = WebSocket::session(server.address);
        let mut websocket = WebSocket::session(server.address);
        websocket.send("4panic");
        assert_eq!(websocket.read(), Frame::Close(1005));
        assert_eq!(next(&server.ends), "forced close");
        let mut polling = Polling::open(server.address);
        polling.post("4panic");
        assert_eq!(next(&server.ends), "forced close");
        assert_eq!(polling.poll(), "1");
        other.send("4hello");
        assert_eq!(other.text(), "4hello");
    }

    #[test]
    fn close_before_the_listener_is_set_is_still_emitted() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let address = server.address().unwrap();
        let (ended, ends) = mpsc::channel();
        thread::spawn(move || {
            server.serve(move |session| {
                session.close("forced close");
                let (session, ended) = (session.clone(), ended.clone());
                Box::new(move |event| {
                    _ = ended.send((format!("{event:?}"), session.closed().is_some()))
                })
            });
        });
        for _ in 0..2 {
            assert_eq!(WebSocket::session(address).read(), Frame::Close(1005));
            assert_eq!(next(&ends), (r#"Close("forced close")"#.to_string(), true));
        }
    }

    #[test]
    fn an_ended_session_frees_its_memory() {
        let server = Server::bind("127.0.0.1:0", Options::default()).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        let witness = Arc::new(());
        let weak = Arc::downgrade(&witness);
        let witness = Mutex::new(Some(witness));
        let serving = thread::spawn(move || {
            server.serve(move |session| {
                // The listener holds its session, which holds the listener.
                let held = (session.clone(), witness.lock().unwrap().take());
                Box::new(move |_| _ = &held)
            });
        });
        let mut client = Polling::open(address);
        assert!(weak.upgrade().is_some());
        client.upgrade().close();
        until(|| weak.upgrade().is_none());
        drop(client);
        handle.close();
        serving.join().unwrap();
    }
}

mod requests {
    use super::*;

    #[test]
    fn one_connection_opens_a_hundred_sessions_and_then_ends() {
        let server = server(Options::default());
        let mut connection = Connection::open(server.address);
        for _ in 0..99 {
            let response = connection.get(POLLING);
            assert_eq!((response.status, response.header("connection")), (200, None));
        }
        let response = connection.get(POLLING);
        assert_eq!((response.status, response.header("connection")), (200, Some("close")));
        assert!(connection.has_ended());
        let sid = sid(&response.body);
        let target = format!("{POLLING}&sid={sid}");
        assert_eq!(
            Connection::open(server.address).post(&target, "4hello").status_and_body(),
            (200, "ok")
        );
    }

    #[test]
    fn two_gets_at_a_time_end_the_session() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        client.send_get();
        until(|| session.is_writable());
        let second = Connection::open(server.address).get(&client.target());
        assert_eq!(second.status_and_body(), (400, r#"{"code":3,"message":"Bad request"}"#));
        assert_eq!(client.received(), "1");
        assert_eq!(next(&server.ends), "transport error");
        client.assert_forgotten();
    }

    #[test]
    fn a_held_get_whose_connection_ends_ends_the_session() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        client.send_get();
        let session = next(&server.sessions);
        until(|| session.is_writable());
        drop(client);
        assert_eq!(next(&server.ends), "transport error");
        assert_eq!(server.handle.sessions(), 0);
    }

    #[test]
    fn a_request_behind_a_held_get_ends_the_session() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        client.send_get();
        client.send_get();
        assert_eq!(client.get.response().status, 400);
        assert!(client.get.has_ended());
        assert_eq!(next(&server.ends), "transport error");
    }

    #[test]
    fn a_client_may_leave_between_two_gets() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        client.post("4one");
        assert_eq!(client.poll(), "4one");
        let target = client.target();
        let Polling { get, post, .. } = client;
        get.end();
        post.end();
        let mut connection = Connection::open(server.address);
        assert_eq!(connection.post(&target, "4two").status_and_body(), (200, "ok"));
        assert_eq!(connection.get(&target).status_and_body(), (200, "4two"));
        assert!(server.ends.try_recv().is_err());
    }

    #[test]
    fn two_posts_at_a_time_end_the_session() {
        let (sender, messages) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let server = server_with(Options::default(), move |_, _| {
            sender.send(()).unwrap();
            _ = released.lock().unwrap().recv();
        });
        let mut client = Polling::open(server.address);
        let target = client.target();
        client.send_post("4one");
        next(&messages);
        let second = Connection::open(server.address).post(&target, "4two");
        assert_eq!(second.status_and_body(), (400, r#"{"code":3,"message":"Bad request"}"#));
        drop(release);
        assert_eq!(next(&server.ends), "transport error"); // after the first
        client.post.response();
        client.assert_forgotten();
    }

    #[test]
    fn two_posts_whose_bodies_overlap_end_the_session() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let target = client.target();
        client
            .post
            .send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n4o"));
        // Until the server has read that head, another post does not overlap with it. (If it reads
        // that head while it answers another, it is the first that is refused, and the next gets a
        // 400 because the session has ended.)
        until(|| Connection::open(server.address).post(&target, "4two").status == 400);
        assert_eq!(next(&server.ends), "transport error");
        client.post.send("ne");
        client.post.response();
        client.assert_forgotten();
    }

    #[test]
    fn the_client_script_gets_a_404() {
        let server = server(Options::default());
        for name in ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js?v=4"] {
            let response = Connection::open(server.address).get(&format!("{PATH}{name}"));
            assert_eq!(response.status, 404, "{name}");
            assert!(response.body.contains("dist/socket.io.min.js"), "{name}: {}", response.body);
        }
        let mut client = Connection::open(server.address);
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(client.post(&format!("{PATH}socket.io.js"), hidden).status, 404);
        assert!(client.has_ended(), "a body was read as a request");
    }

    #[test]
    fn other_methods_are_refused_and_the_session_goes_on() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        for method in ["PUT", "DELETE", "OPTIONS"] {
            let mut connection = Connection::open(server.address);
            connection.request(method, &client.target(), "", "");
            let refused = (400, r#"{"code":3,"message":"Bad request"}"#);
            assert_eq!(connection.response().status_and_body(), refused, "{method}");
        }
        client.post("4unharmed");
        assert_eq!(client.poll(), "4unharmed");
    }

    #[test]
    fn one_connection_is_enough_for_a_whole_session() {
        let server = server(Options::default());
        let mut connection = Connection::open(server.address);
        let open_packet = connection.get(POLLING).body;
        let target = format!("{POLLING}&sid={}", sid(&open_packet));
        for _ in 0..3 {
            assert_eq!(connection.post(&target, "4hello").status_and_body(), (200, "ok"));
            assert_eq!(connection.get(&target).status_and_body(), (200, "4hello"));
        }
        assert_eq!(connection.get("/page").status, 404);
        assert_eq!(connection.post(&target, "1").status_and_body(), (200, "ok"));
        assert_eq!(next(&server.ends), "transport close");
        assert_eq!(connection.get(&target).status, 400);
    }

    #[test]
    fn a_connection_ends_after_connection_close() {
        let server = server(Options::default());
        let client = Polling::open(server.address);
        let session = next(&server.sessions);
        for (method, target, body) in [
            ("GET", POLLING, ""),
            ("POST", &client.target(), "4hello"),
            ("GET", &client.target(), ""),
        ] {
            let mut connection = Connection::open(server.address);
            connection.request(method, target, "Connection: close\r\n", body);
            let response = connection.response();
            assert_eq!((response.status, response.header("connection")), (200, Some("close")));
            assert!(connection.has_ended());
        }
        let mut connection = Connection::open(server.address);
        connection.request("GET", &client.target(), "Connection: close\r\n", "");
        until(|| session.is_writable());
        send(&session, text("held"));
        assert_eq!(connection.response().body, "4held");
        assert!(connection.has_ended());
        assert!(session.closed().is_none());
    }

    #[test]
    fn without_cors_no_origin_is_allowed() {
        let server = server(Options::default());
        let mut connection = Connection::open(server.address);
        connection.request("GET", POLLING, "Origin: http://a.example\r\n", "");
        let response = connection.response();
        assert_eq!(response.status, 200);
        assert!(response.headers.iter().all(|(name, _)| !name.starts_with("Access-Control")));
    }

    #[test]
    fn cors_allows_the_origins_of_the_options() {
        let origins = vec!["http://a.example".to_string(), "http://b.example".to_string()];
        let server = server(Options {
            cors: Some(Cors { origins, credentials: true }),
            ..Options::default()
        });
        for (origin, allowed) in [
            ("http://a.example", Some("http://a.example")),
            ("http://b.example", Some("http://b.example")),
            ("http://c.example", None),
        ] {
            let line = format!("Origin: {origin}\r\n");
            for target in [POLLING, "/socket.io/?EIO=3&transport=polling"] {
                let mut connection = Connection::open(server.address);
                connection.request("GET", target, &line, "");
                let response = connection.response();
                assert_eq!(response.header("access-control-allow-origin"), allowed);
                assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
                assert_eq!(response.header("vary"), Some("Origin"));
            }
        }
    }

    #[test]
    fn a_preflight_request_is_answered() {
        let origins = vec!["*".to_string()];
        let server = server(Options {
            cors: Some(Cors { origins, credentials: false }),
            ..Options::default()
        });
        let mut connection = Connection::open(server.address);
        let lines = "Origin: http://a.example\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: x-one, x-two\r\n";
        connection.request("OPTIONS", POLLING, lines, "");
        let response = connection.response();
        assert_eq!(response.status_and_body(), (204, ""));
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        assert_eq!(response.header("access-control-allow-methods"), Some("GET,POST"));
        assert_eq!(response.header("access-control-allow-headers"), Some("x-one, x-two"));
        assert_eq!(response.header("access-control-allow-credentials"), None);
        assert_eq!(connection.get(POLLING).status, 200);
        assert_eq!(server.handle.sessions(), 1);
    }

    #[test]
    fn a_held_get_is_answered_with_the_headers_for_its_own_origin() {
        let origins = vec!["http://a.example".to_string()];
        let server = server(Options {
            cors: Some(Cors { origins, credentials: false }),
            ..Options::default()
        });
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        let target = client.target();
        client.get.request("GET", &target, "Origin: http://a.example\r\n", "");
        until(|| session.is_writable());
        send(&session, text("hi"));
        let response = client.get.response();
        assert_eq!(response.header("access-control-allow-origin"), Some("http://a.example"));
        assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"));
    }
}

mod the_upgrade {
    use super::*;

    #[test]
    fn a_probed_websocket_upgrades_the_session() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        client.send_get();
        until(|| session.is_writable());
        let mut socket = client.probe();
        assert_eq!(client.received(), "6");
        assert_eq!(client.poll(), "6"); // from now on no GET is held
        assert_eq!(session.transport(), "polling");
        socket.send("5");
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
        assert_eq!((session.transport(), server.handle.sessions()), ("websocket", 1));
    }

    #[test]
    fn after_the_upgrade_polling_requests_are_refused() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let mut socket = client.upgrade();
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
        let refused = (400, r#"{"code":3,"message":"Bad request"}"#);
        assert_eq!(
            Connection::open(server.address).get(&client.target()).status_and_body(),
            refused
        );
        assert_eq!(
            Connection::open(server.address).post(&client.target(), "4x").status_and_body(),
            refused
        );
        socket.send("4still here");
        assert_eq!(socket.text(), "4still here");
    }

    #[test]
    fn an_upgraded_session_takes_no_other_websocket() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let mut socket = client.upgrade();
        socket.send("4hello");
        assert_eq!(socket.text(), "4hello");
        let target = format!("{WEBSOCKET}&sid={}", client.sid);
        // It sends nothing, and is closed too.
        let mut second = WebSocket::open(server.address, &target);
        assert_eq!(second.read(), Frame::Close(1005));
        assert_eq!(second.read(), Frame::End);
        socket.send("4still here");
        assert_eq!(socket.text(), "4still here");

        let mut first = WebSocket::open(server.address, WEBSOCKET);
        let sid = sid(&first.text()).to_string();
        let mut second = WebSocket::open(server.address, &format!("{WEBSOCKET}&sid={sid}"));
        second.send("2probe");
        assert_eq!(second.read(), Frame::Close(1005));
    }

    #[test]
    fn of_two_probes_the_first_upgrades() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let mut first = client.probe();
        let target = format!("{WEBSOCKET}&sid={}", client.sid);
        let mut second = WebSocket::open(server.address, &target);
        second.send("2probe");
        assert_eq!(second.read(), Frame::Close(1005));
        first.send("5");
        first.send("4hello");
        assert_eq!(first.text(), "4hello");
    }

    #[test]
    fn a_failed_upgrade_leaves_the_session_with_polling() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let target = format!("{WEBSOCKET}&sid={}", client.sid);
        for packet in ["2", "2prob", "5", "4hello", "abc", ""] {
            let mut socket = WebSocket::open(server.address, &target);
            socket.send(packet);
            assert_eq!(socket.read(), Frame::Close(1005), "{packet:?}");
        }
        for packet in ["2probe", "4hello", "abc"] {
            let mut socket = client.probe();
            socket.send(packet);
            assert_eq!(socket.read(), Frame::Close(1005), "{packet:?}");
            assert_eq!(socket.read(), Frame::End);
        }
        let mut socket = client.probe();
        socket.close();
        assert_eq!(socket.read(), Frame::Close(1000));
        assert_eq!(socket.read(), Frame::End);
        client.post("4unharmed");
        assert_eq!(client.poll(), "4unharmed");
        let session = next(&server.sessions);
        // A GET is held again once the server has seen the end of the WebSocket: before, it gets a
        // noop.
        client.send_get();
        while !session.is_writable() {
            if client.get.has_data() {
                assert_eq!(client.received(), "6");
                client.send_get();
            }
            thread::yield_now();
        }
        assert!(server.ends.try_recv().is_err());
    }

    #[test]
    fn a_websocket_without_a_probe_in_time_is_closed() {
        let server = server(Options { upgrade_timeout: SHORT, ..Options::default() });
        let mut client = Polling::open(server.address);
        let mut socket =
            WebSocket::open(server.address, &format!("{WEBSOCKET}&sid={}", client.sid));
        assert_eq!(socket.read(), Frame::End);
        client.post("4unharmed");
        assert_eq!(client.poll(), "4unharmed");
    }

    /// A WebSocket that has been probed in time, if the machine was fast enough.
    fn probed(address: SocketAddr, sid: &str) -> Option<WebSocket> {
        let mut socket = WebSocket::open(address, &format!("{WEBSOCKET}&sid={sid}"));
        socket.send("2probe");
        (socket.read() == Frame::Text("3probe".to_string())).then_some(socket)
    }

    #[test]
    fn a_probe_without_an_upgrade_in_time_is_closed() {
        let server = server(Options { upgrade_timeout: LONGER, ..Options::default() });
        let mut client = Polling::open(server.address);
        let mut socket = retry(|| probed(server.address, &client.sid));
        assert_eq!(socket.read(), Frame::End);
        client.post("4unharmed");
        assert_eq!(client.poll(), "4unharmed");
    }

    #[test]
    fn an_upgraded_websocket_is_not_closed_by_the_upgrade_timeout() {
        let server = server(Options { upgrade_timeout: LONGER, ..Options::default() });
        let mut socket = retry(|| {
            let mut socket = probed(server.address, &Polling::open(server.address).sid)?;
            socket.send("5");
            socket.send("4first");
            (socket.read() == Frame::Text("4first".to_string())).then_some(socket)
        });
        // A later one is.
        let target = format!("{WEBSOCKET}&sid={}", Polling::open(server.address).sid);
        assert_eq!(WebSocket::open(server.address, &target).read(), Frame::End);
        socket.send("4later");
        assert_eq!(socket.text(), "4later");
    }

    #[test]
    fn queued_packets_come_first_over_the_websocket() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        let mut socket = client.probe();
        for word in ["one", "two"] {
            send(&session, text(word));
        }
        send(&session, Packet::Message(vec![3].into()));
        socket.send("5");
        assert_eq!(socket.text(), "4one");
        assert_eq!(socket.text(), "4two");
        assert_eq!(socket.read(), Frame::Binary(vec![3]));
    }

    #[test]
    fn an_upgrade_loses_and_reorders_no_message() {
        const COUNT: usize = 400;
        let server = server(Options::default());
        for _ in 0..5 {
            let mut client = Polling::open(server.address);
            let session = next(&server.sessions);
            let emitting = thread::spawn(move || {
                for n in 0..COUNT {
                    send(&session, text(&n.to_string()));
                    thread::yield_now();
                }
            });
            let mut received = Vec::new();
            received.extend(client.poll().split(SEPARATOR).map(str::to_string));
            client.send_get();
            let mut socket = client.probe();
            received.extend(client.received().split(SEPARATOR).map(str::to_string));
            socket.send("5");
            received.retain(|packet| packet != "6");
            while received.len() < COUNT {
                received.push(socket.text());
            }
            let expected: Vec<_> = (0..COUNT).map(|n| format!("4{n}")).collect();
            assert_eq!(received, expected);
            emitting.join().unwrap();
        }
    }

    #[test]
    fn a_session_that_ends_during_the_upgrade_stays_closed() {
        let server = server(Options::default());
        let mut client = Polling::open(server.address);
        let session = next(&server.sessions);
        let mut socket = client.probe();
        session.close("forced close");
        socket.send("5");
        assert_eq!(socket.read(), Frame::Close(1005));
        assert_eq!(next(&server.ends), "forced close");
    }
}

mod client_sessions {
    use super::*;
    use sockets_by_hand::engineio::client::Error;
    use sockets_by_hand::engineio::{Client, ClientOptions};

    const TRANSPORTS: [&[&str]; 3] = [&["polling"], &["websocket"], &["polling", "websocket"]];

    fn open(address: SocketAddr, transports: &[&'static str]) -> Result<Client, Error> {
        let transports = transports.to_vec();
        let options = ClientOptions { transports, ..ClientOptions::default() };
        Client::connect_with(&format!("http://{address}"), options)
    }

    #[test]
    fn send_and_receive_over_each_transport() {
        let server = server(Options::default());
        for transports in TRANSPORTS {
            let mut client = open(server.address, transports).unwrap();
            for message in [Message::from("Hello"), Message::from(vec![0u8, 255])] {
                assert!(client.send(message.clone()));
                assert_eq!(client.read().unwrap(), Some(message));
            }
            drop(client);
            assert_eq!(next(&server.ends), "transport close");
        }
    }

    #[test]
    fn read_returns_none_after_the_server_has_closed_the_session() {
        let server = server(Options::default());
        for transports in TRANSPORTS {
            let mut client = open(server.address, transports).unwrap();
            next(&server.sessions).close("forced close");
            assert_eq!(client.read().unwrap(), None);
        }
    }

    #[test]
    fn the_close_frame_for_an_error_of_the_server_has_no_reason() {
        let server = ws::Server::bind("127.0.0.1:0", ws::Options::default()).unwrap();
        let (address, handle) = (server.address().unwrap(), server.handle());
        let (ended, ends) = mpsc::channel();
        thread::spawn(move || {
            server.serve(move |mut socket| {
                socket.send("4eight 88")?;
                socket.read()?;
                _ = ended.send(socket.closed().cloned());
                Ok(())
            });
        });
        let transports = vec!["websocket"];
        let options = ClientOptions { transports, max_payload: 8, ..ClientOptions::default() };
        assert!(Client::connect_with(&format!("http://{address}"), options).is_err());
        let too_big = ws::Close { code: ws::Close::TOO_BIG, reason: String::new() };
        assert_eq!(next(&ends), Some(too_big));
        handle.close();
    }

    #[test]
    fn read_returns_none_after_close_though_a_get_waits() {
        let server = server(Options::default());
        for transports in TRANSPORTS {
            let mut client = open(server.address, transports).unwrap();
            assert!(client.send("last"));
            assert_eq!(client.read().unwrap(), Some("last".into()));
            let sender = client.sender();
            let closing = thread::spawn(move || {
                thread::sleep(Duration::from_millis(20)); // by now it most likely reads
                sender.close();
                assert!(!sender.send("too late"));
            });
            assert_eq!(client.read().unwrap(), None);
            assert_eq!(client.read().unwrap(), None);
            closing.join().unwrap();
            assert_eq!(next(&server.ends), "transport close");
        }
    }

    #[test]
    fn try_all_transports_tries_the_next() {
        for (offered, tried) in
            [("polling", vec!["websocket", "polling"]), ("websocket", vec!["polling", "websocket"])]
        {
            let server = server(Options { transports: vec![offered], ..Options::default() });
            assert!(open(server.address, &tried).is_err());
            let mut options = ClientOptions { transports: tried, ..ClientOptions::default() };
            options.try_all_transports = true;
            let url = format!("http://{}", server.address);
            let mut client = Client::connect_with(&url, options).unwrap();
            assert_eq!(client.transport(), offered);
            client.send("Hello");
            assert_eq!(client.read().unwrap(), Some("Hello".into()));
        }
    }

    #[test]
    fn unknown_transports_are_refused() {
        let server = server(Options::default());
        for transports in [&[][..], &["webtransport"]] {
            let error = open(server.address, transports).err().unwrap();
            assert_eq!(error.to_string(), "the transports are \"polling\" and \"websocket\"");
        }
    }
}

mod compression {
    use super::*;
    use std::io::{BufReader, Write};

    use sockets_by_hand::ws::PerMessageDeflate;
    use sockets_by_hand::ws::deflate::{gzip, inflate::Inflater};

    fn server() -> TestServer {
        let per_message_deflate = Some(PerMessageDeflate::default());
        super::server(Options { per_message_deflate, ..Options::default() })
    }

    /// A client with this offer, after its open packet; and its session.
    fn client(server: &TestServer, offer: &str) -> (WebSocket, Session) {
        let offer = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let mut client = WebSocket::open_with(server.address, WEBSOCKET, &offer).unwrap();
        client.text();
        (client, next(&server.sessions))
    }

    #[test]
    fn a_packet_for_many_clients_is_deflated_once_for_all_that_inflate_it() {
        let server = server();
        let (mut first, session) = client(&server, "permessage-deflate");
        let (mut second, other) = client(&server, "permessage-deflate; client_max_window_bits");
        let (mut small, small_session) =
            client(&server, "permessage-deflate; server_max_window_bits=10");
        let data = "twice ".repeat(1000);
        let outgoing = Arc::new(Outgoing::from(text(&data)));
        for session in [&session, &other, &small_session] {
            assert!(session.send(&outgoing));
        }
        let Frame::Compressed(mut payload) = first.read() else { panic!("it is not compressed") };
        assert_eq!(second.read(), Frame::Compressed(payload.clone()));
        assert_eq!(small.text(), format!("4{data}"));
        payload.extend([0, 0, 0xff, 0xff]);
        let inflated = Inflater::new(1 << 15).message(&payload, 10_000).unwrap();
        assert_eq!(inflated, format!("4{data}").as_bytes());
        send(&session, text(&"short ".repeat(100)));
        assert_eq!(first.text(), format!("4{}", "short ".repeat(100)));
    }

    /// The body of the response to the next `GET`, inflated; an error if it is not compressed.
    fn compressed_response(polling: &Polling) -> Result<Vec<u8>, Vec<u8>> {
        let mut stream = TcpStream::connect(polling.address).unwrap();
        let head = format!("GET {} HTTP/1.1\r\nHost: a", polling.target());
        write!(stream, "{head}\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
        let response = Response::read(&mut BufReader::new(stream), 1 << 20).unwrap();
        match response.headers.get("content-encoding") {
            Some("gzip") => Ok(gzip::decompress(&response.body, 1 << 20).unwrap()),
            _ => Err(response.body),
        }
    }

    #[test]
    fn a_packet_that_may_not_be_compressed_is_sent_as_it_is_over_either_transport() {
        let server = server();
        let (mut websocket, session) = client(&server, "permessage-deflate");
        let data = "twice ".repeat(1000);
        let packets = |compress| Arc::new(Outgoing::from(text(&data)).compress(compress));
        session.send(&packets(false));
        assert_eq!(websocket.text(), format!("4{data}"));
        session.send(&packets(true));
        assert!(matches!(websocket.read(), Frame::Compressed(_)));

        let polling = Polling::open(server.address);
        let session = next(&server.sessions);
        // As in npm's server, one that may be compressed is enough.
        for (waiting, compressed) in
            [(&[false][..], false), (&[false, true], true), (&[false, false], false)]
        {
            waiting.iter().for_each(|compress| _ = session.send(&packets(*compress)));
            assert_eq!(compressed_response(&polling).is_ok(), compressed);
        }
    }

    #[test]
    fn it_is_declined_unless_the_options_say_otherwise() {
        let server = super::server(Options::default());
        let (mut client, session) = client(&server, "permessage-deflate");
        send(&session, text(&"x".repeat(2000)));
        assert_eq!(client.text().len(), 2001);
    }

    #[test]
    fn a_long_response_over_polling_is_compressed_if_the_client_accepts_gzip() {
        let server = super::server(Options::default());
        for (accept, compressed) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("deflate", false),
            ("gzip;q=0, *", false),
        ] {
            let polling = Polling::open(server.address);
            let session = next(&server.sessions);
            let mut stream = TcpStream::connect(server.address).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            for len in [1022, 1023, 100_000] {
                let target = polling.target();
                let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accept}");
                stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
                let data = "x".repeat(len);
                send(&session, text(&data));
                let response = Response::read(&mut reader, 1 << 20).unwrap();
                let encoding = response.headers.get("content-encoding");
                let compressed = compressed && len >= 1023; // with its type, 1,024 bytes
                assert_eq!(encoding, compressed.then_some("gzip"), "{accept}, {len}");
                let body = match compressed {
                    true => gzip::decompress(&response.body, 1 << 20).unwrap(),
                    false => response.body,
                };
                assert!(body == format!("4{data}").as_bytes(), "{accept}, {len}");
            }
        }
    }
}
